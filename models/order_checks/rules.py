"""Rules as rows of data: read from `rules/*.toml`, checked whole before the first patient.

A row says which drug it is about (`drug`), which others beside it in other orders (`with`), under which condition
(`when`), how urgent it is (`tier`), what to say (`message`) and to do (`action`), who vouches for it (`citation`,
`label`, `owner`, `review`). `message` may name `{drug}`, `{with}` and every name of the condition.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from string import Formatter
from types import MappingProxyType
from typing import Any, Final

from fhir_client.facts import Order
from fhir_client.record import PatientRecord
from models.assessment import ModelReference, Tier
from models.concepts import concept
from models.errors import ParametersRejected
from models.order_checks import drugs as by_name
from models.order_checks import expression
from models.order_checks.bounds import bound
from models.order_checks.drugs import ANY, Drugs
from models.order_checks.terms import Term
from models.order_checks.vocabulary import term
from models.parameters import Label, checked_label
from models.site import Site

FOLDER: Final = Path(__file__).with_name("rules")
_MONITORING: Final = timedelta(days=bound("monitoring"))
# What every row stands on: another drug in a class changes what its rules say.
_SHARED: Final = tuple(Path(__file__).with_name(name) for name in ("bounds.toml", "drugs.toml", "vocabulary.toml"))
_REQUIRED: Final = frozenset(
    {"id", "version", "drug", "tier", "message", "action", "citation", "label", "owner", "review"}
)
_OPTIONAL: Final = frozenset(
    {"with", "when", "distinct", "unknown", "lasting", "remedies", "monitoring", "unless", "local", "doi", "evidence"}
)
_SAY, _SILENT = "say", "silent"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row. `drug` is None for a rule about every drug; `partners` must each be met by another order.

    `is_distinct`: the partner is another ingredient (two anticoagulants, not one renewed). `says_unknown`: where the
    condition cannot be told, that is said. `is_lasting`: an override does not silence it. `monitoring` are tests, by
    code set: where one is ordered or drafted, the finding is held back. `unless` are graver rules: where one of them
    speaks of the same orders this one does not. `counts_local`: what is put on the skin or into the eye counts too.
    """

    id: str
    version: str
    topic: str
    drug: Drugs | None
    partners: tuple[Drugs, ...]
    condition: expression.Condition | None
    terms: Mapping[str, Term] = field(repr=False)
    tier: Tier
    message: str
    action: str
    remedies: tuple[str, ...]
    monitoring: tuple[str, ...]
    unless: tuple[str, ...]
    is_distinct: bool
    counts_local: bool
    says_unknown: bool
    is_lasting: bool
    label: Label
    citation: str
    doi: str
    evidence: str
    owner: str
    review: date
    when: str

    @property
    def reference(self) -> ModelReference:
        """Give id and version."""
        return ModelReference(self.id, self.version)

    @property
    def unverified(self) -> tuple[str, ...]:
        """Name what keeps the row from live use: its own label, and the codes of what it asks for."""
        own = () if self.label.may_be_live else (f"{self.id}: {self.label}",)
        asked = (remark for each in self.terms.values() for remark in each.unverified)
        return tuple(dict.fromkeys((*own, *asked)))

    def is_monitored(self, record: PatientRecord, site: Site) -> bool:
        """Tell whether a test that watches what was found is ordered, or among the drafts."""
        if self.is_lasting or not self.monitoring:
            return False
        under_way = (order for order in record.orders if order.status == "active" and _is_to_come(order, record.as_of))
        wanted = [concept(name).codes(site) for name in self.monitoring]
        drafted = (order for order in record.drafted_orders if not order.is_over)
        return any(codes.matches(order.codings) for order in (*under_way, *drafted) for codes in wanted)


def _is_to_come(order: Order, as_of: datetime) -> bool:
    """Tell whether a test is still to be done: servers keep orders active for years after the result."""
    if order.recurs:
        return True
    if order.due is not None:
        return order.due.end >= as_of
    return order.authored is not None and order.authored.end >= as_of - _MONITORING


