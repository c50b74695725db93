"""The list of opioids from a chart: active orders and drafts, each with its daily dose, or why it has none."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from fhir_client.doses import DailyDose, DoseUnknown, daily_doses
from fhir_client.facts import Medication
from fhir_client.record import PatientRecord
from models.assessment import Gap, Missing, Reading
from models.concepts import concept
from models.features.feature import Answer, Feature
from models.features.readers import nothing_found, partly
from models.features.searches import CONDITIONS, MEDICATIONS
from models.features.truths import condition
from models.mme import opioids
from models.mme.opioids import DAILY_DOSE, MG_A_DAY, PATCH, RXCUI, UNIT, WHY, name_of
from models.site import Site

NAME: Final = "name"
ORDER: Final = "order"
IS_DRAFT: Final = "is_draft"
AS_NEEDED: Final = "as_needed"
ON: Final = "on"
NO_FACTOR: Final = "no factor for the way it is given"

OPIOID_USE_DISORDER: Final = condition("opioid_use_disorder", "opioid use disorder", of="opioid_use_disorder")
_OPIOIDS: Final = concept("opioids").exact_codes
# What opioid use disorder is treated with: not for pain, so not counted (models.md 14).
TREATMENT: Final = concept("opioid_use_disorder_drugs").exact_codes
_NONE: Final = "no opioid among the orders"
_TREATED: Final = "treatment of opioid use disorder is not counted"
_MICROGRAMS_AN_HOUR: Final = Fraction(1000, 24)  # of milligrams a day


def is_opioid(order: Medication) -> bool:
    """Tell whether an order's drug has an opioid in it."""
    return order.ingredients is not None and not _OPIOIDS.isdisjoint(order.ingredients)


def ordered_opioids(record: PatientRecord) -> Iterator[tuple[Medication, bool]]:
    """Give the orders for opioids and whether each is a draft: drafts first, then the active ones they do not replace.

    A draft with the id of an active order is that order, changed; one can also name the order it takes the place of.
    """
    drafts = [draft for draft in record.drafted_medications if is_opioid(draft)]
    gone = {reference for draft in record.drafted_medications for reference in (draft.source.reference, draft.replaces)}
    active = record.drug_orders.active
    meant = [drugs for drugs, count in active.items() if count and drugs is not None and not _OPIOIDS.isdisjoint(drugs)]
    for draft in drafts:
        yield draft, True
    for order in record.drug_orders.every_active(meant):
        if order.source.reference not in gone:
            yield order, False


def _read(record: PatientRecord, site: Site) -> Answer:
    treated = OPIOID_USE_DISORDER.answer(record, site)
    left_out = TREATMENT if isinstance(treated, Reading) and treated.value else frozenset[str]()
    orders = list(ordered_opioids(record))
    rows = [row for order, is_draft in orders for row in _rows(order, site, is_draft=is_draft)]
    counted = tuple(row for row in rows if row[RXCUI] not in left_out)
    note = _TREATED if len(counted) < len(rows) else ""
    if not rows:
        return nothing_found(record, MEDICATIONS.key, note=_NONE)
    if not counted:
        return Missing(Gap.NOT_RECORDED, note=note)
    notes = "; ".join(part for part in (note, partly(record, MEDICATIONS.key)) if part)
    return Reading(len(counted), None, tuple(order.source.cited for order, _ in orders), notes, rows=counted)


def _rows(order: Medication, site: Site, *, is_draft: bool) -> Iterator[Mapping[str, Any]]:
    about = {
        ORDER: order.source.reference,
        IS_DRAFT: is_draft,
        ON: "" if order.authored is None else order.authored.text[:10],
    }
    doses = daily_doses(order)
    if isinstance(doses, DoseUnknown):
        for code in sorted(_OPIOIDS & (order.ingredients or frozenset())):
            yield {**about, RXCUI: code, NAME: name_of(code), AS_NEEDED: False, WHY: doses.reason.value}
        return
    for dose in doses:
        if dose.ingredient in _OPIOIDS:
            named = {RXCUI: dose.ingredient, NAME: name_of(dose.ingredient), AS_NEEDED: dose.as_needed}
            yield {**about, **named, **_dose(dose, site)}


def _dose(dose: DailyDose, site: Site) -> Mapping[str, Any]:
    """Give a dose in the unit that says how it is given: micrograms an hour are a patch."""
    if dose.unit != MG_A_DAY:
        return {WHY: f"a dose in {dose.unit}"}
    if dose.is_continuous and _is_given("Transdermal", "transdermal_route", dose, site):
        return {DAILY_DOSE: float(dose.amount * _MICROGRAMS_AN_HOUR), UNIT: PATCH, WHY: ""}
    if not dose.is_continuous and (_is_given("Oral", "oral_route", dose, site) or not (dose.form or dose.routes)):
        return {DAILY_DOSE: float(dose.amount), UNIT: MG_A_DAY, WHY: ""}
    return {DAILY_DOSE: float(dose.amount), UNIT: MG_A_DAY, WHY: NO_FACTOR}


def _is_given(form: str, route: str, dose: DailyDose, site: Site) -> bool:
    """Tell how a drug is given: by the form of the product, else by the coded route."""
    if dose.form:
        return form in dose.form.split()
    return concept(route).codes(site).matches(dose.routes)


OPIOIDS: Final[Feature] = replace(
    opioids.OPIOIDS,
    searches=(MEDICATIONS, CONDITIONS),
    optional_keys=frozenset({CONDITIONS.key}),
    window="active orders and drafts",
    read=_read,
)
