"""Charts for the truth tables of order checks: one builder a name of the vocabulary, each of real FHIR resources."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any, Final, TypeAlias

from fhir_client.codes import RXNORM
from fhir_client.medications import crosswalk
from fhir_client.record import Availability, PatientRecord
from models.features.searches import ALLERGIES, CONDITIONS, MEDICATIONS, laboratory, social_history, vital_signs
from models.order_checks.drugs import Drugs
from models.order_checks.rules import Rule
from tests.builders import (
    Resource,
    a_condition,
    a_medication,
    a_patient,
    a_reaction,
    a_record,
    an_allergy,
    an_observation,
)

Value: TypeAlias = float | bool
TODAY: Final = "2024-05-31T20:00:00Z"
"""Four hours before the record's instant."""

LATELY: Final = "2024-05-25"
ANAPHYLAXIS, URTICARIA, STEVENS_JOHNSON = "39579001", "126485001", "73442001"
ANY_DRUG: Final = "723"
"""The drug that rules about every drug are tried with: amoxicillin."""


@dataclass(frozen=True)
class Part:
    """What a value is in a chart: resources, elements of the patient, dosage of the rule's own draft."""

    resources: tuple[Resource, ...] = ()
    patient: Mapping[str, Any] = field(default_factory=dict)
    dosage: tuple[Resource, ...] = ()


@dataclass(frozen=True)
class Builder:
    """How a name of the vocabulary gets a value, and how it goes missing.

    `missing` is a chart without it; else `unread` is the search that was not answered. `other_unit` is one that is not
    the quantity's; empty where nobody sends a unit. `is_always_known`: the order itself tells, whatever it says.
    """

    of: Callable[[Value, str], Part]
    unit: str = ""
    other_unit: str = ""
    missing: Part | None = field(default_factory=Part)
    unread: str = ""
    is_always_known: bool = False
    step: float | None = None


def chart(
    assigned: Mapping[str, Value | None],
    drafts: Iterable[Resource],
    active: Iterable[Resource] = (),
    *,
    other_units: Iterable[str] = (),
    selected: tuple[Resource, ...] | None = None,
) -> PatientRecord:
    """Build a chart in which each name has its value, None being not known; the dosage goes to the first draft."""
    parts, unread = [], set()
    for name, value in assigned.items():
        builder = BUILDERS[name]
        if value is not None:
            parts.append(builder.of(value, builder.other_unit if name in other_units else builder.unit))
        elif builder.missing is not None:
            parts.append(builder.missing)
        else:
            unread.add(builder.unread)
    patient = a_patient(**{key: value for part in parts for key, value in part.patient.items()})
    first, *others = drafts
    dosage = [each for part in parts for each in part.dosage]
    made = ({**first, "dosageInstruction": dosage} if dosage else first, *others)
    return a_record(
        patient,
        *(resource for part in parts for resource in part.resources),
        *active,
        availability={key: Availability.UNAVAILABLE if key in unread else Availability.COMPLETE for key in _KEYS},
        drafts=made,
        selected=None
        if selected is None
        else tuple(each for each in made if each["id"] in {s["id"] for s in selected}),
    )


_KEYS: Final = (
    "patient",
    "service-orders",
    CONDITIONS.key,
    MEDICATIONS.key,
    ALLERGIES.key,
    laboratory("creatinine").key,
    vital_signs("weight").key,
    social_history("pregnancy_status").key,
)


# ---- drugs


def drug_of(drugs: Drugs | None, code: str | None = None) -> str:
    """Give a code that answers to a name: the one given, or the first; of a product one that holds all of it."""
    if drugs is None:
        return ANY_DRUG
    return product_of(frozenset(drugs.codes)) if drugs.together else code or min(drugs.codes)


@cache
def product_of(ingredients: frozenset[str]) -> str:
    """Find a product with exactly these ingredients."""
    return min(code for code, held in crosswalk().items() if held == ingredients)


def a_draft(code: str, **more: Any) -> Resource:
    """Build a draft order."""
    return a_medication(code, status="draft", authored=LATELY, **more)


