"""`chartside replay`: charts from files through the whole catalogue. What it prints names no patient; a sample does."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what a command needs is imported when it runs
    from cds_hooks.policy import Policy
    from cds_hooks.replaying.run import Replay
    from cds_hooks.replaying.tally import Tally

MOST_SAMPLED = 10_000
MOST_ERRORS = 20
_WRONG_USAGE = 2
_DESCRIPTION = (
    "Run every chart (a FHIR Bundle) and every CDS Hooks request of a folder through all services, without a server or "
    "a journal, and count what they would have shown. The report names no patient and holds no value of one."
)
Run = Callable[[argparse.Namespace], int]
_COLUMNS = (
    "service",
    "hook",
    "calls",
    "with cards",
    "info",
    "warning",
    "critical",
    "/100 calls",
    "held back",
    "errors",
)


def add_replay(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    *,
    policy: "Callable[[], Policy]",
    now: Callable[[], datetime],
    reporting: Callable[[Run], Run],
    instant: Callable[[str], datetime],
) -> None:
    """Add the command; the policy is that of the settings, and a clock is read for requests alone."""
    replay = subparsers.add_parser("replay", help="how often the services would have spoken", description=_DESCRIPTION)
    replay.add_argument(
        "path", metavar="PATH", type=Path, help="a folder, a file (.json, .json.gz, .json.xz) or a .tar"
    )
    replay.add_argument(
        "--as-of", metavar="TIME", type=instant, help="replay charts up to then (default: to their own last moment)"
    )
    replay.add_argument("--json", action="store_true", help="print JSON")
    replay.add_argument("--sample", metavar="N", type=_count, default=0, help="also write N cards drawn at random")
    replay.add_argument(
        "--sample-file",
        metavar="FILE",
        type=Path,
        default=Path("replay-cards.txt"),
        help="where to, a new file (default: %(default)s): it HOLDS PATIENT DATA, the words of the cards",
    )
    replay.set_defaults(run=reporting(lambda arguments: _replay(arguments, policy(), now)))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_SAMPLED):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {MOST_SAMPLED}")
    return int(text)


def _replay(arguments: argparse.Namespace, policy: "Policy", now: Callable[[], datetime]) -> int:
    from cds_hooks.catalogue import Catalogue
    from cds_hooks.replaying.files import files_in
    from cds_hooks.replaying.run import Replay
    from cds_hooks.replaying.sampling import Sample

    try:
        files = files_in(arguments.path)
    except FileNotFoundError:
        print("chartside replay: there is no such file or folder", file=sys.stderr)
        return _WRONG_USAGE
    if arguments.sample and arguments.sample_file.exists():
        print("chartside replay: the sample file exists; name another with --sample-file", file=sys.stderr)
        return _WRONG_USAGE
    sample = Sample(arguments.sample)
    replay = Replay(Catalogue.found().services, policy, now, arguments.as_of, sample=sample)
    _run(replay, files)
    if arguments.sample:
        _write(arguments.sample_file, sample.text())
    _report(replay.tally, as_json=arguments.json)
    if not replay.tally.lines:
        print("chartside replay: nothing was replayed: no chart and no request in it", file=sys.stderr)
    return 1 if replay.tally.errors or not replay.tally.lines else 0


def _run(replay: "Replay", files: Sequence[Path]) -> None:
    from cds_hooks.replaying.files import documents

    for number, file in enumerate(files, 1):
        replay.run(documents(file, after=replay.tally.documents))
        _tell(number, len(files))


def _tell(done: int, total: int) -> None:
    """A bar on a terminal, a line at each tenth elsewhere."""
    if sys.stderr.isatty():
        bar = "#" * (40 * done // total)
        print(f"\r[{bar:<40}] {done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)
    elif 10 * done // total > 10 * (done - 1) // total:
        print(f"{done} of {total} files", file=sys.stderr, flush=True)


def _write(file: Path, text: str) -> None:
    # Patient data: for the eyes of whoever ran the command.
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
        opened.write(text)


def _report(tally: "Tally", *, as_json: bool) -> None:
    import orjson

    found = tally.as_json()
    if as_json:
        print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        print("\n".join(_lines(found)))
    for error in tally.errors[:MOST_ERRORS]:
        where = f"{error['service']} at {error['hook']}: " if error["service"] else ""
        print(f"document {error['document']}: {where}{error['error']}", file=sys.stderr)
    if len(tally.errors) > MOST_ERRORS:
        print(f"and {len(tally.errors) - MOST_ERRORS} more", file=sys.stderr)


def _lines(found: dict[str, Any]) -> list[str]:
    body = [_row(line) for line in found["services"]]
    widths = [max(len(row[k]) for row in [list(_COLUMNS), *body]) for k in range(len(_COLUMNS))]
    return [
        f"{found['charts']} charts and {found['requests']} requests",
        f"cards per 100 chart openings: {_rates(found['per_100_chart_openings'])}",
        f"cards per 100 orders signed: {_rates(found['per_100_orders'])}",
        "",
        *(_padded(row, widths) for row in [list(_COLUMNS), *body]),
        *_counted("held back, and why", [(why, n) for why, n in found["held_back"].items()]),
        *_counted(
            "what the cards were about",
            [(f"{e['indicator']}: {e['finding']} ({e['service']})", e["count"]) for e in found["findings"]],
        ),
    ]


def _rates(rates: dict[str, float]) -> str:
    return ", ".join(f"{rate} {indicator}" for indicator, rate in rates.items())


def _row(line: dict[str, Any]) -> list[str]:
    cells = (line["service"], line["hook"], line["calls"], line["calls_with_cards"], *line["cards"].values())
    return [
        str(each) for each in (*cells, line["cards_per_100_calls"], sum(line["held_back"].values()), line["errors"])
    ]


def _padded(cells: Sequence[str], widths: Sequence[int]) -> str:
    # Two columns of words to the left, the figures to the right.
    padded = [c.ljust(w) if k < 2 else c.rjust(w) for k, (c, w) in enumerate(zip(cells, widths, strict=True))]  # noqa: PLR2004
    return "  ".join(padded).rstrip()


def _counted(title: str, rows: Sequence[tuple[str, int]]) -> list[str]:
    return ["", title, *(f"  {count:>5} x {what}" for what, count in rows)] if rows else []
