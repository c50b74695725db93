"""`chartside serve`, `services`, `check`, `invoke` and `replay`."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cds_hooks.journal.commands import add_journal
from cds_hooks.replaying.commands import add_replay

if TYPE_CHECKING:  # what a command needs is imported when it runs: `chartside calculate` starts without Flask
    from cds_hooks.catalogue import Catalogue
    from cds_hooks.policy import Policy
    from cds_hooks.service import Service
    from cds_hooks.web.settings import Settings

HIGHEST_PORT = 65_535


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this package's commands."""
    _add_serve(subparsers)
    services = subparsers.add_parser("services", help="list every service with its release state and its models")
    services.add_argument("--json", action="store_true", help="print JSON")
    services.set_defaults(run=_reporting(_services))
    check = subparsers.add_parser("check", help="make every start-up check without starting; name all that is wrong")
    check.set_defaults(run=_reporting(_check))
    _add_invoke(subparsers)
    add_replay(subparsers, policy=_policy, now=lambda: datetime.now(UTC), reporting=_reporting, instant=_instant)
    add_journal(subparsers, database_url=_database_url, reporting=_reporting, instant=_instant)


def _add_serve(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    serve = subparsers.add_parser("serve", help="serve CDS Hooks under gunicorn, with settings from the environment")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", default=8000, type=_whole(HIGHEST_PORT), help="port (default: %(default)s)")
    serve.add_argument("--workers", default=2, type=_whole(64), help="processes (default: %(default)s)")
    serve.add_argument("--threads", default=4, type=_whole(256), help="threads of each process (default: %(default)s)")
    serve.set_defaults(run=_reporting(_serve))


def _add_invoke(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    invoke = subparsers.add_parser("invoke", help="answer one CDS Hooks request from a file, without a journal")
    invoke.add_argument("service", metavar="SERVICE", help="id of the service")
    invoke.add_argument("--request", metavar="FILE", required=True, help="the request as JSON; -: standard input")
    invoke.add_argument("--as-of", metavar="TIME", type=_instant, help="assess as of this moment (RFC 3339)")
    invoke.add_argument("--released", action="store_true", help="show only what the release state lets users see")
    invoke.set_defaults(run=_reporting(_invoke))


def _database_url() -> str:
    from cds_hooks.web.settings import Settings

    return Settings.from_environment(os.environ).database_url


def _policy() -> "Policy":
    from cds_hooks.web.settings import Settings

    return Settings.from_environment(os.environ).policy


def _whole(highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= highest):
            raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {highest}")
        return int(text)

    return parse


def _instant(text: str) -> datetime:
    """A moment with its zone; a date alone means the end of that day, UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a time like 2024-05-01T12:00:00Z") from None
    if moment.tzinfo is not None:
        return moment
    if len(text) == len("2024-05-01"):
        return moment.replace(tzinfo=UTC) + timedelta(days=1) - timedelta(microseconds=1)
    raise argparse.ArgumentTypeError("must have a time zone, like 2024-05-01T12:00:00Z")


def _reporting(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Let a command end with status 1 and every fault on standard error, one a line."""

    def reporting(arguments: argparse.Namespace) -> int:
        from cds_hooks.catalogue import CatalogueError
        from cds_hooks.web.settings import SettingsError
        from cds_hooks.web.startup import CannotStart

        try:
            return run(arguments)
        except (SettingsError, CannotStart) as error:
            faults = error.faults
        except CatalogueError as error:
            faults = error.problems
        print(*faults, sep="\n", file=sys.stderr)
        return 1

    return reporting


def _serve(arguments: argparse.Namespace) -> int:
    from cds_hooks.journal.metrics import Metrics
    from cds_hooks.web.server import Server, watch_of
    from cds_hooks.web.settings import Settings
    from cds_hooks.web.sharing import Sharing
    from cds_hooks.web.startup import check
    from cds_hooks.web.wsgi import compose

    settings = Settings.from_environment(os.environ)
    checked = check(settings, host=arguments.host)
    sharing = Sharing(arguments.workers)
    edge = compose(checked, metrics=Metrics(sharing.folder), slots=sharing.slots, threads=arguments.threads)
    server = Server(
        edge,
        settings,
        sharing=sharing,
        watch=watch_of(edge, settings),
        host=arguments.host,
        port=arguments.port,
        workers=arguments.workers,
        threads=arguments.threads,
    )
    server.run()
    return 0


def _services(arguments: argparse.Namespace) -> int:
    import orjson

    from cds_hooks.catalogue import Catalogue
    from cds_hooks.web.settings import Settings

    policy = Settings.from_environment(os.environ).policy
    rows = [_service_row(service, policy) for service in Catalogue.found().services]
    if arguments.json:
        print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return 0
    for row in rows:
        models = ", ".join(f"{model['id']} {model['version']} ({model['state']})" for model in row["models"])
        print(f"{row['id']}: {row['state']} (at most {row['ceiling']}), at {', '.join(row['hooks'])}")
        print(f"  {row['title']}; models: {models or 'none'}")
        print(*(f"  {reason}\n" for reason in row["reasons"]), sep="", end="")
    return 0


def _service_row(service: "Service", policy: "Policy") -> dict[str, Any]:
    release = policy.release(service)
    return {
        "id": service.id,
        "hooks": [hook.value for hook in service.hooks],
        "title": service.title,
        "state": release.state.value,
        "ceiling": release.ceiling.value,
        "reasons": list(release.reasons),
        "models": [
            {"id": model.id, "version": model.version, "state": model.state.value} for model in policy.models(service)
        ],
    }


def _check(_arguments: argparse.Namespace) -> int:
    from cds_hooks.catalogue import Catalogue, CatalogueError
    from cds_hooks.journal.database import where
    from cds_hooks.web.settings import Settings, SettingsError, unknown_names
    from cds_hooks.web.startup import CannotStart, check

    for name in unknown_names(os.environ):
        print(f"note: {name}: there is no such setting", file=sys.stderr)
    faults: list[str] = []
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        faults.extend(error.faults)
        try:
            Catalogue.found()
        except CatalogueError as other:
            faults.extend(f"services: {problem}" for problem in other.problems)
    else:
        try:
            checked = check(settings)
        except CannotStart as error:
            faults.extend(error.faults)
        else:
            print(
                f"ready to start: {len(checked.catalogue.services)} services; journal: {where(settings.database_url)}"
            )
            if not settings.callers:
                print(
                    "note: no CDS client is listed: every call is answered 401 (chartside client add)", file=sys.stderr
                )
    print(*(f"{fault}\n" for fault in faults), sep="", end="")
    return 1 if faults else 0


def _invoke(arguments: argparse.Namespace) -> int:
    from cds_hooks.catalogue import Catalogue
    from cds_hooks.errors import CdsError
    from cds_hooks.web.problems import body_of, problem_of
    from cds_hooks.web.settings import Settings

    settings = Settings.from_environment(os.environ)
    try:
        body = sys.stdin.buffer.read() if arguments.request == "-" else Path(arguments.request).read_bytes()
    except OSError:
        print("chartside invoke: the request file cannot be read", file=sys.stderr)
        return 2
    try:
        answer, status = _answer(arguments, settings, Catalogue.found(), body), 0
    except CdsError as error:
        answer, status = body_of(problem_of(error), str(uuid4())), 1
    print(answer.decode())
    return status


def _answer(arguments: argparse.Namespace, settings: "Settings", catalogue: "Catalogue", body: bytes) -> bytes:
    from cds_hooks.errors import BodyTooLarge
    from cds_hooks.invocation import invoke
    from cds_hooks.protocol.cards import Response
    from cds_hooks.protocol.requests import HookRequest
    from cds_hooks.web.access import Access
    from cds_hooks.web.wsgi import clock_of
    from fhir_client.client import Connections
    from fhir_client.questions import Deadline

    client = settings.anonymous
    policy = settings.policy if arguments.released else replace(settings.policy, ceilings={})
    service = catalogue.get(arguments.service, policy)
    if len(body) > settings.max_body_bytes:
        raise BodyTooLarge
    request = HookRequest.from_json(
        body, service_hooks=service.hooks, strict=client.strict, prefetch_keys=service.searches.keys()
    )
    user = request.context.user
    if not arguments.released and user is not None:
        policy = replace(policy, pilots={service.id: frozenset({user.reference})})
    as_of: datetime | None = arguments.as_of
    now = clock_of(settings) if as_of is None else lambda: as_of
    with Connections(ca_file=settings.ca_file, https_proxy=settings.https_proxy) as connections:
        deadline = Deadline.after(settings.deadline_ms / 1000, time.monotonic)
        access = Access(client, connections, deadline, str(uuid4()))
        invocation = invoke(service, request, connect=access.connect, now=now, policy=policy)
    # A call without a user is in no pilot; its cards are still made, and held back.
    shown = invocation.response if arguments.released else Response((*invocation.response.cards, *invocation.held_back))
    return shown.to_json(client.profile)
