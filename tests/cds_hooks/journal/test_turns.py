"""Turns at a file: who waits gets the next one, and nobody waits without end."""

import os
import stat
import threading
import time
from pathlib import Path

import pytest

from cds_hooks.journal.turns import Turns


def turns(folder: Path, wait_seconds: float = 10) -> Turns:
    return Turns(folder / "lock", wait_seconds=wait_seconds)


def test_one_after_the_other(tmp_path: Path) -> None:
    first, second = turns(tmp_path), turns(tmp_path)
    order: list[str] = []

    def wait() -> None:
        with second.turn():
            order.append("second")

    with first.turn():
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.1)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]
    first.close()
    second.close()


def test_who_does_not_get_a_turn_in_time_goes_on(tmp_path: Path) -> None:
    first, second = turns(tmp_path), turns(tmp_path, 0.05)
    with first.turn():
        started = time.monotonic()
        with second.turn():
            assert 0.04 < time.monotonic() - started < 5
    for _ in range(100):
        # The one who gave up holds no lock when it comes to him after all.
        if first._take():
            break
        time.sleep(0.01)
    with first.turn():
        """It is free."""
    first.close()
    second.close()


def test_a_turn_ends_with_an_error_too(tmp_path: Path) -> None:
    first, second = turns(tmp_path), turns(tmp_path, 0)
    with pytest.raises(ZeroDivisionError), first.turn():
        raise ZeroDivisionError
    assert second._take()
    first.close()
    second.close()


def test_the_file_is_its_owners_and_stays(tmp_path: Path) -> None:
    lock = turns(tmp_path)
    with lock.turn():
        """Taken, and given back."""
    lock.close()
    lock.close()
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_a_file_that_cannot_be_locked_keeps_nobody(tmp_path: Path) -> None:
    lock = turns(tmp_path)
    os.close(lock._file)  # what a file system without locks says is an OSError, too
    with lock.turn():
        """Nothing is held, and nothing fails."""
