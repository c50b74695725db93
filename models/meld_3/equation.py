"""The MELD 3.0 equation; every number is in parameters.toml."""

from collections.abc import Mapping
from math import floor, inf, log
from pathlib import Path
from typing import Any, Final

from models.parameters import load

PARAMETERS: Final = load(Path(__file__).parent)

_B: Final[Mapping[str, float]] = PARAMETERS["coefficients"]
_BOUNDS: Final[Mapping[str, Mapping[str, float]]] = PARAMETERS["bounds"]
_DIALYSIS_CREATININE: Final[float] = PARAMETERS["dialysis_creatinine"]
_LIMITS: Final[Mapping[str, int]] = PARAMETERS["limits"]
_ADULT: Final[float] = PARAMETERS["adult_from"]
# Takes away what a conversion between units adds, so that halves are halves.
_FLOAT_DIGITS: Final = 9


def compute(values: Mapping[str, Any]) -> dict[str, int]:
    """Give the score. Without an age: of an adult; without word of dialysis: of someone who had none."""
    creatinine = _DIALYSIS_CREATININE if values.get("dialysis") else values["creatinine_mg_dl"]
    ln_bilirubin = log(_held("bilirubin", values["bilirubin_mg_dl"]))
    ln_creatinine = log(_held("creatinine", creatinine))
    sodium = _BOUNDS["sodium"]["at_most"] - _held("sodium", values["sodium_mmol_l"])
    albumin = _BOUNDS["albumin"]["at_most"] - _held("albumin", values["albumin_g_dl"])
    total = (
        _B["female"] * _has_the_term_of_women(values)
        + _B["ln_bilirubin"] * ln_bilirubin
        + _B["sodium"] * sodium
        + _B["sodium_ln_bilirubin"] * sodium * ln_bilirubin
        + _B["ln_inr"] * log(_held("inr", values["inr"]))
        + _B["ln_creatinine"] * ln_creatinine
        + _B["albumin"] * albumin
        + _B["albumin_ln_creatinine"] * albumin * ln_creatinine
        + _B["intercept"]
    )
    rounded = floor(round(total, _FLOAT_DIGITS) + 0.5)
    return {"score": min(max(rounded, _LIMITS["at_least"]), _LIMITS["at_most"])}


def _has_the_term_of_women(values: Mapping[str, Any]) -> bool:
    return bool(values["sex"] == "female" or values.get("age_years", _ADULT) < _ADULT)


def _held(name: str, value: float) -> float:
    bounds = _BOUNDS[name]
    return min(max(value, bounds["at_least"]), bounds.get("at_most", inf))
