"""`chartside demo`, `chartside sandbox serve` and `chartside sandbox run`."""

import argparse
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sandbox.ehr.store import Resource
    from sandbox.hospital import Hospital
    from sandbox.running import Row

_GENERATED: Final = 40
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
    serve.set_defaults(run=_serve)
    run = commands.add_parser("run", help="every patient through every service whose hook needs no order")
    _add_charts(run)
    _add_run(run)
    run.set_defaults(run=_run)


def _add_charts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--patients", type=Path, metavar="DIR", help="bundles to load (default: the story patients)")
    parser.add_argument("--discovery", metavar="URL", help="base address of the CDS service")
    parser.add_argument("--recent", action="store_true", help="move each bundle so that it ends yesterday")


def _add_run(parser: argparse.ArgumentParser) -> None:
    from sandbox.client import PREFETCHINGS
    from sandbox.ehr.access import HEALTHS

    parser.add_argument("--json", action="store_true", help="print one JSON document with a row for every call")
    parser.add_argument("--prefetch", choices=PREFETCHINGS, default="complete", help="how the EHR prefetches")
    parser.add_argument("--server", choices=HEALTHS, default="well", help="how its FHIR server behaves")
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
    from sandbox.launching import Setting

    folder = Path(".chartside")
    own = f"http://127.0.0.1:{args.ehr_port}/fhir"
    fhir_server = args.fhir_server.rstrip("/") if args.fhir_server else own
    setting = Setting(folder, args.port, fhir_server, folder / "demo.db")

    def hospital(origin: str) -> "Hospital":
        return _remote(args.fhir_server) if args.fhir_server else _stories(f"{origin}/fhir", _clock)

    return _guarded(lambda: _serve_both(setting, args.ehr_port, hospital))


def _serve(args: argparse.Namespace) -> int:
    discovery = args.discovery or f"http://127.0.0.1:{_SERVICE_PORT}"
    return _guarded(lambda: _serve_ehr(args.port, discovery, lambda origin: _chosen(args, f"{origin}/fhir", _clock)))


def _run(args: argparse.Namespace) -> int:
    return _guarded(lambda: _run_headless(args))


def _guarded(work: Callable[[], int]) -> int:
    """Turn what can go wrong around a command into a line and an exit status."""
    from sandbox.client import NoServices
    from sandbox.ehr.loading import UnreadablePatients
    from sandbox.launching import ServiceFailed
    from sandbox.serving import PortInUse

    try:
        return work()
    except (PortInUse, ServiceFailed, NoServices) as error:
        print(f"chartside: {error}", file=sys.stderr)
        return 1
    except UnreadablePatients as error:
        print(f"chartside: {error}", file=sys.stderr)
        return _WRONG_USAGE


def _serve_both(setting: object, ehr_port: int, hospital: "Callable[[str], Hospital]") -> int:
    from sandbox.launching import ServiceProcess, Setting, require_free

    if not isinstance(setting, Setting):
        raise TypeError("a demonstration needs its setting")
    require_free(ehr_port)
    with _stopping() as stop, ServiceProcess(setting) as service, _ehr(ehr_port, setting.base, hospital) as origin:
        print(f"CDS service {setting.base}, journal {setting.database}, log {setting.log}", file=sys.stderr)
        print(f"Open {origin}/", flush=True)
        while not stop.wait(0.5):
            if service.has_ended():
                print(f"chartside: the service has stopped; its log is {setting.log}", file=sys.stderr)
                return 1
    return 0


def _serve_ehr(port: int, discovery: str, hospital: "Callable[[str], Hospital]") -> int:
    with _stopping() as stop, _ehr(port, discovery, hospital) as origin:
        print(f"Open {origin}/", flush=True)
        stop.wait()
    return 0


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set, so that everything is ended in order."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }  # fmt: skip
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _ehr(port: int, discovery: str, hospital: "Callable[[str], Hospital]") -> Iterator[str]:
    import requests
    from flask import Flask

    from sandbox.client import CdsClient
    from sandbox.pages.app import create_ehr_app
    from sandbox.serving import Serving

    with requests.Session() as http:

        def app(origin: str) -> Flask:
            here = hospital(origin)
            return create_ehr_app(here, CdsClient(discovery, here.charts, here.grants, http=http), _clock)

        with Serving(app, port) as serving:
            yield serving.origin


def _stories(base: str, clock: Callable[[], datetime]) -> "Hospital":
    from sandbox.hospital import local_hospital, story_resources

    resources, stories = story_resources(clock(), _GENERATED)
    return local_hospital(resources, base, clock, stories)


def _remote(fhir_server: str) -> "Hospital":
    import requests

    from sandbox.ehr.charts import RemoteCharts
    from sandbox.hospital import Hospital

    return Hospital(RemoteCharts(fhir_server, requests.Session()))


def _chosen(args: argparse.Namespace, base: str, clock: Callable[[], datetime]) -> "Hospital":
    """Fill the EHR with the charts that were asked for, or with the stories."""
    from sandbox.ehr.loading import load
    from sandbox.hospital import brought_to_yesterday, local_hospital

    if args.patients is None:
        return _stories(base, clock)
    charts = load(args.patients)
    resources: list[Resource] = [resource for chart in charts for resource in chart.resources]
    if args.recent:
        resources, offsets = brought_to_yesterday(charts, clock())
        _tell_offsets(offsets, len(charts))
    return local_hospital(resources, base, clock)


def _tell_offsets(offsets: dict[str, int], charts: int) -> None:
    print(
        f"--recent: {len(offsets)} of {charts} charts moved by whole days, all dates of a chart by the same number,"
        f" births included: {min(offsets.values(), default=0)} to {max(offsets.values(), default=0)} days.",
        file=sys.stderr,
    )
    for name, days in offsets.items():
        print(f"  {days:+} days  {name}", file=sys.stderr)


def _run_headless(args: argparse.Namespace) -> int:
    import requests

    from sandbox.client import CdsClient, Faults
    from sandbox.launching import ServiceProcess, Setting, free_port
    from sandbox.running import callable_here, run

    def clock() -> datetime:
        return args.now or _clock()

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chartside-")))
        http = stack.enter_context(requests.Session())
        here = stack.enter_context(_fhir_alone(args, clock))
        discovery = args.discovery
        if discovery is None:
            now = args.now.isoformat() if args.now else None
            setting = Setting(folder, free_port(), here.charts.base, folder / "run.db", now)
            discovery = stack.enter_context(ServiceProcess(setting)).setting.base
        client = CdsClient(discovery, here.charts, here.grants, http=http)
        entries = callable_here(client.discover())
        patients = [patient.id for patient in here.patients()]
        faults = Faults(args.prefetch, (), args.server)
        rows = list(_watched(run(here, client, entries, patients, faults), len(entries) * len(patients)))
    return _report(rows, as_json=args.json)


@contextmanager
def _fhir_alone(args: argparse.Namespace, clock: Callable[[], datetime]) -> "Iterator[Hospital]":
    from flask import Flask

    from sandbox.ehr.routes import create_fhir_app
    from sandbox.serving import Serving

    hospitals: list[Hospital] = []

    def app(origin: str) -> Flask:
        here = _chosen(args, f"{origin}/fhir", clock)
        hospitals.append(here)
        if here.server is None:
            raise TypeError("a headless run serves its own charts")
        return create_fhir_app(here.server, here.grants)

    with Serving(app, args.ehr_port):
        yield hospitals[0]


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
        print("chartside: nothing was called: no patient, or no service whose hook needs no order", file=sys.stderr)
    return 1 if failed or not rows else 0
