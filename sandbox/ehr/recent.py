"""`--recent`: moves a bundle through time so that its last encounter ended yesterday.

Published synthetic charts end years ago, and a score that wants a blood pressure of this year finds none in them.
Every date of the bundle moves by one offset of whole days, birth and death included: intervals between facts, times
of day and the age at each encounter stay as they were.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sandbox.ehr.dates import interval_of, shifted

# The elements of R4 that hold a date, dateTime or instant. By name and not by looks: a code, an id or a text may
# look like a year, and none of them may move.
_ELEMENTS: Final = frozenset(
    {
        *("authored", "authoredOn", "birthDate", "created", "date", "effective", "end", "event", "issued"),
        *("lastModified", "lastOccurrence", "lastUpdated", "received", "receivedOn", "receivedTime", "recorded"),
        *("sent", "start", "started", "time", "timestamp", "whenHandedOver", "whenPrepared"),
    },
)
_ENDINGS: Final = ("Date", "DateTime", "Instant")
# What tells when care happened, for bundles without an encounter.
_CLINICAL: Final = ("effectiveDateTime", "effectivePeriod", "onsetDateTime", "recordedDate", "authoredOn")
_PERFORMED: Final = ("performedDateTime", "performedPeriod", "occurrenceDateTime", "issued", "date")


def offset_to_recent(resources: list[dict[str, Any]], now: datetime) -> int | None:
    """Tell by how many days to move `resources`; None when nothing in them has a date."""
    last = _last_day(resources)
    if last is None:
        return None
    yesterday = now.astimezone(UTC).date() - timedelta(days=1)
    return (yesterday - last).days


def moved(resources: list[dict[str, Any]], days: int) -> list[dict[str, Any]]:
    """Copy `resources` with every date moved by `days`."""
    return [_moved(resource, "", days) for resource in resources]


def _moved(value: Any, name: str, days: int) -> Any:
    if isinstance(value, dict):
        return {key: _moved(inner, key, days) for key, inner in value.items()}
    if isinstance(value, list):
        return [_moved(inner, name, days) for inner in value]
    if isinstance(value, str) and (name in _ELEMENTS or name.endswith(_ENDINGS)):
        return shifted(value, days)
    return value


def _last_day(resources: list[dict[str, Any]]) -> date | None:
    encounters = [day for r in resources if r["resourceType"] == "Encounter" and (day := _day_of(r.get("period")))]
    if encounters:
        return max(encounters)
    days = [day for r in resources for name in (*_CLINICAL, *_PERFORMED) if (day := _day_of(r.get(name)))]
    return max(days, default=None)


def _day_of(value: Any) -> date | None:
    # An encounter that goes on has no end: its start is the last that is known of it.
    text = (value.get("end") or value.get("start")) if isinstance(value, dict) else value
    found = interval_of(text) if isinstance(text, str) else None
    # The last day that the text names, in its own offset, because `shifted` moves the text's own date.
    return None if found is None else (found.end - timedelta(microseconds=1)).date()
