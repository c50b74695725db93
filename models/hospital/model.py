"""HOSPITAL, form of 2016: what it needs, whom it is for, and its points; every number is in parameters.toml.

A chart gives no total: which service discharges and what was done in the stay are not read. The simplified score needs
neither and is the one for a chart.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from models.assessment import Driver
from models.features.conditions import PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED
from models.features.feature import Feature, Kind
from models.features.labs import HEMOGLOBIN_G_DL, SODIUM_MMOL_L
from models.features.stay import ADMISSIONS_12M, LENGTH_OF_STAY_DAYS, NONELECTIVE, WITHOUT_STAY, of_the_stay
from models.hospital.points import points_of
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

_FEATURES: Final = (
    of_the_stay(HEMOGLOBIN_G_DL, of="hemoglobin"),
    Feature("oncology", "discharge from an oncology service", Kind.TRUTH),
    of_the_stay(SODIUM_MMOL_L, of="sodium"),
    Feature("procedure", "any coded procedure in the stay", Kind.TRUTH),
    NONELECTIVE,
    ADMISSIONS_12M,
    LENGTH_OF_STAY_DAYS,
)
_BANDS: Final[Mapping[str, int]] = PARAMETERS["band"]


def compute(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the total and its band."""
    points = sum(points_of(PARAMETERS, _FEATURES, values).values())
    return {"points": points, "band": _band(points)}


def _band(points: int) -> str:
    if points <= _BANDS["low_up_to"]:
        return "low"
    return "intermediate" if points <= _BANDS["intermediate_up_to"] else "high"


def drive(values: Mapping[str, Any]) -> dict[str, tuple[Driver, ...]]:
    """Give the points of each item; they are those of the band, too."""
    points = points_of(PARAMETERS, _FEATURES, values)
    drivers = tuple(Driver(feature.name, feature.label, points[feature.name]) for feature in _FEATURES)
    return {"points": drivers, "band": drivers}


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(PARAMETERS, _FEATURES, ("points", "HOSPITAL points", ""), ("band", "risk of readmission", "")),
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
