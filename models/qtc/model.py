"""QTc: what it needs, whom it is for, and both corrections; every number is in parameters.toml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from models.features.demographics import DECEASED
from models.features.electrocardiogram import HEART_RATE_PER_MIN, QT_MS
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

_MINUTE: Final[float] = PARAMETERS["seconds_a_minute"]
_EXPONENTS: Final[Mapping[str, float]] = {
    f"{name}_ms": exponent["numerator"] / exponent["denominator"]
    for name in ("bazett", "fridericia")
    for exponent in (PARAMETERS[f"{name}_exponent"],)
}
_FEATURES = (QT_MS, HEART_RATE_PER_MIN)


def compute(values: Mapping[str, Any]) -> dict[str, float]:
    """Give QTc by both corrections, in ms."""
    rr_s = _MINUTE / values["heart_rate_per_min"]
    return {name: values["qt_ms"] / rr_s**exponent for name, exponent in _EXPONENTS.items()}


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(
        PARAMETERS,
        _FEATURES,
        ("bazett_ms", "QTc (Bazett)", "ms"),
        ("fridericia_ms", "QTc (Fridericia)", "ms"),
    ),
    compute=compute,
    exclusions=(Exclusion(DECEASED, "the patient has died"),),
    notes=("Bazett over-corrects above 100 beats a minute and under-corrects below 60",),
)
