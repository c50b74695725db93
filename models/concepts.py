"""Concepts: the code sets that features read by, one file each, and what their answers mean."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fhir_client.codes import (
    ACT_CODE,
    ACT_PRIORITY,
    ADMIT_SOURCE,
    ICD_10_CM,
    LOINC,
    ROUTE,
    RXNORM,
    SNOMED_CT,
    Code,
    CodeSet,
)
from models.errors import ParametersRejected
from models.parameters import Label, checked_label
from models.site import Site

FOLDER = Path(__file__).parent / "code_sets"
_SYSTEMS = {
    "loinc": LOINC,
    "snomed": SNOMED_CT,
    "icd-10-cm": ICD_10_CM,
    "rxnorm": RXNORM,
    "act-code": ACT_CODE,
    "act-priority": ACT_PRIORITY,
    "admit-source": ADMIT_SOURCE,
    "route-of-administration": ROUTE,
}
_HEADER = frozenset({"title", "notice", "group"})
_GROUP = frozenset({"system", "role", "means", "codes", "prefixes", "label", "citation", "evidence"})


@dataclass(frozen=True, slots=True)
class Group:
    """Codes of one system that share citation, label and, in an answer list, their meaning.

    The role `asked` is asked for but not matched: a server finds a component by the code of its panel, and a code with
    two meanings waits for the site to say which.
    """

    system: str
    codes: Mapping[str, str]
    prefixes: tuple[str, ...]
    label: Label
    citation: str
    evidence: str = ""
    role: str = ""
    means: str = ""

    def exact(self) -> Iterator[Code]:
        """Give the exact codes."""
        return (Code(self.system, code) for code in self.codes)


@dataclass(frozen=True, slots=True)
class Concept:
    """One meaning and its codes; the SNOMED CT part is a file of its own, used only where the site allows it."""

    name: str
    title: str
    groups: tuple[Group, ...]
    searched: tuple[Code, ...]
    unverified: tuple[str, ...]
    _all: CodeSet
    _without_snomed: CodeSet
    _answers: Mapping[Code, str]
    _answers_without_snomed: Mapping[Code, str]

    def codes(self, site: Site) -> CodeSet:
        """Give the codes that this site reads the concept by."""
        return self._all if site.snomed else self._without_snomed

    def answers(self, site: Site) -> Mapping[Code, str]:
        """Give the meaning of each coded answer that this site reads."""
        return self._answers if site.snomed else self._answers_without_snomed

    def judge(self, codings: tuple[Code, ...], site: Site) -> tuple[bool, bool]:
        """Tell whether the codings mean this, and whether they are in a system in which it could have been said."""
        return _judged(self.name, codings, with_snomed=site.snomed)

    @property
    def exact_codes(self) -> frozenset[str]:
        """Give the bare codes of a concept of one system: RxNorm ingredients."""
        return frozenset(code.code for code in self._all.codes)


@cache
def concept(name: str) -> Concept:
    """Read a concept from its file, and from its SNOMED CT file where there is one.

    Raises:
        ParametersRejected: a group lacks its citation or has an unknown label, or a file is not of this form.
    """
    title, groups = _read(FOLDER / f"{name}.toml")
    national = FOLDER / f"{name}.snomed.toml"
    snomed = _read(national)[1] if national.exists() else ()
    if any((g.system == SNOMED_CT) != (g in snomed) for g in (*groups, *snomed)):
        raise ParametersRejected(name, "has SNOMED CT codes outside its SNOMED CT file, or others in it")
    everything = groups + snomed
    return Concept(
        name=name,
        title=title,
        groups=everything,
        searched=tuple(code for group in groups for code in group.exact()),
        unverified=tuple(f"codes of {name}: {g.label}" for g in everything if not g.label.may_be_live),
        _all=_code_set(name, title, everything),
        _without_snomed=_code_set(name, title, groups),
        _answers=_meanings(everything),
        _answers_without_snomed=_meanings(groups),
    )


@lru_cache(maxsize=1 << 15)
def _judged(name: str, codings: tuple[Code, ...], *, with_snomed: bool) -> tuple[bool, bool]:
    # A hospital uses a few thousand diagnoses: most have been judged before.
    codes = concept(name).codes(Site(snomed=with_snomed))
    return codes.matches(codings), codes.covers(codings)


def _read(path: Path) -> tuple[str, tuple[Group, ...]]:
    with path.open("rb") as file:
        content = tomllib.load(file)
    if set(content) - _HEADER or not content.get("title") or not content.get("group"):
        raise ParametersRejected(path.name, "has an unknown key, or no title, or no group")
    if path.name.endswith(".snomed.toml") != bool(content.get("notice")):
        raise ParametersRejected(path.name, "must carry a licence notice exactly if it holds SNOMED CT")
    return content["title"], tuple(_group(group, path.name) for group in content["group"])


def _group(group: Mapping[str, Any], place: str) -> Group:
    label, citation = checked_label(group, place)
    if set(group) - _GROUP or group.get("system") not in _SYSTEMS or not (group.get("codes") or group.get("prefixes")):
        raise ParametersRejected(place, "has a group with an unknown key or system, or without codes")
    return Group(
        system=_SYSTEMS[group["system"]],
        codes=MappingProxyType(group.get("codes", {})),
        prefixes=tuple(group.get("prefixes", ())),
        label=label,
        citation=citation,
        evidence=group.get("evidence", ""),
        role=group.get("role", ""),
        means=group.get("means", ""),
    )


def _code_set(name: str, title: str, groups: tuple[Group, ...]) -> CodeSet:
    matched = [group for group in groups if group.role != "asked"]
    return CodeSet(
        name,
        title,
        codes=frozenset(code for group in matched for code in group.exact()),
        prefixes=tuple(Code(group.system, prefix) for group in matched for prefix in group.prefixes),
    )


def _meanings(groups: tuple[Group, ...]) -> Mapping[Code, str]:
    return MappingProxyType({code: group.means for group in groups if group.means for code in group.exact()})
