"""FHIR dates and times with their precision: a partial date is an interval, never padded in silence."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """A half-open span [start, end) in UTC, and the text it was read from."""

    start: datetime
    end: datetime
    text: str = ""
