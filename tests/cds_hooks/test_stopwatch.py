"""The stopwatch of one call."""

from collections.abc import Iterator

from cds_hooks.stopwatch import Stopwatch


def a_timer(*moments: float) -> Iterator[float]:
    return iter(moments)


def test_each_stage_has_the_time_since_the_one_before() -> None:
    moments = a_timer(0.001, 0.003, 0.010)
    watch = Stopwatch(lambda: next(moments), started=0.0)
    for stage in ("authenticate", "read", "gather"):
        watch.lap(stage)
    assert watch.stages == {"authenticate": 1000, "read": 2000, "gather": 7000}
    assert round(watch.seconds, 6) == 0.010


def test_a_stage_that_comes_twice_is_added_up() -> None:
    moments = a_timer(0.0, 1.0, 2.0, 5.0)
    watch = Stopwatch(lambda: next(moments))
    for stage in ("fetch", "gather", "fetch"):
        watch.lap(stage)
    assert watch.stages == {"fetch": 4_000_000, "gather": 1_000_000}


def test_what_was_measured_apart_moves_to_its_own_stage() -> None:
    moments = a_timer(0.0, 0.5)
    watch = Stopwatch(lambda: next(moments))
    watch.lap("gather")
    watch.move(0.4, out_of="gather", into="fetch")
    assert watch.stages == {"gather": 100_000, "fetch": 400_000}
