"""What is usual: synthetic histories of services that go on, fall silent, flood, slow down, or are new."""

import random
from collections.abc import Callable

import pytest

from cds_hooks.journal.usual import DAY, USUAL, WEEK, Finding, Hour, judge

NOW = 10 * WEEK + 3 * DAY + 12  # a weekday at noon, after ten weeks

Rate = Callable[[int], float]
History = dict[int, Hour]


def is_weekend(hour: int) -> bool:
    return hour // DAY % 7 >= 5


def always(value: float) -> Rate:
    return lambda _: value


A_THIRD, QUICK = always(0.3), always(8)


def a_history(calls: int = 20, rate: Rate = A_THIRD, *, since: int = 0, ms: Rate = QUICK) -> History:
    """Make calls in every hour, busier by day; whether each fires is drawn by `rate`, and one in fifty is slow."""
    chance = random.Random(7)
    hours: History = {}
    for number in range(since, NOW + 1):
        hour = hours[number] = Hour()
        for _ in range(calls if 8 <= number % DAY < 18 else calls // 4):
            hour.add(fired=chance.random() < rate(number), ms=150 if chance.random() < 0.02 else int(ms(number)))
    return hours


def changed(before: float, after: float, *, ago: int) -> Rate:
    return lambda hour: after if hour > NOW - ago else before


def test_a_service_that_goes_on_as_ever_is_usual() -> None:
    assert judge(a_history(), NOW) == USUAL


def test_at_no_hour_of_a_week_is_a_steady_service_unusual() -> None:
    hours = a_history()
    assert {judge(hours, now) for now in range(NOW - WEEK, NOW, 5)} == {USUAL}


@pytest.mark.parametrize(("calls", "rate", "ago"), [(40, 0.5, 2), (20, 0.3, 8), (20, 0.05, 2 * DAY)])
def test_a_service_that_fires_no_more_is_silent(calls: int, rate: float, ago: int) -> None:
    finding = judge(a_history(calls, changed(rate, 0.0, ago=ago)), NOW)
    assert finding.words == ("silent",)


def test_a_rare_rule_s_silence_is_seen_within_a_week() -> None:
    finding = judge(a_history(20, changed(0.02, 0.0, ago=WEEK)), NOW)
    assert finding == Finding(silent=True, hours=WEEK)


def test_a_service_that_nobody_calls_any_more_is_silent() -> None:
    hours = {number: hour for number, hour in a_history().items() if number <= NOW - DAY}
    assert judge(hours, NOW) == Finding(silent=True, hours=DAY)


def test_a_clinic_that_is_closed_at_night_is_not_silent_then() -> None:
    hours = {number: hour for number, hour in a_history().items() if 8 <= number % DAY < 18}
    assert {judge(hours, now) for now in range(NOW - WEEK, NOW, 5)} == {USUAL}


@pytest.mark.parametrize(("rate", "ago"), [(0.1, 8), (0.01, DAY), (0.0, DAY)])
def test_a_service_that_fires_all_the_time_floods(rate: float, ago: int) -> None:
    assert judge(a_history(20, changed(rate, 0.5, ago=ago)), NOW).words == ("flooding",)


def test_other_patients_at_weekends_are_usual() -> None:
    hours = a_history(20, lambda hour: 0.04 if is_weekend(hour) else 0.4)
    assert {judge(hours, now) for now in range(NOW - WEEK, NOW, 5)} == {USUAL}


def test_silence_at_a_weekend_is_told_by_weekends() -> None:
    saturday = 9 * WEEK + 5 * DAY + 17

    def rate(hour: int) -> float:
        return 0.0 if hour > saturday - 8 else 0.4 if is_weekend(hour) else 0.04

    hours = {number: hour for number, hour in a_history(20, rate).items() if number <= saturday}
    assert judge(hours, saturday).words == ("silent",)


def test_three_times_as_many_calls_at_the_same_rate_are_no_news() -> None:
    hours = a_history()
    for number in range(NOW - 8, NOW + 1):
        hour = hours[number]
        hours[number] = Hour(hour.calls * 3, hour.fired * 3, [count * 3 for count in hour.took])
    assert judge(hours, NOW) == USUAL


def test_a_small_change_is_none_however_certain() -> None:
    assert judge(a_history(400, changed(0.3, 0.22, ago=DAY)), NOW) == USUAL


@pytest.mark.parametrize("days", [0, 1, 5, 9])
def test_of_a_new_service_nothing_is_said(days: int) -> None:
    hours = a_history(40, changed(0.5, 0.0, ago=8), since=NOW - days * DAY)
    assert judge(hours, NOW) == USUAL


def test_of_a_service_two_weeks_old_days_are_compared() -> None:
    assert judge(a_history(40, always(0.5), since=NOW - 15 * DAY), NOW) == USUAL
    silent = a_history(40, changed(0.5, 0.0, ago=8), since=NOW - 15 * DAY)
    assert judge(silent, NOW).words == ("silent",)


def test_the_first_weekends_of_a_new_service_are_no_alarm() -> None:
    hours = a_history(20, lambda hour: 0.04 if is_weekend(hour) else 0.4, since=8 * WEEK)
    found = {judge({n: h for n, h in hours.items() if n <= now}, now) for now in range(9 * WEEK, NOW, 7)}
    assert found == {USUAL}


def test_few_calls_tell_nothing() -> None:
    assert judge(a_history(4, changed(0.5, 0.0, ago=2)), NOW) == USUAL


def test_a_history_of_few_calls_tells_nothing_of_many() -> None:
    hours = {number: hour for number, hour in a_history(1, always(1.0)).items() if number % DAY == 12}
    for _ in range(300):
        hours[NOW].add(fired=False, ms=8)
    assert judge(hours, NOW) == USUAL


def test_a_clinic_of_every_second_week_is_not_silent_in_between() -> None:
    hours = {number: hour for number, hour in a_history().items() if number // WEEK % 2}
    assert {judge(hours, now) for now in range(NOW - WEEK, NOW, 5)} == {USUAL}


def test_an_earlier_incident_does_not_become_usual() -> None:
    def rate(hour: int) -> float:
        return 0.0 if hour > NOW - 8 or NOW - 2 * WEEK - DAY < hour < NOW - 2 * WEEK + DAY else 0.3

    assert judge(a_history(20, rate), NOW).words == ("silent",)


def test_answers_that_take_much_longer_than_usual_are_slow() -> None:
    assert judge(a_history(ms=lambda hour: 900 if hour > NOW - 8 else 8), NOW).words == ("slow",)


def test_answers_that_were_always_slow_are_usual() -> None:
    assert judge(a_history(ms=always(900)), NOW) == USUAL


def test_without_history_nothing_is_said() -> None:
    assert judge({}, NOW) == USUAL
