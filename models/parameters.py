"""Parameter files: every number of a model stands in a TOML file with its citation and verification label."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from models.errors import ParametersRejected

FILE_NAME = "parameters.toml"
CARD_NAME = "CARD.md"
_HEADER = frozenset({"id", "version", "title", "citation", "doi", "parameter"})
_ENTRY = frozenset({"value", "unit", "citation", "label", "evidence", "outputs", "when"})


class Label(StrEnum):
    """How far a value has been checked (clinical/models.md 0.1); a definition needs no check."""

    VERIFIED = "VERIFIED"
    DEFINITION = "DEFINITION"
    ONE_SOURCE = "ONE-SOURCE"
    UNVERIFIED = "UNVERIFIED"

    @property
    def may_be_live(self) -> bool:
        """Tell whether a value with this label may stand behind a card in live use (design/contract.md, the gate)."""
        return self in (Label.VERIFIED, Label.DEFINITION)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value, or one table of values from the same place, with citation and label.

    `outputs` names the results that it goes into: None means all of the model's, empty none (a threshold for a card).
    `when` limits it to assessments whose inputs have these values: `{"region": "united-kingdom"}`.
    """

    name: str
    value: Any
    label: Label
    citation: str
    unit: str = ""
    evidence: str = ""
    outputs: frozenset[str] | None = None
    when: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def goes_into(self, output: str) -> bool:
        """Tell whether the result depends on this value."""
        return self.outputs is None or output in self.outputs

    def is_used(self, values: Mapping[str, Any]) -> bool:
        """Tell whether an assessment of these inputs uses the value."""
        return all(values.get(name) == wanted for name, wanted in self.when.items())

    @property
    def remark(self) -> str:
        """Name the value and its label, for a gate report: `survival_united_kingdom: ONE-SOURCE`."""
        return f"{self.name}: {self.label}"


@dataclass(frozen=True, slots=True)
class Parameters:
    """A model's parameter file, read and checked: its identity, and its values by name."""

    id: str
    version: str
    title: str
    citation: str
    by_name: Mapping[str, Parameter]
    folder: Path
    doi: str = ""
    _doubtful: tuple[Parameter, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Find the doubtful values once."""
        object.__setattr__(self, "_doubtful", tuple(p for p in self.by_name.values() if not p.label.may_be_live))

    def __getitem__(self, name: str) -> Any:
        return self.by_name[name].value

    @property
    def card(self) -> str:
        """Give the model card, in Markdown."""
        return (self.folder / CARD_NAME).read_text(encoding="utf-8")

    @property
    def doubtful(self) -> tuple[Parameter, ...]:
        """Give the values that keep a result from live use: few, so that each assessment can look at them."""
        return self._doubtful

    def unverified(self, output: str, values: Mapping[str, Any] | None = None) -> tuple[str, ...]:
        """Name the values behind a result that keep it from live use.

        Without inputs: those that every assessment uses. With them: those that this one used.
        """
        used = {} if values is None else values
        return tuple(p.remark for p in self._doubtful if p.goes_into(output) and p.is_used(used))


def load(folder: Path) -> Parameters:
    """Read a model folder's parameter file.

    Raises:
        ParametersRejected: a value lacks its citation or has an unknown label, or the file is not of this form.
    """
    with (folder / FILE_NAME).open("rb") as file:
        content = tomllib.load(file)
    place = folder.name
    _only(content, _HEADER, place)
    entries = content.get("parameter")
    if not isinstance(entries, dict) or not entries:
        raise ParametersRejected(place, "has no parameter")
    return Parameters(
        id=_text(content, "id", place),
        version=_text(content, "version", place),
        title=_text(content, "title", place),
        citation=_text(content, "citation", place),
        doi=_text(content, "doi", place) if "doi" in content else "",
        folder=folder,
        by_name=MappingProxyType({name: _parameter(name, entry, place) for name, entry in entries.items()}),
    )


def checked_label(entry: Mapping[str, Any], place: str) -> tuple[Label, str]:
    """Read the label and citation that every value must have.

    Raises:
        ParametersRejected: either is missing, or the label is not one of ours.
    """
    text = _text(entry, "label", place)
    if text not in set(Label):
        raise ParametersRejected(place, "has an unknown label")
    return Label(text), _text(entry, "citation", place)


def _parameter(name: str, entry: Any, place: str) -> Parameter:
    where = f"{place}: {name}"
    if not isinstance(entry, dict) or "value" not in entry:
        raise ParametersRejected(where, "has no value")
    _only(entry, _ENTRY, where)
    label, citation = checked_label(entry, where)
    return Parameter(
        name=name,
        value=entry["value"],
        label=label,
        citation=citation,
        unit=entry.get("unit", ""),
        evidence=entry.get("evidence", ""),
        outputs=frozenset(entry["outputs"]) if "outputs" in entry else None,
        when=MappingProxyType(entry.get("when", {})),
    )


def _only(entry: Mapping[str, Any], known: frozenset[str], place: str) -> None:
    if set(entry) - known:
        raise ParametersRejected(place, "has an unknown key")


def _text(entry: Mapping[str, Any], key: str, place: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ParametersRejected(place, f"has no {key}")
    return value
