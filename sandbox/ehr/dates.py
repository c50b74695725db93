"""FHIR dates as intervals: `2020` is a whole year, neither before nor after `2020-06-01`."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

_DATE: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
END: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Interval:
    """From `start` up to, not including, `end`."""

    start: datetime
    end: datetime

    def contains(self, other: "Interval") -> bool:
        """Say whether all of `other` lies inside."""
        return self.start <= other.start and other.end <= self.end


@lru_cache(maxsize=65_536)
def interval_of(text: str) -> Interval | None:
    """Read a FHIR date, dateTime or instant; None for anything else. Without an offset it is read as UTC."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        start = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            # A leap second (60) has no place in datetime; the second before it is the nearest reading.
            min(int(second or 0), 59),
            int(float(fraction or 0) * 1_000_000),
            tzinfo=UTC if offset in (None, "Z") else datetime.strptime(offset, "%z").tzinfo,
        )
        return Interval(start, _end_of(start, month, day, minute, second, fraction))
    except (ValueError, OverflowError):
        return None


def _end_of(start: datetime, month: str | None, day: str | None, *finer: str | None) -> datetime:
    minute, second, fraction = finer
    if month is None:
        return start.replace(year=start.year + 1)
    if day is None:
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    if minute is None:
        return start + timedelta(days=1)
    if second is None:
        return start + timedelta(minutes=1)
    return start + (timedelta(seconds=1) if fraction is None else timedelta(microseconds=1))


def interval_of_value(value: Any) -> Interval | None:
    """Read a date string, a Period (open ends reach to the limits of time) or a Timing's events."""
    if isinstance(value, str):
        return interval_of(value)
    if not isinstance(value, dict):
        return None
    events = [found for text in value.get("event", ()) if (found := interval_of(text))]
    if events:
        return Interval(min(e.start for e in events), max(e.end for e in events))
    start, end = interval_of(value.get("start", "")), interval_of(value.get("end", ""))
    if start is None and end is None:
        return None
    return Interval(start.start if start else BEGINNING, end.end if end else END)


def shifted(text: str, days: int) -> str:
    """Move a FHIR date by whole days, its precision, time of day and offset kept; other text comes back as it was.

    A partial date moves by its middle: the year of mid-1950 plus the offset.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        return text
    year, month, day = found.group(1, 2, 3)
    try:
        middle = date(int(year), int(month or 7), int(day or (15 if month else 2)))
        moved = (middle + timedelta(days=days)).isoformat()
    except (ValueError, OverflowError):
        return text
    precision = 10 if day else 7 if month else 4
    return moved[:precision] + text[precision:]
