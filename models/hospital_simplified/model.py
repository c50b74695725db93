"""Simplified HOSPITAL: what it needs, whom it is for, and its points; every number is in parameters.toml."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from models.assessment import Driver, Input, Reading
from models.features.conditions import PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED
from models.features.labs import HEMOGLOBIN_G_DL, SODIUM_MMOL_L
from models.features.logic import noted
from models.features.stay import ADMISSIONS_12M, LENGTH_OF_STAY_DAYS, NONELECTIVE, WITHOUT_STAY, of_the_stay
from models.features.thrombosis import ACTIVE_CANCER
from models.hospital.points import points_of
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

ONCOLOGY: Final = noted(
    "oncology",
    "active cancer, or discharge from an oncology service",
    ACTIVE_CANCER,
    if_false="from the problem list; the service is not read",
)
_FEATURES: Final = (
    of_the_stay(HEMOGLOBIN_G_DL, of="hemoglobin"),
    ONCOLOGY,
    of_the_stay(SODIUM_MMOL_L, of="sodium"),
    NONELECTIVE,
    ADMISSIONS_12M,
    LENGTH_OF_STAY_DAYS,
)


def compute(values: Mapping[str, Any]) -> dict[str, int]:
    """Give the total."""
    return {"points": sum(points_of(PARAMETERS, _FEATURES, values).values())}


def known_points(inputs: Iterable[Input]) -> int:
    """Give the points of what is known: the whole score can only be higher."""
    known = {each.name: each.reading.value for each in inputs if isinstance(each.reading, Reading)}
    features = [feature for feature in _FEATURES if feature.name in known]
    return sum(points_of(PARAMETERS, features, known).values())


def drive(values: Mapping[str, Any]) -> dict[str, tuple[Driver, ...]]:
    """Give the points of each item."""
    points = points_of(PARAMETERS, _FEATURES, values)
    return {"points": tuple(Driver(feature.name, feature.label, points[feature.name]) for feature in _FEATURES)}


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(PARAMETERS, _FEATURES, ("points", "simplified HOSPITAL points", "")),
    compute=compute,
    drive=drive,
    chart_domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(WITHOUT_STAY, "no inpatient stay goes on or is named"),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
    ),
    notes=("ranks the need for a safe transition; no reason to delay a discharge",),
)
