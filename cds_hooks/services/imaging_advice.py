"""Imaging at order entry: contrast and kidney, earlier reactions, pregnancy, a rule before a scan, repeated studies."""

from collections.abc import Sequence
from typing import Final

from cds_hooks import finding_cards
from cds_hooks import presentation as say
from cds_hooks.finding_cards import DELETE, NOT_CHECKED, ORDER
from cds_hooks.protocol.cards import Card, Coding, Indicator, Source, Suggestion
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.markdown import shorten
from cds_hooks.service import Moment, Service
from models.assessment import Assessment, Finding, Findings, Unchecked
from models.imaging import ASSESSOR

SYSTEM: Final = "urn:chartside:imaging-advice"
WHY: Final = "Before an imaging study"
NOT_CHECKED_SOURCE: Final = Source("Chartside imaging advice", topic=Coding(NOT_CHECKED, SYSTEM, "Checks not made"))
NEVER_CANCELS: Final = "Nothing is cancelled: the choice is yours."


def present(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show one card an order, the most urgent finding first and the others beneath it; then what could not be read."""
    (checks,) = assessments
    if not isinstance(checks, Findings):
        return []
    cards = [_of_order(order, found, checks, moment) for order, found in finding_cards.by_order(checks.found).items()]
    return [*cards, *_not_checked(checks, moment)]


def _of_order(order: str, findings: Sequence[Finding], checks: Findings, moment: Moment) -> Card:
    first, more = findings[0], finding_cards.more(findings)
    parts = (finding_cards.part(finding, timed=True) for finding in findings)
    return say.card(
        moment,
        shorten(first.message, say.SUMMARY_LIMIT - len(more)) + more,
        indicator=Indicator(first.tier.value),
        source=finding_cards.source(first, SYSTEM),
        body=say.detail(*parts, NEVER_CANCELS, finding_cards.footer(checks.model)),
        suggestions=_suggestions(order, findings, moment),
        unverified=any(finding.unverified for finding in findings),
        findings=[finding.key for finding in findings],
    )


def _suggestions(order: str, findings: Sequence[Finding], moment: Moment) -> list[Suggestion]:
    """Offer each remedy once; nothing is preselected."""
    made = (
        finding_cards.removal(order) if name == DELETE else say.order(moment, name.removeprefix(ORDER), why=WHY)
        for name in finding_cards.remedies(findings)
    )
    return [suggestion for suggestion in made if suggestion is not None][: finding_cards.MOST_SUGGESTIONS]


def _not_checked(checks: Findings, moment: Moment) -> list[Card]:
    """Say what could not be read and would have been looked at: silence would read as safe."""
    if not checks.unchecked:
        return []
    missing = dict.fromkeys(item.label for each in checks.unchecked for item in each.missing)
    subjects = dict.fromkeys(each.subject for each in checks.unchecked)
    return [
        say.card(
            moment,
            shorten(f"Not checked: {', '.join(missing)} for {', '.join(subjects)}", say.SUMMARY_LIMIT),
            indicator=Indicator.INFO,
            source=NOT_CHECKED_SOURCE,
            body=say.detail(*map(_unchecked, checks.unchecked), finding_cards.footer(checks.model)),
            unverified=any(each.unverified for each in checks.unchecked),
            findings=sorted({f"{NOT_CHECKED}:{each.rule.id}" for each in checks.unchecked}),
        )
    ]


def _unchecked(unchecked: Unchecked) -> str:
    return say.detail(
        f"**{unchecked.subject}**: not checked ({unchecked.rule.id})", say.inputs_table(unchecked.missing)
    )


SERVICE = Service(
    id="imaging-advice",
    hooks=(Hook.ORDER_SELECT,),
    title="Imaging advice",
    description=(
        "Where CT or MR is picked: contrast in low kidney function or acute injury, an earlier contrast reaction, "
        "pregnancy, CT pulmonary angiography without Wells and D-dimer, a study reported lately. It cancels nothing."
    ),
    usage_requirements=(
        "Needs draft orders coded in LOINC; prefetch or FHIR access to results, allergies, problems and reports."
    ),
    link_hosts=frozenset({"doi.org"}),
    assessors=(ASSESSOR,),
    present=present,
)
