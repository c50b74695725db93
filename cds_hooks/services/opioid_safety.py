"""Opioids at signing: how much all of them come to a day, a benzodiazepine beside them, and naloxone for both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cds_hooks import presentation as say
from cds_hooks.orderables import orderable
from cds_hooks.protocol.cards import Card, Coding, CreateAction, DeleteAction, Indicator, Source, Suggestion
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.markdown import plain, shorten
from cds_hooks.service import Moment, Service
from fhir_client.drafting import medication_request
from models.assessment import Assessed, Assessment, Finding, Findings, Input, NotApplicable
from models.concepts import concept
from models.mme import MODEL as MME
from models.mme.model import PARAMETERS, equivalent
from models.mme.orders import OrderedOpioid, ordered_opioids
from models.opioid_safety import ASSESSOR as CHECKS

REASSESS: Final[float] = PARAMETERS["reassess"]["at_least"]
# Never converted by the source: that it is left out of the sum is no gap.
NEVER: Final = frozenset(str(code) for code in PARAMETERS["never_converted"])
TOPIC: Final = Coding("opioid-safety", "urn:chartside:order-check", "Opioid safety")
SOURCE: Final = Source(
    "CDC Clinical Practice Guideline for Prescribing Opioids for Pain (2022)",
    f"https://doi.org/{MME.parameters.doi}",
    topic=TOPIC,
)
ACTION: Final = (
    f"From {say.number(REASSESS)} MME a day on, weigh again what the opioids do for this patient against their harm, "
    "and offer naloxone."
)
DERIVED_IN: Final = "Factors for adults with pain; not for cancer pain, sickle-cell disease or palliative care."
THRESHOLD: Final = f"{say.number(REASSESS)} MME a day is the CDC's (2022), and no limit."
REMOVE: Final = "Remove this draft order"
WHY: Final = "Rescue from an opioid overdose"
ANTAGONISTS: Final = concept("opioid_antagonists").exact_codes
MOST_REMOVALS: Final = 2


NOT_COUNTED: Final = "opioid-not-counted"
NOT_READ: Final = "what is taken already was not read in full"


def present(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show one card where a draft brings opioids to the threshold or beside a benzodiazepine, or cannot be counted."""
    dose, checks = assessments
    if isinstance(dose, NotApplicable):
        return []
    seen = _Seen(
        opioids=ordered_opioids(moment.record, moment.site),
        total=dose.results.get("mme_per_day") if isinstance(dose, Assessed) else None,
        checks=checks if isinstance(checks, Findings) else Findings(CHECKS.reference),
        notes=() if isinstance(dose, Findings) else dose.notes,
    )
    if seen.checks.found or seen.is_high:
        return [_warning(seen, moment)]
    return [_not_counted(seen, moment)] if seen.gaps or seen.unrecognised or seen.checks.unchecked else []


@dataclass(frozen=True, slots=True)
class _Seen:
    """What there is to say: the opioids of the orders, their sum in MME a day, and what was found beside them."""

    opioids: tuple[OrderedOpioid, ...]
    total: float | None
    checks: Findings
    notes: tuple[str, ...]

    @property
    def is_drafted(self) -> bool:
        """Tell whether one of the opioids is being ordered: what is only taken is no reason for a card."""
        return any(each.is_draft for each in self.opioids)

    @property
    def is_high(self) -> bool:
        """Tell whether the opioids with those that are being ordered reach the threshold."""
        return self.is_drafted and self.total is not None and self.total >= REASSESS

    @property
    def gaps(self) -> list[OrderedOpioid]:
        """Give what may belong in the sum beside a drafted opioid; what has no factor does not belong there."""
        return [each for each in self.opioids if each.is_unknown and each.rxcui not in NEVER] * self.is_drafted

    @property
    def unrecognised(self) -> int:
        """Count the drafts that nobody knows, where there is an opioid that they could be dangerous beside."""
        return self.checks.unresolved_asked_about if self.opioids else 0

    @property
    def sum(self) -> str:
        """Give the sum in words; empty where nothing counts."""
        if self.total is None:
            return ""
        at_least = "at least " if any(_amount(each) is None for each in self.opioids) else ""
        return f"{at_least}{say.number(self.total)} MME a day"

    @property
    def key(self) -> str:
        """Name the opioids and their sum: an override holds until either changes."""
        return f"mme:{'+'.join(sorted({each.rxcui for each in self.opioids}))}:{self.sum.replace(' ', '-')}"


def _amount(opioid: OrderedOpioid) -> float | None:
    return None if opioid.why else equivalent(opioid.row)


