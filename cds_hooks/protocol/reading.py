"""Reading a stranger's JSON: every fault is kept, with its place and without its value; none stops the reading.

After a fault a reader returns something of the right type, so that the reading goes on. Whoever holds the `Problems`
raises when there are faults, so nothing built from such a stand-in is ever seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson

from cds_hooks.errors import Fault, MalformedRequest

JsonObject: TypeAlias = Mapping[str, Any]

NOTHING: JsonObject = {}
MOST_LISTED = 100  # every fault is listed, yet a body of a million wrong entries may not become an answer of as many


@dataclass(slots=True)
class Problems:
    """What is wrong with one message. `strict` decides whether a tolerated breach is a fault or a warning."""

    strict: bool
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    def fault(self, code: str, text: str, place: str | None = None) -> None:
        """Note what no mode lets pass."""
        _keep(self.faults, Fault(code, text, place))

    def breach(self, code: str, text: str, place: str | None = None) -> None:
        """Note what strict mode refuses and lenient mode tolerates."""
        if self.strict:
            self.fault(code, text, place)
        else:
            self.warn(code, text, place)

    def warn(self, code: str, text: str, place: str | None = None) -> None:
        """Note what both modes tolerate."""
        _keep(self.warnings, Fault(code, text, place, severity="warning"))


def _keep(found: list[Fault], fault: Fault) -> None:
    if len(found) < MOST_LISTED:
        found.append(fault)
    elif len(found) == MOST_LISTED:
        found.append(Fault("too-long", "there are more; the first hundred are listed", severity=fault.severity))


def read_object(body: bytes) -> JsonObject:
    """The JSON object that a body holds, or MalformedRequest.

    orjson refuses NaN, Infinity, numbers beyond a double, comments, trailing commas, lone surrogates, and nesting
    beyond 1,024 levels. It keeps the last of two equal keys.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        # `from None`: the decoder's error carries the whole body.
        raise MalformedRequest(Fault("structure", "the body is not JSON, or is nested too deeply")) from None
    if not isinstance(value, dict):
        raise MalformedRequest(Fault("structure", "the body is not a JSON object"))
    return value


def is_blank(value: object) -> bool:
    """Null, or an empty string, array or object: no value by the specification's rules (GEN-2)."""
    return value is None or value in ("", [], {})


@dataclass(frozen=True, slots=True)
class Members:
    """The members of one JSON object, read by name; `place` is the object's own path, empty for the root."""

    json: JsonObject
    place: str
    problems: Problems

    def at(self, name: str) -> str:
        """The path of a member."""
        return f"{self.place}.{name}" if self.place else name

    def given(self, name: str) -> Any:
        """An optional member, or None. Null and empty count as absent, except to a strict reader (GEN-9)."""
        value = self.json.get(name)
        if is_blank(value):
            if name in self.json:
                self.problems.breach("value", "an optional member without a value must be left out", self.at(name))
            return None
        return value

    def required(self, name: str) -> Any:
        """A required member, or None after a fault: null and empty are no values."""
        value = self.json.get(name)
        if is_blank(value):
            self.problems.fault("required", "a required member is missing", self.at(name))
            return None
        return value

    def text(self, name: str) -> str:
        """A required string."""
        value = self.required(name)
        return "" if value is None else self._string(value, name)

    def optional_text(self, name: str) -> str | None:
        """An optional string."""
        value = self.given(name)
        return None if value is None else self._string(value, name)

    def mapping(self, name: str) -> JsonObject:
        """A required object."""
        value = self.required(name)
        return NOTHING if value is None else self._mapping(value, name)

    def optional_mapping(self, name: str) -> JsonObject | None:
        """An optional object."""
        value = self.given(name)
        return None if value is None else self._mapping(value, name)

    def _string(self, value: object, name: str) -> str:
        if isinstance(value, str):
            return value
        self.problems.fault("structure", "must be a string", self.at(name))
        return ""

    def _mapping(self, value: object, name: str) -> JsonObject:
        if isinstance(value, dict):
            return value
        self.problems.fault("structure", "must be an object", self.at(name))
        return NOTHING
