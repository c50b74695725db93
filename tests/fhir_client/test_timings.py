from fractions import Fraction
from typing import Any

import pytest

from fhir_client.timings import Times, TimingGap, times_a_day

GTS = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
UCUM = "http://unitsofmeasure.org"


def repeat(**said: Any) -> dict[str, Any]:
    return {"repeat": said}


def coded(code: str, system: str = GTS, **more: Any) -> dict[str, Any]:
    return {"code": {"coding": [{"system": system, "code": code}]}, **more}


def daily(frequency: float, **more: Any) -> dict[str, Any]:
    return repeat(frequency=frequency, period=1, periodUnit="d", **more)


@pytest.mark.parametrize(
    ("timing", "a_day"),
    [
        (daily(1), 1),
        (daily(3), 3),
        (repeat(frequency=1, period=8, periodUnit="h"), 3),
        (repeat(period=8, periodUnit="h"), 3),
        (repeat(frequency=1, period=30, periodUnit="min"), 48),
        (repeat(frequency=1, period=5400, periodUnit="s"), 16),
        (repeat(frequency=1, period=2, periodUnit="d"), Fraction(1, 2)),
        (repeat(frequency=1, period=1, periodUnit="wk"), Fraction(1, 7)),
        (repeat(frequency=1, period=1, periodUnit="mo"), Fraction(16, 487)),
        (repeat(frequency=1, period=1, periodUnit="a"), Fraction(4, 1461)),
        (repeat(frequency=1, period=72, periodUnit="h"), Fraction(1, 3)),
        (repeat(frequency=2, period=1, periodUnits="d"), 2),
    ],
)
def test_a_frequency_in_a_period(timing: dict[str, Any], a_day: Fraction) -> None:
    assert times_a_day(timing) == Times(Fraction(a_day))


@pytest.mark.parametrize(
    ("timing", "a_day"),
    [
        (daily(1, frequencyMax=3), 3),
        (repeat(frequency=1, period=4, periodMax=6, periodUnit="h"), 6),
        (repeat(frequency=1, frequencyMax=2, period=4, periodMax=6, periodUnit="h"), 12),
        (repeat(frequencyMax=4, period=1, periodUnit="d"), 4),
    ],
)
def test_of_a_range_the_most_counts(timing: dict[str, Any], a_day: int) -> None:
    assert times_a_day(timing) == Times(Fraction(a_day), is_maximum=True)


@pytest.mark.parametrize(
    ("code", "a_day"),
    [
        ("QD", 1), ("BID", 2), ("TID", 3), ("QID", 4), ("QOD", Fraction(1, 2)), ("AM", 1), ("PM", 1), ("BED", 1),
        ("Q1H", 24), ("Q2H", 12), ("Q3H", 8), ("Q4H", 6), ("Q6H", 4), ("Q8H", 3),
        ("WK", Fraction(1, 7)), ("MO", Fraction(16, 487)),
    ],
)  # fmt: skip
def test_each_abbreviation_of_the_value_set(code: str, a_day: Fraction) -> None:
    assert times_a_day(coded(code)) == Times(Fraction(a_day))


@pytest.mark.parametrize("system", [GTS, "http://hl7.org/fhir/v3/GTSAbbreviation", "urn:oid:2.16.840.1.113883.5.1002"])
def test_an_abbreviation_by_any_name_of_its_system(system: str) -> None:
    assert times_a_day(coded("BID", system)) == Times(Fraction(2))


def test_every_coding_is_looked_at() -> None:
    codings = [{"system": "urn:site", "code": "twice"}, {"system": GTS, "code": "TID"}]

    assert times_a_day({"code": {"coding": codings}}) == Times(Fraction(3))


@pytest.mark.parametrize("timing", [coded("2x", "urn:site"), coded("ASDIR"), {"code": {"text": "twice a day"}}])
def test_words_and_other_codes_are_not_read(timing: dict[str, Any]) -> None:
    assert times_a_day(timing) is TimingGap.NOT_CODED


def test_a_code_that_is_not_read_leaves_the_structure() -> None:
    assert times_a_day({**daily(2), "code": {"text": "five times a day"}}) == Times(Fraction(2))


def test_where_code_and_structure_differ_the_more_counts() -> None:
    assert times_a_day(coded("BID", **daily(4))) == Times(Fraction(4), is_maximum=True)
    assert times_a_day(coded("QID", **daily(2))) == Times(Fraction(4), is_maximum=True)
    assert times_a_day(coded("BID", **daily(2))) == Times(Fraction(2))


@pytest.mark.parametrize(
    ("timing", "times"),
    [
        (repeat(timeOfDay=["08:00:00", "20:00:00"]), Times(Fraction(2))),
        (repeat(timeOfDay="08:00:00"), Times(Fraction(1))),
        (daily(1, timeOfDay=["08:00:00", "14:00:00", "20:00:00"]), Times(Fraction(3), is_maximum=True)),
        (daily(2, timeOfDay=["08:00:00", "20:00:00"]), Times(Fraction(2))),
        (repeat(when=["HS"]), Times(Fraction(1))),
        (repeat(when=["ACM", "ACV"]), Times(Fraction(2))),
        (daily(1, when=["HS"]), Times(Fraction(1))),
        (daily(1, when=["MORN", "EVE"]), Times(Fraction(2), is_maximum=True)),
        (daily(3, when=["PC"]), Times(Fraction(3))),
    ],
)
def test_hours_and_events_of_the_day_are_times(timing: dict[str, Any], times: Times) -> None:
    assert times_a_day(timing) == times


