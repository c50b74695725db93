"""Cockcroft-Gault: what it needs, whom it is for, and its formula; every number is in parameters.toml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from models.features.conditions import KIDNEY_REPLACEMENT, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED, SEX
from models.features.labs import CREATININE_MG_DL
from models.features.vitals import WEIGHT_KG
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

_MINUEND: Final[float] = PARAMETERS["age_minuend"]
_DIVISOR: Final[float] = PARAMETERS["divisor"]
_FACTOR: Final[Mapping[str, float]] = {"female": PARAMETERS["female_factor"], "male": 1.0}
_FEATURES = (SEX, AGE_YEARS, WEIGHT_KG, CREATININE_MG_DL)


def compute(values: Mapping[str, Any]) -> dict[str, float]:
    """Give the clearance in mL/min, unrounded and not indexed to body surface."""
    clearance = (_MINUEND - values["age_years"]) * values["weight_kg"] / (_DIVISOR * values["creatinine_mg_dl"])
    return {"crcl_ml_min": clearance * _FACTOR[values["sex"]]}


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(PARAMETERS, _FEATURES, ("crcl_ml_min", "creatinine clearance", "mL/min")),
    compute=compute,
    domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(KIDNEY_REPLACEMENT, "dialysis, end-stage kidney disease or kidney transplant"),
    ),
    notes=("with actual body weight",),
)
