"""What is usual for a service, by its own history, and whether the last hours are still within it.

A rule that stops firing is the malfunction nobody notices: no error, no slow answer, only silence. So the share of
calls that fire is compared with the same hours of earlier weeks. Only shares are compared: twice as many calls, with
cards as often as before, is no news. docs/operating.md gives the reasons for each number here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import asin, sqrt
from statistics import fmean, median, stdev
from typing import Final

DAY, WEEK = 24, 7 * 24
WEEKS: Final = 8  # looked back on
WINDOWS: Final = (2, 8, DAY, WEEK)  # hours: a short one sees a loud failure soon, a long one a quiet rule's silence
LEAST_CALLS: Final = 20  # below that a share means nothing
LEAST_WEEKS: Final = 4
LEAST_DAYS: Final = 10  # for a new service, whose weeks cannot be compared yet: days, and at least one weekend
LIMIT: Final = 5.0  # standard deviations
FACTOR: Final = 2.0  # and at least twice, or half, the usual share: what is certain need not matter
LEAST_HITS: Final = 5
USUALLY_FASTER: Final = 0.95
SLOW_SHARE: Final = 0.2  # of calls slower than 95 in 100 usually are
BOUNDS_MS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_NORMAL = 1.4826  # median absolute deviation to standard deviation


@dataclass(slots=True)
class Hour:
    """The calls of one service in one hour: how many, how many fired, and how many took no longer than each bound."""

    calls: int = 0
    fired: int = 0
    took: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))

    def add(self, *, fired: bool, ms: int) -> None:
        """Count one call."""
        self.calls += 1
        self.fired += fired
        self.took[sum(ms > bound for bound in BOUNDS_MS)] += 1


@dataclass(frozen=True, slots=True)
class Finding:
    """What is unusual of a service now; `hours` is the window that shows it."""

    silent: bool = False
    flooding: bool = False
    slow: bool = False
    hours: int = 0

    @property
    def words(self) -> tuple[str, ...]:
        """Name what is unusual."""
        named = (("silent", self.silent), ("flooding", self.flooding), ("slow", self.slow))
        return tuple(word for word, holds in named if holds)


USUAL: Final = Finding()


@dataclass(frozen=True, slots=True)
class _Share:
    """So many hits among so many calls. On the angle's scale its sampling error hangs on the calls alone."""

    calls: int
    hits: int

    @property
    def rate(self) -> float:
        return self.hits / self.calls if self.calls else 0.0

    @property
    def angle(self) -> float:
        return asin(sqrt((self.hits + 0.375) / (self.calls + 0.75)))  # Anscombe's, good for small counts

    @property
    def variance(self) -> float:
        return 1 / (4 * self.calls + 2)


@dataclass(frozen=True, slots=True)
class _Earlier:
    """The same hours of earlier weeks, or days; those with calls enough to have a share."""

    windows: tuple[Hour, ...]
    is_weekly: bool

    @property
    def filled(self) -> tuple[Hour, ...]:
        return tuple(window for window in self.windows if window.calls >= LEAST_CALLS)

    @property
    def is_enough(self) -> bool:
        return len(self.filled) >= (LEAST_WEEKS if self.is_weekly else LEAST_DAYS)


def judge(hours: Mapping[int, Hour], now: int) -> Finding:
    """Say what is unusual in the hours up to `now`; hours are numbered one after the other.

    Where there is not enough history, nothing is.
    """
    for length in WINDOWS:
        earlier = _earlier(hours, now, length)
        if earlier.is_enough:
            finding = _judge_window(_window(hours, now, length), earlier, length)
            if finding != USUAL:
                return finding
    return USUAL


def _judge_window(recent: Hour, earlier: _Earlier, length: int) -> Finding:
    filled = earlier.filled
    if not recent.calls:
        # Nobody calls any more, where somebody always did: the card is as absent as if the rule had failed.
        return Finding(silent=True, hours=length) if length >= DAY and filled == earlier.windows else USUAL
    fired, usually = _Share(recent.calls, recent.fired), [_Share(hour.calls, hour.fired) for hour in filled]
    usual_rate = median(share.rate for share in usually)
    off = _deviation(fired, usually, is_weekly=earlier.is_weekly)
    silent = off < -LIMIT and fired.rate * FACTOR < usual_rate
    flooding = off > LIMIT and fired.rate > usual_rate * FACTOR and fired.hits >= LEAST_HITS
    slow = _is_slow(recent, filled, is_weekly=earlier.is_weekly)
    return Finding(silent, flooding, slow, length) if silent or flooding or slow else USUAL


def _is_slow(recent: Hour, earlier: Sequence[Hour], *, is_weekly: bool) -> bool:
    bound = _usual_bound(earlier)
    share = _Share(recent.calls, sum(recent.took[bound:]))
    usually = [_Share(hour.calls, sum(hour.took[bound:])) for hour in earlier]
    if share.rate <= SLOW_SHARE or share.hits < LEAST_HITS:
        return False
    return _deviation(share, usually, is_weekly=is_weekly) > LIMIT


def _usual_bound(earlier: Sequence[Hour]) -> int:
    """Give the place in `took` from which on there are at most 5 calls in 100."""
    total, so_far = sum(hour.calls for hour in earlier), 0
    for place in range(len(BOUNDS_MS) + 1):
        so_far += sum(hour.took[place] for hour in earlier)
        if so_far >= total * USUALLY_FASTER:
            return place + 1
    return len(BOUNDS_MS) + 1


def _deviation(recent: _Share, usually: Sequence[_Share], *, is_weekly: bool) -> float:
    """Give by how many standard deviations a share is off: of its own sampling, and of the spread between windows.

    Of many weeks the median deviation tells the spread, so that an earlier incident is not taken for usual. Of few, and
    of days, which differ by what is done on them, the standard deviation does: it takes weekends in.
    """
    angles = [share.angle for share in usually]
    centre = median(angles)
    if is_weekly and len(angles) >= WEEKS:
        spread = _NORMAL * median(abs(angle - centre) for angle in angles)
    else:
        spread = stdev(angles)
    between = max(0.0, spread * spread - fmean(share.variance for share in usually))
    of_centre = between / len(angles) + 1 / (4 * sum(share.calls for share in usually))
    return (recent.angle - centre) / sqrt(recent.variance + between + of_centre)


def _earlier(hours: Mapping[int, Hour], now: int, length: int) -> _Earlier:
    """Give the same hours of earlier weeks; of a new service, which has not enough of them, those of earlier days."""
    first = min(hours, default=now)

    def ends(step: int) -> list[int]:
        return [end for end in range(now - step, now - WEEKS * WEEK - 1, -step) if end - length + 1 >= first]

    weeks = ends(WEEK)
    if len(weeks) >= LEAST_WEEKS or length > DAY:
        return _Earlier(tuple(_window(hours, end, length) for end in weeks), is_weekly=True)
    return _Earlier(tuple(_window(hours, end, length) for end in ends(DAY)), is_weekly=False)


def _window(hours: Mapping[int, Hour], end: int, length: int) -> Hour:
    """Add up so many hours, up to and with `end`."""
    found = [hours[hour] for hour in range(end - length + 1, end + 1) if hour in hours]
    return Hour(
        sum(hour.calls for hour in found),
        sum(hour.fired for hour in found),
        [sum(hour.took[place] for hour in found) for place in range(len(BOUNDS_MS) + 1)],
    )
