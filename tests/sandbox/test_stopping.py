"""Ctrl-C is heard whenever it comes, and never waits for itself."""

import os
import signal
import subprocess
import sys
import time

from sandbox.stopping import stopping


def test_nobody_who_did_not_ask_is_heard() -> None:
    with stopping() as stop:
        assert not stop.wait(0.01)


def test_a_signal_is_heard_and_stays_heard() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stopping() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(5)
        assert stop.wait(0)
        assert stop.wait()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_comes_during_the_wait_ends_it() -> None:
    with stopping() as stop:
        signal.signal(signal.SIGALRM, lambda *_: stop.ask())
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        started = time.monotonic()
        assert stop.wait(10)
        assert time.monotonic() - started < 5


# A lock that a wait holds just then would never be had: thousands of signals, each between two other steps of it.
UNDER_FIRE = """
import random, signal
from sandbox.stopping import Stop

for _ in range(5000):
    stop = Stop()
    signal.signal(signal.SIGALRM, lambda *_: stop.ask())
    signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-5, 2e-4))
    while not stop.wait(1e-5):
        pass
    stop.close()
"""


def test_a_signal_at_any_step_of_a_wait_does_not_block_it() -> None:
    done = subprocess.run([sys.executable, "-c", UNDER_FIRE], timeout=30, check=False)
    assert done.returncode == 0
