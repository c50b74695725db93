"""The PREVENT base equations: terms, sums and contributions; every number is in parameters.toml."""

from collections.abc import Mapping
from math import exp
from operator import mul
from pathlib import Path
from typing import Any, Final

from models.assessment import Driver
from models.parameters import load

PARAMETERS: Final = load(Path(__file__).parent)

_T: Final[Mapping[str, float]] = PARAMETERS["terms"]
_MMOL: Final[float] = PARAMETERS["mmol_per_mg_dl"]
_SPANS: Final = ("10y", "30y")
_EVENTS: Final = ("cvd", "ascvd", "hf")
_UP_TO_30Y: Final[float] = PARAMETERS["age_range_30y"]["at_most"]

# Each term of the sum and the input that it is counted for. Where two inputs meet: age with another counts for the
# other, treatment with blood pressure for the pressure, a statin with cholesterol for the cholesterol. Cholesterol is
# the non-HDL part of the total.
_TERMS: Final = {
    "constant": None,
    "age": "age_years",
    "age_squared": "age_years",
    "non_hdl": "total_cholesterol_mg_dl",
    "hdl": "hdl_cholesterol_mg_dl",
    "sbp_below_110": "systolic_bp_mmhg",
    "sbp_from_110": "systolic_bp_mmhg",
    "diabetes": "diabetes",
    "smoker": "smoker",
    "bmi_below_30": "bmi_kg_m2",
    "bmi_from_30": "bmi_kg_m2",
    "egfr_below_60": "egfr_ml_min_1_73m2",
    "egfr_from_60": "egfr_ml_min_1_73m2",
    "bp_treated": "bp_treated",
    "statin": "statin",
    "bp_treated_x_sbp": "systolic_bp_mmhg",
    "statin_x_non_hdl": "total_cholesterol_mg_dl",
    "age_x_non_hdl": "total_cholesterol_mg_dl",
    "age_x_hdl": "hdl_cholesterol_mg_dl",
    "age_x_sbp": "systolic_bp_mmhg",
    "age_x_diabetes": "diabetes",
    "age_x_smoker": "smoker",
    "age_x_bmi": "bmi_kg_m2",
    "age_x_egfr": "egfr_ml_min_1_73m2",
}
LABELS: Final = {
    "age_years": "age",
    "total_cholesterol_mg_dl": "non-HDL cholesterol",
    "hdl_cholesterol_mg_dl": "HDL cholesterol",
    "systolic_bp_mmhg": "systolic blood pressure",
    "diabetes": "diabetes",
    "smoker": "smoking",
    "bmi_kg_m2": "BMI",
    "egfr_ml_min_1_73m2": "eGFR",
    "bp_treated": "blood pressure treatment",
    "statin": "statin",
}
_OF_INPUT: Final = {
    name: tuple(place for place, counted_for in enumerate(_TERMS.values()) if counted_for == name) for name in LABELS
}


def _column(output: str, sex: str) -> tuple[float, ...]:
    coefficients: Mapping[str, float] = PARAMETERS[f"{output}_{sex}"]
    if set(coefficients) - set(_TERMS):  # pragma: no cover - a wrong file stops the import, and with it the start-up
        raise KeyError(output)
    return tuple(coefficients.get(term, 0.0) for term in _TERMS)


_COLUMNS: Final = {
    (sex, span): {f"{event}_{span}": _column(f"{event}_{span}", sex) for event in _EVENTS}
    for sex in ("female", "male")
    for span in _SPANS
}


def compute(values: Mapping[str, Any]) -> dict[str, float]:
    """Give the probabilities over 10 years, and to the age of 59 over 30 years."""
    terms = _terms(values)
    return {output: 1 / (1 + exp(-sum(map(mul, column, terms)))) for output, column in _columns(values).items()}


def drive(values: Mapping[str, Any]) -> dict[str, tuple[Driver, ...]]:
    """Give each input's part of the log odds, against the equations' reference person.

    That is someone of 55 with non-HDL cholesterol 3.5 and HDL cholesterol 1.3 mmol/L, systolic pressure 130, BMI 25
    (heart failure only) and eGFR 90, without diabetes, smoking or treatment.
    """
    terms = _terms(values)
    return {
        output: tuple(
            Driver(name, LABELS[name], sum(column[place] * terms[place] for place in places))
            for name, places in _OF_INPUT.items()
        )
        for output, column in _columns(values).items()
    }


def _columns(values: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    ten_years = _COLUMNS[values["sex"], "10y"]
    if values["age_years"] > _UP_TO_30Y:
        return ten_years
    return ten_years | _COLUMNS[values["sex"], "30y"]


def _terms(values: Mapping[str, Any]) -> tuple[float, ...]:
    """Give the terms in the order of _TERMS."""
    age = (values["age_years"] - _T["age_centre"]) / _T["age_scale"]
    hdl_mmol = values["hdl_cholesterol_mg_dl"] * _MMOL
    non_hdl = values["total_cholesterol_mg_dl"] * _MMOL - hdl_mmol - _T["non_hdl_centre"]
    hdl = (hdl_mmol - _T["hdl_centre"]) / _T["hdl_scale"]
    sbp, bmi, egfr = values["systolic_bp_mmhg"], values["bmi_kg_m2"], values["egfr_ml_min_1_73m2"]
    sbp_below = (min(sbp, _T["sbp_knot"]) - _T["sbp_knot"]) / _T["sbp_scale"]
    sbp_from = (max(sbp, _T["sbp_knot"]) - _T["sbp_centre"]) / _T["sbp_scale"]
    bmi_below = (min(bmi, _T["bmi_knot"]) - _T["bmi_centre"]) / _T["bmi_scale"]
    bmi_from = (max(bmi, _T["bmi_knot"]) - _T["bmi_knot"]) / _T["bmi_scale"]
    egfr_below = (min(egfr, _T["egfr_knot"]) - _T["egfr_knot"]) / _T["egfr_scale"]
    egfr_from = (max(egfr, _T["egfr_knot"]) - _T["egfr_centre"]) / _T["egfr_scale"]
    diabetes, smoker = float(values["diabetes"]), float(values["smoker"])
    treated, statin = float(values["bp_treated"]), float(values["statin"])
    return (
        *(1.0, age, age * age, non_hdl, hdl, sbp_below, sbp_from, diabetes, smoker),
        *(bmi_below, bmi_from, egfr_below, egfr_from, treated, statin),
        *(treated * sbp_from, statin * non_hdl),
        *(age * non_hdl, age * hdl, age * sbp_from, age * diabetes, age * smoker, age * bmi_from, age * egfr_below),
    )
