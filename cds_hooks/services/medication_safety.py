"""Medication safety at order entry: interactions, kidney dosing, QT, pregnancy, potassium, allergy, duplicates."""

from collections.abc import Iterator, Sequence
from typing import Final

from cds_hooks import finding_cards
from cds_hooks import presentation as say
from cds_hooks.finding_cards import DELETE, NOT_CHECKED, ORDER
from cds_hooks.orderables import orderable
from cds_hooks.protocol.cards import Card, Coding, CreateAction, DeleteAction, Indicator, Source, Suggestion
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.markdown import plain, shorten
from cds_hooks.service import Moment, Service
from fhir_client.drafting import medication_request
from models.assessment import Assessment, Finding, Findings, Unchecked
from models.order_checks.casting import REPLACE
from models.order_checks.engine import ORDER_CHECKS

RULES: Final = "urn:chartside:order-check"
WHY: Final = "Safety check of a drug order"
MOST_NAMES: Final = 10
LONGEST_NAMES: Final = 50  # of what is missing, in a summary
UNNAMED: Final = "an order that names no drug in words"
NOT_CHECKED_SOURCE: Final = Source("Chartside order checks", topic=Coding(NOT_CHECKED, RULES, "Order checks not made"))
SILENCE_IS_NOT_SAFE: Final = "No card about these does not mean that they are safe together."


