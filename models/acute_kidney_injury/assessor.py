"""Acute kidney injury at an order: the shared engine over rows of our own, and what else of theirs is taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from fhir_client.record import PatientRecord
from fhir_client.search import Search
from models.assessment import Assessment, Finding, Findings, Input, ModelReference, Reading
from models.order_checks.engine import OrderChecks
from models.order_checks.orders import DrugOrder, drug_orders
from models.order_checks.rules import Rule
from models.risk_model import Output
from models.rule_rows import RuleRow
from models.site import Site

ORDERED: Final = "ordered:"
"""How the input begins that is the order itself; its label is the drug."""
BESIDE: Final = "beside:"
"""How the inputs begin that are other orders."""

DRAFTED: Final = "draft order"
TAKEN: Final = "active order"
FILE: Final = Path(__file__).with_name("rules.toml")


@dataclass(frozen=True)
class InjuryChecks:
    """An assessor: the rows over the drafts; each finding names what else that matters is drafted or taken."""

    engine: OrderChecks

    @property
    def reference(self) -> ModelReference:
        """Give id and version."""
        return self.engine.reference

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Give the rows."""
        return self.engine.rules

    @property
    def rows(self) -> Sequence[RuleRow]:
        """Give every rule as a reader is shown it."""
        return self.engine.rows

    @property
    def outputs(self) -> Sequence[Output]:
        """Give one output a row: the gate is per row."""
        return self.engine.outputs

    @property
    def searches(self) -> Sequence[Search]:
        """Give what must be asked about a patient: what the stage needs, and the drugs."""
        return self.engine.searches

    @property
    def required_keys(self) -> frozenset[str]:
        """Give no key: what keeps the stage from being known is said where a drug was ordered that matters."""
        return self.engine.required_keys

    def assess(self, record: PatientRecord, site: Site) -> Assessment:
        """Check the drafts that were asked about; what else matters is looked for where one of them was found."""
        checked = self.engine.assess(record, site)
        if not isinstance(checked, Findings) or not checked.found:
            return checked
        orders = drug_orders(record)
        named = {order.reference: order for order in (*orders.asked_about, *orders.others)}
        others = {ref: item for ref, order in named.items() if (item := self._as_other(order)) is not None}
        return replace(
            checked,
            found=tuple(self._whole(finding, named[finding.orders[0]], others) for finding in checked.found),
        )

    def _as_other(self, order: DrugOrder) -> Input | None:
        """Name what of a drug matters, by the rows that may be live: what only a pilot may see has findings there."""
        rows = (rule for rule in self.rules if not rule.unverified)
        names = dict.fromkeys(name for rule in rows if (name := _printed(rule, order)))
        return _as_input(BESIDE, order, " and ".join(names), DRAFTED if order.is_draft else TAKEN) if names else None

    def _whole(self, finding: Finding, order: DrugOrder, others: Mapping[str, Input]) -> Finding:
        """Add to a finding the order itself and the others that matter, each as an input with its time and source."""
        (rule,) = (rule for rule in self.rules if rule.id == finding.rule.id)
        itself = _as_input(ORDERED, order, _printed(rule, order, doubtful=True), DRAFTED)
        beside = {reference: item for reference, item in others.items() if reference != order.reference}
        return replace(finding, orders=(order.reference, *beside), inputs=(itself, *finding.inputs, *beside.values()))


def _printed(rule: Rule, order: DrugOrder, *, doubtful: bool = False) -> str:
    meant = frozenset() if rule.drug is None else rule.drug.matched(order.ingredients)
    if rule.drug is None or not meant or (rule.drug.remarks(meant) and not doubtful):
        return ""
    return rule.drug.printed(meant)


def _as_input(begin: str, order: DrugOrder, name: str, said: str) -> Input:
    reading = Reading(said, order.fact.authored, (order.fact.source.cited,))
    return Input(f"{begin}{order.reference}", name, "", reading)


ASSESSOR: Final = InjuryChecks(OrderChecks.of_file("acute-kidney-injury", FILE))
