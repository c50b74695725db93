"""HAS-BLED: what it needs, whom it is for, and its points; every number is in parameters.toml."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from models.assessment import Driver, Input, Reading
from models.features.atrial_fibrillation import (
    ALCOHOL_DRINKS_PER_WEEK,
    ANTIPLATELET_OR_NSAID,
    BLEEDING,
    LABILE_INR,
    STROKE,
    WITHOUT_ATRIAL_FIBRILLATION,
)
from models.features.conditions import KIDNEY_REPLACEMENT, PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED
from models.features.labs import CREATININE_MG_DL
from models.features.liver import CIRRHOSIS
from models.features.logic import any_of, at_least, noted
from models.features.vitals import SYSTOLIC_BP_MMHG
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

ABNORMAL_RENAL_FUNCTION: Final = any_of(
    "abnormal_renal_function",
    "abnormal renal function",
    KIDNEY_REPLACEMENT,
    at_least("high_creatinine", "creatinine", CREATININE_MG_DL, PARAMETERS["abnormal_renal_function"]["at_least"]),
)
# The other half of the item, bilirubin and enzymes by multiples of normal, needs each laboratory's limits.
ABNORMAL_LIVER_FUNCTION: Final = noted(
    "abnormal_liver_function",
    "abnormal liver function",
    CIRRHOSIS,
    if_false="from the problem list; bilirubin and enzymes are not read",
)
_FEATURES: Final = (
    AGE_YEARS,
    SYSTOLIC_BP_MMHG,
    ABNORMAL_RENAL_FUNCTION,
    ABNORMAL_LIVER_FUNCTION,
    STROKE,
    BLEEDING,
    LABILE_INR,
    ANTIPLATELET_OR_NSAID,
    ALCOHOL_DRINKS_PER_WEEK,
)
_POINT: Final[int] = PARAMETERS["points"]
_ABOVE: Final[Mapping[str, float]] = {
    "age_years": PARAMETERS["elderly"]["above"],
    "systolic_bp_mmhg": PARAMETERS["uncontrolled_systolic_bp"]["above"],
}
_DRINKS: Final[float] = PARAMETERS["alcohol"]["at_least"]


def _parts(values: Mapping[str, Any]) -> dict[str, int]:
    return {
        feature.name: _POINT if _counts(feature.name, values[feature.name]) else 0
        for feature in _FEATURES
        if feature.name in values
    }


def _counts(name: str, value: Any) -> bool:
    if name in _ABOVE:
        return bool(value > _ABOVE[name])
    return bool(value >= _DRINKS) if name == ALCOHOL_DRINKS_PER_WEEK.name else bool(value)


def compute(values: Mapping[str, Any]) -> dict[str, int]:
    """Give the total."""
    return {"points": sum(_parts(values).values())}


def known_parts(inputs: Iterable[Input]) -> dict[str, int]:
    """Give the points of what is known: the whole can only be more. Few charts hold all, and each factor counts."""
    return _parts({each.name: each.reading.value for each in inputs if isinstance(each.reading, Reading)})


def drive(values: Mapping[str, Any]) -> dict[str, tuple[Driver, ...]]:
    """Give the points of each input."""
    labels = {feature.name: feature.label for feature in _FEATURES}
    return {"points": tuple(Driver(name, labels[name], amount) for name, amount in _parts(values).items())}


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(PARAMETERS, _FEATURES, ("points", "HAS-BLED points", "")),
    compute=compute,
    drive=drive,
    domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(WITHOUT_ATRIAL_FIBRILLATION, "no atrial fibrillation on the problem list", blocks=True),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
    ),
    notes=("to find bleeding factors that can be corrected, not to deny anticoagulation",),
)