def present(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show one card an order, the most urgent finding first and the others beneath it; then what was not checked."""
    (checks,) = assessments
    if not isinstance(checks, Findings):
        return []
    cards = [_of_order(order, found, checks, moment) for order, found in finding_cards.by_order(checks.found).items()]
    return [*cards, *_not_checked(checks, moment)]


def _of_order(order: str, findings: Sequence[Finding], checks: Findings, moment: Moment) -> Card:
    first, more = findings[0], finding_cards.more(findings)
    return say.card(
        moment,
        shorten(say.capital(first.message), say.SUMMARY_LIMIT - len(more)) + more,
        indicator=Indicator(first.tier.value),
        source=finding_cards.source(first, RULES),
        body=say.detail(*map(finding_cards.part, findings), finding_cards.footer(checks.model)),
        suggestions=_suggestions(order, findings, moment),
        unverified=any(finding.unverified for finding in findings),
        findings=[finding.key for finding in findings],
    )


def _suggestions(order: str, findings: Sequence[Finding], moment: Moment) -> list[Suggestion]:
    """Offer each remedy once; nothing is preselected."""
    made = (_suggestion(name, order, moment) for name in finding_cards.remedies(findings))
    return [suggestion for suggestion in made if suggestion is not None][: finding_cards.MOST_SUGGESTIONS]


def _suggestion(remedy: str, order: str, moment: Moment) -> Suggestion | None:
    if remedy == DELETE:
        return finding_cards.removal(order)
    if remedy.startswith(REPLACE):
        return _replacement(remedy.rpartition(":")[2], order, moment)
    return say.order(moment, remedy.removeprefix(ORDER), why=WHY)


def _replacement(name: str, order: str, moment: Moment) -> Suggestion | None:
    """Offer another drug as a pair: the draft goes, and a draft of the other comes, to be dosed and signed."""
    if not say.is_named(order):
        return None
    wanted, context = orderable(name), moment.request.context
    draft = medication_request(
        wanted.code, wanted.display, patient_id=context.patient_id, encounter_id=context.encounter_id, reason_text=WHY
    )
    words = f"Replace by {name}"
    return Suggestion(
        words, actions=(DeleteAction(finding_cards.REMOVE, order), CreateAction(f"Order: {wanted.display}", draft))
    )


def _not_checked(checks: Findings, moment: Moment) -> Sequence[Card]:
    """Say which checks could not be made: silence would read as safe (design/contract.md, section 4)."""
    # At order-select advice is about the selection alone (OSEL-1): what else is taken is said at signing.
    unresolved = checks.unresolved_asked_about if moment.request.hook is Hook.ORDER_SELECT else checks.unresolved
    if not unresolved and not checks.unchecked:
        return []
    drugs = f"{unresolved} {'drug' if unresolved == 1 else 'drugs'} not recognised" if unresolved else ""
    checked = _missing_words(checks.unchecked)
    body = say.detail(
        f"{drugs}: what {'it is' if unresolved == 1 else 'they are'} made of is not known here. {SILENCE_IS_NOT_SAFE}"
        if unresolved
        else "",
        say.notes_list(_unknown_drugs(moment, unresolved)),
        *_unchecked_parts(checks.unchecked),
        finding_cards.footer(checks.model),
    )
    return [
        say.card(
            moment,
            shorten(f"Not checked: {'; '.join(filter(None, (drugs, checked)))}", say.SUMMARY_LIMIT),
            indicator=Indicator.INFO,
            source=NOT_CHECKED_SOURCE,
            body=body,
            suggestions=_tests(checks.unchecked, moment),
            unverified=any(each.unverified for each in checks.unchecked),
            findings=_not_checked_findings(checks, unresolved),
        )
    ]


def _unknown_drugs(moment: Moment, unresolved: int) -> list[str]:
    """Name the drugs that are not recognised as their orders do: whoever wants to check them must know which."""
    if not unresolved:
        return []
    record = moment.record
    drafts = [each for each in record.drafted_medications if record.is_asked_about(each) and each.ingredients is None]
    is_selection = moment.request.hook is Hook.ORDER_SELECT
    active = () if is_selection else record.drug_orders.every_active((None,))
    taken = (each for each in active if each.source.reference not in record.superseded)
    names = [each.text or UNNAMED for each in (*drafts, *taken)]
    rest = len(names) - MOST_NAMES
    return [*names[:MOST_NAMES], *([f"and {rest} more"] if rest > 0 else [])]


def _missing_words(unchecked: Sequence[Unchecked]) -> str:
    missing = {item.name: item for each in unchecked for item in each.missing}
    drugs = dict.fromkeys(each.subject for each in unchecked)
    names = say.missing_names([*missing.values()], limit=LONGEST_NAMES)
    return f"{names} for {', '.join(map(plain, drugs))}" if unchecked else ""


def _unchecked_parts(unchecked: Sequence[Unchecked]) -> Iterator[str]:
    """Say of each drug which checks were not made, and for want of what; each input once."""
    by_drug: dict[str, list[Unchecked]] = {}
    for each in unchecked:
        by_drug.setdefault(each.subject, []).append(each)
    for drug, checks in by_drug.items():
        rules = ", ".join(dict.fromkeys(each.rule.id for each in checks))
        missing = {item.name: item for each in checks for item in each.missing}
        yield say.detail(f"**{plain(say.capital(drug))}**: not checked ({rules})", say.inputs_table(missing.values()))


def _tests(unchecked: Sequence[Unchecked], moment: Moment) -> list[Suggestion]:
    """Offer the tests that would let the checks be made."""
    wanted = dict.fromkeys(name for each in unchecked for name in each.remedies if name.startswith(ORDER))
    return [say.order(moment, name.removeprefix(ORDER), why=WHY) for name in wanted][: finding_cards.MOST_SUGGESTIONS]


def _not_checked_findings(checks: Findings, unresolved: int) -> list[str]:
    """Name what was not checked: an override holds until a check more is missing."""
    rules = sorted({each.rule.id for each in checks.unchecked})
    return [
        *(f"{NOT_CHECKED}:{rule}" for rule in rules),
        *([f"{NOT_CHECKED}:drugs:{unresolved}"] if unresolved else []),
    ]


SERVICE = Service(
    id="medication-safety",
    hooks=(Hook.ORDER_SELECT, Hook.ORDER_SIGN),
    title="Medication safety",
    description=(
        "Checks draft drug orders against each other, what is taken, kidney function, electrolytes, QTc, pregnancy and "
        "allergies, by a small set of published rules. One card an order; silent where nothing was found."
    ),
    usage_requirements=(
        "Needs draft orders coded in RxNorm; prefetch or FHIR access to active orders, problems and results makes the "
        "checks complete, and what could not be checked is said."
    ),
    link_hosts=frozenset({"doi.org"}),
    assessors=(ORDER_CHECKS,),
    present=present,
)
