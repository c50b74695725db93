"""Whether somebody suspects an infection: told by what was ordered, not by what was found.

An antibiotic and a culture close in time (Seymour CW, JAMA 2016;315:762, as in the open MIMIC code): the culture up to
72 hours before the antibiotic or up to 24 hours after it. That the antibiotic was ordered within a week is ours: the
source looks back on whole stays and sets no bound.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from fhir_client.facts import Medication
from fhir_client.record import Availability, PatientRecord
from fhir_client.times import Interval
from models.assessment import Gap, Missing, Reading
from models.concepts import concept
from models.features.feature import Answer, Feature, Kind
from models.features.logic import unless
from models.features.readers import nothing_found
from models.features.searches import MEDICATIONS, SERVICE_ORDERS, laboratory
from models.features.windows import Window
from models.site import Site

_ANTIBIOTICS: Final = concept("systemic_antibiotics")
_CULTURES: Final = concept("body_fluid_culture")
_RESULTS: Final = laboratory("body_fluid_culture")
_BEFORE: Final = timedelta(hours=72)
_AFTER: Final = timedelta(hours=24)
_COURSE: Final = Window(hours=7 * 24)
_NOT_TAKEN: Final = frozenset({"revoked", "entered-in-error", "draft"})


def _antibiotics(record: PatientRecord) -> Iterator[tuple[Medication, Interval]]:
    """Give the active orders for an antibiotic that were written within the last week.

    Most charts have none: then no order is read.
    """
    wanted = _ANTIBIOTICS.exact_codes
    if all(not count or not drugs or wanted.isdisjoint(drugs) for drugs, count in record.drug_orders.active.items()):
        return
    for order in record.medications:
        if not order.is_active or order.authored is None or not order.ingredients:
            continue
        if not wanted.isdisjoint(order.ingredients) and _COURSE.includes(order.authored, record.as_of):
            yield order, order.authored


def _cultures(record: PatientRecord, site: Site) -> Iterator[tuple[str, datetime]]:
    """Give the cultures that were ordered or have a result, with their times."""
    codes = _CULTURES.codes(site)
    for order in record.orders:
        if order.authored is not None and order.status not in _NOT_TAKEN and codes.matches(order.codings):
            yield order.source.cited, order.authored.start
    for result in record.observations(codes):
        if result.at is not None:
            yield result.source.cited, result.at.start


def _is_suspected(record: PatientRecord, site: Site) -> Answer:
    """Tell by the pair; without an antibiotic there is none, so the cultures are not looked at."""
    antibiotics = list(_antibiotics(record))
    unresolved = record.drug_orders.active.get(None, 0)
    if not antibiotics and not unresolved:
        is_told = record.availability(MEDICATIONS.key) is Availability.COMPLETE
        return Reading(value=False) if is_told else nothing_found(record, MEDICATIONS.key)
    cultures = list(_cultures(record, site))
    for order, at in antibiotics:
        for reference, taken in cultures:
            if at.start - _BEFORE <= taken <= at.start + _AFTER:
                return Reading(value=True, at=at, sources=(order.source.cited, reference))
    for key in (MEDICATIONS.key, SERVICE_ORDERS.key, _RESULTS.key):
        if record.availability(key) is not Availability.COMPLETE:
            return nothing_found(record, key)
    if unresolved and cultures:
        return Missing(Gap.UNREADABLE, note=f"{unresolved} active drugs not recognised")
    return Reading(value=False)


SUSPECTED_INFECTION: Final = Feature(
    "suspected_infection",
    "suspected infection: an antibiotic and a culture",
    Kind.TRUTH,
    searches=(MEDICATIONS, SERVICE_ORDERS, _RESULTS),
    unverified=(*_ANTIBIOTICS.unverified, *_CULTURES.unverified),
    window="an antibiotic of the last 7 days, a culture up to 72 hours before or 24 hours after it",
    read=_is_suspected,
)
WITHOUT_SUSPECTED_INFECTION: Final = unless("without_suspected_infection", "suspected infection", SUSPECTED_INFECTION)
