"""The watch: from rows of the journal to gauges and an alarm, without holding a writer."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import event, insert

from cds_hooks.errors import NotRecorded
from cds_hooks.journal import watch as watching
from cds_hooks.journal.audit import Journal
from cds_hooks.journal.database import open_database
from cds_hooks.journal.logs import Log
from cds_hooks.journal.metrics import Metrics
from cds_hooks.journal.tables import cards, invocations
from cds_hooks.journal.usual import USUAL
from cds_hooks.journal.watch import Watch, _blocks
from tests.cds_hooks.web.edge import CORRELATION, INSTANCE, NOW

SERVICE = "test-service"
DAYS = 40


@dataclass(slots=True)
class Watched:
    """A watch over a journal, and what it said."""

    watch: Watch
    journal: Journal
    metrics: Metrics
    stream: StringIO
    number: int = 0

    def add(self, at: datetime, *, calls: int, fired: int, service: str = SERVICE, **more: Any) -> None:
        """Write down calls at one time, of which so many fired."""
        rows, made = list[dict[str, Any]](), list[dict[str, Any]]()
        for place in range(calls):
            self.number += 1
            rows.append(a_row(self.number, at, service) | more)
            if place < fired:
                made.append(a_card(self.number))
        with self.journal.engine.begin() as connection:
            connection.execute(insert(invocations), rows)
            if made:
                connection.execute(insert(cards), made)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.stream.getvalue().splitlines()]


def a_row(number: int, at: datetime, service: str) -> dict[str, Any]:
    return {
        "number": number,
        "id": INSTANCE,
        "at": at,
        "correlation": CORRELATION,
        "issuer": "anonymous",
        "hook": "patient-view",
        "hook_instance": INSTANCE,
        "service": service,
        "state": "live",
        "patient": "p1",
        "duration_ms": 8,
        "outcome": {},
    }


def a_card(invocation: int) -> dict[str, Any]:
    return {
        "uuid": f"00000000-0000-4000-8000-{invocation:012}",
        "invocation": invocation,
        "indicator": "info",
        "summary": "a card",
        "shown": True,
        "suggestions": {},
    }


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    journal = Journal(open_database(f"sqlite:///{tmp_path / 'journal.db'}"))
    journal.migrate()
    metrics, stream = Metrics(), StringIO()
    log = Log(stream, clock=lambda: NOW, strict=True)
    yield Watched(Watch(journal, metrics, log, lambda: NOW, (SERVICE,)), journal, metrics, stream)
    journal.close()


def with_history(watched: Watched, *, last_day_fires: bool, days: int = DAYS) -> None:
    """Forty calls at noon each day, a third of which fire; on the last day perhaps none does."""
    for ago in range(days, -1, -1):
        watched.add(NOW - timedelta(days=ago), calls=42, fired=14 if ago or last_day_fires else 0)


def test_a_service_that_goes_on_is_usual_and_nothing_is_logged(watched: Watched) -> None:
    with_history(watched, last_day_fires=True)
    assert watched.watch.look()[SERVICE].words == ()
    assert watched.metrics.warnings() == []
    assert watched.events == []


def test_a_service_that_fell_silent_is_told_once_and_again_when_it_is_mended(watched: Watched) -> None:
    with_history(watched, last_day_fires=False)
    for _ in range(3):
        assert watched.watch.look()[SERVICE].words == ("silent",)
    assert watched.metrics.warnings() == [f"{SERVICE}: silent"]
    watched.add(NOW, calls=60, fired=40)
    assert watched.watch.look()[SERVICE].words == ()
    assert watched.metrics.warnings() == []
    assert [(each["level"], each["event"], each["found"]) for each in watched.events] == [
        ("error", "watch", "silent"),
        ("info", "watch", "usual"),
    ]


def test_what_was_read_is_not_read_again(watched: Watched) -> None:
    with_history(watched, last_day_fires=True)
    watched.watch.look()
    watched.add(NOW, calls=3, fired=1)
    watched.watch.look()
    assert sum(hour.calls for hour in watched.watch._hours[SERVICE].values()) == 42 * (DAYS + 1) + 3


def test_calls_that_were_never_assessed_say_nothing(watched: Watched) -> None:
    with_history(watched, last_day_fires=True)
    watched.add(NOW, calls=300, fired=0, withheld="paused")
    watched.add(NOW, calls=300, fired=0, withheld="patient user")
    assert watched.watch.look()[SERVICE].words == ()


def test_a_service_that_goes_live_does_not_flood_by_that(watched: Watched) -> None:
    for ago in range(DAYS, -1, -1):
        withheld = "shadow" if ago else None
        watched.add(NOW - timedelta(days=ago), calls=42, fired=14, withheld=withheld)
    assert watched.watch.look()[SERVICE].words == ()


def test_a_service_that_is_no_longer_offered_is_not_silent(watched: Watched) -> None:
    for ago in range(DAYS, 2, -1):
        watched.add(NOW - timedelta(days=ago), calls=42, fired=14, service="gone")
    assert watched.watch.look() == {SERVICE: USUAL}
    assert "gone" not in watched.metrics.text().decode()


def test_of_a_large_journal_a_sample_is_read_and_tells_the_same(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_BLOCK", 10)
    monkeypatch.setattr(watching, "MOST_CALLS", 1300)
    with_history(watched, last_day_fires=False)
    watched.add(NOW, calls=300, fired=0)
    assert watched.watch.look()[SERVICE].words == ("silent",)
    read = sum(hour.calls for hour in watched.watch._hours[SERVICE].values())
    assert 1000 <= read <= 1300 < watched.number


@pytest.mark.parametrize(
    ("first", "last", "most", "blocks"),
    [
        (1, 0, 1000, []),
        (1, 1, 1000, [(1, 1)]),
        (1, 600, 1000, [(1, 250), (251, 500), (501, 600)]),
        (1, 4000, 500, [(1, 250), (2001, 2250)]),
    ],
)
def test_a_range_is_cut_into_blocks(first: int, last: int, most: int, blocks: Sequence[tuple[int, int]]) -> None:
    assert list(_blocks(first, last, most)) == blocks


def test_only_what_is_not_too_old_is_read(watched: Watched) -> None:
    watched.add(NOW - timedelta(days=400), calls=500, fired=0)
    with_history(watched, last_day_fires=True)
    watched.watch.look()
    assert sum(hour.calls for hour in watched.watch._hours[SERVICE].values()) == 42 * (DAYS + 1)
    assert watched.watch._first_of_history(watched.number) == 501


def test_no_writer_waits_for_the_watch(watched: Watched) -> None:
    with_history(watched, last_day_fires=True)
    written = list[int]()

    def write_meanwhile(*_: Any) -> None:
        with closing(sqlite3.connect(str(watched.journal.engine.url.database), timeout=0)) as other, other:
            other.execute("UPDATE invocations SET duration_ms = duration_ms")
        written.append(1)

    event.listen(watched.journal.engine, "after_cursor_execute", write_meanwhile)
    watched.watch.look()
    event.remove(watched.journal.engine, "after_cursor_execute", write_meanwhile)
    assert len(written) >= 3


def test_a_journal_that_cannot_be_read_is_looked_at_again_later(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, tries = threading.Event(), list[int]()

    class Broken(Watch):
        def look(self, stop: threading.Event | None = None) -> Any:
            tries.append(1)
            if len(tries) == 2 and stop is not None:
                stop.set()
            raise NotRecorded

    monkeypatch.setattr(watching, "FIRST_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(watching, "EVERY_SECONDS", 0.0)
    watch = watched.watch
    Broken(watch.journal, watch.metrics, watch.log, watch.now, watch.services).run(stop)
    assert len(tries) == 2
