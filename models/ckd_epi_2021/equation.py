"""The CKD-EPI 2021 creatinine equation and the G stages; every number is in parameters.toml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from models.parameters import load

PARAMETERS: Final = load(Path(__file__).parent)

_CONSTANT: Final[float] = PARAMETERS["constant"]
_KAPPA: Final[Mapping[str, float]] = PARAMETERS["kappa"]
_ALPHA: Final[Mapping[str, float]] = PARAMETERS["alpha"]
_EXPONENT: Final[float] = PARAMETERS["exponent"]
_AGE_BASE: Final[float] = PARAMETERS["age_base"]
_FACTOR: Final[Mapping[str, float]] = {"female": PARAMETERS["female_factor"], "male": 1.0}
_STAGES: Final[tuple[tuple[float, str], ...]] = tuple((row["from"], row["stage"]) for row in PARAMETERS["g_stages"])


def egfr(*, sex: str, age_years: float, creatinine_mg_dl: float) -> float:
    """Give the eGFR in mL/min/1.73 m2, unrounded."""
    ratio = creatinine_mg_dl / _KAPPA[sex]
    below, above = min(ratio, 1.0), max(ratio, 1.0)
    return float(_CONSTANT * below ** _ALPHA[sex] * above**_EXPONENT * _AGE_BASE**age_years * _FACTOR[sex])


def g_stage(egfr_ml_min_1_73m2: float) -> str:
    """Give the KDIGO category of the unrounded eGFR: from 60 G2, anything below it G3a."""
    return next(stage for bound, stage in _STAGES if egfr_ml_min_1_73m2 >= bound)


def compute(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give eGFR and stage."""
    value = egfr(sex=values["sex"], age_years=values["age_years"], creatinine_mg_dl=values["creatinine_mg_dl"])
    return {"egfr_ml_min_1_73m2": value, "g_stage": g_stage(value)}
