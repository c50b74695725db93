"""What the workers of one service share: a number each, and a private folder for what they count."""

import atexit
import os
from collections.abc import Iterable
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from cds_hooks.journal.metrics import forget_dead, share
from cds_hooks.web.startup import CannotStart

_MASTER = 0


class Sharing:
    """Slots for workers. One a service, made in the master before anything counts; each worker takes a slot.

    A worker that replaces another takes its slot, and so goes on counting where the other ended. There are three times
    as many slots as workers: while workers are replaced, those that come and those that go run side by side.
    """

    def __init__(self, workers: int) -> None:
        """Make a folder that nobody else can read; what is counted from now on lies in it.

        Raises:
            CannotStart: there is no temporary directory that can be written.
        """
        self.slots = 1 + 3 * workers
        self.slot = _MASTER
        try:
            self.folder = Path(mkdtemp(prefix="chartside-"))
        except OSError as error:
            raise CannotStart(("TMPDIR: there is no temporary directory that can be written",)) from error
        self._owner = os.getpid()
        atexit.register(self.close)
        share(self.folder, lambda: str(self.slot))

    def free(self, taken: Iterable[int]) -> int | None:
        """Give the lowest slot that no worker has; None if there is none left."""
        return min({*range(_MASTER + 1, self.slots)} - {*taken}, default=None)

    def take(self, slot: int) -> None:
        """Be the worker of this slot: called in the worker itself."""
        self.slot = slot

    def bury(self, slot: int) -> None:
        """Forget the state of a worker that has ended; what it counted stays."""
        forget_dead(str(slot))

    @property
    def is_first(self) -> bool:
        """Tell whether this is the worker that does what one of them should do for all."""
        return self.slot == _MASTER + 1

    def close(self) -> None:
        """Remove the folder; in a worker, which shares it, do nothing."""
        if os.getpid() == self._owner:
            rmtree(self.folder, ignore_errors=True)
