"""A model used with nothing but numbers: one JSON object in, one out (design/contract.md section 5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from models.assessment import Assessed, ModelAssessment, NotApplicable
from models.features.feature import Feature, Kind, Problem
from models.features.plain import plain_quantity, plain_quantity_schema
from models.risk_model import RiskModel

SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_ID: Final = "id"


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
    if feature.entries is not None:
        return _rows(feature, value)
    read = plain_quantity(feature, value)
    return Fault(feature.name, read.text) if isinstance(read, Problem) else read


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


def _outcome(assessment: ModelAssessment) -> dict[str, Any]:
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
    quantity = plain_quantity_schema(feature)
    return {**quantity, "anyOf": [*quantity["anyOf"], {"type": "null"}]}
