"""The rows: read from `intervals.toml`, checked whole before the first patient."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from fhir_client.codes import Code
from models.assessment import ModelReference, Tier
from models.concepts import Concept, concept
from models.errors import ParametersRejected
from models.features.feature import Feature
from models.parameters import Label, checked_label
from models.repeat_test.escapes import escapes
from models.rule_rows import RuleRow

FILE: Final = Path(__file__).with_name("intervals.toml")
_IN_HOURS: Final = timedelta(hours=48)
_KEYS: Final = frozenset({"population", "range", "begun", "test", "panel"})
_TEST: Final = frozenset({"id", "version", "of", "tier", "citation", "label", "owner", "review"})
_TEST_MORE: Final = frozenset({"hours", "days", "unless", "not_told", "evidence"})
_PANEL: Final = frozenset({"id", "version", "of", "parts", "label", "citation"})


@dataclass(frozen=True, slots=True)
class Row:
    """One row: within which interval a test is usually not repeated, and which conditions make a repeat right.

    `not_told` are such conditions that no chart tells: the clinician's.
    """

    id: str
    version: str
    meaning: Concept
    interval: timedelta
    tier: Tier
    unless: tuple[Feature, ...]
    not_told: tuple[str, ...]
    label: Label
    citation: str
    evidence: str
    owner: str
    review: date

    @property
    def unverified(self) -> tuple[str, ...]:
        """Name what keeps the row from live use: its own label, and the codes of what it reads."""
        own = () if self.label.may_be_live else (f"{self.id}: {self.label}",)
        read = (remark for feature in self.unless for remark in feature.unverified)
        return tuple(dict.fromkeys((*own, *self.meaning.unverified, *read)))

    @property
    def row(self) -> RuleRow:
        """Give the row in words."""
        right = ", ".join(
            (*(feature.label for feature in self.unless), *(f"{each} (not told)" for each in self.not_told))
        )
        return RuleRow(
            id=self.id,
            version=self.version,
            topic="minimum retest interval",
            tier=self.tier,
            about=self.meaning.title,
            where=f"a result or a pending order within {in_words(self.interval)}",
            says=f"Usually not repeated. A repeat is right in: {right}." if right else "Usually not repeated.",
            citation=self.citation,
            label=self.label.value,
            is_pilot_at_most=bool(self.unverified),
            owner=self.owner,
            review=self.review,
        )


@dataclass(frozen=True, slots=True)
class Part:
    """What an order asks for: one test of a panel, or the one test that it is. Without a row it has no interval."""

    meaning: Concept
    interval: timedelta


@dataclass(frozen=True, slots=True)
class Orderable:
    """What can be ordered: a test with its row, or a panel of several; all that is in question is in `parts`.

    `interval` is the shortest of its parts.
    """

    reference: ModelReference
    meaning: Concept
    parts: tuple[Part, ...]
    tier: Tier
    unless: tuple[Feature, ...]
    not_told: tuple[str, ...]
    citations: tuple[str, ...]
    unverified: tuple[str, ...]
    is_panel: bool

    @property
    def interval(self) -> timedelta:
        """Give the shortest interval of its parts."""
        return min(part.interval for part in self.parts)


@dataclass(frozen=True, slots=True)
class Intervals:
    """The whole file: the rows, what can be ordered, and for whom."""

    tests: tuple[Row, ...]
    orderables: tuple[Orderable, ...]
    population: Mapping[str, Any]
    by_code: Mapping[Code, Orderable] = field(repr=False)


def in_words(interval: timedelta) -> str:
    """Print an interval as laboratories do: the short ones in hours."""
    days = interval / timedelta(days=1)
    return f"{days:g} days" if interval > _IN_HOURS else f"{days * 24:g} hours"


def load(path: Path = FILE) -> Intervals:
    """Read the file.

    Raises:
        ParametersRejected: it or a row is not of this form, or two rows have one id or share a code.
    """
    with path.open("rb") as file:
        content = tomllib.load(file)
    if set(content) != _KEYS:
        raise ParametersRejected(path.name, "has an unknown key, or lacks one")
    for name in ("population", "begun"):
        checked_label(content[name], f"{path.name}: {name}")
    for name, row in content["range"].items():
        checked_label(row, f"{path.name}: {name}")
    known = escapes(content)
    tests = tuple(_test(row, known, f"{path.name}: {row.get('id', 'a test without an id')}") for row in content["test"])
    by_name = {test.meaning.name: test for test in tests}
    panels = (
        _panel(row, by_name, f"{path.name}: {row.get('id', 'a panel without an id')}") for row in content["panel"]
    )
    orderables = (*map(_single, tests), *panels)
    population = {name: content["population"][name] for name in ("at_least", "shown")}
    return Intervals(tests, orderables, MappingProxyType(population), _by_code(orderables, path.name))


def _test(row: Mapping[str, Any], known: Mapping[str, Feature], place: str) -> Row:
    if not set(row) >= _TEST or set(row) - _TEST - _TEST_MORE or ("hours" in row) == ("days" in row):
        raise ParametersRejected(place, "has an unknown key or lacks one, or not exactly one of hours and days")
    if row["tier"] not in set(Tier) or not isinstance(row["review"], date):
        raise ParametersRejected(place, "has an unknown tier, or no date of review")
    if set(row.get("unless", ())) - set(known):
        raise ParametersRejected(place, "names a condition that is none of ours")
    label, citation = checked_label(row, place)
    return Row(
        id=row["id"],
        version=row["version"],
        meaning=concept(row["of"]),
        interval=timedelta(hours=row.get("hours", 0), days=row.get("days", 0)),
        tier=Tier(row["tier"]),
        unless=tuple(known[name] for name in row.get("unless", ())),
        not_told=tuple(row.get("not_told", ())),
        label=label,
        citation=citation,
        evidence=row.get("evidence", ""),
        owner=row["owner"],
        review=row["review"],
    )


def _single(row: Row) -> Orderable:
    return Orderable(
        reference=ModelReference(row.id, row.version),
        meaning=row.meaning,
        parts=(Part(row.meaning, row.interval),),
        tier=row.tier,
        unless=row.unless,
        not_told=row.not_told,
        citations=(row.citation,),
        unverified=row.unverified,
        is_panel=False,
    )


def _panel(row: Mapping[str, Any], tests: Mapping[str, Row], place: str) -> Orderable:
    if set(row) != _PANEL:
        raise ParametersRejected(place, "has an unknown key, or lacks one")
    label, _ = checked_label(row, place)
    rows = [tests[name] for name in row["parts"] if name in tests]
    if not rows:
        raise ParametersRejected(place, "has no part with an interval")
    shortest = min(test.interval for test in rows)
    meanings = [concept(name) for name in row["parts"]]
    meaning = concept(row["of"])
    own = () if label.may_be_live else (f"{row['id']}: {label}",)
    codes = (remark for each in (meaning, *meanings) for remark in each.unverified)
    return Orderable(
        reference=ModelReference(row["id"], row["version"]),
        meaning=meaning,
        parts=tuple(Part(each, tests[each.name].interval if each.name in tests else shortest) for each in meanings),
        tier=min((test.tier for test in rows), key=lambda tier: -tier.rank),
        unless=tuple({feature.name: feature for test in rows for feature in test.unless}.values()),
        not_told=tuple(dict.fromkeys(name for test in rows for name in test.not_told)),
        citations=tuple(dict.fromkeys(test.citation for test in rows)),
        unverified=tuple(dict.fromkeys((*own, *codes, *(remark for test in rows for remark in test.unverified)))),
        is_panel=True,
    )


def _by_code(orderables: tuple[Orderable, ...], place: str) -> Mapping[Code, Orderable]:
    found: dict[Code, Orderable] = {}
    ids = [each.reference.id for each in orderables]
    for each in orderables:
        for group in each.meaning.groups:
            for code in group.exact():
                if found.setdefault(code, each) is not each:
                    raise ParametersRejected(place, f"has {code.code} in two rows")
    if len(set(ids)) < len(ids):
        raise ParametersRejected(place, "has one id twice")
    return MappingProxyType(found)
