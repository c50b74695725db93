"""While an allergy is being entered: a side effect is none, and a penicillin allergy of low risk can be tested."""

from collections.abc import Sequence
from typing import Final

from cds_hooks import finding_cards
from cds_hooks import presentation as say
from cds_hooks.finding_cards import ORDER
from cds_hooks.protocol.cards import Card, Indicator, Suggestion, UpdateAction
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.markdown import plain, shorten
from cds_hooks.service import Moment, Service
from fhir_client.drafting import NotDrafted, intolerance
from models.allergy_record import ASSESSOR
from models.allergy_record.assessor import AS_INTOLERANCE
from models.assessment import Assessment, Finding, Findings, ModelReference

SYSTEM: Final = "urn:chartside:allergy-record"
CHANGE: Final = "Enter it as an intolerance"
WHY: Final = "Penicillin allergy of low risk (PEN-FAST)"


def present(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show one card a finding."""
    (checks,) = assessments
    return [_card(finding, checks.model, moment) for finding in checks.found] if isinstance(checks, Findings) else []


def _card(finding: Finding, model: ModelReference, moment: Moment) -> Card:
    return say.card(
        moment,
        shorten(plain(say.capital(finding.message)), say.SUMMARY_LIMIT),
        indicator=Indicator(finding.tier.value),
        source=finding_cards.source(finding, SYSTEM),
        body=say.detail(finding_cards.part(finding), finding_cards.footer(model)),
        suggestions=_suggestions(finding, moment),
        unverified=bool(finding.unverified),
        findings=[finding.key],
    )


def _suggestions(finding: Finding, moment: Moment) -> list[Suggestion]:
    orders = [name.removeprefix(ORDER) for name in finding.remedies if name.startswith(ORDER)]
    suggestions = [say.order(moment, name, why=WHY) for name in orders]
    if AS_INTOLERANCE in finding.remedies:
        suggestions += _as_intolerance(finding.orders[0], moment)
    return suggestions


def _as_intolerance(reference: str, moment: Moment) -> list[Suggestion]:
    """Offer the entry as an intolerance, all else in it as it was sent; one without an id cannot be named."""
    entries = (entry for entry in moment.record.drafted_allergies if entry.source.reference == reference)
    entry = next((moment.record.as_drafted(each) for each in entries), None)
    if entry is None or not say.is_named(reference):
        return []
    try:
        changed = intolerance(moment.request.as_sent(entry))
        return [Suggestion(CHANGE, actions=(UpdateAction(CHANGE, changed),))]
    except NotDrafted:
        return []


SERVICE = Service(
    id="allergy-record",
    hooks=(Hook.ALLERGYINTOLERANCE_CREATE,),
    title="Entries of allergies",
    description=(
        "While an allergy is being entered: isolated nausea, vomiting or diarrhoea is offered as an intolerance, and a "
        "penicillin allergy of low risk by PEN-FAST is named for assessment. Silent otherwise."
    ),
    usage_requirements="Needs coded reactions and substances; prefetch or FHIR access to the recorded allergies.",
    link_hosts=frozenset({"doi.org"}),
    assessors=(ASSESSOR,),
    present=present,
)
