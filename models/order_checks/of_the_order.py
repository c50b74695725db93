"""Terms that are answered by the order of the rule's own drug: whether it is new, what it comes to a day, how often."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from fhir_client.doses import DoseGap, DoseUnknown, daily_doses
from fhir_client.facts import Medication
from fhir_client.record import Availability, PatientRecord
from fhir_client.timings import TimingGap, most_times_a_day
from fhir_client.units import UnknownUnit, ratio
from models.assessment import Gap, Missing, Reading
from models.features.feature import Answer, Kind
from models.features.readers import nothing_found
from models.features.searches import MEDICATIONS
from models.order_checks.drugs import drugs
from models.order_checks.orders import Player
from models.order_checks.terms import Ask, Term
from models.site import Site

_MG_A_DAY: Final = "mg/d"
_PARACETAMOL: Final = frozenset(drugs("acetaminophen").codes)


def _is_new(record: PatientRecord, site: Site, subject: Player) -> Answer:  # noqa: ARG001 - every term takes the site
    """Tell whether the order begins something: no active order has these ingredients."""
    _, meant = subject
    active = record.drug_orders.active
    if any(count and drugs_of and meant <= drugs_of for drugs_of, count in active.items()):
        return Reading(value=False)
    if record.availability(MEDICATIONS.key) is not Availability.COMPLETE:
        return nothing_found(record, MEDICATIONS.key)
    unresolved = active.get(None, 0)
    if unresolved:
        return Missing(Gap.UNREADABLE, note=f"{unresolved} active drugs not recognised")
    return Reading(value=True)


def _daily_dose(record: PatientRecord, site: Site, subject: Player) -> Answer:  # noqa: ARG001
    """Give what the order comes to a day, of the ingredients that are meant, at most."""
    order, meant = subject
    found = _milligrams(order.fact, meant)
    return found if isinstance(found, Missing) else _reading(found, order.fact)


def _times_a_day(record: PatientRecord, site: Site, subject: Player) -> Answer:  # noqa: ARG001
    """Give how often a day the drug is taken, at most: a seventh is once a week."""
    order, _ = subject
    found = most_times_a_day(order.fact)
    if isinstance(found, TimingGap):
        return Missing(Gap.NOT_CODED, order.fact.authored, found.value)
    return _reading(found.a_day, order.fact)


def _by_body_size(record: PatientRecord, site: Site, subject: Player) -> Answer:  # noqa: ARG001
    """Tell whether the order says its dose by the kilogram or the square metre; one that says no dose does not."""
    order, _ = subject
    doses = daily_doses(order.fact)
    by_size = isinstance(doses, DoseUnknown) and doses.reason is DoseGap.BODY_SIZE
    return Reading(by_size, order.fact.authored, (order.fact.source.cited,))


def _reading(value: Fraction, fact: Medication) -> Reading:
    return Reading(float(value), fact.authored, (fact.source.cited,))


def _milligrams(fact: Medication, meant: frozenset[str]) -> Fraction | Missing:
    doses = daily_doses(fact)
    if isinstance(doses, DoseUnknown):
        return Missing(Gap.NOT_CODED, fact.authored, doses.reason.value)
    own = [dose for dose in doses if dose.ingredient in meant]
    try:
        return sum((dose.amount * ratio(dose.unit, _MG_A_DAY) for dose in own), Fraction())
    except UnknownUnit:
        return Missing(Gap.UNIT, fact.authored)


# ---- of one ingredient in all orders together


def _paracetamol(record: PatientRecord, site: Site, subject: Player) -> Answer:  # noqa: ARG001
    return record.once(_paracetamol_in, lambda: _paracetamol_in(record))


def _paracetamol_in(record: PatientRecord) -> Answer:
    """Add up every order with it, as needed at its maximum; without the dose of each there is no sum."""
    orders = tuple(_together(record, _PARACETAMOL))
    doses = [_milligrams(fact, _PARACETAMOL) for fact in orders]
    gap = next((dose for dose in doses if isinstance(dose, Missing)), None)
    if gap is not None:
        return gap
    total = sum((dose for dose in doses if isinstance(dose, Fraction)), Fraction())
    note = f"sum of {len(orders)} orders" if len(orders) > 1 else ""
    return Reading(float(total), None, tuple(fact.source.cited for fact in orders), note)


def _together(record: PatientRecord, meant: frozenset[str]) -> Iterator[Medication]:
    """Give the drafts, and every active order that none of them takes the place of, or renews: one for the product."""
    drafts = [draft for draft in record.drafted_medications if not meant.isdisjoint(draft.ingredients or ())]
    yield from drafts
    renewed = {code for draft in drafts for code in draft.codings}
    active = record.drug_orders.active
    holding = [drugs for drugs, count in active.items() if count and drugs and not meant.isdisjoint(drugs)]
    for fact in record.drug_orders.every_active(holding):
        if fact.source.reference not in record.superseded and renewed.isdisjoint(fact.codings):
            yield fact


def _term(name: str, label: str, kind: Kind, unit: str, ask: Ask) -> Term:
    return Term(name, label, kind, unit, (MEDICATIONS,), frozenset({MEDICATIONS.key}), (), ask)


ORDER_TERMS: Final = (
    _term("is_new", "new drug", Kind.TRUTH, "", _is_new),
    _term("daily_dose_mg", "daily dose", Kind.QUANTITY, _MG_A_DAY, _daily_dose),
    _term("dosed_by_body_size", "dosed by body size", Kind.TRUTH, "", _by_body_size),
    _term("times_a_day", "times a day", Kind.QUANTITY, "/d", _times_a_day),
    _term("paracetamol_mg", "paracetamol (acetaminophen) a day", Kind.QUANTITY, _MG_A_DAY, _paracetamol),
)
