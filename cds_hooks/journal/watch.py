"""The watch: reads from the journal how often each service fires and how fast it answers, and says what is unusual.

It runs in one worker, now and then. It reads a few rows at a time, in short transactions that no writer waits for, and
of a large journal only a sample: shares do not depend on how many calls they are taken from.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from threading import Event
from typing import Any, Final

from sqlalchemy import Connection, Row, exists, func, select

from cds_hooks.errors import NotRecorded
from cds_hooks.journal.audit import Journal
from cds_hooks.journal.logs import Log
from cds_hooks.journal.metrics import Metrics
from cds_hooks.journal.tables import cards, invocations
from cds_hooks.journal.usual import USUAL, WEEK, WEEKS, Finding, Hour, judge

EVERY_SECONDS: Final = 300.0
FIRST_AFTER_SECONDS: Final = 30.0  # the service has just started, and has better things to do
MOST_CALLS: Final = 300_000  # read of the whole history
MOST_NEW_CALLS: Final = 20_000  # read at one look
_BLOCK = 250  # calls read at once
_REST_SECONDS = 0.02  # between blocks: the threads of the calls need the processor more
_KEPT_HOURS = (WEEKS + 2) * WEEK
_HOUR_SECONDS = 3600
# These calls were never assessed: that they made no card says nothing of the service.
_NOT_ASSESSED = ("paused", "patient user")

_CALLS = invocations.c
_ROWS = (
    select(
        _CALLS.at,
        _CALLS.service,
        _CALLS.duration_ms,
        exists().where(cards.c.invocation == _CALLS.number).label("fired"),
    )
    # Cards that are held back count, too: a service that goes live does not begin to fire by that.
    .where(_CALLS.withheld.is_(None) | _CALLS.withheld.not_in(_NOT_ASSESSED))
)


@dataclass(slots=True)
class Watch:
    """Compares the last hours of each service with its own history; remembers what it has read."""

    journal: Journal
    metrics: Metrics
    log: Log
    now: Callable[[], datetime]
    services: tuple[str, ...]
    _hours: dict[str, dict[int, Hour]] = field(init=False, default_factory=dict)
    _found: dict[str, Finding] = field(init=False, default_factory=dict)
    _seen: int | None = field(init=False, default=None)

    def run(self, stop: Event) -> None:
        """Look every few minutes until told to stop."""
        if stop.wait(FIRST_AFTER_SECONDS):
            return
        while True:
            with suppress(NotRecorded):  # who calls now is told; the watch looks again later
                self.look(stop)
            if stop.wait(EVERY_SECONDS):
                return

    def look(self, stop: Event | None = None) -> Mapping[str, Finding]:
        """Read what is new, and say of each service what is unusual; what has changed is logged.

        Raises:
            NotRecorded: the journal cannot be read.
        """
        self._read(stop or Event())
        hour = _hour_of(self.now())
        for service in self.services:
            hours = self._hours.setdefault(service, {})
            for old in [each for each in hours if each <= hour - _KEPT_HOURS]:
                del hours[old]
            self._tell(service, judge(hours, hour))
        return dict(self._found)

    def _tell(self, service: str, finding: Finding) -> None:
        before = self._found.get(service, USUAL)
        self._found[service] = finding
        self.metrics.watched(service, silent=finding.silent, flooding=finding.flooding, slow=finding.slow)
        if finding.words == before.words:
            return
        if finding == USUAL:
            self.log.info("watch", service=service, found="usual")
        else:
            self.log.alarm("watch", service=service, found=", ".join(finding.words), hours=finding.hours)

    def _read(self, stop: Event) -> None:
        newest = self.journal.read(_newest)
        if self._seen is None:
            first, most = self._first_of_history(newest), MOST_CALLS
        else:
            first, most = self._seen + 1, MOST_NEW_CALLS
        for start, end in _blocks(first, newest, most):
            self._count(self.journal.read(partial(_rows_within, start=start, end=end)))
            if stop.wait(_REST_SECONDS):
                return  # the service stops; nobody will ask any more
        self._seen = newest

    def _first_of_history(self, newest: int) -> int:
        """Find the first call that is not too old, by halves: numbers grow with time, and the journal may be large."""
        oldest = self.now().timestamp() - _KEPT_HOURS * _HOUR_SECONDS
        low, high = 1, newest + 1
        while low < high:
            middle = (low + high) // 2
            at = self.journal.read(partial(_time_from, number=middle))
            if at is None or at.timestamp() >= oldest:
                high = middle
            else:
                low = middle + 1
        return low

    def _count(self, rows: Iterable[Row[Any]]) -> None:
        for row in rows:
            hour = self._hours.setdefault(row.service, {}).setdefault(_hour_of(row.at), Hour())
            hour.add(fired=row.fired, ms=row.duration_ms)


def _blocks(first: int, last: int, most: int) -> Iterator[tuple[int, int]]:
    """Cut a range of numbers into blocks: all of it, or as many calls as may be read, spread over it evenly."""
    blocks = max(1, most // _BLOCK)
    step = max(_BLOCK, -(-(last - first + 1) // blocks))
    for start in range(first, last + 1, step):
        yield start, min(start + _BLOCK - 1, last)


def _newest(connection: Connection) -> int:
    found: int | None = connection.execute(select(func.max(_CALLS.number))).scalar_one()
    return found or 0


def _time_from(connection: Connection, number: int) -> datetime | None:
    """Give the time of the first call from a number on: calls may have been erased."""
    query = select(_CALLS.at).where(_CALLS.number >= number).order_by(_CALLS.number).limit(1)
    found: datetime | None = connection.execute(query).scalar()
    return found


def _rows_within(connection: Connection, start: int, end: int) -> list[Row[Any]]:
    return list(connection.execute(_ROWS.where(_CALLS.number.between(start, end))))


def _hour_of(at: datetime) -> int:
    return int(at.timestamp()) // _HOUR_SECONDS