@cache
def all_rules() -> tuple[Rule, ...]:
    """Read every row of every file, in the order of file names and rows.

    Raises:
        ParametersRejected: a row is not of this form, two have one id, or one gives way to a rule that there is not.
    """
    found = tuple(rule for path in sorted(FOLDER.glob("*.toml")) for rule in read_rules(path))
    seen: set[str] = set()
    for rule in found:
        if rule.id in seen:
            raise ParametersRejected(rule.id, "is the id of two rules")
        seen.add(rule.id)
    for rule in found:
        if set(rule.unless) - seen:
            raise ParametersRejected(rule.id, "gives way to a rule that there is not")
    return found


def version_of(rules: Sequence[Rule], *paths: Path) -> str:
    """Give the version of rows together: it changes with any of them, with the drugs and with the vocabulary."""
    content = b"\0".join(path.read_bytes() for path in (*paths, *_SHARED))
    return f"{len(rules)}-{sha256(content).hexdigest()[:8]}"


def read_rules(path: Path) -> Iterator[Rule]:
    """Read one file: `title`, and its rows under `[[rule]]`.

    Raises:
        ParametersRejected: the file or a row is not of this form.
    """
    with path.open("rb") as file:
        content = tomllib.load(file)
    if set(content) != {"title", "rule"}:
        raise ParametersRejected(path.name, "has something else than a title and rules")
    for row in content["rule"]:
        yield _rule(row, content["title"], f"{path.name}: {row.get('id', 'a rule without an id')}")


def _rule(row: Mapping[str, Any], topic: str, place: str) -> Rule:
    if not set(row) >= _REQUIRED:
        raise ParametersRejected(place, f"lacks {', '.join(sorted(_REQUIRED - set(row)))}")
    if set(row) - _REQUIRED - _OPTIONAL:
        raise ParametersRejected(place, "has an unknown key")
    if row["tier"] not in set(Tier) or row.get("unknown", _SILENT) not in (_SAY, _SILENT):
        raise ParametersRejected(place, "has an unknown tier, or an unknown word for what is not known")
    if not isinstance(row["review"], date):
        raise ParametersRejected(place, "has no date of review")
    when = row.get("when", "")
    condition = expression.parse(when, place) if when else None
    terms = {} if condition is None else {name: term(name, place) for name in expression.names(condition)}
    label, citation = checked_label(row, place)
    tier = Tier(row["tier"])
    rule = Rule(
        id=row["id"],
        version=row["version"],
        topic=topic,
        drug=None if row["drug"] == ANY else by_name.drugs(row["drug"]),
        partners=tuple(map(by_name.drugs, row.get("with", ()))),
        condition=condition,
        terms=MappingProxyType(terms),
        tier=tier,
        message=row["message"],
        action=row["action"],
        remedies=tuple(row.get("remedies", ())),
        monitoring=_code_sets(row.get("monitoring", ()), place),
        unless=tuple(row.get("unless", ())),
        is_distinct=row.get("distinct", False),
        counts_local=row.get("local", False),
        says_unknown=row.get("unknown", _SILENT) == _SAY,
        is_lasting=tier is Tier.CRITICAL or row.get("lasting", False),
        label=label,
        citation=citation,
        doi=row.get("doi", ""),
        evidence=row.get("evidence", ""),
        owner=row["owner"],
        review=row["review"],
        when=when,
    )
    _check_words(rule, place)
    return rule


def _code_sets(names: Sequence[str], place: str) -> tuple[str, ...]:
    """Take the names of code sets that there are: a wrong one would first be met by a patient."""
    for name in names:
        try:
            concept(name)
        except FileNotFoundError as error:
            raise ParametersRejected(place, f"watches {name}, which is no code set") from error
    return tuple(names)


def _check_words(rule: Rule, place: str) -> None:
    """Refuse a message that names what the rule does not know, or does not have to know for it to hold."""
    asked = frozenset() if rule.condition is None else expression.certain(rule.condition)
    known = {"drug", *asked} | ({"with"} if rule.partners else set())
    for text in (rule.message, rule.action):
        if not text or {name for _, name, _, _ in Formatter().parse(text) if name is not None} - known:
            raise ParametersRejected(place, "has a message that names something else than its drugs and conditions")