def a_taken(code: str, **more: Any) -> Resource:
    """Build an active order of a week ago."""
    return a_medication(code, authored=LATELY, **more)


def a_mixture(codes: Iterable[str], **more: Any) -> Resource:
    """Build a draft for a Medication that is made of several ingredients."""
    coding = [[{"system": RXNORM, "code": code}] for code in codes]
    mixed = {
        "resourceType": "Medication",
        "id": "mixed",
        "ingredient": [{"itemCodeableConcept": {"coding": each}} for each in coding],
    }
    order = a_draft("0", contained=[mixed], medicationReference={"reference": "#mixed"}, **more)
    del order["medicationCodeableConcept"]
    return order


def partners_of(rule: Rule, own: str) -> list[str]:
    """Give a code for each partner; of a rule for two different drugs another than the rule's own."""
    found = []
    for partner in rule.partners:
        codes = [code for code in sorted(partner.codes) if code != own]
        found.append(drug_of(partner, codes[0]) if codes else drug_of(partner))
    return found


# ---- what each name is in a chart


def _observed(
    code: str,
    unit: str,
    other_unit: str = "%",
    *more: Resource,
    on: str = TODAY,
    patient: Mapping[str, Any] | None = None,
) -> Builder:
    def of(value: Value, unit: str) -> Part:
        return Part((an_observation(code, value, unit, on=on), *more), patient or {})

    return Builder(of, unit, other_unit)


def _problem(code: str) -> Builder:
    def of(value: Value, _: str) -> Part:
        return Part((a_condition(code),) if value else ())

    return Builder(of, missing=None, unread=CONDITIONS.key)


def _clearance(value: Value, unit: str) -> Part:
    # (140 - 68) x weight / (72 x 2): half the weight, to the last bit.
    creatinine = an_observation("2160-0", 2, unit, on=TODAY)
    return Part(
        (creatinine, an_observation("29463-7", 2 * value, "kg", on=TODAY)), {"born": "1956-01-15", "sex": "male"}
    )


def _injury(value: Value, unit: str) -> Part:
    before = an_observation("2160-0", 1, unit, on="2024-05-30T08:00:00Z")
    return Part((before, an_observation("2160-0", 1.0 + value / 2, unit, on=TODAY)))


def _qtc(value: Value, unit: str) -> Part:
    # At 60 a minute the interval between beats is one second, and corrects nothing.
    return Part((an_observation("8634-8", value, unit, on=TODAY), an_observation("8867-4", 60, "/min", on=TODAY)))


def _age(value: Value, _: str) -> Part:
    return Part(patient={"born": f"{2024 - int(value)}-01-15"})


def _sex(value: Value, _: str) -> Part:
    return Part(patient={"sex": "female" if value else "male"})


def _corrected_calcium(value: Value, unit: str) -> Part:
    return Part((an_observation("17861-6", value, unit, on=TODAY), an_observation("1751-7", 4, "g/dL", on=TODAY)))


def _fall(value: Value, unit: str) -> Part:
    before = an_observation("718-7", 12, unit, on="2024-05-30T08:00:00Z")
    return Part((before, an_observation("718-7", 12 - value, unit, on=TODAY)))


def _measured(code: str, unit: str) -> Builder:
    def of(value: Value, _: str) -> Part:
        return Part((an_observation(code, 1 if unit == "mg/dL" else 4, unit, on=LATELY),) if value else ())

    return Builder(of, missing=None, unread=laboratory("creatinine").key)


def _weighed() -> Builder:
    def of(value: Value, _: str) -> Part:
        return Part((an_observation("29463-7", 70, "kg", on=LATELY),) if value else ())

    return Builder(of, missing=None, unread=vital_signs("weight").key)


def _dose(value: Value, unit: str) -> Part:
    dose = {"value": value, "system": "http://unitsofmeasure.org", "code": unit, "unit": unit}
    return Part(dosage=({"timing": _timing(Fraction(1)), "doseAndRate": [{"doseQuantity": dose}]},))


