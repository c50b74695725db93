"""Wells PE: what it needs, whom it is for, and its points; every number is in parameters.toml.

Two of its items are a clinician's judgement. No chart gives them, so no chart alone gives a total.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from models.assessment import Driver, Input, Reading
from models.features.conditions import PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED
from models.features.feature import Feature, Kind
from models.features.observation_set import HEART_RATE_PER_MIN
from models.features.thrombosis import ACTIVE_CANCER, HEMOPTYSIS, IMMOBILIZED_OR_SURGERY, PREVIOUS_VTE
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

_FEATURES: Final = (
    Feature("dvt_signs", "clinical signs of deep vein thrombosis", Kind.TRUTH),
    Feature("pe_most_likely", "pulmonary embolism at least as likely as anything else", Kind.TRUTH),
    HEART_RATE_PER_MIN,
    IMMOBILIZED_OR_SURGERY,
    PREVIOUS_VTE,
    HEMOPTYSIS,
    replace(ACTIVE_CANCER, name="malignancy", label="malignancy, treated within six months or palliative"),
)
_POINTS: Final[Mapping[str, float]] = PARAMETERS["points"]
_TACHYCARDIA: Final[float] = PARAMETERS["heart_rate_per_min"]["above"]
_UNLIKELY_UP_TO: Final[float] = PARAMETERS["band"]["unlikely_up_to"]


def _parts(values: Mapping[str, Any]) -> dict[str, float]:
    return {
        feature.name: float(_POINTS[feature.name]) if _counts(feature.name, values[feature.name]) else 0.0
        for feature in _FEATURES
    }


def _counts(name: str, value: Any) -> bool:
    return bool(value > _TACHYCARDIA) if name == HEART_RATE_PER_MIN.name else bool(value)


def compute(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the total, in halves, and its band of two."""
    points = sum(_parts(values).values())
    return {"points": points, "band": "unlikely" if points <= _UNLIKELY_UP_TO else "likely"}


def known_points(inputs: Iterable[Input]) -> float:
    """Give the points of those items that are known: no chart gives them all, and the total can only be higher."""
    known = {each.name: each.reading.value for each in inputs if isinstance(each.reading, Reading)}
    return sum(float(_POINTS[name]) for name, value in known.items() if _counts(name, value))


def drive(values: Mapping[str, Any]) -> dict[str, tuple[Driver, ...]]:
    """Give the points of each item; they are those of the band, too."""
    labels = {feature.name: feature.label for feature in _FEATURES}
    drivers = tuple(Driver(name, labels[name], amount) for name, amount in _parts(values).items())
    return {"points": drivers, "band": drivers}


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(PARAMETERS, _FEATURES, ("points", "Wells points", ""), ("band", "pulmonary embolism", "")),
    compute=compute,
    drive=drive,
    chart_domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
    ),
    notes=("for suspected pulmonary embolism; two items are a clinician's judgement",),
)
