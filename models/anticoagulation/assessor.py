"""Anticoagulation in atrial fibrillation: an assessor, not a calculator; it needs a chart's orders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from models.features.atrial_fibrillation import ORAL_ANTICOAGULANT, WITHOUT_ATRIAL_FIBRILLATION
from models.features.demographics import AGE_YEARS, DECEASED
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

PARAMETERS: Final = load(Path(__file__).parent)
_FEATURES: Final = (ORAL_ANTICOAGULANT,)


def compute(values: Mapping[str, Any]) -> dict[str, bool]:
    """Tell whether an oral anticoagulant is taken."""
    return {"anticoagulated": values[ORAL_ANTICOAGULANT.name]}


ASSESSOR = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(PARAMETERS, _FEATURES, ("anticoagulated", "takes an oral anticoagulant", "")),
    compute=compute,
    chart_domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(WITHOUT_ATRIAL_FIBRILLATION, "no atrial fibrillation on the problem list", blocks=True),
    ),
)
