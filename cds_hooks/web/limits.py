"""How many calls a second each client may make, counted over all workers.

The counts lie in memory that the workers share: it is made before they fork, and each worker writes in its own slot
and nowhere else. So there is no lock that a killed worker could hold, and nothing to clean up after it: its counts are
of no account when they are two seconds old.
"""

import mmap
import time
from collections.abc import Callable, Iterable
from threading import Lock

from cds_hooks.errors import TooMany
from cds_hooks.web.clients import Client

_WORD = 8
_KEPT = 2  # the second at hand, and the one before
# A second and its count in one word: it is written at once, and never seen half.
_COUNT_BITS = 24
_COUNT = (1 << _COUNT_BITS) - 1
_RETRY_SECONDS = 1  # the window is a second wide


class RateLimits:
    """The rates agreed with clients. Two workers that admit at the same instant may pass a limit by one call each.

    The window slides: what was admitted in the second before counts for the part of it that lies within the last
    second, as if it had come evenly. Otherwise twice the rate would pass around the turn of a second. What is refused
    does not count: a client that keeps trying is still served at its rate.
    """

    def __init__(
        self,
        clients: Iterable[Client],
        *,
        slots: int = 1,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make room for so many workers; each sets `slot` to its own after the fork.

        `timer` must be the same for all, as the machine's monotonic clock is.
        """
        self._rates = {client.issuer: client.rate_limit for client in clients if client.rate_limit is not None}
        self._places = {issuer: place * _KEPT for place, issuer in enumerate(self._rates)}
        self._slots = slots
        self._width = len(self._rates) * _KEPT
        # Anonymous and shared: the workers inherit it, nobody else can open it, and it ends with the last of them.
        self._words = memoryview(mmap.mmap(-1, max(1, slots * self._width) * _WORD)).cast("Q")
        self._timer = timer
        self._lock = Lock()
        self.slot = 0

    def admit(self, issuer: str) -> None:
        """Count a call of a client's.

        Raises:
            TooMany: it would be more than agreed.
        """
        rate = self._rates.get(issuer)
        if rate is None:
            return
        now = self._timer()
        second = int(now)
        place = self._places[issuer]
        with self._lock:  # among this worker's threads only
            before = self._admitted(place, second - 1)
            if self._admitted(place, second) + before * (1 - (now - second)) >= rate:
                raise TooMany(retry_after=_RETRY_SECONDS)
            mine = self.slot * self._width + place + second % _KEPT
            word = self._words[mine]
            count = word & _COUNT if word >> _COUNT_BITS == second else 0
            self._words[mine] = second << _COUNT_BITS | count + 1

    def _admitted(self, place: int, second: int) -> int:
        """Over all workers, in one second."""
        first = place + second % _KEPT
        words = self._words
        found = (words[slot * self._width + first] for slot in range(self._slots))
        return sum(word & _COUNT for word in found if word >> _COUNT_BITS == second)
