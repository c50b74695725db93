"""Ctrl-C and SIGTERM as a wish that is read, so that everything that was started is ended in order."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Stopped(Exception):
    """Somebody asked to stop before everything had started."""


class Stop:
    """Whether somebody asked to stop.

    A signal's handler runs between any two steps of the main thread, also those inside a wait. The lock of an Event or
    of a queue could be held just then, and the handler would wait for it for ever; a pipe has none.
    """

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)

    def ask(self) -> None:
        """Ask to stop; a handler of signals may do so."""
        with suppress(BlockingIOError):  # full: it has been asked for often enough
            os.write(self._writing, b"!")

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until somebody asks, for so long at most, and tell whether somebody has."""
        readable, _, _ = select.select([self._reading], [], [], seconds)
        return bool(readable)

    def close(self) -> None:
        """Free the pipe; nobody may ask any more."""
        os.close(self._reading)
        os.close(self._writing)


@contextmanager
def stopping() -> Iterator[Stop]:
    """Give what Ctrl-C and SIGTERM ask for, while the block runs."""
    stop = Stop()
    before = {number: signal.signal(number, lambda *_: stop.ask()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop.close()
