"""FINDRISC: what it needs, whom it is for, and its points; every number is in parameters.toml."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from models.assessment import Driver
from models.features.conditions import DIABETES, PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED, SEX
from models.features.diabetes_risk import ANTIHYPERTENSIVE, HIGH_GLUCOSE_EVER, WAIST_CM
from models.features.feature import Feature, Kind
from models.features.vitals import BMI_KG_M2
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

# Asked of the person, never made up: no chart entry is agreed for them.
_FEATURES: Final = (
    SEX,
    AGE_YEARS,
    BMI_KG_M2,
    WAIST_CM,
    Feature("active_daily", "active for 30 minutes a day", Kind.TRUTH),
    Feature("vegetables_daily", "vegetables, fruit or berries every day", Kind.TRUTH),
    ANTIHYPERTENSIVE,
    HIGH_GLUCOSE_EVER,
    Feature("family_history", "diabetes in the family", Kind.CHOICE, choices=("none", "second-degree", "first-degree")),
)
_LABELS: Final = {feature.name: feature.label for feature in _FEATURES}
_NO_BOUND: Final = float("inf")
# Closer than any scale or tape: takes away what a conversion between units adds, so that 102 cm is not above 102.
_FLOAT_DIGITS: Final = 9


def _row(table: str, value: float) -> int:
    rows: Sequence[Mapping[str, float]] = PARAMETERS[table]
    shown = round(float(value), _FLOAT_DIGITS)
    return int(next(row["points"] for row in rows if _holds(row, shown)))


def _holds(row: Mapping[str, float], value: float) -> bool:
    return value < row.get("below", _NO_BOUND) and value <= row.get("up_to", _NO_BOUND)


def known_parts(values: Mapping[str, Any]) -> dict[str, int]:
    """Give the points of each item that is known; the total can only be higher. Sex must be known."""
    return {
        feature.name: _part(feature.name, values)
        for feature in _FEATURES
        if feature.name in values and feature is not SEX
    }


def _part(name: str, values: Mapping[str, Any]) -> int:
    match name:
        case "age_years" | "bmi_kg_m2":
            return _row(name, values[name])
        case "waist_cm":
            return _row(f"waist_cm_{values['sex']}", values[name])
        case "family_history":
            return int(PARAMETERS[name][values[name]])
        case "active_daily" | "vegetables_daily":
            return 0 if values[name] else int(PARAMETERS[name])
        case _:
            return int(PARAMETERS[name]) if values[name] else 0


def compute(values: Mapping[str, Any]) -> dict[str, int]:
    """Give the total."""
    return {"points": sum(known_parts(values).values())}


def drive(values: Mapping[str, Any]) -> dict[str, tuple[Driver, ...]]:
    """Give the points of each item; sex tells which table of the waist counts, and has none."""
    return {"points": tuple(Driver(name, _LABELS[name], amount) for name, amount in known_parts(values).items())}


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(PARAMETERS, _FEATURES, ("points", "FINDRISC points", "")),
    compute=compute,
    drive=drive,
    domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(DIABETES, "diabetes is known"),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
    ),
)
