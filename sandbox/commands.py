"""`chartside demo`, `chartside sandbox serve` and `chartside sandbox run`."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sandbox.ehr.store import Resource
    from sandbox.hospital import Hospital
    from sandbox.opening import Identity, OpenEhr
    from sandbox.running import Row

_SERVICE_PORT: Final = 8000
_EHR_PORT: Final = 8080
_WRONG_USAGE: Final = 2

Commands = argparse._SubParsersAction  # noqa: SLF001 - the only name that argparse gives the type


def register(subparsers: "Commands[argparse.ArgumentParser]") -> None:
    """Bring this package's commands into the `chartside` command."""
    demo = subparsers.add_parser("demo", help="the service and the sandbox EHR, with synthetic patients")
    demo.add_argument("--port", type=int, default=_SERVICE_PORT, help="of the CDS service (default: %(default)s)")
    demo.add_argument("--ehr-port", type=int, default=_EHR_PORT, help="of the sandbox EHR (default: %(default)s)")
    demo.add_argument("--fhir-server", metavar="URL", help="an open FHIR server to take the patients from")
    demo.set_defaults(run=_demo)
    sandbox = subparsers.add_parser("sandbox", help="a stand-in EHR, in the browser or headless")
    commands = sandbox.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="the sandbox EHR alone, against any CDS service")
    serve.add_argument("--port", type=int, default=_EHR_PORT, help="of the EHR (default: %(default)s)")
    _add_charts(serve)
    _add_signing(serve)
    serve.set_defaults(run=_serve)
    run = commands.add_parser(
        "run", help="every patient through every service, with the orders that the chart or its story drafts"
    )
    _add_charts(run)
    _add_signing(run)
    _add_run(run)
    run.set_defaults(run=_run)


def _add_charts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--patients", type=Path, metavar="DIR", help="bundles to load (default: the story patients)")
    parser.add_argument("--discovery", metavar="URL", help="base address of the CDS service")
    parser.add_argument("--recent", action="store_true", help="move each bundle so that it ends yesterday")


def _add_signing(parser: argparse.ArgumentParser) -> None:
    from sandbox.choices import ALGORITHMS

    parser.add_argument("--keys", type=Path, metavar="FILE", help="private JWK Set to sign with; made if missing")
    parser.add_argument("--algorithm", choices=ALGORITHMS, help="of a new key (default: ES384)")
    parser.add_argument("--issuer", metavar="URI", help="of the tokens (default: the EHR's own address)")
    parser.add_argument("--tenant", metavar="ID", help="named in the tokens (default: none)")


def _add_run(parser: argparse.ArgumentParser) -> None:
    from sandbox.choices import PREFETCHINGS, TOKEN_STATES
    from sandbox.ehr.access import HEALTHS

    parser.add_argument("--json", action="store_true", help="print one JSON document with a row for every call")
    parser.add_argument("--prefetch", choices=PREFETCHINGS, default="complete", help="how the EHR prefetches")
    parser.add_argument("--server", choices=HEALTHS, default="well", help="how its FHIR server behaves")
    parser.add_argument("--token", choices=TOKEN_STATES, default="good", help="how the tokens of the calls are")
    parser.add_argument("--ehr-port", type=int, default=0, help="of its FHIR server (default: any free port)")
    parser.add_argument("--now", type=_instant, metavar="TIME", help="the clock, for stories, --recent and the service")


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("a time needs an offset, like 2026-05-01T08:00:00Z")
    return moment


def _clock() -> datetime:
    return datetime.now(UTC)


def _demo(args: argparse.Namespace) -> int:
    return _guarded(lambda: _serve_both(args))


def _serve(args: argparse.Namespace) -> int:
    return _guarded(lambda: _serve_ehr(args))


def _run(args: argparse.Namespace) -> int:
    return _guarded(lambda: _run_headless(args))


def _guarded(work: Callable[[], int]) -> int:
    """Turn what can go wrong around a command into a line and an exit status."""
    from sandbox.client import NoServices
    from sandbox.ehr.loading import UnreadablePatients
    from sandbox.keys import UnreadableKeys
    from sandbox.launching import ServiceFailed
    from sandbox.serving import PortInUse
    from sandbox.stopping import Stopped

    try:
        return work()
    except Stopped:
        return 0
    except (PortInUse, ServiceFailed, NoServices) as error:
        print(f"chartside: {error}", file=sys.stderr)
        return 1
    except (UnreadablePatients, UnreadableKeys) as error:
        print(f"chartside: {error}", file=sys.stderr)
        return _WRONG_USAGE


def _serve_both(args: argparse.Namespace) -> int:
    from sandbox.hospital import remote_hospital, story_hospital
    from sandbox.keys import Keys
    from sandbox.launching import ServiceProcess, Setting
    from sandbox.opening import Identity, open_ehr
    from sandbox.stopping import stopping

    folder = Path(".chartside")
    identity = Identity(Keys(_clock, path=folder / "ehr-keys.json"))
    base = f"http://127.0.0.1:{args.port}"

    def hospital(origin: str) -> "Hospital":
        return remote_hospital(args.fhir_server) if args.fhir_server else story_hospital(f"{origin}/fhir", _clock)

    # The EHR first: its port is taken before the service is told of it, and its keys are there to be fetched.
    with stopping() as stop, open_ehr(args.ehr_port, base, hospital, identity, _clock) as ehr:
        fhir_server = args.fhir_server.rstrip("/") if args.fhir_server else f"{ehr.origin}/fhir"
        setting = Setting(folder, args.port, fhir_server, folder / "demo.db", ehr.signer.registration)
        with ServiceProcess(setting, wait=stop.wait) as service:
            print(f"CDS service {base}, journal {setting.database}, log {setting.log}", file=sys.stderr)
            _tell_registration(ehr)
            print(f"Open {ehr.origin}/", flush=True)
            while not stop.wait(0.5):
                if service.has_ended():
                    print(f"chartside: the service has stopped; its log is {setting.log}", file=sys.stderr)
                    return 1
    return 0


