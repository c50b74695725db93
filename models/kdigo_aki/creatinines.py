"""The series of creatinines: as plain values a list of times and amounts, from a chart the results of a year."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from fhir_client.record import PatientRecord
from models.assessment import Gap, Missing, Reading
from models.concepts import concept
from models.features.feature import Answer, Entries, Feature, Kind, Problem
from models.features.labs import CREATININE_MG_DL
from models.features.plain import plain_quantity, plain_quantity_schema
from models.features.readers import agreed, in_one_order, measured, newest_together, partly
from models.features.searches import laboratory
from models.features.windows import Window
from models.kdigo_aki.staging import PARAMETERS, REACHES_BACK
from models.site import Site

TIME: Final = "time"
VALUE: Final = "value_mg_dl"
# Narrower than what Python reads: no week dates, nothing without its offset. Small letters are allowed.
_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
_SEARCH: Final = laboratory("creatinine")
_NEWEST_DAYS: Final[int] = PARAMETERS["newest"]["within_days"]
_NEWEST_WITHIN: Final = Window(hours=24 * _NEWEST_DAYS)


def _entry(given: Any) -> Mapping[str, Any] | Problem:
    if not isinstance(given, Mapping) or set(given) != {TIME, VALUE}:
        return Problem(f"must be an object with {TIME} and {VALUE}, and nothing else")
    at = _time(given[TIME])
    if at is None:
        return Problem(f"{TIME} must be an RFC 3339 date and time with its offset")
    value = plain_quantity(CREATININE_MG_DL, given[VALUE])
    return Problem(f"{VALUE}: {value.text}") if isinstance(value, Problem) else {TIME: at, VALUE: value}


def _time(text: Any) -> datetime | None:
    if not isinstance(text, str) or _RFC_3339.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _read(record: PatientRecord, site: Site) -> Answer:
    """Give the usable results of a year up to the newest; the newest itself must be usable, and of this week."""
    codes = concept("creatinine").codes(site)
    together = newest_together(record, codes, _SEARCH.key, _NEWEST_WITHIN)
    if isinstance(together, Missing):
        return together
    at, newest = together[0].at, agreed(CREATININE_MG_DL, in_one_order(together))
    if isinstance(newest, Gap) or at is None:
        return Missing(newest if isinstance(newest, Gap) else Gap.NOT_RECORDED, at)
    value, used = newest
    rows = [{TIME: at.start, VALUE: value}]
    for earlier, quantity in record.observations(codes).quantities():
        if earlier.start < at.start - REACHES_BACK:
            break
        amount = measured(CREATININE_MG_DL, quantity)
        # A date without a time that could be after the newest is no earlier value.
        if earlier.start < at.start and earlier.end <= at.start and not isinstance(amount, Gap):
            rows.append({TIME: earlier.start, VALUE: amount})
    note = f"the newest of {len(rows)} in a year"
    said = "; ".join(part for part in (note, partly(record, _SEARCH.key)) if part)
    return Reading(value, at, (used.source.cited,), said, rows=tuple(rows))


CREATININES: Final = Feature(
    "creatinines",
    "creatinine in mg/dL over time",
    Kind.LIST,
    entries=Entries(
        schema={
            "type": "object",
            "properties": {
                TIME: {"type": "string", "format": "date-time"},
                VALUE: plain_quantity_schema(CREATININE_MG_DL),
            },
            "required": [TIME, VALUE],
            "additionalProperties": False,
        },
        read=_entry,
    ),
    searches=(_SEARCH,),
    unverified=CREATININE_MG_DL.unverified,
    window=f"the newest within {_NEWEST_WITHIN}, a year before it",
    read=_read,
)
