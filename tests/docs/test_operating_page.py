"""docs/operating.md says what is so: its numbers are those of the code, its events those that are logged."""

import ast
import re
from pathlib import Path

import pytest

from cds_hooks.journal import usual, watch
from cds_hooks.web import operations, server, worker

ROOT = Path(__file__).resolve().parents[2]
PAGE = " ".join((ROOT / "docs" / "operating.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (worker.QUEUE_PER_THREAD == 8, "eight requests a thread may wait"),
        (server.MOST_CONNECTIONS == 600, "at most 600 connections"),
        (worker.RECEIVE_SECONDS == 10, "10 seconds after its first byte"),
        (operations.FRESH_SECONDS == 1, "once a second at most"),
        (operations.PATIENCE_SECONDS == 5, "after five seconds 503"),
        (watch.EVERY_SECONDS == 300, "every five minutes"),
        (watch._BLOCK == 250, "250 calls at a time"),
        (watch.MOST_CALLS == 300_000, "more than 300,000 calls"),
        (usual.WINDOWS == (2, 8, 24, 168), "last 2, 8, 24 and 168 hours"),
        (usual.LIMIT == 5, "more than 5 standard deviations"),
        (usual.FACTOR == 2, "less than half of it"),
        (usual.LEAST_HITS == 5, "at least 5 of them"),
        (usual.LEAST_CALLS == 20, "fewer than 20 calls"),
        (usual.WEEKS == 8, "8 weeks before"),
        (usual.LEAST_WEEKS == 4, "4 such weeks"),
        (usual.LEAST_DAYS == 10, "at least 10 days"),
        (usual.SLOW_SHARE == 0.2, "more than 20 of 100 calls"),
        (usual.USUALLY_FASTER == 0.95, "95 of 100 usually"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_number_on_the_page_is_that_of_the_code(*, number: bool, words: str) -> None:
    assert number
    assert words in PAGE


def test_every_event_that_is_logged_is_on_the_page_and_no_other() -> None:
    logged = set()
    for module in (ROOT / "cds_hooks").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=logger, attr="info" | "warning" | "alarm"),
                    args=[ast.Constant(value=str(event))],
                    keywords=[_, *_],
                ) if ast.unparse(logger).split(".")[-1] in {"log", "out", "_log"}:
                    logged.add(event)
    rows = re.findall(r"\| ((?:`[a-z ]+`(?:, )?)+) \| (?:info|warning|error)", PAGE)
    assert {event for row in rows for event in re.findall(r"`([a-z ]+)`", row)} == logged