def _by_size(value: Value, _: str) -> Part:
    return _dose(10, "mg/kg") if value else Part()


def _times(value: Value, _: str) -> Part:
    return Part(dosage=({"timing": _timing(Fraction(str(value)))},))


def _timing(a_day: Fraction) -> Resource:
    return {"repeat": {"frequency": a_day.numerator, "period": a_day.denominator, "periodUnit": "d"}}


def _allergy(reaction: str, *, to: str = ANY_DRUG) -> Builder:
    def of(value: Value, _: str) -> Part:
        return Part((an_allergy(to, a_reaction(reaction)),) if value else ())

    return Builder(of, missing=None, unread=ALLERGIES.key)


def _new(_: Value, __: str) -> Part:
    # What was taken before is an order, and put there with the orders.
    return Part()


BUILDERS: Final[Mapping[str, Builder]] = {
    "potassium_24h": _observed("2823-3", "mmol/L"),
    "potassium": _observed("2823-3", "mmol/L"),
    "magnesium": _observed("2601-3", "mmol/L"),
    "glucose_24h": _observed("2345-7", "mg/dL"),
    "lactate_24h": _observed("2524-7", "mmol/L"),
    "platelets": _observed("777-3", "10*9/L"),
    "neutrophils": _observed("751-8", "10*9/L"),
    "urine_acr": _observed("9318-7", "mg/g", "mg/dL"),
    "heart_rate_24h": _observed("8867-4", "/min"),
    "creatinine_mg_dl": _observed("2160-0", "mg/dL"),
    "weight_kg": _observed("29463-7", "kg"),
    "egfr": _observed("98979-8", "mL/min/{1.73_m2}", "mL/min"),
    "crcl": Builder(_clearance, "mg/dL", "%"),
    "aki_stage": Builder(_injury, "mg/dL", "%", missing=Part()),
    "qtc_ms": Builder(_qtc, "ms", "mV"),
    "corrected_calcium_mg_dl": Builder(_corrected_calcium, "mg/dL", "%"),
    "hemoglobin_fall_g_dl": Builder(_fall, "g/dL", "%"),
    "creatinine_measured": _measured("2160-0", "mg/dL"),
    "potassium_measured": _measured("2823-3", "mmol/L"),
    "weighed_within_7_days": _weighed(),
    "age_years": Builder(_age, missing=Part(patient={"born": None}), step=1),
    "female": Builder(_sex, missing=Part(patient={"sex": None})),
    "diabetes": _problem("E11.9"),
    "diabetes_type_2": _problem("E11.9"),
    "heart_failure": _problem("I50.9"),
    "atrial_fibrillation": _problem("I48.91"),
    "cirrhosis": _problem("K74.60"),
    "dialysis": _problem("Z99.2"),
    "hypertension": _problem("I10"),
    "chronic_kidney_disease": _problem("N18.30"),
    "sepsis": _problem("A41.9"),
    "mechanical_heart_valve": _problem("Z95.2"),
    "ectopic_pregnancy": _problem("O00.90"),
    "no_childbearing_potential": _problem("Z98.51"),
    "pregnancy": _problem("Z33.1"),
    "pregnancy_of_14_weeks": _problem("Z3A.15"),
    "pregnancy_of_20_weeks": _problem("Z3A.25"),
    "is_new": Builder(_new, missing=None, unread=MEDICATIONS.key),
    "daily_dose_mg": Builder(_dose, "mg", "mm[Hg]"),
    "dosed_by_body_size": Builder(_by_size, is_always_known=True),
    "times_a_day": Builder(_times),
    "paracetamol_mg": Builder(_dose, "mg", "mm[Hg]"),
    "grave_allergy_to_drug": _allergy(ANAPHYLAXIS),
    "allergy_to_drug": _allergy(URTICARIA),
    "penicillin_allergy": _allergy(URTICARIA),
    "penicillin_anaphylaxis": _allergy(ANAPHYLAXIS),
    "penicillin_delayed_reaction": _allergy(STEVENS_JOHNSON),
}
