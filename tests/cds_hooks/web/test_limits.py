"""Rates agreed with clients, counted over all workers."""

import os
import signal
from collections.abc import Callable

import pytest

from cds_hooks.errors import TooMany
from cds_hooks.web.clients import Client
from cds_hooks.web.limits import RateLimits
from tests.cds_hooks.web.edge import Stopwatch

EHR = "https://ehr.example/cds"
OTHER = "https://other.example/cds"


def limits(rate: int | None, *, slots: int = 1, timer: Callable[[], float] | None = None) -> RateLimits:
    clients = (Client(issuer=OTHER, rate_limit=1000), Client(issuer=EHR, rate_limit=rate))
    return RateLimits(clients, slots=slots, timer=timer or Stopwatch(seconds=1000, step=0))


def admitted(found: RateLimits, tries: int, issuer: str = EHR) -> int:
    count = 0
    for _ in range(tries):
        try:
            found.admit(issuer)
        except TooMany:
            continue
        count += 1
    return count


def test_a_client_makes_as_many_calls_a_second_as_agreed() -> None:
    assert admitted(limits(5), 20) == 5


def test_the_caller_learns_when_to_try_again() -> None:
    found = limits(1)
    found.admit(EHR)
    with pytest.raises(TooMany) as caught:
        found.admit(EHR)
    assert caught.value.retry_after == 1


def test_one_client_does_not_use_up_another_s_rate() -> None:
    found = limits(5)
    assert admitted(found, 20) == 5
    assert admitted(found, 20, OTHER) == 20


def test_a_client_without_a_rate_and_an_unlisted_one_are_not_limited() -> None:
    found = limits(None)
    assert admitted(found, 5000) == 5000
    assert admitted(found, 5000, "https://nobody.example") == 5000


def test_around_the_turn_of_a_second_no_more_pass_than_agreed() -> None:
    clock = Stopwatch(seconds=1000.9, step=0)
    found = limits(10, timer=clock)
    assert admitted(found, 20) == 10
    clock.seconds = 1001.0
    assert admitted(found, 20) == 0
    clock.seconds = 1001.5
    assert admitted(found, 20) == 5
    clock.seconds = 1003.0
    assert admitted(found, 20) == 10


def test_what_is_refused_does_not_count() -> None:
    clock = Stopwatch(seconds=1000, step=0)
    found = limits(10, timer=clock)
    served = 0
    for _ in range(100):  # twenty calls a second for five seconds
        clock.seconds += 0.05
        served += admitted(found, 1)
    assert 45 <= served <= 60


def test_workers_share_the_rate() -> None:
    found = limits(10, slots=3)
    for slot in (2, 1, 0):
        found.slot = slot
        admitted(found, 4)
    assert admitted(found, 10) == 0


def test_a_killed_worker_leaves_no_lock_and_its_calls_stay_counted() -> None:
    found = limits(10, slots=2)
    child = os.fork()
    if not child:
        found.slot = 1
        admitted(found, 6)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert admitted(found, 20) == 4
