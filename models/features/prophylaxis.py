"""What decides on prophylaxis of thrombosis: what is ordered already, and bleeding. Windows: models.md 10."""

from typing import Final

from fhir_client.record import Availability, PatientRecord
from models.assessment import Gap, Missing, Reading
from models.concepts import concept
from models.features.feature import Answer, Feature, Kind
from models.features.logic import recent
from models.features.readers import latest_quantity, nothing_found
from models.features.searches import MEDICATIONS, laboratory
from models.features.truths import active_ingredient, condition
from models.features.windows import Window
from models.site import Site

_WEEK: Final = Window(hours=7 * 24)
# Of IMPROVE (Decousus H, Chest 2011;139:69): bleeding in the three months before the admission.
_THREE_MONTHS: Final = Window(months=3)

_ORDERED: Final = active_ingredient("anticoagulant", "anticoagulant", of="anticoagulants")
_MEANT: Final = concept("anticoagulants").exact_codes


def _anticoagulant(record: PatientRecord, site: Site) -> Answer:
    """Tell whether one is ordered or about to be: a draft that is no drug we know leaves it open, as an order does."""
    drafts = record.drafted_medications
    for draft in drafts:
        if draft.ingredients and not _MEANT.isdisjoint(draft.ingredients):
            return Reading(value=True, sources=(draft.source.cited,), note="about to be signed")
    ordered = _ORDERED.answer(record, site)
    is_ordered = isinstance(ordered, Reading) and bool(ordered.value)
    if is_ordered and _outlasts_the_drafts(record):
        return ordered
    if record.availability(MEDICATIONS.key) is not Availability.COMPLETE:
        return nothing_found(record, MEDICATIONS.key)
    active = record.drug_orders.active
    unresolved = active.get(None, 0) + sum(draft.ingredients is None for draft in drafts)
    if unresolved:
        count = sum(active.values()) + len(drafts)
        return Missing(Gap.UNREADABLE, note=f"{unresolved} of {count} drugs ordered not recognised")
    return Reading(value=False, note="a draft ends the order") if is_ordered else ordered


def _outlasts_the_drafts(record: PatientRecord) -> bool:
    """Tell whether an order for one still holds once the drafts are signed: a draft can end or replace it."""
    meant = [drugs for drugs in record.drug_orders.active if drugs and not _MEANT.isdisjoint(drugs)]
    return any(fact.source.reference not in record.superseded for fact in record.drug_orders.every_active(meant))


ANTICOAGULANT: Final = Feature(
    "anticoagulant",
    "anticoagulant",
    Kind.TRUTH,
    searches=(MEDICATIONS,),
    unverified=_ORDERED.unverified,
    window="active, or about to be signed",
    read=_anticoagulant,
)
PLATELETS_10E9_L: Final = latest_quantity(
    "platelets_10e9_l",
    "platelets",
    laboratory("platelets"),
    of="platelets",
    unit="10*9/L",
    plausible=(1, 5_000),
    within=_WEEK,
)
INR: Final = latest_quantity("inr", "INR", laboratory("inr"), of="inr", unit="{INR}", above_zero=True, within=_WEEK)
RECENT_BLEEDING: Final = recent(
    "recent_bleeding",
    "major bleeding within three months",
    condition("major_bleeding", "major bleeding", of="major_bleeding", ever=True),
    within=_THREE_MONTHS,
)