def _serve_ehr(args: argparse.Namespace) -> int:
    from sandbox.opening import open_ehr
    from sandbox.stopping import stopping

    discovery = args.discovery or f"http://127.0.0.1:{_SERVICE_PORT}"

    def hospital(origin: str) -> "Hospital":
        return _chosen(args, f"{origin}/fhir", _clock)

    with stopping() as stop, open_ehr(args.port, discovery, hospital, _identity(args), _clock) as ehr:
        _tell_registration(ehr)
        if args.keys is None:
            print("The key is new at each start; --keys FILE keeps it.", file=sys.stderr)
        print(f"Open {ehr.origin}/", flush=True)
        stop.wait()
    return 0


def _identity(args: argparse.Namespace) -> "Identity":
    from sandbox.keys import Keys
    from sandbox.opening import Identity

    return Identity(Keys(_clock, path=args.keys, algorithm=args.algorithm), args.issuer, args.tenant)


def _tell_registration(ehr: "OpenEhr") -> None:
    """Say what a CDS service has to be told before it trusts this EHR."""
    known, key = ehr.signer.registration, ehr.signer.keys.current
    print(f"Calls are signed: issuer {known.issuer}, keys {known.jwks_url} ({key.algorithm})", file=sys.stderr)


def _chosen(args: argparse.Namespace, base: str, clock: Callable[[], datetime]) -> "Hospital":
    """Fill the EHR with the charts that were asked for, or with the stories."""
    from sandbox.ehr.loading import load
    from sandbox.hospital import apart_from_drafts, brought_to_yesterday, local_hospital, story_hospital

    if args.patients is None:
        return story_hospital(base, clock)
    charts = load(args.patients)
    resources: list[Resource] = [resource for chart in charts for resource in chart.resources]
    if args.recent:
        resources, offsets = brought_to_yesterday(charts, clock())
        _tell_offsets(offsets, len(charts))
    placed, drafted = apart_from_drafts(resources)
    return local_hospital(placed, base, clock, entered=drafted)


def _tell_offsets(offsets: dict[str, int], charts: int) -> None:
    print(
        f"--recent: {len(offsets)} of {charts} charts moved by whole days, all dates of a chart by the same number,"
        f" births included: {min(offsets.values(), default=0)} to {max(offsets.values(), default=0)} days.",
        file=sys.stderr,
    )
    for name, days in offsets.items():
        print(f"  {days:+} days  {name}", file=sys.stderr)


def _run_headless(args: argparse.Namespace) -> int:
    from sandbox.client import Faults
    from sandbox.launching import ServiceProcess, Setting, free_port
    from sandbox.opening import open_ehr
    from sandbox.running import callable_here, run

    def hospital(origin: str) -> "Hospital":
        return _chosen(args, f"{origin}/fhir", lambda: args.now or _clock())

    port = free_port()
    discovery = args.discovery or f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chartside-")))
        # Tokens go by the clock on the wall whatever --now says: a service compares them with its own.
        ehr = stack.enter_context(open_ehr(args.ehr_port, discovery, hospital, _identity(args), _clock))
        if args.discovery is None:
            # A service with a fixed clock has no use for tokens that run out: it trusts whoever is on this machine.
            known, now = (None, args.now.isoformat()) if args.now else (ehr.signer.registration, None)
            charts = ehr.hospital.charts.base
            stack.enter_context(ServiceProcess(Setting(folder, port, charts, folder / "run.db", known, now)))
        else:
            _tell_registration(ehr)
        entries = callable_here(ehr.client.discover())
        patients = [patient.id for patient in ehr.hospital.patients()]
        faults = Faults(args.prefetch, (), args.server, args.token)
        calls = run(ehr.hospital, ehr.client, entries, patients, faults)
        rows = list(_watched(calls, len(entries) * len(patients)))
    return _report(rows, as_json=args.json)


def _watched(rows: "Iterable[Row]", total: int) -> "Iterator[Row]":
    """Show progress: a bar on a terminal, a line at each tenth elsewhere."""
    shown = -1
    for done, row in enumerate(rows, 1):
        yield row
        tenth = done * 10 // total
        if sys.stderr.isatty():
            bar = "#" * (done * 40 // total)
            print(f"\r[{bar:<40}] {done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)
        elif tenth > shown:
            shown = tenth
            print(f"{done} of {total} calls", file=sys.stderr, flush=True)


def _report(rows: "Sequence[Row]", *, as_json: bool) -> int:
    import dataclasses

    import orjson

    from sandbox.running import summarised, table

    summaries = summarised(rows)
    failed = [row for row in rows if row.problems]
    if as_json:
        document = {
            "services": [dataclasses.asdict(summary) for summary in summaries],
            "rows": [row.as_json() for row in rows],
        }
        print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        print("\n".join(table(summaries)))
    for row in failed[:20]:
        print(f"{row.patient} at {row.service} ({row.hook}): {'; '.join(row.problems)}", file=sys.stderr)
    if len(failed) > 20:  # noqa: PLR2004 - as many as were shown
        print(f"and {len(failed) - 20} more", file=sys.stderr)
    if not rows:
        print("chartside: nothing was called: no patient, or no service of a hook that this EHR fires", file=sys.stderr)
    return 1 if failed or not rows else 0
