"""Rows of advice: what an assessor that is no drug check may say, each with who vouches for it, from a TOML file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from models.assessment import Finding, Input, ModelReference, Tier
from models.errors import ParametersRejected
from models.parameters import Label, checked_label
from models.risk_model import Output
from models.rule_rows import RuleRow

_REQUIRED: Final = frozenset(
    {"id", "version", "about", "where", "tier", "message", "action", "citation", "label", "owner", "review"}
)
_OPTIONAL: Final = frozenset({"doi", "evidence", "remedies", "lasting"})


@dataclass(frozen=True, slots=True)
class Advice:
    """One row: what it is about, where it applies, and what it says, which may name values in braces.

    `more` holds what only this kind of row has.
    """

    id: str
    version: str
    topic: str
    about: str
    where: str
    tier: Tier
    message: str
    action: str
    remedies: tuple[str, ...]
    is_lasting: bool
    label: Label
    citation: str
    doi: str
    evidence: str
    owner: str
    review: date
    more: Mapping[str, Any] = field(repr=False)

    @property
    def reference(self) -> ModelReference:
        """Give id and version."""
        return ModelReference(self.id, self.version)

    def unverified(self, *behind: str) -> tuple[str, ...]:
        """Name what keeps the row from live use: its own label, and what is behind it."""
        own = () if self.label.may_be_live else (f"{self.id}: {self.label}",)
        return tuple(dict.fromkeys((*own, *behind)))

    def output(self, *behind: str) -> Output:
        """Give what may be said by this row: the gate is per row."""
        return Output(self.id, self.message, "", self.unverified(*behind))

    def shown(self, *behind: str) -> RuleRow:
        """Give the row as a reader is shown it."""
        return RuleRow(
            id=self.id,
            version=self.version,
            topic=self.topic,
            tier=self.tier,
            about=self.about,
            where=self.where,
            says=f"{self.message}. {self.action}",
            citation=self.citation,
            label=self.label.value,
            is_pilot_at_most=bool(self.unverified(*behind)),
            owner=self.owner,
            review=self.review,
        )

    def finding(
        self, key: str, orders: tuple[str, ...], words: Mapping[str, str], inputs: tuple[Input, ...], *behind: str
    ) -> Finding:
        """Say what was found: `key` names it beside the row, `words` fill the row's words in."""
        return Finding(
            rule=self.reference,
            key=f"{self.id}:{key}" if key else self.id,
            tier=self.tier,
            message=self.message.format_map(words),
            action=self.action.format_map(words),
            orders=orders,
            citation=self.citation,
            doi=self.doi,
            inputs=inputs,
            remedies=self.remedies,
            is_lasting=self.is_lasting,
            unverified=self.unverified(*behind),
        )


def read_advice(path: Path, *, more: frozenset[str] = frozenset()) -> Mapping[str, Advice]:
    """Read a file of rows by id; `more` names what its rows must have beside what all have.

    Raises:
        ParametersRejected: the file or a row is not of this form, or two rows have one id.
    """
    with path.open("rb") as file:
        content = tomllib.load(file)
    if set(content) != {"title", "rule"}:
        raise ParametersRejected(path.name, "has something else than a title and rules")
    place = path.parent.name
    rows = [
        _row(row, content["title"], more, f"{place}: {row.get('id', 'a rule without an id')}")
        for row in content["rule"]
    ]
    by_id = {row.id: row for row in rows}
    if len(by_id) < len(rows):
        raise ParametersRejected(place, "has one id for two rules")
    return MappingProxyType(by_id)


def version_of(*paths: Path) -> str:
    """Give the version of a set of rows: how many there are is for people, the digest moves with every change."""
    content = b"".join(path.read_bytes() for path in paths)
    return f"{content.count(b'[[rule]]')}-{sha256(content).hexdigest()[:8]}"


def _row(row: Mapping[str, Any], topic: str, more: frozenset[str], place: str) -> Advice:
    if not set(row) >= _REQUIRED | more:
        raise ParametersRejected(place, f"lacks {', '.join(sorted((_REQUIRED | more) - set(row)))}")
    if set(row) - _REQUIRED - _OPTIONAL - more:
        raise ParametersRejected(place, "has an unknown key")
    if row["tier"] not in set(Tier) or not isinstance(row["review"], date):
        raise ParametersRejected(place, "has an unknown tier, or no date of review")
    label, citation = checked_label(row, place)
    tier = Tier(row["tier"])
    return Advice(
        id=row["id"],
        version=row["version"],
        topic=topic,
        about=row["about"],
        where=row["where"],
        tier=tier,
        message=row["message"],
        action=row["action"],
        remedies=tuple(row.get("remedies", ())),
        is_lasting=tier is Tier.CRITICAL or row.get("lasting", False),
        label=label,
        citation=citation,
        doi=row.get("doi", ""),
        evidence=row.get("evidence", ""),
        owner=row["owner"],
        review=row["review"],
        more=MappingProxyType({name: row[name] for name in more}),
    )
