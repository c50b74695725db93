"""A circuit breaker: a server that is down is left alone for a while, so that no call waits for it (FHIR-66).

Each process has its own: a worker learns by itself that a server is down, at the price of its first few failures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock


class State(StrEnum):
    """What a breaker lets through: everything, nothing, or one request that finds out."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


@dataclass(frozen=True, slots=True)
class Patience:
    """How many failures in a row, none further apart than `window_seconds`, open the breaker, and for how long.

    The queries of one call can open it, so the first rest is short: a server that restarts is soon asked again. Each
    request that finds it still down doubles the rest, up to `longest_rest_seconds`.

    A timeout shorter than `fair_seconds` is no failure of the server: the caller had left it too little time.
    """

    failures: int = 10
    window_seconds: float = 30.0
    rest_seconds: float = 2.0
    longest_rest_seconds: float = 30.0
    fair_seconds: float = 1.0


USUAL = Patience()


class Breaker:
    """Counts the failures of one server that say that it is down; safe for threads."""

    def __init__(self, clock: Callable[[], float], patience: Patience = USUAL) -> None:
        self._clock = clock
        self._patience = patience
        self._lock = Lock()
        self._in_a_row = 0
        self._last_failure = 0.0
        self._opened: float | None = None
        self._probe_since: float | None = None
        self._rest = patience.rest_seconds

    @property
    def state(self) -> State:
        """Give what it would do now; for metrics."""
        with self._lock:
            if self._opened is None:
                return State.CLOSED
            return State.OPEN if self._is_resting() else State.PROBING

    def admits(self) -> bool:
        """Tell whether a request may be sent; whoever is told yes reports `succeeded` or `failed`.

        After the rest one request is let through. Should it never be heard of again, the next one is, a rest later.
        """
        if self._opened is None:  # without the lock: the hot path, and a request too many does no harm
            return True
        with self._lock:
            if self._opened is None:
                return True
            if self._is_resting() or self._is_probed():
                return False
            self._probe_since = self._clock()
            return True

    def succeeded(self) -> None:
        """Note that the server answered, whatever it said."""
        if self._opened is None and not self._in_a_row:
            return
        with self._lock:
            self._in_a_row = 0
            self._opened = self._probe_since = None
            self._rest = self._patience.rest_seconds

    def failed(self, *, waited: float | None = None) -> None:
        """Note a failure; `waited` is how long an answer was waited for, None if the server itself said that it fails.

        After a failure that was too short to count, a probe is left to the next request.
        """
        with self._lock:
            was_probe, self._probe_since = self._probe_since is not None, None
            if waited is not None and waited < self._patience.fair_seconds:
                return
            now = self._clock()
            if now - self._last_failure > self._patience.window_seconds:
                self._in_a_row = 0
            self._in_a_row += 1
            self._last_failure = now
            if was_probe:
                self._rest = min(2 * self._rest, self._patience.longest_rest_seconds)
            if self._opened is not None or self._in_a_row >= self._patience.failures:
                self._opened = now

    def _is_resting(self) -> bool:
        return self._opened is not None and self._clock() - self._opened < self._rest

    def _is_probed(self) -> bool:
        return self._probe_since is not None and self._clock() - self._probe_since < self._rest
