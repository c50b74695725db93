"""Anticoagulant of an inpatient, and what speaks against one: an assessor, not a calculator; it needs orders."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from models.features.demographics import AGE_YEARS, DECEASED
from models.features.prophylaxis import ANTICOAGULANT, INR, PLATELETS_10E9_L, RECENT_BLEEDING
from models.features.stay import WITHOUT_STAY
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

# What is not known of bleeding is said beside the advice: few patients have an INR at admission.
BLEEDING: Final = tuple(replace(each, required=False) for each in (PLATELETS_10E9_L, INR, RECENT_BLEEDING))
_FEATURES: Final = (ANTICOAGULANT, *BLEEDING)
_PLATELETS_BELOW: Final[float] = PARAMETERS[PLATELETS_10E9_L.name]["below"]
_INR_ABOVE: Final[float] = PARAMETERS[INR.name]["above"]


def _speaks_against(name: str, value: Any) -> bool:
    if name == PLATELETS_10E9_L.name:
        return bool(value < _PLATELETS_BELOW)
    return bool(value > _INR_ABOVE) if name == INR.name else bool(value)


def contraindications(values: Mapping[str, Any]) -> list[str]:
    """Name what is known to speak against an anticoagulant."""
    known = (each.name for each in BLEEDING if values.get(each.name) is not None)
    return [name for name in known if _speaks_against(name, values[name])]


def compute(values: Mapping[str, Any]) -> dict[str, Any]:
    """Tell whether an anticoagulant is ordered, and name what is known to speak against one."""
    return {"anticoagulated": values[ANTICOAGULANT.name], "contraindications": contraindications(values)}


ASSESSOR = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(
        PARAMETERS,
        _FEATURES,
        ("anticoagulated", "an anticoagulant is ordered", ""),
        ("contraindications", "what speaks against an anticoagulant", ""),
    ),
    compute=compute,
    chart_domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(WITHOUT_STAY, "no inpatient stay goes on or is named", blocks=True),
    ),
)
