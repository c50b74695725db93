"""Imaging at order entry: contrast and kidney, earlier reactions, pregnancy, a rule before a scan, repeated studies."""

from collections.abc import Sequence
from typing import Final

from cds_hooks import presentation as say
from cds_hooks.protocol.cards import Card, Coding, DeleteAction, Indicator, Source, Suggestion
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.markdown import plain, shorten
from cds_hooks.service import Moment, Service
from models.assessment import Assessment, Finding, Findings, Unchecked
from models.imaging import ASSESSOR

SYSTEM: Final = "urn:chartside:imaging-advice"
DELETE, ORDER = "delete", "order:"
MOST_SUGGESTIONS: Final = 3
REMOVE: Final = "Remove this draft order"
WHY: Final = "Before an imaging study"
NOT_CHECKED: Final = "not-checked"
NOT_CHECKED_SOURCE: Final = Source("Chartside imaging advice", topic=Coding(NOT_CHECKED, SYSTEM, "Checks not made"))
NEVER_CANCELS: Final = "Nothing is cancelled: the choice is yours."


def present(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show one card an order, the most urgent finding first and the others beneath it; then what could not be read."""
    (checks,) = assessments
    if not isinstance(checks, Findings):
        return []
    by_order: dict[str, list[Finding]] = {}
    for finding in checks.found:
        by_order.setdefault(finding.orders[0], []).append(finding)
    cards = [_of_order(order, findings, checks, moment) for order, findings in by_order.items()]
    return [*cards, *_not_checked(checks, moment)]


def _of_order(order: str, findings: Sequence[Finding], checks: Findings, moment: Moment) -> Card:
    first, others = findings[0], len(findings) - 1
    more = f" (and {others} more)" if others else ""
    return say.card(
        moment,
        shorten(first.message, say.SUMMARY_LIMIT - len(more)) + more,
        indicator=Indicator(first.tier.value),
        source=Source(
            say.source_label(first.citation),
            f"https://doi.org/{first.doi}" if first.doi else None,
            topic=Coding(first.rule.id, SYSTEM, first.rule.id),
        ),
        body=say.detail(*map(_part, findings), NEVER_CANCELS, _footer(checks)),
        suggestions=_suggestions(order, findings, moment),
        unverified=any(finding.unverified for finding in findings),
        findings=[finding.key for finding in findings],
    )


def _part(finding: Finding) -> str:
    return say.detail(
        f"**{finding.message}.** {plain(finding.action, limit=400)}",
        say.inputs_table(finding.inputs, timed=True),
        f"{plain(finding.citation)} ({finding.rule.id}, version {finding.rule.version})",
    )


def _footer(checks: Findings) -> str:
    return f"Rules {checks.model.id} {checks.model.version}. {say.JUDGEMENT}"


def _suggestions(order: str, findings: Sequence[Finding], moment: Moment) -> list[Suggestion]:
    """Offer each remedy once, those of the most urgent finding first; nothing is preselected."""
    wanted = dict.fromkeys(name for finding in findings for name in finding.remedies)
    made: list[Suggestion] = []
    for name in wanted:
        if name.startswith(ORDER):
            made.append(say.order(moment, name.removeprefix(ORDER), why=WHY))
        elif name == DELETE and say.is_named(order):
            made.append(Suggestion(REMOVE, actions=(DeleteAction(REMOVE, order),)))
    return made[:MOST_SUGGESTIONS]


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
            body=say.detail(*map(_unchecked, checks.unchecked), _footer(checks)),
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
