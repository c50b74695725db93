"""FINDRISC as far as a chart tells it: what people eat, how they move and their families are in none.

So there is no total, only points that it has at least. Asked of people whom nobody tested for a year (models.md 6.2).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from models.assessment import Driver
from models.diabetes_detection.assessor import HBA1C_MISLEADS, LISTED
from models.features.demographics import AGE_YEARS, SEX
from models.features.diabetes_results import TESTED_FOR_DIABETES
from models.features.diabetes_risk import GLUCOSE_LOWERING_DRUG
from models.findrisc.model import MODEL, PARAMETERS, drive, known_parts
from models.risk_model import outputs_of
from models.scope import Exclusion

_FEATURES: Final = tuple(
    feature if feature.name in {SEX.name, AGE_YEARS.name} else replace(feature, required=False)
    for feature in MODEL.features
)


def compute(values: Mapping[str, Any]) -> dict[str, int]:
    """Give the points of what is known."""
    return {"points_at_least": sum(known_parts(values).values())}


def drive_known(values: Mapping[str, Any]) -> dict[str, tuple[Driver, ...]]:
    """Give the points of each item that is known."""
    return {"points_at_least": drive(values)["points"]}


AT_LEAST: Final = replace(
    MODEL,
    features=_FEATURES,
    outputs=outputs_of(PARAMETERS, _FEATURES, ("points_at_least", "FINDRISC points at least", "")),
    compute=compute,
    drive=drive_known,
    exclusions=(
        *MODEL.exclusions,
        Exclusion(LISTED, "diabetes is known", blocks=True),
        Exclusion(GLUCOSE_LOWERING_DRUG, "takes a glucose-lowering drug"),
        *HBA1C_MISLEADS,
        Exclusion(TESTED_FOR_DIABETES, "a usable HbA1c or fasting glucose within 12 months", blocks=True),
    ),
)
