"""SIRS: what it needs, whom it is for, and its criteria; every number is in parameters.toml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from models.assessment import Driver
from models.features.conditions import PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED
from models.features.infection import BANDS_PERCENT, PACO2_MMHG, WBC_10E9_L
from models.features.observation_set import HEART_RATE_PER_MIN, RESPIRATORY_RATE_PER_MIN, TEMPERATURE_CEL
from models.features.setting import OUTSIDE_ACUTE_CARE
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

_FEATURES: Final = (
    TEMPERATURE_CEL,
    HEART_RATE_PER_MIN,
    RESPIRATORY_RATE_PER_MIN,
    PACO2_MMHG,
    WBC_10E9_L,
    BANDS_PERCENT,
)
# The criteria, each with the inputs of which one is enough to meet it.
_CRITERIA: Final = {
    "temperature": ("temperature_cel",),
    "heart rate": ("heart_rate_per_min",),
    "breathing": ("respiratory_rate_per_min", "paco2_mmhg"),
    "white cells": ("wbc_10e9_l", "bands_percent"),
}
_POINT: Final[int] = PARAMETERS["points"]
# Closer than any device reads: takes away what a conversion between units adds, so that 100.4 degF is not above 38 Cel.
_FLOAT_DIGITS: Final = 9


def _meets(name: str, values: Mapping[str, Any]) -> bool:
    if name not in values:
        return False
    value = round(float(values[name]), _FLOAT_DIGITS)
    bounds: Mapping[str, float] = PARAMETERS[name]
    return value > bounds.get("above", float("inf")) or value < bounds.get("below", float("-inf"))


def _met_by(names: tuple[str, ...], values: Mapping[str, Any]) -> str | None:
    return next((name for name in names if _meets(name, values)), None)


def compute(values: Mapping[str, Any]) -> dict[str, int]:
    """Give the number of criteria that are met; of values that are not all there, at least so many."""
    return {"points": sum(_POINT for names in _CRITERIA.values() if _met_by(names, values) is not None)}


def drive(values: Mapping[str, Any]) -> dict[str, tuple[Driver, ...]]:
    """Give the point of each criterion, by the input that meets it or that is always there."""
    return {
        "points": tuple(
            Driver(met_by or names[0], criterion, _POINT if met_by else 0)
            for criterion, names in _CRITERIA.items()
            for met_by in (_met_by(names, values),)
        )
    }


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(PARAMETERS, _FEATURES, ("points", "SIRS criteria met", "")),
    compute=compute,
    drive=drive,
    chart_domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
        Exclusion(OUTSIDE_ACUTE_CARE, "no acute encounter, and no consciousness recorded within 12 hours"),
    ),
    notes=("for suspected infection only: many patients of a ward meet two criteria",),
)
