"""The points of the HOSPITAL score and of its simplified form: the items differ, what they count by does not."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from models.features.feature import Feature
from models.features.stay import ADMISSIONS_12M
from models.parameters import Parameters

# Closer than any laboratory reports: takes away what a conversion between units adds, so that 120 g/L is not below 12.
_FLOAT_DIGITS: Final = 9
_NO_BOUND: Final = float("inf")


def points_of(parameters: Parameters, features: Sequence[Feature], values: Mapping[str, Any]) -> dict[str, int]:
    """Give the points of each item."""
    return {feature.name: _points(parameters, feature.name, values[feature.name]) for feature in features}


def _points(parameters: Parameters, name: str, value: Any) -> int:
    if name == ADMISSIONS_12M.name:
        rows: Sequence[Mapping[str, int]] = parameters[name]
        return next(row["points"] for row in rows if value <= row.get("up_to", _NO_BOUND))
    counts = value if isinstance(value, bool) else _is_beyond(parameters[name], round(float(value), _FLOAT_DIGITS))
    return int(parameters["points"][name]) if counts else 0


def _is_beyond(bounds: Mapping[str, float], value: float) -> bool:
    return value < bounds.get("below", -_NO_BOUND) or value >= bounds.get("at_least", _NO_BOUND)
