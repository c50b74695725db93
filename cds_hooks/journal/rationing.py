"""How many refused addresses of one issuer are written down in a minute: who sends thousands must not fill the disk."""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

A_MINUTE: Final = 20
MOST_ISSUERS: Final = 1000  # an issuer may be what a stranger says of himself; beyond so many they share one ration
_OTHERS: Final = ""
WINDOW: Final = timedelta(minutes=1)


@dataclass(slots=True)
class _Window:
    since: datetime
    latest: datetime
    written: int = 0
    left_out: int = 0


@dataclass(slots=True)
class Rations:
    """Counts by issuer, in this process."""

    _windows: dict[str, _Window] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def take(self, issuer: str, at: datetime) -> int | None:
        """Give how many were left out since the issuer's last row; None if this one is to be left out."""
        with self._guard:
            is_known = issuer in self._windows or len(self._windows) < MOST_ISSUERS
            window = self._windows.setdefault(issuer if is_known else _OTHERS, _Window(at, at))
            window.latest = at
            if not timedelta() <= at - window.since < WINDOW:
                window.since, window.written = at, 0
            if window.written >= A_MINUTE:
                window.left_out += 1
                return None
            window.written += 1
            left_out, window.left_out = window.left_out, 0
            return left_out

    def rest(self) -> tuple[tuple[str, datetime, int], ...]:
        """Give, and forget, how many of each issuer were left out and are in no row yet, with the time of the last."""
        with self._guard:
            windows, self._windows = self._windows, {}
        return tuple((issuer, each.latest, each.left_out) for issuer, each in windows.items() if each.left_out)
