"""How many connections each worker holds: whoever has more than another lets that one take the next.

Callers keep their connections. A system that wakes the same worker first each time would give it all of them, and one
worker has one core: measured with two workers and eight callers, four calls in ten were lost to an idle core.
"""

import mmap
from typing import Final

_WORD: Final = 8
LEAVE_SECONDS: Final = 0.0005  # long enough for an idle worker to take a connection, too short for a caller to notice


class Loads:
    """Counts in memory that the workers share, a word each; made before they fork."""

    def __init__(self, slots: int) -> None:
        """Make room for so many; nobody holds anything yet."""
        self._words = memoryview(mmap.mmap(-1, slots * _WORD)).cast("Q")

    def tell(self, slot: int, connections: int) -> None:
        """Say how many connections a worker holds; a word of 0 means that nobody has the slot."""
        self._words[slot] = connections + 1

    def forget(self, slot: int) -> None:
        """Let nobody wait for a worker that has ended."""
        self._words[slot] = 0

    def is_more_than_another(self, slot: int) -> bool:
        """Tell whether some other worker holds fewer connections than this one."""
        mine = self._words[slot]
        return any(0 < word < mine for word in self._words)
