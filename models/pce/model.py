"""The pooled cohort equations: what they need, whom they are for, their form; every number is in parameters.toml."""

from collections.abc import Mapping
from math import exp, log
from pathlib import Path
from typing import Any, Final

from models.features.conditions import CARDIOVASCULAR_DISEASE, DIABETES, PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED, SEX
from models.features.feature import Feature, Kind
from models.features.labs import HDL_CHOLESTEROL_MG_DL, TOTAL_CHOLESTEROL_MG_DL
from models.features.medications import BP_TREATED
from models.features.social import SMOKER
from models.features.vitals import SYSTOLIC_BP_MMHG
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

# The equations have no form without it. It is never read from a chart nor inferred (models.md 0.3.7): who asks, says.
RACE: Final = Feature("race", "race", Kind.CHOICE, choices=("white", "black"))

_FEATURES: Final = (
    SEX,
    RACE,
    AGE_YEARS,
    TOTAL_CHOLESTEROL_MG_DL,
    HDL_CHOLESTEROL_MG_DL,
    SYSTOLIC_BP_MMHG,
    BP_TREATED,
    DIABETES,
    SMOKER,
)
_EQUATIONS: Final[Mapping[tuple[str, str], Mapping[str, Any]]] = {
    (parameter.when["sex"], parameter.when["race"]): parameter.value
    for parameter in PARAMETERS.by_name.values()
    if parameter.when
}
# Far beyond any person: it keeps the exponential of absurd inputs in the range of floats, where the risk is 1.
_CERTAIN: Final = 50.0


def _terms(values: Mapping[str, Any]) -> dict[str, float]:
    ln_age, ln_tc = log(values["age_years"]), log(values["total_cholesterol_mg_dl"])
    ln_hdl, ln_sbp = log(values["hdl_cholesterol_mg_dl"]), log(values["systolic_bp_mmhg"])
    treated = "treated" if values["bp_treated"] else "untreated"
    return {
        "ln_age": ln_age,
        "ln_age_squared": ln_age**2,
        "ln_tc": ln_tc,
        "ln_age_ln_tc": ln_age * ln_tc,
        "ln_hdl": ln_hdl,
        "ln_age_ln_hdl": ln_age * ln_hdl,
        f"ln_{treated}_sbp": ln_sbp,
        f"ln_age_ln_{treated}_sbp": ln_age * ln_sbp,
        "smoker": float(values["smoker"]),
        "ln_age_smoker": ln_age * values["smoker"],
        "diabetes": float(values["diabetes"]),
    }


def compute(values: Mapping[str, Any]) -> dict[str, float]:
    """Give the probability of a first atherosclerotic event (infarction, coronary death, stroke) within ten years."""
    equation = _EQUATIONS[values["sex"], values["race"]]
    terms = _terms(values)
    total = sum(b * terms[name] for name, b in equation["coefficients"].items() if name in terms)
    return {"ascvd_10y": 1 - equation["survival"] ** exp(min(total - equation["mean"], _CERTAIN))}


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(
        PARAMETERS, _FEATURES, ("ascvd_10y", "first atherosclerotic cardiovascular event within 10 years", "")
    ),
    compute=compute,
    domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(CARDIOVASCULAR_DISEASE, "cardiovascular disease is already established", blocks=True),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
    ),
    notes=("over-predicts in modern cohorts; kept for comparison with older records, PREVENT replaces it",),
)