@pytest.mark.parametrize("event", ["AC", "PC", "C"])
def test_meals_without_their_number_are_not_counted(event: str) -> None:
    assert times_a_day(repeat(when=[event])) is TimingGap.MEALS
    assert times_a_day(coded("TID", **repeat(when=[event]))) == Times(Fraction(3))


@pytest.mark.parametrize(
    ("timing", "times"),
    [
        (repeat(dayOfWeek=["mon"]), Times(Fraction(1, 7))),
        (daily(2, dayOfWeek=["mon", "wed", "fri"]), Times(Fraction(6, 7))),
        (repeat(dayOfWeek=["sat", "sun"], timeOfDay=["08:00:00", "20:00:00"]), Times(Fraction(4, 7))),
        (repeat(frequency=1, period=1, periodUnit="wk", dayOfWeek=["mon"]), Times(Fraction(1, 7))),
        (repeat(frequency=1, period=1, periodUnit="wk", dayOfWeek=["mon", "fri"]), Times(Fraction(2, 7), True)),
        (daily(1, dayOfWeek="tue"), Times(Fraction(1, 7))),
    ],
)
def test_days_of_the_week_make_an_average(timing: dict[str, Any], times: Times) -> None:
    assert times_a_day(timing) == times


@pytest.mark.parametrize(
    ("bounds", "a_day"),
    [
        ({"boundsDuration": {"value": 4, "system": UCUM, "code": "h"}}, 4),
        ({"boundsDuration": {"value": 90, "system": UCUM, "code": "min"}}, 2),
        ({"boundsRange": {"low": {"value": 2, "code": "h"}, "high": {"value": 6, "code": "h"}}}, 6),
        ({"boundsDuration": {"value": 10, "system": UCUM, "code": "d"}}, 24),
        ({"boundsDuration": {"value": 4, "unit": "hours"}}, 24),
        ({"boundsDuration": {"value": 0, "system": UCUM, "code": "h"}}, 24),
        ({"boundsPeriod": {"start": "2026-01-01", "end": "2026-01-02"}}, 24),
    ],
)
def test_an_order_for_less_than_a_day_has_room_for_fewer(bounds: dict[str, Any], a_day: int) -> None:
    assert times_a_day(repeat(frequency=1, period=1, periodUnit="h", **bounds)) == Times(Fraction(a_day))


def test_an_order_for_a_whole_day_is_an_average() -> None:
    bounds = {"value": 1, "system": UCUM, "code": "d"}

    assert times_a_day(repeat(frequency=1, period=5, periodUnit="h", boundsDuration=bounds)) == Times(Fraction(24, 5))


def test_how_many_times_in_all_counts_only_where_nothing_says_how_often() -> None:
    assert times_a_day(repeat(count=1)) == Times(Fraction(1))
    assert times_a_day(repeat(count=2, countMax=3)) == Times(Fraction(3))
    assert times_a_day(daily(4, count=1)) == Times(Fraction(4))


def test_of_listed_moments_the_fullest_day_counts() -> None:
    events = ["2026-01-01T08:00:00Z", "2026-01-02T08:00:00Z", "2026-01-02T20:00:00Z"]

    assert times_a_day({"event": events}) == Times(Fraction(2))


@pytest.mark.parametrize("timing", [None, {}, {"repeat": {}}, "BID", [], {"repeat": {"frequency": 2}}])
def test_nothing_said_is_no_timing(timing: object) -> None:
    assert times_a_day(timing) is TimingGap.ABSENT


@pytest.mark.parametrize(
    "timing",
    [
        repeat(frequency=1, period=1),
        repeat(frequency=1, period=1, periodUnit="fortnight"),
        repeat(frequency=1, period=1, periodUnit={}),
        repeat(frequency=1, period=0, periodUnit="d"),
        repeat(frequency=1, period="1", periodUnit="d"),
        repeat(frequency=0, period=1, periodUnit="d"),
        repeat(frequency="2", period=1, periodUnit="d"),
        repeat(frequency=1, frequencyMax="many", period=1, periodUnit="d"),
        repeat(frequency=1, periodMax=6, periodUnit="h"),
        repeat(dayOfWeek=["someday"]),
        repeat(dayOfWeek=[{}]),
        repeat(dayOfWeek=[]),
        repeat(timeOfDay=[]),
        repeat(timeOfDay=[8]),
        {"event": []},
        {"event": ["2026"]},
        {"event": ["2026-01-01", None]},
        coded("BID", **repeat(frequency=1, period=1)),
    ],
)
def test_what_cannot_be_read_is_no_guess(timing: dict[str, Any]) -> None:
    assert times_a_day(timing) is TimingGap.UNREADABLE
