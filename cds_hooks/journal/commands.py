"""`chartside journal`: for auditors and operators. What it prints names patients."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what a command needs is imported when it runs: `chartside calculate` starts without a database
    from cds_hooks.journal.audit import Journal
    from cds_hooks.journal.erase import What

MOST_CALLS = 1_000_000
MOST_DAYS = 36_500

Run = Callable[[argparse.Namespace], int]
DatabaseUrl = Callable[[], str]
_STILL_IN_FILES = (
    "others kept the journal busy: what was erased may still be in its files; run it again in a quiet hour"
)
_AS_PRINTED = "as it printed it: a number, a colon and 64 hexadecimal digits"


def add_journal(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    *,
    database_url: DatabaseUrl,
    reporting: Callable[[Run], Run],
    instant: Callable[[str], datetime],
) -> None:
    """Add the commands; the settings above give the address, and what they report of a bad setting."""
    journal = subparsers.add_parser("journal", help="show, verify, erase and migrate the journal: it names patients")
    commands = journal.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[argparse.Namespace, str], int], text: str) -> argparse.ArgumentParser:
        parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        parser.set_defaults(run=reporting(lambda arguments: _told(name, lambda: run(arguments, database_url()))))
        return parser

    _add_show(command("show", _show, "what we told whom about a patient, why, and what became of it"), instant)
    verify = command("verify", _verify, "find what was altered, removed, added or cut off; exit 1 if anything was")
    verify.add_argument(
        "--expect", metavar="NUMBER:HASH", type=_head, help="the end that an earlier run printed, kept elsewhere"
    )
    _add_erase(command("erase", _erase, "count what would be erased; with --yes erase it for good"))
    command("migrate", _migrate, "bring the journal to the newest shape, as `serve` does when it starts")


def _add_show(show: argparse.ArgumentParser, instant: Callable[[str], datetime]) -> None:
    show.add_argument("--patient", metavar="ID", help="only calls about this patient")
    show.add_argument("--issuer", metavar="ISSUER", help="only calls of this CDS client")
    show.add_argument("--card", metavar="UUID", help="only the call that made this card")
    show.add_argument("--correlation", metavar="ID", help="all that is known of this request, its refusal too")
    show.add_argument("--since", metavar="TIME", type=instant, help="only calls from then on (RFC 3339)")
    show.add_argument(
        "--limit", default=20, type=_whole(MOST_CALLS), help="how many, the newest first (default: %(default)s)"
    )
    show.add_argument("--json", action="store_true", help="print one JSON object a line")


def _add_erase(erase: argparse.ArgumentParser) -> None:
    what = erase.add_mutually_exclusive_group(required=True)
    what.add_argument("--patient", metavar="ID", help="all calls about this patient, their cards and feedback")
    what.add_argument("--older-than", metavar="DAYS", type=_whole(MOST_DAYS), help="all that is older, but erasures")
    erase.add_argument("--issuer", metavar="ISSUER", help="with --patient: only where this CDS client named it")
    erase.add_argument("--yes", action="store_true", help="erase; without it nothing is changed")


def _whole(highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= highest):
            raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {highest}")
        return int(text)

    return parse


def _head(text: str) -> Any:
    from cds_hooks.journal.ledger import Head

    head = Head.parse(text)
    if head is None:
        raise argparse.ArgumentTypeError(f"must be the end {_AS_PRINTED}")
    return head


def _told(name: str, run: Callable[[], int]) -> int:
    """Let a failing journal end a command with one line that says why."""
    from cds_hooks.errors import NotRecorded

    try:
        return run()
    except NotRecorded as error:
        print(f"chartside journal {name}: {error.cause}", file=sys.stderr)
        return 1


@contextmanager
def _opened(url: str) -> "Iterator[Journal | None]":
    """Open the journal; None where there is none, for to open one would make it."""
    from cds_hooks.errors import JournalTrouble, NotRecorded
    from cds_hooks.journal.audit import Journal
    from cds_hooks.journal.database import exists, is_current, open_database

    if not exists(url):
        print("there is no journal yet", file=sys.stderr)
        yield None
        return
    journal = Journal(open_database(url))
    try:
        if not journal.read(is_current):
            raise NotRecorded(cause=JournalTrouble.OUTDATED)
        yield journal
    finally:
        journal.close()


def _show(arguments: argparse.Namespace, url: str) -> int:
    import orjson

    from cds_hooks.journal.reading import Wanted, newest_calls, not_answered
    from cds_hooks.journal.showing import call_text, refusal_text

    names = ("patient", "issuer", "card", "correlation", "since")
    wanted = Wanted(**{name: getattr(arguments, name) for name in names})
    with _opened(url) as journal:
        if journal is None:
            return 0
        shown = unreadable = 0
        for call in newest_calls(journal, limit=arguments.limit, wanted=wanted):
            print(orjson.dumps(call).decode() if arguments.json else f"{call_text(call)}\n")
            shown += 1
            unreadable += "unreadable" in call
        for kind, row in not_answered(journal, wanted.correlation) if wanted.correlation else ():
            print(orjson.dumps({"kind": kind, **row}).decode() if arguments.json else f"{refusal_text(kind, row)}\n")
            shown += 1
    if not shown:
        print("nothing is on record of that", file=sys.stderr)
    return 1 if unreadable else 0


def _verify(arguments: argparse.Namespace, url: str) -> int:
    from cds_hooks.journal.verify import verifying

    found = 0
    with _opened(url) as journal:
        if journal is None:
            return 0 if arguments.expect is None else 1
        with verifying(journal, arguments.expect) as verification:
            for finding in verification.findings():
                found += 1
                print(finding)
    print(f"{verification.entries} entries, {verification.erased} of them erased: ", end="")
    if found:
        print("1 fault" if found == 1 else f"{found} faults")
        print(f"the ledger ends with {verification.head}; go on expecting the last end that was found in order")
        return 1
    print("nothing is wrong")
    print(f"the ledger ends with {verification.head}; keep this elsewhere and give it to --expect")
    return 0


def _erase(arguments: argparse.Namespace, url: str) -> int:
    from cds_hooks.journal.erase import Before, OfPatient, count, erase, wipe

    now = datetime.now(UTC)
    what: What = (
        OfPatient(arguments.patient, arguments.issuer)
        if arguments.patient is not None
        else Before(now - timedelta(days=arguments.older_than))
    )
    with _opened(url) as journal:
        if journal is None:
            return 0
        if not arguments.yes:
            print(f"{_counted(count(journal, what))} would be erased; nothing was changed (--yes erases)")
            return 0
        print(f"{_counted(erase(journal, what, at=now))} erased")
        journal.close()
        if not wipe(journal.engine):
            print(f"chartside journal erase: {_STILL_IN_FILES}", file=sys.stderr)
            return 1
    return 0


def _counted(counts: Any) -> str:
    return ", ".join(f"{name}: {number}" for name, number in sorted(counts.items()) if number) or "nothing"


def _migrate(_arguments: argparse.Namespace, url: str) -> int:
    from sqlalchemy.exc import SQLAlchemyError

    from cds_hooks.errors import NotRecorded
    from cds_hooks.journal.audit import Journal
    from cds_hooks.journal.database import open_database, where
    from cds_hooks.journal.troubles import trouble_of

    journal = Journal(open_database(url))
    try:
        journal.migrate()
    except SQLAlchemyError as error:
        raise NotRecorded(cause=trouble_of(error)) from error
    finally:
        journal.close()
    print(f"the journal is in its newest shape: {where(url)}")
    return 0
