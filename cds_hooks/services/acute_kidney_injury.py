"""Acute kidney injury at order entry: its stage, the drug ordered that matters, and what else of the kind is taken."""

from collections.abc import Iterable, Sequence
from typing import Final

from cds_hooks import presentation as say
from cds_hooks.protocol.cards import Card, Coding, CreateAction, DeleteAction, Indicator, Source, Suggestion
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.markdown import plain, shorten
from cds_hooks.service import Moment, Service
from fhir_client.drafting import task
from models.acute_kidney_injury import ASSESSOR as CHECKS
from models.acute_kidney_injury.assessor import BESIDE, ORDERED
from models.assessment import Assessed, Assessment, Finding, Findings, Gap, Input, Missing, Unchecked
from models.concepts import concept
from models.kdigo_aki import MODEL as KDIGO_AKI
from models.kdigo_aki.creatinines import CREATININES, TIME, VALUE

TOPIC: Final = Coding("acute-kidney-injury", "urn:chartside:order-check", "Acute kidney injury and drugs")
SOURCE: Final = Source(
    "KDIGO 2012 acute kidney injury guideline", "https://kdigo.org/guidelines/acute-kidney-injury/", topic=TOPIC
)
STAGED: Final = "KDIGO 2012; baseline by the NHS England algorithm: lowest of 7 days or median of days 8 to 365."
STAGED_IN: Final = "For adults; not in dialysis or pregnancy."
SERIES_SHOWN: Final = 4
REVIEW: Final = "Review the drugs in acute kidney injury"
WHY: Final = "Drug ordered in acute kidney injury"
DELETE, CREATININE = "delete", "order:creatinine"
NOT_CHECKED: Final = "injury-not-checked"
# Nothing recent was there to read: most orders are written for people whose creatinine nobody takes every week.
_NO_REASON_FOR_A_CARD: Final = frozenset({Gap.NOT_RECORDED, Gap.TOO_OLD})


