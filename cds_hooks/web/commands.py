"""`chartside client add` and `client test`."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what a command needs is imported when it runs: `chartside calculate` starts without Flask
    from cds_hooks.web.clients import Client
    from cds_hooks.web.proving import Finding
    from cds_hooks.web.settings import Settings

_CLIENTS = "CHARTSIDE_CLIENTS"
# Flag, key of the entry, what it says; all that may be given several times.
_LISTS = (
    ("--fhir-server", "fhir_servers", "URL", "base address of a FHIR server that may be read"),
    ("--algorithm", "algorithms", "NAME", "algorithm of its tokens (default: ES384 and RS384)"),
    ("--tenant", "tenants", "NAME", "tenant that may call (default: any)"),
    ("--service", "services", "ID", "service that it may use (default: all)"),
    ("--origin", "origins", "ORIGIN", "origin of its pages, if it calls from browsers"),
    ("--private-network", "private_networks", "NETWORK", "network that its servers may lie in, like 10.20.0.0/16"),
    ("--test-host", "test_hosts", "ORIGIN", "origin that may be plain http and loopback: for tests"),
    ("--feature", "features", "NAME", "what was agreed beyond the version"),
)
_TEXTS = (
    ("--specification", "specification", "VERSION", "1.0, 2.0 or 3.0 (default: 2.0)"),
    ("--mode", "mode", "MODE", "lenient or strict (default: lenient)"),
    ("--replay", "replay", "MODE", "enforce, report or off (default: enforce)"),
    ("--feedback-audience", "feedback_audience", "WHICH", "feedback, service or both (default: both)"),
    ("--client-id", "client_id", "ID", "ours at its authorization server"),
    ("--token-endpoint", "token_endpoint", "URL", "its token endpoint, where discovery lacks it"),
)


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this package's commands."""
    client = subparsers.add_parser("client", help="connect a CDS client (an EHR), and prove the connection")
    commands = client.add_subparsers(metavar="COMMAND", required=True)
    _register_add(commands)
    _register_test(commands)


def _register_add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add = commands.add_parser("add", help=f"add a client to the file that {_CLIENTS} names")
    add.add_argument("issuer", metavar="ISSUER", help="the iss of its tokens, exactly")
    add.add_argument(
        "--file", metavar="FILE", type=Path, help=f"the clients file (default: {_CLIENTS}); made if missing"
    )
    keys = add.add_mutually_exclusive_group(required=True)
    keys.add_argument("--jwks-url", metavar="URL", help="where its public keys are; then also the only jku accepted")
    keys.add_argument("--jwks-file", metavar="FILE", type=Path, help="its public keys, as a file it gave us")
    for flag, key, metavar, words in _TEXTS:
        add.add_argument(flag, dest=key, metavar=metavar, help=words)
    for flag, key, metavar, words in _LISTS:
        add.add_argument(flag, dest=key, metavar=metavar, action="append", help=f"{words}; may be repeated")
    add.add_argument("--rate-limit", dest="rate_limit", metavar="N", type=int, help="calls a second (default: any)")
    add.set_defaults(run=_reporting(_add))


