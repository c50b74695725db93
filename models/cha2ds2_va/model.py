"""CHA2DS2-VA: what it needs, whom it is for, and its points; every number is in parameters.toml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from models.assessment import Driver
from models.features.atrial_fibrillation import (
    HEART_FAILURE,
    STROKE_TIA_THROMBOEMBOLISM,
    VALVULAR_ATRIAL_FIBRILLATION,
    VASCULAR_DISEASE,
    WITHOUT_ATRIAL_FIBRILLATION,
)
from models.features.conditions import DIABETES, HYPERTENSION, PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED
from models.parameters import Parameters, load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

FEATURES: Final = (
    AGE_YEARS,
    HEART_FAILURE,
    HYPERTENSION,
    DIABETES,
    STROKE_TIA_THROMBOEMBOLISM,
    VASCULAR_DISEASE,
)
EXCLUSIONS: Final = (
    Exclusion(DECEASED, "the patient has died"),
    Exclusion(WITHOUT_ATRIAL_FIBRILLATION, "no atrial fibrillation on the problem list", blocks=True),
    Exclusion(VALVULAR_ATRIAL_FIBRILLATION, "rheumatic mitral disease or mechanical valve: not by this score"),
    Exclusion(PREGNANCY, "not made for pregnancy"),
    Exclusion(PALLIATIVE_CARE, "palliative care"),
)


def parts_of(parameters: Parameters, values: Mapping[str, Any]) -> dict[str, int]:
    """Give the points of each input but sex, by the parameters of the score or of its kin."""
    by_age = next(row["points"] for row in parameters["age_points"] if values["age_years"] >= row["from_age"])
    return {
        "age_years": by_age,
        **{name: points if values[name] else 0 for name, points in parameters["points"].items()},
    }


def compute(values: Mapping[str, Any]) -> dict[str, int]:
    """Give the total."""
    return {"points": sum(parts_of(PARAMETERS, values).values())}


def drive(values: Mapping[str, Any]) -> dict[str, tuple[Driver, ...]]:
    """Give the points of each input."""
    labels = {feature.name: feature.label for feature in FEATURES}
    parts = parts_of(PARAMETERS, values)
    return {"points": tuple(Driver(name, labels[name], amount) for name, amount in parts.items())}


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=FEATURES,
    outputs=outputs_of(PARAMETERS, FEATURES, ("points", "CHA2DS2-VA points", "")),
    compute=compute,
    drive=drive,
    domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=EXCLUSIONS,
)
