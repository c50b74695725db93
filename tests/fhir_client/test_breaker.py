"""When a server is left alone, and when it is asked again."""

from fhir_client.breaker import Breaker, Patience, State

PATIENCE = Patience(failures=3, window_seconds=30, rest_seconds=10, longest_rest_seconds=30, fair_seconds=1)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def a_breaker(clock: Clock, *, failures: int = 0) -> Breaker:
    breaker = Breaker(clock, PATIENCE)
    for _ in range(failures):
        breaker.failed()
    return breaker


def test_failures_in_a_row_open_it() -> None:
    """[FHIR-66] A circuit breaker per server avoids hanging each call: so many failures, fast fail for a while."""
    breaker = a_breaker(Clock(), failures=2)
    assert (breaker.admits(), breaker.state) == (True, State.CLOSED)
    breaker.failed()
    assert (breaker.admits(), breaker.state) == (False, State.OPEN)


def test_an_answer_between_failures_starts_the_count_anew() -> None:
    breaker = a_breaker(Clock(), failures=2)
    breaker.succeeded()
    breaker.failed()
    breaker.failed()
    assert breaker.admits()


def test_failures_far_apart_do_not_add_up() -> None:
    clock = Clock()
    breaker = a_breaker(clock, failures=2)
    clock.now += 31
    breaker.failed()
    assert breaker.admits()


def test_a_timeout_that_was_too_short_does_not_count() -> None:
    breaker = a_breaker(Clock(), failures=2)
    breaker.failed(waited=0.9)
    assert breaker.admits()
    breaker.failed(waited=1.0)
    assert not breaker.admits()


def test_after_the_rest_one_request_finds_out() -> None:
    """[FHIR-66] After a while one request is let through, the others still fail fast."""
    clock = Clock()
    breaker = a_breaker(clock, failures=3)
    clock.now += 9.9
    assert not breaker.admits()
    clock.now += 0.1
    states = [breaker.state]
    assert [breaker.admits() for _ in range(3)] == [True, False, False]
    breaker.succeeded()
    states.append(breaker.state)
    assert [breaker.admits() for _ in range(3)] == [True] * 3
    assert states == [State.PROBING, State.CLOSED]


def test_each_failed_probe_doubles_the_rest() -> None:
    clock = Clock()
    breaker = a_breaker(clock, failures=3)
    for rest in (10, 20, 30, 30):
        clock.now += rest - 0.1
        assert (breaker.admits(), breaker.state) == (False, State.OPEN)
        clock.now += 0.1
        assert breaker.admits()
        breaker.failed()
    clock.now += 30
    assert breaker.admits()
    breaker.succeeded()
    for _ in range(3):
        breaker.failed()
    clock.now += 10
    assert breaker.admits()


def test_a_probe_that_had_too_little_time_leaves_the_finding_out_to_the_next() -> None:
    clock = Clock()
    breaker = a_breaker(clock, failures=3)
    clock.now += 10
    assert breaker.admits()
    breaker.failed(waited=0.2)
    assert breaker.admits()


def test_a_probe_that_is_never_heard_of_again_blocks_nobody_for_long() -> None:
    clock = Clock()
    breaker = a_breaker(clock, failures=3)
    clock.now += 10
    assert breaker.admits()
    clock.now += 9.9
    assert not breaker.admits()
    clock.now += 0.1
    assert breaker.admits()
