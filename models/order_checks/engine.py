"""The engine: every rule over the drafts that were asked about, the other drafts, what is taken, and the chart."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from fhir_client.record import Availability, PatientRecord
from fhir_client.search import Search, merge
from models.assessment import (
    Assessment,
    Finding,
    Findings,
    Gap,
    HeldBack,
    Input,
    Missing,
    ModelReference,
    NotApplicable,
    Reading,
    Unchecked,
)
from models.features.readers import nothing_found
from models.features.searches import MEDICATIONS, PATIENT, SERVICE_ORDERS
from models.order_checks import expression
from models.order_checks.casting import Case, cast, named
from models.order_checks.orders import DrugOrder, drug_orders
from models.order_checks.rules import FOLDER, Rule, all_rules, read_rules, version_of
from models.order_checks.shown import shown
from models.order_checks.words import filled
from models.risk_model import Output
from models.rule_rows import RuleRow
from models.site import Site

TOLERATED: Final = "taken together for 90 days"
MONITORED: Final = "monitoring is ordered"
_NOTHING_TO_CHECK: Final = "no drug among the orders that were asked about"
_TAKEN: Final = "active orders"
_PAIRS: Final = "interactions"
"""What is named as not checked where partners of a drug could not be looked for."""

_UNCONDITIONAL: Final = expression.Verdict(truth=True, names=())


@dataclass(frozen=True)
class OrderChecks:
    """An assessor: rules over draft orders. No search is required: what was not read is said where a check needs it."""

    id: str
    version: str
    rules: tuple[Rule, ...] = field(repr=False)

    @classmethod
    def of_file(cls, id: str, path: Path) -> "OrderChecks":
        """Make one of the rows of a file.

        Raises:
            ParametersRejected: the file or a row is not of its form.
        """
        rules = tuple(read_rules(path))
        return cls(id, version_of(rules, path), rules)

    @property
    def reference(self) -> ModelReference:
        """Give id and version."""
        return ModelReference(self.id, self.version)

    @property
    def rows(self) -> Sequence[RuleRow]:
        """Give every rule as a reader is shown it."""
        return tuple(map(shown, self.rules))

    @cached_property
    def outputs(self) -> Sequence[Output]:
        """Give one output a rule: the gate is per row."""
        return tuple(Output(rule.id, rule.message, "", rule.unverified) for rule in self.rules)

    @cached_property
    def searches(self) -> Sequence[Search]:
        """Give what must be asked about a patient: what the conditions of all rules need."""
        asked = [search for rule in self.rules for term in rule.terms.values() for search in term.searches]
        monitored = [SERVICE_ORDERS] if any(rule.monitoring for rule in self.rules) else []
        return tuple(merge((PATIENT, MEDICATIONS, *monitored, *asked)).values())

    @property
    def required_keys(self) -> frozenset[str]:
        """Give no key."""
        return frozenset()

    def assess(self, record: PatientRecord, site: Site) -> Assessment:
        """Check the drafts that were asked about."""
        orders = drug_orders(record, self._by_ingredient)
        if not orders.asked_about and not orders.unresolved:
            return NotApplicable(self.reference, _NOTHING_TO_CHECK)
        found: dict[tuple[str, ...], Finding] = {}
        held_back: dict[tuple[str, ...], HeldBack] = {}
        unchecked: list[Unchecked] = []
        kinds = orders.of_each_kind
        cases = [case for order in orders.asked_about for case in self._cases(order, kinds)]
        for case in cases:
            asking = _Asking(record, site, case)
            verdict = asking.verdict
            if verdict.truth is None and (case.rule.says_unknown or asking.could_not_read(verdict.names)):
                unchecked.append(asking.unchecked(verdict.names))
            if not verdict.truth or case.identity in found or case.identity in held_back:
                continue
            why = asking.mitigation
            if why:
                held_back[case.identity] = HeldBack(case.key, case.rule.tier, why)
            else:
                found[case.identity] = asking.finding(verdict.names)
        said = self._without_lesser(tuple(found.values()))
        return Findings(
            self.reference,
            tuple(sorted(said, key=lambda finding: finding.tier.rank)),
            (*self._without_partners(orders.asked_about, record), *unchecked),
            unresolved=orders.unresolved,
            unresolved_asked_about=orders.unresolved_asked_about,
            checked=len({case.rule.id for case in cases}),
            held_back=tuple(held_back.values()),
        )

    def _without_lesser(self, found: Sequence[Finding]) -> Iterator[Finding]:
        """Leave out what a graver rule says of the same orders; a rule that may not be live silences none that may."""
        for finding in found:
            graver = self._graver.get(finding.rule.id)
            if graver is None or not any(
                other.rule.id in graver
                and set(finding.orders) <= set(other.orders)
                and not (other.unverified and not finding.unverified)
                for other in found
            ):
                yield finding

    @cached_property
    def _graver(self) -> Mapping[str, frozenset[str]]:
        return {rule.id: frozenset(rule.unless) for rule in self.rules if rule.unless}

    def _without_partners(self, asked_about: Iterable[DrugOrder], record: PatientRecord) -> Iterator[Unchecked]:
        """Say of which orders the partners could not be looked for: what is taken was not read, or not in full."""
        if record.availability(MEDICATIONS.key) is Availability.COMPLETE:
            return
        missing = Input(MEDICATIONS.key, _TAKEN, "", nothing_found(record, MEDICATIONS.key))
        for order in asked_about:
            rules = (rule for code in sorted(order.ingredients) for rule in self._by_ingredient.get(code, ()))
            paired = [rule for rule in rules if rule.partners and (rule.counts_local or not order.is_local)]
            if paired:
                least = min((rule.unverified for rule in paired), key=len)
                yield Unchecked(
                    ModelReference(_PAIRS, self.version), order.reference, named(order), (missing,), unverified=least
                )

    def _cases(self, order: DrugOrder, kinds: Sequence[DrugOrder]) -> Iterator[Case]:
        """Give each rule that this order has a part in, its other parts played."""
        rules = {rule.id: rule for code in order.ingredients for rule in self._by_ingredient.get(code, ())}
        beside = tuple(each for each in kinds if each is not order)
        for rule in (*rules.values(), *self._of_every_drug):
            yield from cast(rule, order, beside)

    @cached_property
    def _by_ingredient(self) -> Mapping[str, tuple[Rule, ...]]:
        found: dict[str, dict[str, Rule]] = {}
        for rule in self.rules:
            parts = () if rule.drug is None else (rule.drug, *rule.partners)
            for code in (code for part in parts for code in part.codes):
                found.setdefault(code, {})[rule.id] = rule
        return {code: tuple(rules.values()) for code, rules in found.items()}

    @cached_property
    def _of_every_drug(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.drug is None)


@dataclass(frozen=True, slots=True)
class _Asking:
    """One case of one record, and what is asked about it."""

    record: PatientRecord
    site: Site
    case: Case

    @property
    def verdict(self) -> expression.Verdict:
        """Judge the rule's condition; without one it holds."""
        rule = self.case.rule
        if rule.condition is None:
            return _UNCONDITIONAL
        return rule.condition.judge(lambda name: rule.terms[name].ask(self.record, self.site, self.case.subject))

    @property
    def mitigation(self) -> str:
        """Say why what was found need not be said; empty where it must."""
        if self.case.is_tolerated(self.record):
            return TOLERATED
        return MONITORED if self.case.rule.is_monitored(self.record, self.site) else ""

    def could_not_read(self, names: Iterable[str]) -> bool:
        """Tell whether a failed search keeps it unknown: a failure is never silence, whatever the row says."""
        readings = (item.reading for item in self._inputs(names))
        return any(isinstance(each, Missing) and each.gap is Gap.UNAVAILABLE for each in readings)

    def finding(self, names: Iterable[str]) -> Finding:
        """Say what was found."""
        case, inputs = self.case, self._inputs(names)
        return Finding(
            rule=case.rule.reference,
            key=case.key,
            tier=case.rule.tier,
            message=filled(case.rule.message, case.words, inputs),
            action=filled(case.rule.action, case.words, inputs),
            orders=case.orders,
            citation=case.rule.citation,
            doi=case.rule.doi,
            inputs=tuple(item for item in inputs if isinstance(item.reading, Reading)),
            remedies=case.remedies,
            is_lasting=case.rule.is_lasting,
            unverified=case.unverified,
        )

    def unchecked(self, names: Iterable[str]) -> Unchecked:
        """Say what could not be checked, and for want of what."""
        case = self.case
        return Unchecked(
            case.rule.reference,
            case.asked_about.reference,
            case.words["drug"],
            tuple(item for item in self._inputs(names) if isinstance(item.reading, Missing)),
            case.rule.remedies,
            case.unverified,
        )

    def _inputs(self, names: Iterable[str]) -> tuple[Input, ...]:
        terms = (self.case.rule.terms[name] for name in names)
        return tuple(term.as_input(term.ask(self.record, self.site, self.case.subject)) for term in terms)


ORDER_CHECKS: Final = OrderChecks("order-checks", version_of(all_rules(), *sorted(FOLDER.glob("*.toml"))), all_rules())
