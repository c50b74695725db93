"""How often a dose is given: a FHIR Timing as times a day, at most.

Sources: FHIR R4 Timing (`event`, `repeat`, `code`; earlier versions by their names) and HL7 v3 GTSAbbreviation for the
codes. Words are never read. A timing of more than a day is an average: every other day is half a time a day.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import ceil
from typing import Any, Final

from fhir_client.elements import codings, mapping, text_of
from fhir_client.facts import Medication
from fhir_client.numbers import exact
from fhir_client.units import ratio

_GTS: Final = frozenset(
    {
        "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation",
        "http://hl7.org/fhir/v3/GTSAbbreviation",  # STU3
        "http://hl7.org/fhir/timing-abbreviation",  # DSTU2
        "urn:oid:2.16.840.1.113883.5.1002",
    }
)
_HOURS: Final = 24
_WEEK: Final = 7
_MONTH: Final = Fraction("30.4375")  # days, as UCUM's `mo`
# Times a day of each abbreviation (HL7 v3 GTSAbbreviation; those of FHIR's value set timing-abbreviation).
_TIMES_BY_CODE: Final[Mapping[str, Fraction]] = {
    "QD": Fraction(1),
    "AM": Fraction(1),
    "PM": Fraction(1),
    "BED": Fraction(1),
    "BID": Fraction(2),
    "TID": Fraction(3),
    "QID": Fraction(4),
    "QOD": Fraction(1, 2),
    "WK": Fraction(1, _WEEK),
    "MO": 1 / _MONTH,
    **{f"Q{hours}H": Fraction(_HOURS, hours) for hours in (1, 2, 3, 4, 6, 8)},
}
_DAYS: Final = frozenset({"mon", "tue", "wed", "thu", "fri", "sat", "sun"})
# FHIR R4 units-of-time; each is UCUM too.
_UNITS_OF_TIME: Final = frozenset({"s", "min", "h", "d", "wk", "mo", "a"})
# Events of which a day has several, or an unknown number: how often is then not said by the event (FHIR EventTiming).
_NOT_ONCE_A_DAY: Final = frozenset({"AC", "PC", "C"})


MOST_INSTRUCTIONS: Final = 100
"""A tapering schedule has a dozen: of an order with thousands neither dose nor timing is worked out."""


class TimingGap(StrEnum):
    """Why a timing does not tell how often, in words for a reader."""

    ABSENT = "how often is not said"
    NOT_CODED = "how often is said only in words, or in a code that is not read here"
    UNREADABLE = "how often cannot be read"
    MEALS = "with meals, and not how many"


@dataclass(frozen=True, slots=True)
class Times:
    """How many times a day, at most; `is_maximum` where it may be fewer (`1 to 2 times`, `every 4 to 6 hours`)."""

    a_day: Fraction
    is_maximum: bool = False


def times_a_day(timing: object) -> Times | TimingGap:
    """Give how many times a day a Timing asks for, at most.

    A code is the whole statement by the specification. Where the structure beside it says more, the more counts.

    >>> times_a_day({"repeat": {"frequency": 1, "period": 4, "periodMax": 6, "periodUnit": "h"}})
    Times(a_day=Fraction(6, 1), is_maximum=True)
    """
    timing = mapping(timing)
    stated = [found for found in (_of_code(timing), _of_repeat(timing), _of_events(timing)) if found is not None]
    known = [found for found in stated if isinstance(found, Times)]
    if TimingGap.UNREADABLE in stated:
        return TimingGap.UNREADABLE
    if not known:
        return next((found for found in stated if isinstance(found, TimingGap)), TimingGap.ABSENT)
    most = max(known, key=lambda found: found.a_day)
    return Times(most.a_day, any(found.is_maximum or found.a_day < most.a_day for found in known))


def most_times_a_day(order: Medication) -> Times | TimingGap:
    """Give how many times a day an order asks for at most: of several instructions the one with the most.

    One that does not tell makes the whole unknown: it may be the one that matters.
    """
    if len(order.dosage) > MOST_INSTRUCTIONS:
        return TimingGap.UNREADABLE
    found = [times_a_day(instruction.get("timing")) for instruction in order.dosage]
    gap = next((each for each in found if isinstance(each, TimingGap)), None)
    known = [each for each in found if isinstance(each, Times)]
    if gap is not None or not known:
        return gap or TimingGap.ABSENT
    return max(known, key=lambda each: each.a_day)


def days_of(amount: Fraction, unit: object) -> Fraction | None:
    """Give a length of time in days; None where its unit is none of FHIR's units of time."""
    return amount * ratio(unit, "d") if isinstance(unit, str) and unit in _UNITS_OF_TIME else None


def _of_code(timing: Mapping[str, Any]) -> Times | TimingGap | None:
    if timing.get("code") is None:
        return None
    for coding in codings(timing["code"]):
        if coding.system in _GTS and coding.code in _TIMES_BY_CODE:
            return Times(_TIMES_BY_CODE[coding.code])
    return TimingGap.NOT_CODED


