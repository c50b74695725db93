"""Charlson: what it needs, whom it is for, and its weights; every number is in parameters.toml."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from models.features.comorbidities import ICD10, found_categories
from models.features.demographics import AGE_YEARS, DECEASED
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

_FEATURES: Final = (ICD10, replace(AGE_YEARS, required=False))
_WEIGHTS: Final[Mapping[str, Mapping[str, int]]] = {
    "points_1987": PARAMETERS["weights_1987"],
    "points_2011": PARAMETERS["weights_2011"],
}
_SUPERSEDED_BY: Final[Mapping[str, str]] = PARAMETERS["superseded_by"]
_AGES: Final[Sequence[Mapping[str, float]]] = PARAMETERS["age_points"]


def compute(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the points by both weightings, without age; those of the age, where it is known; and the categories."""
    categories = found_categories(values[ICD10.name], _SUPERSEDED_BY)
    points = {name: sum(weights[each] for each in categories) for name, weights in _WEIGHTS.items()}
    age = values.get(AGE_YEARS.name)
    of_age = {} if age is None else {"age_points": _age_points(age)}
    return {**points, **of_age, "categories": list(categories)}


def _age_points(age: float) -> int:
    return int(next(row["points"] for row in _AGES if age < row.get("below", float("inf"))))


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(
        PARAMETERS,
        _FEATURES,
        ("points_1987", "Charlson points, weights of 1987, without age", ""),
        ("points_2011", "Charlson points, weights of 2011, without age", ""),
        ("age_points", "points of the age", ""),
        ("categories", "comorbid conditions", ""),
    ),
    compute=compute,
    domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(Exclusion(DECEASED, "the patient has died"),),
)