def _register_test(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    test = commands.add_parser("test", help="check a client's keys, FHIR servers and clock, and our own door")
    test.add_argument("issuer", metavar="ISSUER", help="the client's issuer, as in the clients file")
    test.add_argument("--discovery", metavar="URL", help="our discovery as it sees it (default: that of the base URL)")
    test.add_argument("--key", metavar="FILE", type=Path, help="a private key of its test system: calls us signed")
    test.add_argument("--kid", metavar="ID", help="the key's id, where the file has none")
    test.set_defaults(run=_reporting(_test))


def _reporting(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Let a command end with status 1 and every fault on standard error, one a line."""

    def reporting(arguments: argparse.Namespace) -> int:
        from cds_hooks.web.clients_file import NotAdded
        from cds_hooks.web.settings import SettingsError

        try:
            return run(arguments)
        except (SettingsError, NotAdded) as error:
            print(*error.faults, sep="\n", file=sys.stderr)
            return 1

    return reporting


def _add(arguments: argparse.Namespace) -> int:
    from cds_hooks.web.clients_file import add_entry
    from cds_hooks.web.settings import Settings

    # The clients file itself may not be there yet.
    settings = Settings.from_environment({name: value for name, value in os.environ.items() if name != _CLIENTS})
    named = arguments.file or os.environ.get(_CLIENTS, "").strip()
    if not named:
        print(f"chartside client add: name the clients file with --file or {_CLIENTS}", file=sys.stderr)
        return 2
    path = Path(named)
    client = add_entry(path, _entry(arguments, path.parent))
    print(f"added to {path}: {client.issuer}", *_to_register(client, settings), sep="\n")
    return 0


def _entry(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    given = vars(arguments)
    entry: dict[str, Any] = {"issuer": arguments.issuer}
    if arguments.jwks_url is not None:
        entry["jwks_url"] = arguments.jwks_url
    else:
        # A path in the file is relative to the file.
        entry["jwks_file"] = os.path.relpath(arguments.jwks_file.absolute(), folder.absolute())
    keys = [key for _, key, _, _ in (*_TEXTS, *_LISTS)]
    return entry | {key: given[key] for key in (*keys, "rate_limit") if given[key] is not None}


def _to_register(client: "Client", settings: "Settings") -> Iterator[str]:
    """Say what the EHR's side has to enter, and what comes next here."""
    from cds_hooks.web.authentication import LONGEST_LIFE_SECONDS
    from cds_hooks.web.settings import BASE_URL

    base_url = settings.base_url
    jku = "" if client.jwks_url is None else f", jku {client.jwks_url} or none"
    feedback = {"service": "{id}", "feedback": "{id}/feedback", "both": "{id}/feedback, or {id}"}
    yield ""
    yield "For the EHR's side:"
    yield f"  discovery  {base_url}/cds-services"
    yield f"  iss        {client.issuer}"
    yield f"  aud        the URL that is called: {base_url}/cds-services/{{id}}; {base_url}/cds-services for discovery"
    yield f"             for feedback {base_url}/cds-services/{feedback[client.feedback_audience]}"
    yield f"  header     typ JWT, alg {' or '.join(client.algorithms)}, kid of the key{jku}"
    yield f"  times      iat and exp in seconds, at most {LONGEST_LIFE_SECONDS} apart; five minutes are advised"
    yield f"  jti        {'new for each call' if client.replay == 'enforce' else 'required'}"
    if client.tenants is not None:
        yield f"  tenant     one of {', '.join(sorted(client.tenants))}"
    if settings.signing_keys is not None:
        yield f"  our keys   {base_url}/.well-known/jwks.json"
    yield ""
    if base_url == BASE_URL:
        yield "Set CHARTSIDE_BASE_URL to the address that the EHR calls: aud is compared with it."
    yield f"Restart the service, then: chartside client test {client.issuer}"


def _test(arguments: argparse.Namespace) -> int:
    from cds_hooks.web.proving import Verdict
    from cds_hooks.web.settings import Settings
    from cds_hooks.web.trial_tokens import NoKey

    settings = Settings.from_environment(os.environ)
    client = next((client for client in settings.clients if client.issuer == arguments.issuer), None)
    if client is None:
        print(f"chartside client test: the file that {_CLIENTS} names has no such issuer", file=sys.stderr)
        return 2
    verdicts = set()
    try:
        for finding in _findings(arguments, client, settings):
            print(finding, flush=True)
            verdicts.add(finding.verdict)
    except NoKey as error:
        print(f"chartside client test: --key: {error}", file=sys.stderr)
        return 2
    return 1 if Verdict.FAILED in verdicts else 0


def _findings(arguments: argparse.Namespace, client: "Client", settings: "Settings") -> "Iterator[Finding]":
    from cds_hooks.web.clients import ANONYMOUS
    from cds_hooks.web.proving import Prover
    from cds_hooks.web.trial_tokens import signer
    from fhir_client.transport import Transport

    sign = None
    if arguments.key is not None:
        sign = signer(arguments.key, client, kid=arguments.kid, now=_wall_clock)
    with Transport(ca_file=settings.ca_file, https_proxy=settings.https_proxy) as transport:
        prover = Prover(client, transport, _wall_clock)
        if client.issuer != ANONYMOUS:
            yield from prover.keys()
        yield from prover.fhir_servers()
        if arguments.discovery or sign is not None:
            yield from prover.door(arguments.discovery or f"{settings.base_url}/cds-services", sign)


def _wall_clock() -> datetime:
    return datetime.now(UTC)
