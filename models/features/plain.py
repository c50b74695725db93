"""How a quantity is written as a plain value: a bare number in the unit of its name, or with a UCUM unit.

A count is a whole number.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from models.assessment import Gap
from models.features.feature import Feature, Kind, Problem

_KEYS: Final = frozenset({"value", "unit"})
_PROBLEMS: Final = {
    Gap.UNIT: "the unit is not one that converts to {unit}",
    Gap.IMPLAUSIBLE: "the value is not plausible{range}",
}


def plain_quantity(feature: Feature, value: Any) -> float | Problem:
    """Give the value in the feature's unit, or say why it is refused."""
    if feature.kind is Kind.COUNT and not _is_whole(value):
        return Problem("must be a whole number")
    unit: Any = feature.unit
    if isinstance(value, Mapping):
        if set(value) != _KEYS:
            return Problem("a quantity has a value and a unit, and nothing else")
        value, unit = value["value"], value["unit"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return Problem('must be a number, or {"value": number, "unit": UCUM unit}')
    if not isinstance(unit, str):
        return Problem("the unit must be a UCUM code")
    read = feature.in_unit(value, unit)
    if isinstance(read, Gap):
        bounds = "" if feature.plausible is None else f": {feature.plausible[0]:g} to {feature.plausible[1]:g}"
        return Problem(_PROBLEMS[read].format(unit=feature.unit, range=bounds))
    return read


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer()


def plain_quantity_schema(feature: Feature) -> dict[str, Any]:
    """Give the JSON Schema of what is read so."""
    bounds: dict[str, Any] = {}
    if feature.above_zero:
        bounds["exclusiveMinimum"] = 0
    if feature.plausible is not None:
        bounds["minimum"], bounds["maximum"] = feature.plausible
    if feature.kind is Kind.COUNT:
        return {"description": feature.label, "anyOf": [{"type": "integer", **bounds}]}
    quantity = {
        "type": "object",
        "properties": {"value": {"type": "number"}, "unit": {"type": "string", "description": "a UCUM unit"}},
        "required": ["value", "unit"],
        "additionalProperties": False,
    }
    return {
        "description": f"{feature.label}; a bare number is in the UCUM unit {feature.unit}",
        "anyOf": [{"type": "number", **bounds}, quantity],
    }