def present(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show one card where an injury meets an order that matters, or an order that nobody could check."""
    injury, checks = assessments
    if not isinstance(checks, Findings):
        return []
    if isinstance(injury, Assessed) and injury.results.get("stage"):
        if checks.found:
            return [_injury(injury, checks, moment)]
        return [_not_recognised(injury, checks, moment)] if checks.unresolved_asked_about else []
    unread = [each for each in checks.unchecked if not _has_nothing_recent(each)]
    return [_unread(unread, checks, moment)] if unread else []


def _injury(injury: Assessed, checks: Findings, moment: Moment) -> Card:
    others = _others(checks.found)
    body = say.detail(
        *(f"**{plain(say.capital(each.message))}.** {plain(each.action)}" for each in checks.found),
        _others_table(others),
        _series_table(injury.inputs),
        say.notes_list(injury.notes),
        _unresolved(checks),
        "\n".join(f"- {plain(each.citation)} ({each.rule.id}, version {each.rule.version})" for each in checks.found),
        _footer(injury, checks),
    )
    return say.card(
        moment,
        _summary(injury, checks.found, others),
        indicator=Indicator(checks.found[0].tier.value),
        source=SOURCE,
        body=body,
        suggestions=_suggestions(checks.found, moment),
        unverified=any(each.unverified for each in checks.found),
        findings=[each.key for each in checks.found],
    )


def _summary(injury: Assessed, found: Sequence[Finding], others: Sequence[Input]) -> str:
    start = f"{_stage(injury)}: {', '.join(_ordered(found))} ordered"
    more = f"; also {', '.join(each.label for each in others)}" if others else ""
    if len(start + more) > say.SUMMARY_LIMIT:
        more = f"; {len(others)} more {'drug that matters' if len(others) == 1 else 'drugs that matter'}"
    return shorten(start + more, say.SUMMARY_LIMIT)


def _stage(injury: Assessed) -> str:
    newest, baseline = _newest(injury.inputs), injury.results.get("baseline_mg_dl")
    values = f" (creatinine {newest}, baseline {say.number(baseline)} mg/dL)" if newest and baseline else ""
    return f"AKI stage {injury.results['stage']}{values}"


def _newest(inputs: Iterable[Input]) -> str:
    return next((say.number(float(read.value)) for item, read in say.read_inputs(inputs) if _is_series(item)), "")


def _is_series(item: Input) -> bool:
    return item.name == CREATININES.name


def _ordered(found: Sequence[Finding]) -> list[str]:
    """Name the drugs that were found, each once."""
    return list(dict.fromkeys(item.label for each in found for item in each.inputs if item.name.startswith(ORDERED)))


def _others(found: Sequence[Finding]) -> list[Input]:
    """Give what else matters, each drug once; what was found itself is not other, nor is its older order."""
    asked_about = {each.orders[0] for each in found}
    named = _ordered(found)
    beside = (item for each in found for item in each.inputs if item.name.startswith(BESIDE))
    others = {item.label: item for item in beside if item.name.removeprefix(BESIDE) not in asked_about}
    return [item for name, item in others.items() if name not in named]


def _others_table(others: Sequence[Input]) -> str:
    return say.detail("**Other drugs that matter to the kidney**", say.inputs_table(others)) if others else ""


def _series_table(inputs: Iterable[Input]) -> str:
    """Tabulate the newest creatinines: the trend that made the stage."""
    rows = next((read.rows or () for item, read in say.read_inputs(inputs) if _is_series(item)), ())
    newest = sorted(rows, key=lambda row: row[TIME], reverse=True)[:SERIES_SHOWN]
    lines = [f"| {say.number(row[VALUE])} mg/dL | {row[TIME]:%Y-%m-%d %H:%M} UTC |" for row in newest]
    return "\n".join(["| Creatinine | Time |", "| --- | --- |", *lines]) if lines else ""


def _unresolved(checks: Findings) -> str:
    count = checks.unresolved
    return f"{count} {'drug' if count == 1 else 'drugs'} not recognised, so not looked at." if count else ""


def _footer(injury: Assessed | None, checks: Findings) -> str:
    rules = f"Rules {checks.model.id} {checks.model.version}."
    if injury is None:
        return f"{rules}\n\n{say.JUDGEMENT}"
    return f"{rules}\n\n{say.footer(injury.model, STAGED_IN, threshold=STAGED)}"


def _suggestions(found: Sequence[Finding], moment: Moment) -> list[Suggestion]:
    """Offer to remove what should be avoided, or a review where that is not the advice; and a creatinine."""
    harmful = list(dict.fromkeys(each.orders[0] for each in found if DELETE in each.remedies))
    made = [_removal(harmful)] if harmful and all(map(say.is_named, harmful)) else [_review(moment)]
    is_drafted = any(
        concept("creatinine").codes(moment.site).matches(order.codings) for order in moment.record.drafted_orders
    )
    return made if is_drafted else [*made, say.order(moment, CREATININE.partition(":")[2], why=WHY)]


def _removal(orders: Sequence[str]) -> Suggestion:
    words = "Remove this draft order" if len(orders) == 1 else f"Remove these {len(orders)} draft orders"
    return Suggestion(words, actions=tuple(DeleteAction("Remove the draft order", order) for order in orders))


def _review(moment: Moment) -> Suggestion:
    context = moment.request.context
    resource = task(REVIEW, patient_id=context.patient_id, encounter_id=context.encounter_id)
    return Suggestion(REVIEW, actions=(CreateAction(REVIEW, resource),))


def _not_recognised(injury: Assessed, checks: Findings, moment: Moment) -> Card:
    """Say which order nobody could check: silence would read as safe (design/contract.md, section 4)."""
    count = checks.unresolved_asked_about
    words = "1 ordered drug is not recognised" if count == 1 else f"{count} ordered drugs are not recognised"
    body = say.detail(
        f"Whether {'it matters' if count == 1 else 'they matter'} to an injured kidney is not known here.",
        _series_table(injury.inputs),
        say.notes_list(injury.notes),
        _footer(injury, checks),
    )
    return say.card(
        moment,
        f"{_stage(injury)}: {words}, not checked",
        indicator=Indicator.INFO,
        source=SOURCE,
        body=body,
        suggestions=[_review(moment)],
        findings=[f"{NOT_CHECKED}:drugs"],
    )


def _has_nothing_recent(unchecked: Unchecked) -> bool:
    return all(
        isinstance(item.reading, Missing) and item.reading.gap in _NO_REASON_FOR_A_CARD for item in unchecked.missing
    )


def _unread(unread: Sequence[Unchecked], checks: Findings, moment: Moment) -> Card:
    drugs = ", ".join(dict.fromkeys(each.subject for each in unread))
    body = say.detail(
        "The stage of an acute kidney injury could not be told. It is not read as none.",
        say.inputs_table({item.name: item for each in unread for item in each.missing}.values()),
        _footer(None, checks),
    )
    return say.card(
        moment,
        shorten(f"Not checked for acute kidney injury: {drugs}", say.SUMMARY_LIMIT),
        indicator=Indicator.INFO,
        source=SOURCE,
        body=body,
        unverified=any(each.unverified for each in unread),
        findings=[f"{NOT_CHECKED}:{each.rule.id}" for each in unread],
    )


SERVICE = Service(
    id="acute-kidney-injury",
    hooks=(Hook.ORDER_SELECT, Hook.ORDER_SIGN),
    title="Acute kidney injury and the drugs that matter",
    description=(
        "Where creatinine shows an acute kidney injury (KDIGO 2012) and a drug is ordered that harms the kidney or "
        "that the kidney clears: the stage, the order, and the other drugs of the kind. Silent otherwise."
    ),
    usage_requirements="Needs prefetch or FHIR access to creatinine results; orders and problems make it better.",
    link_hosts=frozenset({"kdigo.org"}),
    assessors=(KDIGO_AKI, CHECKS),
    present=present,
)
