"""qSOFA: what it needs, whom it is for, and its points; every number is in parameters.toml."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from models.assessment import Driver
from models.features.conditions import PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED
from models.features.infection import GCS
from models.features.observation_set import RESPIRATORY_RATE_PER_MIN, SYSTOLIC_BP_MMHG
from models.features.setting import OUTSIDE_ACUTE_CARE
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

_FEATURES: Final = (RESPIRATORY_RATE_PER_MIN, SYSTOLIC_BP_MMHG, GCS)
_POINT: Final[int] = PARAMETERS["points"]


_MEETS: Final[Mapping[str, Callable[[float], bool]]] = {
    "respiratory_rate_per_min": lambda rate: rate >= PARAMETERS["respiratory_rate_per_min"]["at_least"],
    "systolic_bp_mmhg": lambda pressure: pressure <= PARAMETERS["systolic_bp_mmhg"]["at_most"],
    "gcs": lambda score: score < PARAMETERS["gcs"]["below"],
}


def known_parts(values: Mapping[str, Any]) -> dict[str, int]:
    """Give the points of the criteria that are known; the total can only be higher."""
    return {name: _POINT if meets(values[name]) else 0 for name, meets in _MEETS.items() if name in values}


def compute(values: Mapping[str, Any]) -> dict[str, int]:
    """Give the total."""
    return {"points": sum(known_parts(values).values())}


def drive(values: Mapping[str, Any]) -> dict[str, tuple[Driver, ...]]:
    """Give the point of each criterion."""
    labels = {feature.name: feature.label for feature in _FEATURES}
    return {"points": tuple(Driver(name, labels[name], amount) for name, amount in known_parts(values).items())}


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(PARAMETERS, _FEATURES, ("points", "qSOFA points", "")),
    compute=compute,
    drive=drive,
    chart_domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
        Exclusion(OUTSIDE_ACUTE_CARE, "no acute encounter, and no consciousness recorded within 12 hours"),
    ),
    notes=("for suspected infection only, and never as the only screen for sepsis",),
)