def _of_events(timing: Mapping[str, Any]) -> Times | TimingGap | None:
    """Count the events of the fullest day."""
    events = timing.get("event")
    if events is None:
        return None
    days = [text[: len("2024-05-01")] for text in events if isinstance(text, str)] if isinstance(events, list) else []
    if not days or len(days) < len(events) or any(len(day) < len("2024-05-01") for day in days):
        return TimingGap.UNREADABLE
    return Times(Fraction(max(Counter(days).values())))


def _of_repeat(timing: Mapping[str, Any]) -> Times | TimingGap | None:
    repeat = mapping(timing.get("repeat"))
    days = _days_a_week(repeat)
    if days is None:
        return TimingGap.UNREADABLE
    stated = [found for found in (_of_frequency(repeat), _of_times_of_day(repeat)) if found is not None]
    gap = next((found for found in stated if isinstance(found, TimingGap)), None)
    if gap is not None:
        return gap
    known = [found for found in stated if isinstance(found, Times)]
    if not known:
        return _of_what_is_left(repeat, days)
    most = max(known, key=lambda found: found.a_day)
    varies = any(found.is_maximum or found.a_day < most.a_day for found in known)
    if most.a_day >= 1:
        return Times(most.a_day * days, varies)
    if days == 1:
        return Times(most.a_day, varies)
    # Once a week, on Mondays: that is once. On Mondays and Fridays: it may be twice.
    return Times(max(most.a_day, days), varies or most.a_day != days)


def _of_what_is_left(repeat: Mapping[str, Any], days: Fraction) -> Times | TimingGap | None:
    """Read a repeat that gives neither frequency nor hour: its days of the week, or no more than how many times."""
    if days < 1:
        return Times(days)
    if _events_of(repeat):
        return TimingGap.MEALS
    count = _number(repeat, "countMax") or _number(repeat, "count")
    return None if count is None else Times(count)


def _of_frequency(repeat: Mapping[str, Any]) -> Times | TimingGap | None:
    """Read `frequency` in a `period`; a frequency that is absent is one, by the specification."""
    if not any(name in repeat for name in ("frequency", "frequencyMax", "period", "periodMax")):
        return None
    frequency, most = _number(repeat, "frequency"), _number(repeat, "frequencyMax")
    unit = repeat.get("periodUnit", repeat.get("periodUnits"))  # the second in DSTU2
    period = _number(repeat, "period")
    if period is None:
        if "period" in repeat or "periodMax" in repeat or unit is not None:
            return TimingGap.UNREADABLE
        return TimingGap.ABSENT  # `frequency: 2` alone: twice in what?
    length = days_of(period, unit)
    if length is None or (frequency is None and "frequency" in repeat) or (most is None and "frequencyMax" in repeat):
        return TimingGap.UNREADABLE
    times = max(frequency or Fraction(1), most or Fraction(0))
    varies = times != (frequency or 1) or "periodMax" in repeat
    return Times(min(times / length, _within_bounds(repeat, times, length)), varies)


def _within_bounds(repeat: Mapping[str, Any], times: Fraction, length: Fraction) -> Fraction:
    """Give what an order for less than a day leaves room for: hourly, for four hours, is four times."""
    bounds = mapping(repeat.get("boundsDuration")) or mapping(mapping(repeat.get("boundsRange")).get("high"))
    value = exact(bounds.get("value"))
    whole = None if value is None or value <= 0 else days_of(value, bounds.get("code"))
    return times * ceil(whole / length) if whole is not None and whole < 1 else times / length


def _of_times_of_day(repeat: Mapping[str, Any]) -> Times | TimingGap | None:
    """Count the hours of the day, and the events of the day such as bedtime: each is one time."""
    hours = repeat.get("timeOfDay")
    if hours is not None:
        hours = hours if isinstance(hours, list) else [hours]
        if not hours or not all(text_of(hour) for hour in hours):
            return TimingGap.UNREADABLE
        return Times(Fraction(len(set(hours))))
    events = _events_of(repeat) - _NOT_ONCE_A_DAY
    return Times(Fraction(len(events))) if events else None


def _events_of(repeat: Mapping[str, Any]) -> frozenset[str]:
    events = repeat.get("when")
    events = events if isinstance(events, list) else [events]
    return frozenset(event for event in events if isinstance(event, str))


def _days_a_week(repeat: Mapping[str, Any]) -> Fraction | None:
    """Give the part of the days that are named; all where none is. None where it cannot be read."""
    days = repeat.get("dayOfWeek")
    if days is None:
        return Fraction(1)
    days = days if isinstance(days, list) else [days]
    named = {day for day in days if isinstance(day, str) and day in _DAYS}
    return Fraction(len(named), _WEEK) if named and len(named) == len(days) else None


def _number(repeat: Mapping[str, Any], name: str) -> Fraction | None:
    value = exact(repeat.get(name))
    return value if value is not None and value > 0 else None
