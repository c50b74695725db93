"""NEWS2: what it needs, whom it is for, and its chart; every number is in parameters.toml."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from fhir_client.record import PatientRecord
from fhir_client.times import Interval
from models.assessment import Input, Reading
from models.features.conditions import PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED
from models.features.feature import Feature, Kind
from models.features.observation_set import (
    CONSCIOUSNESS,
    HEART_RATE_PER_MIN,
    ON_OXYGEN,
    RESPIRATORY_RATE_PER_MIN,
    SPO2_PERCENT,
    SYSTOLIC_BP_MMHG,
    TEMPERATURE_CEL,
    read_series,
)
from models.features.setting import OUTSIDE_ACUTE_CARE
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion
from models.site import Site

PARAMETERS: Final = load(Path(__file__).parent)

# Scale 2 needs a clinician's recorded decision; no chart entry is agreed for it, so a chart is read on scale 1.
SPO2_SCALE = Feature("spo2_scale", "oxygen saturation scale", Kind.CHOICE, choices=(1, 2), required=False)

_FEATURES = (
    RESPIRATORY_RATE_PER_MIN,
    SPO2_PERCENT,
    SPO2_SCALE,
    ON_OXYGEN,
    SYSTOLIC_BP_MMHG,
    HEART_RATE_PER_MIN,
    CONSCIOUSNESS,
    TEMPERATURE_CEL,
)
_TREND: Final = timedelta(hours=24)
_BANDS: Final[Mapping[str, int]] = PARAMETERS["bands"]
_STEPS: Final = {name: Decimal(1).scaleb(-places) for name, places in PARAMETERS["decimals"].items()}
_PARTS: Final = tuple(feature.name for feature in _FEATURES if feature.required)
# Closer than any device reads: takes away what a conversion between units adds, so that 36.05 is 36.05.
_FLOAT_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Known:
    """What a set that is not complete gives already: at least so many points, and the band of those."""

    points: int
    band: str


@dataclass(frozen=True, slots=True)
class Total:
    """The points of one earlier observation set, None where the set was not complete."""

    at: Interval
    points: int | None


def compute(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the total, its band, and the points of each parameter."""
    parts = {name: _part(name, values) for name in _PARTS}
    points = sum(parts.values())
    return {"points": points, "band": _band(points, max(parts.values())), "parts": parts}


def known_points(inputs: Iterable[Input]) -> Known:
    """Give the points of those parameters that are known: the whole score can only be higher."""
    values = {each.name: each.reading.value for each in inputs if isinstance(each.reading, Reading)}
    parts = [_part(name, values) for name in _PARTS if name in values]
    return Known(sum(parts), _band(sum(parts), max(parts, default=0)))


def news2_series(record: PatientRecord, site: Site) -> tuple[Total, ...]:
    """Give the totals of the observation sets of the last 24 hours, oldest first."""
    totals = [
        Total(found.anchor, None if found.values is None else compute(found.values)["points"])
        for found in read_series(record, site, since=record.as_of - _TREND)
    ]
    return tuple(reversed(totals))


def _part(name: str, values: Mapping[str, Any]) -> int:
    match name:
        case "spo2_percent":
            return _points(_saturation_table(values), name, values[name])
        case "on_oxygen":
            return int(PARAMETERS[name]) if values[name] else 0
        case "consciousness":
            return int(PARAMETERS[name][values[name]])
        case _:
            return _points(name, name, values[name])


def _saturation_table(values: Mapping[str, Any]) -> str:
    if values.get("spo2_scale", 1) == 1:
        return "spo2_percent_scale_1"
    return f"spo2_percent_scale_2_on_{'oxygen' if values['on_oxygen'] else 'air'}"


@lru_cache(maxsize=4096)  # vital signs repeat, and rounding in decimals costs more than all the rest of a score
def _points(table: str, name: str, value: float) -> int:
    """Give the points of a value, rounded half up to the digits in which the chart has it."""
    shown = float(Decimal(repr(round(value, _FLOAT_DIGITS))).quantize(_STEPS[name], ROUND_HALF_UP))
    rows: Sequence[Mapping[str, float]] = PARAMETERS[table]
    return int(next(row["points"] for row in rows if shown <= row.get("up_to", float("inf"))))


def _band(points: int, highest_part: int) -> str:
    if points > _BANDS["medium_up_to"]:
        return "high"
    if points > _BANDS["low_up_to"]:
        return "medium"
    return "low-medium" if highest_part >= _BANDS["red_score"] else "low"


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(
        PARAMETERS,
        _FEATURES,
        ("points", "NEWS2 points", ""),
        ("band", "clinical risk", ""),
        ("parts", "points of each parameter", ""),
    ),
    compute=compute,
    chart_domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(PREGNANCY, "not made for pregnancy: use an obstetric chart"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
        Exclusion(OUTSIDE_ACUTE_CARE, "no acute encounter, and no consciousness recorded within 12 hours"),
    ),
    notes=("oxygen saturation on scale 1; scale 2 needs a recorded decision and is not read from the chart",),
)
