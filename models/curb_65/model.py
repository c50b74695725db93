"""CURB-65: what it needs, whom it is for, and its points; every number is in parameters.toml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fhir_client.units import convert
from models.assessment import Driver
from models.features.conditions import PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED
from models.features.observation_set import RESPIRATORY_RATE_PER_MIN, SYSTOLIC_BP_MMHG
from models.features.pneumonia import (
    BUN_MG_DL,
    CONFUSION,
    DIASTOLIC_BP_MMHG,
    UREA_MMOL_L,
    WITHOUT_PNEUMONIA,
)
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

_FEATURES: Final = (
    CONFUSION,
    UREA_MMOL_L,
    BUN_MG_DL,
    RESPIRATORY_RATE_PER_MIN,
    SYSTOLIC_BP_MMHG,
    DIASTOLIC_BP_MMHG,
    AGE_YEARS,
)
_ITEMS: Final = {
    "confusion": "confusion",
    "urea": "urea",
    "respiratory_rate": "respiratory rate",
    "blood_pressure": "blood pressure",
    "age": "age",
}
_POINT: Final[int] = PARAMETERS["points"]
_PRESSURE: Final[Mapping[str, float]] = PARAMETERS["blood_pressure"]
# Closer than any laboratory reports: takes away what a conversion between units adds, so that 7 is not above 7.
_FLOAT_DIGITS: Final = 9


def _urea_mmol_l(values: Mapping[str, Any]) -> float:
    urea = values.get(UREA_MMOL_L.name)
    if urea is None:
        urea = convert(values[BUN_MG_DL.name], BUN_MG_DL.unit, UREA_MMOL_L.unit, BUN_MG_DL.analyte)
    return round(float(urea), _FLOAT_DIGITS)


def _items(values: Mapping[str, Any]) -> dict[str, bool]:
    return {
        "confusion": values["confusion"],
        "urea": _urea_mmol_l(values) > PARAMETERS["urea"]["above"],
        "respiratory_rate": values["respiratory_rate_per_min"] >= PARAMETERS["respiratory_rate"]["at_least"],
        "blood_pressure": values["systolic_bp_mmhg"] < _PRESSURE["systolic_below"]
        or values["diastolic_bp_mmhg"] <= _PRESSURE["diastolic_at_most"],
        "age": values["age_years"] >= PARAMETERS["age"]["at_least"],
    }


def compute(values: Mapping[str, Any]) -> dict[str, int]:
    """Give the total."""
    return {"points": sum(_POINT for present in _items(values).values() if present)}


def drive(values: Mapping[str, Any]) -> dict[str, tuple[Driver, ...]]:
    """Give the point of each item: of two inputs that make one item, the one that was given or that is out of range."""
    names = {
        "confusion": "confusion",
        "urea": UREA_MMOL_L.name if UREA_MMOL_L.name in values else BUN_MG_DL.name,
        "respiratory_rate": "respiratory_rate_per_min",
        "blood_pressure": "systolic_bp_mmhg"
        if values["systolic_bp_mmhg"] < _PRESSURE["systolic_below"]
        else "diastolic_bp_mmhg",
        "age": "age_years",
    }
    items = _items(values).items()
    return {"points": tuple(Driver(names[item], _ITEMS[item], _POINT if present else 0) for item, present in items)}


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(PARAMETERS, _FEATURES, ("points", "CURB-65 points", "")),
    compute=compute,
    drive=drive,
    domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(WITHOUT_PNEUMONIA, "no pneumonia on the problem list or as reason of the stay", blocks=True),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
    ),
    one_of=((UREA_MMOL_L.name, BUN_MG_DL.name),),
)
