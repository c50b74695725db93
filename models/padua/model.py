"""Padua: what it needs, whom it is for, and its points; every number is in parameters.toml."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from models.assessment import Driver, Input, Missing, Reading
from models.features.conditions import PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED
from models.features.setting import OUTSIDE_ACUTE_CARE
from models.features.thrombosis import (
    ACTIVE_CANCER,
    ACUTE_INFECTION_OR_RHEUMATOLOGICAL,
    ACUTE_MI_OR_STROKE,
    HEART_OR_RESPIRATORY_FAILURE,
    HORMONAL_TREATMENT,
    PREVIOUS_VTE,
    RECENT_TRAUMA_OR_SURGERY,
    REDUCED_MOBILITY,
    THROMBOPHILIA,
)
from models.features.vitals import BMI_KG_M2
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

_FEATURES: Final = (
    ACTIVE_CANCER,
    PREVIOUS_VTE,
    REDUCED_MOBILITY,
    THROMBOPHILIA,
    RECENT_TRAUMA_OR_SURGERY,
    AGE_YEARS,
    HEART_OR_RESPIRATORY_FAILURE,
    ACUTE_MI_OR_STROKE,
    ACUTE_INFECTION_OR_RHEUMATOLOGICAL,
    BMI_KG_M2,
    HORMONAL_TREATMENT,
)
_LABELS: Final = {feature.name: feature.label for feature in _FEATURES}
_POINTS: Final[Mapping[str, int]] = PARAMETERS["points"]
_FROM: Final[Mapping[str, float]] = {name: PARAMETERS[name]["at_least"] for name in ("age_years", "bmi_kg_m2")}


def _parts(values: Mapping[str, Any]) -> dict[str, int]:
    """Give the points of the items that are known."""
    return {
        name: _POINTS[name] if _counts(name, values[name]) else 0 for name in _LABELS if values.get(name) is not None
    }


def _counts(name: str, value: Any) -> bool:
    return bool(value >= _FROM[name]) if name in _FROM else bool(value)


def compute(values: Mapping[str, Any]) -> dict[str, int]:
    """Give the total."""
    return {"points": sum(_parts(values).values())}


def known_parts(inputs: Iterable[Input]) -> dict[str, int]:
    """Give the points of each item that is known, by name."""
    return _parts({each.name: each.reading.value for each in inputs if isinstance(each.reading, Reading)})


def known_points(inputs: Iterable[Input]) -> int:
    """Give the points of those items that are known: the whole score can only be higher.

    Bed rest and surgery are seldom to be found in a chart, and what is known may be enough.
    """
    return sum(known_parts(inputs).values())


def most_points(inputs: Iterable[Input]) -> int:
    """Give the points that there would be if all counted that is not known."""
    given = tuple(inputs)
    return known_points(given) + sum(_POINTS[each.name] for each in given if isinstance(each.reading, Missing))


def drive(values: Mapping[str, Any]) -> dict[str, tuple[Driver, ...]]:
    """Give the points of each item."""
    return {"points": tuple(Driver(name, _LABELS[name], amount) for name, amount in _parts(values).items())}


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(PARAMETERS, _FEATURES, ("points", "Padua points", "")),
    compute=compute,
    drive=drive,
    domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
        Exclusion(OUTSIDE_ACUTE_CARE, "no acute encounter, and no consciousness recorded within 12 hours"),
    ),
    notes=("for medical inpatients; bleeding risk is not part of it",),
)
