"""A model used with nothing but numbers: one JSON object in, one out (design/contract.md section 5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import orjson

from models.assessment import Assessed, Assessment, Gap, NotApplicable
from models.features.feature import Feature, Kind, Problem
from models.risk_model import RiskModel

SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_ID: Final = "id"
_QUANTITY_KEYS: Final = frozenset({"value", "unit"})
_PROBLEMS: Final = {
    Gap.UNIT: "the unit is not one that converts to {unit}",
    Gap.IMPLAUSIBLE: "the value is not plausible{range}",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field of a line; the field is empty where the line itself is not a JSON object."""

    field: str
    problem: str


def answer(model: RiskModel, line: bytes) -> tuple[dict[str, Any], bool]:
    """Answer one line, and tell whether it was understood."""
    given, faults = _object(line)
    echoed = {_ID: given[_ID]} if given.get(_ID) is not None else {}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if value is not None and name != _ID:
            _take(model, name, value, values, faults)
    faults += _both_given(model, values)
    if faults:
        errors = [{"field": fault.field, "problem": fault.problem} for fault in faults]
        return {**echoed, "model": model.id, "outcome": "error", "errors": errors}, False
    return {**echoed, "model": model.id, "version": model.version, **_outcome(model.calculate(values))}, True


def schema(model: RiskModel) -> dict[str, Any]:
    """Give the JSON Schema of the model's input; `required` names what the model cannot do without."""
    return {
        "$schema": SCHEMA_DIALECT,
        "title": model.title,
        "description": model.citation,
        "type": "object",
        "properties": {
            _ID: {"description": "echoed in the answer"},
            **{feature.name: _property(feature) for feature in model.features},
        },
        "required": [feature.name for feature in model.features if feature.required],
        **_alternatives(model),
        "additionalProperties": False,
    }


def _object(line: bytes) -> tuple[dict[str, Any], list[Fault]]:
    try:
        given = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}, [Fault("", "not valid JSON")]
    if not isinstance(given, dict):
        return {}, [Fault("", "not a JSON object")]
    return given, []


def _take(model: RiskModel, name: str, value: Any, values: dict[str, Any], faults: list[Fault]) -> None:
    feature = model.by_name.get(name)
    if feature is None:
        faults.append(Fault(name, "unknown input"))
        return
    read = _value(feature, value)
    if isinstance(read, Fault):
        faults.append(read)
    else:
        values[name] = read


def _value(feature: Feature, value: Any) -> Any:
    if feature.kind is Kind.TRUTH:
        return value if isinstance(value, bool) else Fault(feature.name, "must be true or false")
    if feature.kind is Kind.CHOICE:
        if isinstance(value, bool) or not isinstance(value, str | int | float) or value not in feature.choices:
            words = ", ".join(str(choice) for choice in feature.choices)
            return Fault(feature.name, f"must be one of {words}")
        return value
    return _quantity(feature, value) if feature.entries is None else _rows(feature, value)


def _rows(feature: Feature, value: Any) -> Any:
    if not isinstance(value, list) or feature.entries is None:
        return Fault(feature.name, "must be a list")
    rows = [feature.entries.read(entry) for entry in value]
    for number, row in enumerate(rows, 1):
        if isinstance(row, Problem):
            return Fault(feature.name, f"entry {number}: {row.text}")
    return tuple(rows)


def _both_given(model: RiskModel, values: Mapping[str, Any]) -> list[Fault]:
    """Refuse two ways of saying the same: which of them is meant is not ours to guess."""
    given = [[name for name in group if name in values] for group in model.one_of]
    return [
        Fault(name, f"give only one of {', '.join(group)}")
        for group, names in zip(model.one_of, given, strict=True)
        for name in names[1:]
    ]


def _alternatives(model: RiskModel) -> dict[str, Any]:
    """Say that exactly one of a group is required; null is absent, so the other may still be named."""
    if not model.one_of:
        return {}
    return {
        "allOf": [
            {"oneOf": [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in group]}
            for group in model.one_of
        ]
    }


def _quantity(feature: Feature, value: Any) -> Any:
    unit: Any = feature.unit
    if isinstance(value, Mapping):
        if set(value) != _QUANTITY_KEYS:
            return Fault(feature.name, "a quantity has a value and a unit, and nothing else")
        value, unit = value["value"], value["unit"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return Fault(feature.name, 'must be a number, or {"value": number, "unit": UCUM unit}')
    if not isinstance(unit, str):
        return Fault(feature.name, "the unit must be a UCUM code")
    read = feature.in_unit(value, unit)
    if isinstance(read, Gap):
        bounds = "" if feature.plausible is None else f": {feature.plausible[0]:g} to {feature.plausible[1]:g}"
        return Fault(feature.name, _PROBLEMS[read].format(unit=feature.unit, range=bounds))
    return read


def _outcome(assessment: Assessment) -> dict[str, Any]:
    if isinstance(assessment, Assessed):
        return {"outcome": "assessed", "results": dict(assessment.results)}
    if isinstance(assessment, NotApplicable):
        return {"outcome": "not-applicable", "reason": assessment.reason}
    return {"outcome": "not-assessable", "missing": [each.name for each in assessment.missing]}


def _property(feature: Feature) -> dict[str, Any]:
    if feature.kind is Kind.TRUTH:
        return {"description": feature.label, "type": ["boolean", "null"]}
    if feature.kind is Kind.CHOICE:
        return {"description": feature.label, "enum": [*feature.choices, None]}
    if feature.entries is not None:
        return {"description": feature.label, "type": ["array", "null"], "items": dict(feature.entries.schema)}
    bounds: dict[str, Any] = {}
    if feature.above_zero:
        bounds["exclusiveMinimum"] = 0
    if feature.plausible is not None:
        bounds["minimum"], bounds["maximum"] = feature.plausible
    quantity = {
        "type": "object",
        "properties": {"value": {"type": "number"}, "unit": {"type": "string", "description": "a UCUM unit"}},
        "required": ["value", "unit"],
        "additionalProperties": False,
    }
    return {
        "description": f"{feature.label}; a bare number is in the UCUM unit {feature.unit}",
        "anyOf": [{"type": "number", **bounds}, quantity, {"type": "null"}],
    }
