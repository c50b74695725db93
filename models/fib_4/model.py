"""FIB-4: what it needs, whom it is for, and its formula; every number is in parameters.toml."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from models.features.conditions import PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED
from models.features.liver import ALT_U_L, AST_U_L, PLATELETS_10E9_L
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

_ALT_EXPONENT: Final[float] = PARAMETERS["alt_exponent"]
_BANDS: Final[Sequence[Mapping[str, float]]] = PARAMETERS["bands"]
_FEATURES = (AGE_YEARS, AST_U_L, ALT_U_L, PLATELETS_10E9_L)


def compute(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the index, unrounded, and its band: that of the person's age."""
    age = values["age_years"]
    index = age * values["ast_u_l"] / (values["platelets_10e9_l"] * values["alt_u_l"] ** _ALT_EXPONENT)
    return {"index": index, "band": _band(index, age)}


def _band(index: float, age: float) -> str:
    cut = next(row for row in _BANDS if age >= row["from_age"])
    if index < cut["low_below"]:
        return "low"
    return "high" if index > cut["high_above"] else "indeterminate"


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(
        PARAMETERS,
        _FEATURES,
        ("index", "FIB-4 index", ""),
        ("band", "probability of advanced fibrosis", ""),
    ),
    compute=compute,
    domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    chart_domain=(Domain.of(ALT_U_L, PARAMETERS["acute_alt"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
    ),
)
