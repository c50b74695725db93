"""Where the time of one call went, stage by stage; the watch is given, so that tests decide what it shows."""

from collections.abc import Callable, Mapping
from typing import Final

MICROSECONDS: Final = 1_000_000


class Stopwatch:
    """Adds up what each stage took. `timer` gives seconds and only goes forward."""

    __slots__ = ("_laps", "_last", "_timer", "started")

    def __init__(self, timer: Callable[[], float], *, started: float | None = None) -> None:
        """Start now, or at a moment that has passed."""
        self._timer = timer
        self.started = timer() if started is None else started
        self._last = self.started
        self._laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Count the time since the last lap as this stage's."""
        now = self._timer()
        self._laps[stage] = self._laps.get(stage, 0.0) + now - self._last
        self._last = now

    def move(self, seconds: float, *, out_of: str, into: str) -> None:
        """Count a part of one stage, which was measured apart, as another's."""
        self._laps[out_of] = self._laps.get(out_of, 0.0) - seconds
        self._laps[into] = self._laps.get(into, 0.0) + seconds

    @property
    def stages(self) -> Mapping[str, int]:
        """Give each stage's time so far, in microseconds."""
        return {stage: round(seconds * MICROSECONDS) for stage, seconds in self._laps.items()}

    @property
    def seconds(self) -> float:
        """Give the time of all laps together."""
        return sum(self._laps.values())


def untimed(stage: str) -> None:
    """Take no note: for callers who do not ask where the time went."""
    del stage
