"""FHIR dates and times with their precision: a partial date is an interval, never padded in silence."""

import re
from calendar import isleap, monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
"""The start of a span whose start is not known."""
FOREVER: Final = datetime.max.replace(tzinfo=UTC)
"""The end of a span that is still open."""

_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)
_SHORTEST_TIME: Final = len("2024-05-01T08:00")
_SEPARATORS: Final = frozenset({"--T::Z", "--T::+", "--T::-"})
_WHOLE_SECOND_LENGTHS: Final = frozenset({len("2024-05-01T08:00:00Z"), len("2024-05-01T08:00:00+02:00")})

# FHIR date, dateTime and instant (FHIR R4, datatypes). Wider in one place: seconds and offset may be left out, as DSTU2
# and several servers do. Narrower in none: 24:00 is not a FHIR time.
_FORM: Final = re.compile(
    r"(?P<year>\d{4})"
    r"(?:-(?P<month>0[1-9]|1[0-2])"
    r"(?:-(?P<day>0[1-9]|[12]\d|3[01])"
    r"(?:T(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)"
    r"(?::(?P<second>[0-5]\d|60)(?:\.(?P<fraction>\d+))?)?"
    r"(?P<offset>Z|[+-](?:0\d|1[0-3]):[0-5]\d|[+-]14:00)?)?)?)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """A half-open span [start, end) in UTC, and the text it was read from.

    What happened, happened at one moment of the span. So a comparison with an instant has three answers: `is_before`
    and `is_after` are claims that hold wherever in the span it was, `could_be_before` and `could_be_after` hold
    somewhere in it. A date without a time zone is taken as a date in UTC: FHIR gives dates none, and any other choice
    would depend on the machine.
    """

    start: datetime
    end: datetime
    text: str = ""

    @classmethod
    def parse(cls, text: object) -> "Interval | None":
        """Read a FHIR date, dateTime or instant; None for anything that is not one.

        >>> Interval.parse("2020-05").start.isoformat(), Interval.parse("2020-05").end.isoformat()
        ('2020-05-01T00:00:00+00:00', '2020-06-01T00:00:00+00:00')
        """
        return read_time(text) if isinstance(text, str) else None

    @classmethod
    def between(cls, start: object, end: object) -> "Interval | None":
        """Read a FHIR Period from the texts of its two ends; an absent end is open, None if neither can be read.

        A Period's end is inclusive to its precision: one that ends `2020-05` includes all of May. An end that lies
        before its start makes the Period unreadable.
        """
        first, last = cls.parse(start), cls.parse(end)
        if (first is None and start is not None) or (last is None and end is not None):
            return None
        if first is None:
            return None if last is None else cls(BEGINNING, last.end, f"until {last.text}")
        if last is None:
            return cls(first.start, FOREVER, f"since {first.text}")
        if last.end <= first.start:
            return None
        return cls(first.start, last.end, f"{first.text} to {last.text}")

    @property
    def middle(self) -> datetime:
        """Give the middle of the span."""
        return self.start + (self.end - self.start) / 2

    @property
    def is_open(self) -> bool:
        """Tell whether the span has no known end."""
        return self.end == FOREVER

    def left_open(self) -> "Interval":
        """Give the span without its end, for what had not ended at the time that matters."""
        return Interval(self.start, FOREVER, f"since {self.text.partition(' to ')[0]}")

    def is_before(self, instant: datetime) -> bool:
        """Tell whether it was certainly before the instant."""
        return self.end <= instant

    def is_after(self, instant: datetime) -> bool:
        """Tell whether it was certainly after the instant."""
        return self.start > instant

    def could_be_before(self, instant: datetime) -> bool:
        """Tell whether it may have been before the instant."""
        return self.start < instant

    def could_be_after(self, instant: datetime) -> bool:
        """Tell whether it may have been after the instant."""
        return self.end > instant

    def contains(self, instant: datetime) -> bool:
        """Tell whether the instant lies in the span."""
        return self.start <= instant < self.end


@lru_cache(maxsize=16_384)  # a chart repeats its times: a visit's results, problems and orders share one
def read_time(text: str) -> Interval | None:
    """Read a FHIR date, dateTime or instant; None for a text that is not one."""
    try:
        # Every third character from the fifth is a separator.
        if text[4:20:3] in _SEPARATORS and len(text) in _WHOLE_SECOND_LENGTHS:
            return _whole_second(text)
        return _any_form(text)
    except (ValueError, OverflowError):
        return None


def completed_years(born: date, on: date) -> int:
    """Count completed years of life; born on 29 February, a birthday in a common year is 1 March.

    >>> completed_years(date(2000, 2, 29), date(2021, 2, 28)), completed_years(date(2000, 2, 29), date(2021, 3, 1))
    (20, 21)
    """
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def age_years(birth: Interval, on: datetime) -> int | None:
    """Give completed years; of a partial birth date, from the middle of what it allows. None before birth."""
    if birth.is_after(on):
        return None
    return max(0, completed_years(birth.middle.date(), on.date()))


def age_range_years(birth: Interval, on: datetime) -> tuple[int, int] | None:
    """Give the youngest and the oldest age that the birth date allows; None before birth."""
    if birth.is_after(on):
        return None
    latest = (birth.end - timedelta(microseconds=1)).date()
    return max(0, completed_years(latest, on.date())), completed_years(birth.start.date(), on.date())


def _whole_second(text: str) -> Interval | None:
    """Read the commonest form, `2024-05-01T08:00:00+02:00`, without a regular expression."""
    # fromisoformat takes offsets up to 24 hours and written otherwise, FHIR up to 14; and it knows no leap second.
    if text[20:22] > "13" or text[22:23] not in ("", ":") or text[17:19] == "60":
        return _any_form(text)
    start = datetime.fromisoformat(text)
    if start.tzinfo is not UTC:
        start = start.astimezone(UTC)
    return _span(start, _SECOND, text)


def _any_form(text: str) -> Interval | None:
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    if match["hour"] is not None:
        return _time_of_day(match, text)
    year, month, day = int(match["year"]), int(match["month"] or 1), int(match["day"] or 1)
    start = datetime(year, month, day, tzinfo=UTC)
    if match["day"] is not None:
        return _span(start, _DAY, text)
    if match["month"] is not None:
        return _span(start, monthrange(year, month)[1] * _DAY, text)
    return _span(start, (366 if isleap(year) else 365) * _DAY, text)


def _time_of_day(match: re.Match[str], text: str) -> Interval:
    start = datetime.fromisoformat(match.string[:_SHORTEST_TIME] + (match["offset"] or "Z")).astimezone(UTC)
    if match["second"] is None:
        return _span(start, timedelta(minutes=1), text)
    start += timedelta(seconds=int(match["second"]))  # 60, a leap second, is the first of the next minute
    fraction = match["fraction"]
    if fraction is None:
        return _span(start, _SECOND, text)
    # Python counts in microseconds; digits beyond them are cut, and the span is never shorter than one.
    digits = fraction[:6]
    step = timedelta(microseconds=10 ** (6 - len(digits)))
    start += timedelta(microseconds=int(digits.ljust(6, "0")))
    return _span(start, step, text)


def _span(start: datetime, length: timedelta, text: str) -> Interval:
    try:
        return Interval(start, start + length, text)
    except OverflowError:  # 9999-12-31T23:59:59Z, which servers send for "no end"
        return Interval(start, FOREVER, text)
