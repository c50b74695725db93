"""The list of opioids: which drug, how much a day."""

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from fhir_client.codes import RXNORM, Code
from fhir_client.medications import ingredients
from models.concepts import concept
from models.features.feature import Entries, Feature, Kind, Problem

RXCUI: Final = "rxcui"
DAILY_DOSE: Final = "daily_dose"
UNIT: Final = "unit"
MG_A_DAY: Final = "mg/d"
UG_A_DAY: Final = "ug/d"
PATCH: Final = "ug/h"
_UNITS: Final = (MG_A_DAY, PATCH, UG_A_DAY)
_OPIOIDS: Final = concept("opioids")
_MOST: Final = 100_000  # the source gives no bound: this keeps out what is no dose


def opioids_in(rxcui: str) -> frozenset[str] | None:
    """Give the opioid ingredients of an ingredient or product; None where the code does not resolve."""
    found = ingredients([Code(RXNORM, rxcui)])
    if found is None:
        return frozenset({rxcui}) if rxcui in _OPIOIDS.exact_codes else None
    return found & _OPIOIDS.exact_codes


def _entry(given: Any) -> Mapping[str, Any] | Problem:
    if not isinstance(given, Mapping) or set(given) != {RXCUI, DAILY_DOSE, UNIT}:
        return Problem(f"must be an object with {RXCUI}, {DAILY_DOSE} and {UNIT}, and nothing else")
    rxcui = _code(given[RXCUI])
    if rxcui is None:
        return Problem(f"{RXCUI} must be an RxNorm code")
    if given[UNIT] not in _UNITS:
        return Problem(f"{UNIT} must be one of {', '.join(_UNITS)}")
    dose = given[DAILY_DOSE]
    if isinstance(dose, bool) or not isinstance(dose, int | float) or not isfinite(dose) or not 0 < dose <= _MOST:
        return Problem(f"{DAILY_DOSE} must be a number above 0, up to {_MOST}")
    if opioids_in(rxcui) == frozenset():
        return Problem(f"{RXCUI} is no opioid")
    return {RXCUI: rxcui, DAILY_DOSE: dose, UNIT: given[UNIT]}


def _code(given: Any) -> str | None:
    text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
    return text if isinstance(text, str) and text.isascii() and text.isdigit() else None


def name_of(rxcui: str) -> str:
    """Give an opioid ingredient's name."""
    return next(group.codes[rxcui] for group in _OPIOIDS.groups if rxcui in group.codes)


# Read from plain values here; `orders.py` reads it from a chart.
OPIOIDS: Final = Feature(
    "opioids",
    "opioids with their daily doses",
    Kind.LIST,
    entries=Entries(
        schema={
            "type": "object",
            "properties": {
                RXCUI: {"description": "RxNorm ingredient or product", "type": ["string", "integer"]},
                DAILY_DOSE: {"type": "number", "exclusiveMinimum": 0, "maximum": _MOST},
                UNIT: {"enum": list(_UNITS)},
            },
            "required": [RXCUI, DAILY_DOSE, UNIT],
            "additionalProperties": False,
        },
        read=_entry,
    ),
    unverified=_OPIOIDS.unverified,
)
