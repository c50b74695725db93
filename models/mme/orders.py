"""The list of opioids from a chart: active orders and drafts, each with its daily dose, or why it has none."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

from fhir_client.doses import DailyDose, DoseUnknown, daily_doses
from fhir_client.facts import Medication, Source
from fhir_client.record import PatientRecord
from fhir_client.strengths import product_of
from models.assessment import Gap, Missing, Reading
from models.concepts import concept
from models.features.feature import Answer, Feature
from models.features.readers import nothing_found, partly
from models.features.searches import CONDITIONS, MEDICATIONS
from models.features.truths import condition
from models.mme import opioids
from models.mme.opioids import DAILY_DOSE, MG_A_DAY, PATCH, RXCUI, UNIT, name_of
from models.site import Site

NO_FACTOR: Final = "no factor for the way it is given"

A_RATE: Final = "a dose over time, of what is taken by mouth"

OPIOID_USE_DISORDER: Final = condition("opioid_use_disorder", "opioid use disorder", of="opioid_use_disorder")
_OPIOIDS: Final = concept("opioids").exact_codes
# What opioid use disorder is treated with: not for pain, so not counted (models.md 14).
TREATMENT: Final = concept("opioid_use_disorder_drugs").exact_codes
_NONE: Final = "no opioid among the orders"
_TREATED: Final = "treatment of opioid use disorder is not counted"
_MICROGRAMS_AN_HOUR: Final = Fraction(1000, 24)  # of milligrams a day


@dataclass(frozen=True, slots=True)
class OrderedOpioid:
    """One opioid of one order, with its daily dose as the calculator takes it, or `why` it does not count.

    `on` is the day on which it was ordered. What is taken `as_needed` counts at its maximum and is a line of its own.
    """

    source: Source
    is_draft: bool
    on: str
    rxcui: str
    as_needed: bool = False
    daily_dose: float | None = None
    unit: str = ""
    why: str = ""

    @property
    def name(self) -> str:
        """Give the opioid's name."""
        return name_of(self.rxcui)

    @property
    def is_unknown(self) -> bool:
        """Tell whether the dose is not known: what has no factor by its way is known not to be in the sum."""
        return self.why not in ("", NO_FACTOR)

    @property
    def row(self) -> Mapping[str, Any]:
        """Give the row of the calculator."""
        return {RXCUI: self.rxcui, DAILY_DOSE: self.daily_dose, UNIT: self.unit}


def is_opioid(order: Medication) -> bool:
    """Tell whether an order's drug has an opioid in it."""
    return order.ingredients is not None and not _OPIOIDS.isdisjoint(order.ingredients)


def ordered_opioids(record: PatientRecord, site: Site) -> tuple[OrderedOpioid, ...]:
    """Give the opioids of the drafts, then those of the active orders; without the treatment of opioid use disorder."""
    return _ordered(record, site)[0]


def _ordered(record: PatientRecord, site: Site) -> tuple[tuple[OrderedOpioid, ...], bool]:
    """Give the opioids, and whether any was left out."""

    def work_out() -> tuple[tuple[OrderedOpioid, ...], bool]:
        treated = OPIOID_USE_DISORDER.answer(record, site)
        left_out = TREATMENT if isinstance(treated, Reading) and treated.value else frozenset[str]()
        every = [each for order, is_draft in _orders(record) for each in _opioids(order, site, is_draft=is_draft)]
        counted = tuple(each for each in every if each.rxcui not in left_out)
        return counted, len(counted) < len(every)

    return record.once(("ordered opioids", site), work_out)


def _orders(record: PatientRecord) -> Iterator[tuple[Medication, bool]]:
    """Give the orders for opioids and whether each is a draft: drafts first, then the active ones that stay."""
    yield from ((draft, True) for draft in record.drafted_medications if is_opioid(draft))
    active = record.drug_orders.active
    meant = [drugs for drugs, count in active.items() if count and drugs is not None and not _OPIOIDS.isdisjoint(drugs)]
    for order in record.drug_orders.every_active(meant):
        if order.source.reference not in record.superseded:
            yield order, False


def _opioids(order: Medication, site: Site, *, is_draft: bool) -> Iterator[OrderedOpioid]:
    on = "" if order.authored is None else order.authored.text[:10]
    doses = daily_doses(order)
    if isinstance(doses, DoseUnknown):
        why = doses.reason.value if _may_count(order) else NO_FACTOR
        for code in sorted(_OPIOIDS & (order.ingredients or frozenset())):
            yield OrderedOpioid(order.source, is_draft, on, code, why=why)
        return
    for dose in doses:
        if dose.ingredient in _OPIOIDS:
            amount, unit, why = _dose(dose, site)
            yield OrderedOpioid(order.source, is_draft, on, dose.ingredient, dose.as_needed, amount, unit, why)


def _may_count(order: Medication) -> bool:
    """Tell whether an order could be by mouth or through the skin, for all that its product says."""
    product = product_of(order.codings)
    return product is None or not {"Oral", "Transdermal"}.isdisjoint(product.form.split())


def _dose(dose: DailyDose, site: Site) -> tuple[float | None, str, str]:
    """Give a dose in the unit that says how it is given (micrograms an hour are a patch), or why it does not count."""
    if dose.unit != MG_A_DAY:
        return None, "", f"a dose in {dose.unit}"
    if dose.is_continuous and _is_given("Transdermal", "transdermal_route", dose, site):
        return float(dose.amount * _MICROGRAMS_AN_HOUR), PATCH, ""
    by_mouth = _is_given("Oral", "oral_route", dose, site)
    if not dose.is_continuous and (by_mouth or not (dose.form or dose.routes)):
        return float(dose.amount), MG_A_DAY, ""
    if dose.is_continuous and by_mouth:
        return None, "", A_RATE
    return float(dose.amount), MG_A_DAY, NO_FACTOR


def _is_given(form: str, route: str, dose: DailyDose, site: Site) -> bool:
    """Tell how a drug is given: by the form of the product, else by the coded route."""
    if dose.form:
        return form in dose.form.split()
    return concept(route).codes(site).matches(dose.routes)


def _read(record: PatientRecord, site: Site) -> Answer:
    """Give the rows of what counts; what does not is named in the note, and makes the sum `at least`."""
    found, is_less = _ordered(record, site)
    rows = tuple(each.row for each in found if not each.why)
    uncounted = [f"{each.name} is not counted: {each.why}" for each in found if each.why]
    notes = [*([_TREATED] if is_less else []), *dict.fromkeys(uncounted)]
    if not rows:
        if found or is_less:
            return Missing(Gap.NOT_RECORDED, note="; ".join(notes))
        return nothing_found(record, MEDICATIONS.key, note=_NONE)
    said = "; ".join(part for part in (*notes, partly(record, MEDICATIONS.key)) if part)
    return Reading(len(rows), None, tuple(dict.fromkeys(each.source.cited for each in found)), said, rows=rows)


OPIOIDS: Final[Feature] = replace(
    opioids.OPIOIDS,
    searches=(MEDICATIONS, CONDITIONS),
    optional_keys=frozenset({CONDITIONS.key}),
    window="active orders and drafts",
    read=_read,
)
