"""Repeated tests at order entry: the result is there already, or on its way."""

from collections.abc import Iterable, Sequence
from typing import Final

from cds_hooks import finding_cards
from cds_hooks import presentation as say
from cds_hooks.protocol.cards import Card, Indicator, Suggestion
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.markdown import plain, shorten
from cds_hooks.service import Moment, Service
from models.assessment import Assessment, Finding, Findings, Input, Missing, ModelReference, Reading
from models.repeat_test import ASSESSOR
from models.repeat_test.assessor import DELETE, NOT_TOLD
from models.repeat_test.evidence import PENDING

SYSTEM: Final = "urn:chartside:order-check"
STABLE: Final = "The interval is one for stable adults. An urgent need overrules it."


def present(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show one card a draft; what could not be looked at is on record, and the test is simply done."""
    (checks,) = assessments
    return [_card(finding, checks.model, moment) for finding in checks.found] if isinstance(checks, Findings) else []


def _card(finding: Finding, model: ModelReference, moment: Moment) -> Card:
    there = [item for item in finding.inputs if not item.name.startswith(NOT_TOLD)]
    body = say.detail(
        f"**{plain(say.capital(finding.message))}.** {plain(finding.action)}",
        say.inputs_table(there, timed=True),
        _not_told(finding.inputs),
        f"{finding_cards.vouched(finding)}. {STABLE}",
        finding_cards.footer(model),
    )
    return say.card(
        moment,
        _summary(finding, there),
        indicator=Indicator(finding.tier.value),
        source=finding_cards.source(finding, SYSTEM),
        body=body,
        suggestions=_suggestions(finding),
        unverified=bool(finding.unverified),
        findings=[finding.key],
    )


def _summary(finding: Finding, there: Sequence[Input]) -> str:
    """Say what is there and since when: of a panel the part that has waited longest."""
    newest = {item.label: item for item in reversed(there)}
    oldest = min(newest.values(), key=_began)
    value = "" if len(newest) > 1 or oldest.name.startswith(PENDING) else f" ({_value(oldest)})"
    words = (
        f"{say.capital(finding.message)}{value}, {say.minute(oldest.reading.at)}. {finding.action.partition('.')[0]}"
    )
    return shorten(words, say.SUMMARY_LIMIT)


def _began(item: Input) -> float:
    return item.reading.at.start.timestamp() if item.reading.at is not None else 0.0


def _value(item: Input) -> str:
    return say.value_with_unit(item.reading.value, item.unit) if isinstance(item.reading, Reading) else ""


def _not_told(inputs: Iterable[Input]) -> str:
    """Say of which conditions the chart says nothing: they may hold."""
    lines = [
        f"- {item.label}: {say.reason(item.reading)}"
        for item in inputs
        if item.name.startswith(NOT_TOLD) and isinstance(item.reading, Missing)
    ]
    return "\n".join(["Would make it right, and is not known:", "", *lines]) if lines else ""


def _suggestions(finding: Finding) -> list[Suggestion]:
    removal = finding_cards.removal(finding.orders[0]) if DELETE in finding.remedies else None
    return [] if removal is None else [removal]


SERVICE = Service(
    id="repeat-test",
    hooks=(Hook.ORDER_SELECT, Hook.ORDER_SIGN),
    title="Repeated tests",
    description=(
        "A laboratory test is ordered whose result is there, or on its way, within the interval in which it is usually "
        "not repeated, and nothing in the chart makes a repeat right. Never of troponin. Silent otherwise."
    ),
    usage_requirements="Needs draft orders coded in LOINC; prefetch or FHIR access to results, orders and problems.",
    assessors=(ASSESSOR,),
    present=present,
)