def _warning(seen: _Seen, moment: Moment) -> Card:
    found = seen.checks.found
    start = "; ".join(say.capital(each.message) for each in found) or "Opioids with this order"
    end = f": {seen.sum}" if seen.sum else ""
    body = say.detail(
        *(f"**{plain(say.capital(each.message))}.** {plain(each.action)}" for each in found),
        f"**{say.capital(seen.sum)}.** {ACTION}" if seen.is_high else "",
        _body(seen),
        "\n".join(f"- {plain(each.citation)} ({each.rule.id}, version {each.rule.version})" for each in found),
        _footer(),
    )
    return say.card(
        moment,
        shorten(start, say.SUMMARY_LIMIT - len(end)) + end,
        indicator=Indicator.WARNING,
        source=SOURCE,
        body=body,
        suggestions=[*_naloxone(moment), *_removals(found)],
        unverified=any(each.unverified for each in found),
        findings=[*(each.key for each in found), *([seen.key] if seen.is_high else [])],
    )


def _not_counted(seen: _Seen, moment: Moment) -> Card:
    """Say what is not in the sum: silence would read as safe (design/contract.md, section 4)."""
    named = ", ".join(dict.fromkeys(each.name for each in seen.gaps))
    drugs = f"{seen.unrecognised} {'drug' if seen.unrecognised == 1 else 'drugs'} not recognised"
    unread = NOT_READ if seen.checks.unchecked else ""
    what = "; ".join(filter(None, (named, drugs if seen.unrecognised else "", unread)))
    codes = sorted({each.rxcui for each in seen.gaps})
    end = f" ({seen.sum})" if seen.sum else ""
    return say.card(
        moment,
        shorten(f"Opioid dose not known in full: {what}", say.SUMMARY_LIMIT - len(end)) + end,
        indicator=Indicator.INFO,
        source=SOURCE,
        body=say.detail(_body(seen), say.inputs_table(_unread(seen.checks)) if unread else "", _footer()),
        findings=[":".join((NOT_COUNTED, "+".join(codes), str(seen.unrecognised), *(["unread"] if unread else [])))],
    )


def _unread(checks: Findings) -> Sequence[Input]:
    """Give what could not be read, each once."""
    return tuple({item.name: item for each in checks.unchecked for item in each.missing}.values())


def _body(seen: _Seen) -> str:
    unknown = seen.checks.unresolved
    return say.detail(
        _table(seen.opioids),
        f"{unknown} {'drug' if unknown == 1 else 'drugs'} not recognised, so not counted." if unknown else "",
        say.notes_list(seen.notes),
    )


def _table(opioids: Sequence[OrderedOpioid]) -> str:
    """Tabulate every opioid with its dose, what it adds or why it adds nothing, and its date."""
    rows = ["| Opioid | A day, at most | MME | Ordered |", "| --- | --- | --- | --- |"]
    for each in opioids:
        amount = _amount(each)
        dose = "" if each.daily_dose is None else say.value_with_unit(each.daily_dose, each.unit.removesuffix("/d"))
        shown = f"{dose}, as needed" if each.as_needed else dose
        adds = f"not counted: {each.why or 'no factor'}" if amount is None else say.number(amount)
        rows.append(f"| {say.capital(each.name)} | {shown} | {adds} | {'draft' if each.is_draft else each.on} |")
    return "\n".join(rows) if opioids else ""


def _footer() -> str:
    rules = f"Rules {CHECKS.reference.id} {CHECKS.reference.version}."
    return f"{rules}\n\n{say.footer(MME.reference, DERIVED_IN, threshold=THRESHOLD)}"


def _naloxone(moment: Moment) -> list[Suggestion]:
    """Offer naloxone, unless it or its like is ordered already; beside an opioid in one tablet it is no rescue."""
    active = (drugs for drugs, count in moment.record.drug_orders.active.items() if count)
    drafted = (draft.ingredients for draft in moment.record.drafted_medications)
    if any(drugs and drugs <= ANTAGONISTS for drugs in (*active, *drafted)):
        return []
    wanted, context = orderable("naloxone"), moment.request.context
    draft = medication_request(
        wanted.code, wanted.display, patient_id=context.patient_id, encounter_id=context.encounter_id, reason_text=WHY
    )
    words = "Order: naloxone nasal spray"
    return [Suggestion(words, actions=(CreateAction(words, draft),))]


def _removals(found: Sequence[Finding]) -> list[Suggestion]:
    """Offer to remove each draft that brings the two together, where it can be named."""
    drafts = dict.fromkeys(each.orders[0] for each in found if say.is_named(each.orders[0]))
    return [Suggestion(REMOVE, actions=(DeleteAction(REMOVE, draft),)) for draft in drafts][:MOST_REMOVALS]


SERVICE = Service(
    id="opioid-safety",
    hooks=(Hook.ORDER_SIGN,),
    title="Opioid safety",
    description=(
        "Adds up what all opioids come to a day (MME, CDC 2022), drafts and active orders, and says where they reach "
        "the threshold or meet a benzodiazepine, with naloxone as a suggestion. Silent otherwise."
    ),
    usage_requirements=(
        "Needs draft orders coded in RxNorm with coded dosage instructions; prefetch or FHIR access to active orders "
        "and problems makes the sum complete, and what could not be counted is said."
    ),
    link_hosts=frozenset({"doi.org"}),
    assessors=(MME, CHECKS),
    present=present,
)
