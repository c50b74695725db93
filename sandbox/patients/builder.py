"""Writes a story down as FHIR R4 resources."""

import tomllib
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

from sandbox.patients.stories import (
    Allergy,
    Dosing,
    Medication,
    Order,
    Problem,
    Reading,
    Stay,
    Story,
    VitalSigns,
    before,
    span,
)

Resource = dict[str, Any]

LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD_10_CM: Final = "http://hl7.org/fhir/sid/icd-10-cm"
SNOMED: Final = "http://snomed.info/sct"
_SYSTEMS: Final = {"icd-10-cm": ICD_10_CM, "snomed": SNOMED, "rxnorm": RXNORM}
# FHIR's units of time, which are UCUM's, by the words of the stories.
_PERIODS: Final = {"minute": "min", "hour": "h", "day": "d", "month": "mo", "year": "a"}
_TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"
_VISIT: Final = timedelta(minutes=20)
DOCTOR: Final = "Practitioner/sandbox-doctor"
STAFF: Final[tuple[Resource, ...]] = (
    {
        "resourceType": "Practitioner",
        "id": "sandbox-doctor",
        "name": [{"family": "Zzmarker-Kestrel", "given": ["Robin"], "prefix": ["Dr"]}],
    },
    {"resourceType": "Organization", "id": "sandbox-hospital", "name": "Sandbox Hospital"},
)


@cache
def _vocabulary() -> dict[str, dict[str, Any]]:
    text = (files("sandbox.patients") / "vocabulary.toml").read_text("utf-8")
    return dict(tomllib.loads(text)["measure"])


def build(story: Story, now: datetime) -> list[Resource]:
    """Write one patient's chart as it stands at `now`."""
    resources = [_patient(story, now)]
    for place, stay in enumerate(story.stays, 1):
        resources.append(_encounter(story, f"{story.id}-encounter-{place}", stay, now))
    resources.extend(_condition(story, place, p, now) for place, p in enumerate(story.problems, 1))
    resources.extend(_medication(story, place, m, now) for place, m in enumerate(story.medications, 1))
    resources.extend(_order(story, place, o, now) for place, o in enumerate(story.orders, 1))
    listed = enumerate(story.allergies, 1)
    resources.extend(_told_allergy(story, f"{story.id}-allergy-{place}", entry, now) for place, entry in listed)
    resources.extend(_observations(story, now))
    return resources


def _patient(story: Story, now: datetime) -> Resource:
    patient: Resource = {
        "resourceType": "Patient",
        "id": story.id,
        "identifier": [{"system": "urn:example:sandbox:mrn", "value": f"ZZ-{story.id}"}],
        "name": [{"use": "official", "family": story.family, "given": [story.given]}],
        "gender": story.sex,
    }
    if story.age is not None:
        # A third of a year past the birthday: the age stays what the story says for months to come.
        born = before(before(now, f"{story.age} years"), "120 days").date().isoformat()
        patient["birthDate"] = born[:4] if story.born_year_only else born
    if story.died is not None:
        patient["deceasedDateTime"] = instant(before(now, story.died))
    return patient


def _encounter(story: Story, identity: str, stay: Stay, now: datetime) -> Resource:
    period = {"start": instant(before(now, stay.began))}
    if stay.ended is not None:
        # A visit that begins and ends on one day takes as long as visits do.
        visit = _VISIT if stay.ended == stay.began else timedelta(0)
        period["end"] = instant(before(now, stay.ended) + visit)
    encounter: Resource = {
        "resourceType": "Encounter",
        "id": identity,
        "status": stay.status,
        "class": {"system": f"{_TERMINOLOGY}/v3-ActCode", "code": stay.kind},
        "subject": _subject(story),
        "participant": [{"individual": {"reference": DOCTOR}}],
        "serviceProvider": {"reference": "Organization/sandbox-hospital"},
        "period": period,
    }
    if stay.reason is not None:
        encounter["reasonCode"] = [_concept(_SYSTEMS["icd-10-cm"], stay.reason)]
    return encounter


def _condition(story: Story, place: int, problem: Problem, now: datetime) -> Resource:
    since = before(now, problem.since)
    coding = {"system": _SYSTEMS[problem.system], "code": problem.code, "display": problem.text}
    condition: Resource = {
        "resourceType": "Condition",
        "id": f"{story.id}-condition-{place}",
        "verificationStatus": _concept(f"{_TERMINOLOGY}/condition-ver-status", problem.verification),
        "category": [_concept(f"{_TERMINOLOGY}/condition-category", "problem-list-item")],
        "code": {"coding": [coding], "text": problem.text},
        "subject": _subject(story),
        "onsetDateTime": since.date().isoformat(),
        "recordedDate": since.date().isoformat(),
    }
    # con-5: what was entered in error has no clinical status.
    if problem.verification != "entered-in-error":
        condition["clinicalStatus"] = _concept(f"{_TERMINOLOGY}/condition-clinical", problem.clinical)
    return condition


def _medication(story: Story, place: int, medication: Medication, now: datetime) -> Resource:
    concept: dict[str, Any] = {"text": medication.text}
    if medication.code is not None:
        concept["coding"] = [{"system": RXNORM, "code": medication.code, "display": medication.text}]
    return {
        "resourceType": "MedicationRequest",
        "id": f"{story.id}-medication-{place}",
        "status": medication.status,
        "intent": "order",
        "medicationCodeableConcept": concept,
        "subject": _subject(story),
        "authoredOn": instant(before(now, medication.since)),
        "requester": {"reference": DOCTOR},
    } | ({"dosageInstruction": [dosage(medication.dosing)]} if medication.dosing else {})


def dosage(dosing: Dosing) -> dict[str, Any]:
    """Write a dosing as FHIR's Dosage: how much, how often, and whether only when needed."""
    count, unit = span(dosing.per)
    often = {"frequency": dosing.times, "period": count, "periodUnit": _PERIODS[unit]}
    amount = {"value": dosing.dose, "unit": dosing.unit, "system": UCUM, "code": dosing.unit}
    written: dict[str, Any] = {"text": dosing.sig, "timing": {"repeat": often}}
    if dosing.as_needed:
        written["asNeededBoolean"] = True
    return written | {"doseAndRate": [{"doseQuantity": amount}]}


def _order(story: Story, place: int, order: Order, now: datetime) -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "id": f"{story.id}-order-{place}",
        "status": order.status,
        "intent": "order",
        "code": {"coding": [{"system": LOINC, "code": order.code, "display": order.text}], "text": order.text},
        "subject": _subject(story),
        "authoredOn": instant(before(now, order.ago)),
        "requester": {"reference": DOCTOR},
    }


def new_allergy(story: Story, now: datetime) -> Resource | None:
    """Write the entry that the story's clinician is about to add to the allergy list."""
    entry = story.new_allergy
    return None if entry is None else _told_allergy(story, f"{story.id}-new-allergy", entry, now)


def _told_allergy(story: Story, identity: str, entry: Allergy, now: datetime) -> Resource:
    allergy = write_allergy(story.id, identity, entry)
    return allergy | ({"onsetDateTime": before(now, entry.since).date().isoformat()} if entry.since else {})


def write_allergy(patient: str, identity: str, entry: Allergy) -> Resource:
    """Write one entry of an allergy list, without its onset."""
    allergy: Resource = {
        "resourceType": "AllergyIntolerance",
        "id": identity,
        "clinicalStatus": _concept(f"{_TERMINOLOGY}/allergyintolerance-clinical", "active"),
        "verificationStatus": _concept(f"{_TERMINOLOGY}/allergyintolerance-verification", "confirmed"),
        "code": _named(entry.text, _SYSTEMS[entry.system], entry.code),
        "patient": {"reference": f"Patient/{patient}"},
    }
    if entry.kind is not None:
        allergy["type"] = entry.kind
    if entry.category is not None:
        allergy["category"] = [entry.category]
    if entry.criticality is not None:
        allergy["criticality"] = entry.criticality
    if entry.reactions:
        allergy["reaction"] = [
            {"manifestation": [_named(seen.text, SNOMED, seen.code)]}
            | ({"severity": seen.severity} if seen.severity is not None else {})
            for seen in entry.reactions
        ]
    return allergy


def _named(text: str, system: str, code: str | None) -> dict[str, Any]:
    return {"text": text} | ({} if code is None else {"coding": [{"system": system, "code": code, "display": text}]})


def _observations(story: Story, now: datetime) -> Iterator[Resource]:
    stay = current_stay(story)
    place = 0
    for reading in story.readings:
        place += 1
        result = _observation(story, place, _measured(reading), reading.of, before(now, reading.ago), reading.status)
        if reading.stay is not None:
            result["encounter"] = {"reference": f"Encounter/{story.id}-encounter-{reading.stay}"}
        yield result
    for signs in story.vitals:
        for of, content in _signs(signs):
            place += 1
            observation = _observation(story, place, content, of, before(now, signs.ago), "final")
            yield {**observation, "encounter": {"reference": f"Encounter/{stay}"}} if stay else observation
    for day in range(story.daily_weights):
        place += 1
        weight = _measured(Reading("weight", "1 day", 80 + (day % 7) / 10))
        yield _observation(story, place, weight, "weight", before(now, f"{day + 1} days"), "final")


def current_stay(story: Story) -> str | None:
    """Name the encounter that goes on: in it the rounds of vital signs were taken, and orders are written."""
    going_on = [place for place, stay in enumerate(story.stays, 1) if stay.status == "in-progress"]
    return f"{story.id}-encounter-{going_on[-1]}" if going_on else None


def _observation(
    story: Story, place: int, content: Resource, of: str, at: datetime, status: str
) -> Resource:  # fmt: skip
    category = _vocabulary()[of]["category"] if of != "blood-pressure" else "vital-signs"
    return {
        "resourceType": "Observation",
        "id": f"{story.id}-observation-{place}",
        "status": status,
        "category": [_concept(f"{_TERMINOLOGY}/observation-category", category)],
        "subject": _subject(story),
        "effectiveDateTime": instant(at),
        "performer": [{"reference": DOCTOR}],
        **content,
    }


def _signs(signs: VitalSigns) -> Iterator[tuple[str, Resource]]:
    """Yield what a round of observations found, the two blood pressures as one panel."""
    for of, value in (
        ("respiratory-rate", signs.respiratory_rate),
        ("spo2", signs.spo2),
        ("oxygen-flow", signs.oxygen_flow),
        ("heart-rate", signs.heart_rate),
        ("temperature", signs.temperature),
    ):
        if value is not None:
            yield of, _measured(Reading(of, signs.ago, value))
    if signs.consciousness is not None:
        yield "consciousness", _measured(Reading("consciousness", signs.ago, answer=signs.consciousness))
    pressures = [("systolic", signs.systolic), ("diastolic", signs.diastolic)]
    components = [_measured(Reading(of, signs.ago, value)) for of, value in pressures if value is not None]
    if components:
        panel = {"system": LOINC, "code": "85354-9", "display": "Blood pressure panel with all children optional"}
        yield "blood-pressure", {"code": {"coding": [panel], "text": "Blood pressure"}, "component": components}


def _measured(reading: Reading) -> Resource:
    """Write the code and the value of a reading."""
    term = _vocabulary()[reading.of]
    code = {"coding": [{"system": LOINC, "code": term["code"], "display": term["display"]}], "text": term["display"]}
    if reading.absent is not None:
        return {"code": code, "dataAbsentReason": _concept(f"{_TERMINOLOGY}/data-absent-reason", reading.absent)}
    if reading.answer is not None:
        system, answer, display = term["answers"][reading.answer]
        value = {"coding": [{"system": system, "code": answer, "display": display}], "text": display}
        return {"code": code, "valueCodeableConcept": value}
    return {"code": code, "valueQuantity": _quantity(reading, term["unit"])}


def _quantity(reading: Reading, usual_unit: str) -> dict[str, Any]:
    quantity: dict[str, Any] = {"value": reading.value}
    if reading.comparator is not None:
        quantity["comparator"] = reading.comparator
    if reading.unit_text is not None:
        return {**quantity, "unit": reading.unit_text} if reading.unit_text else quantity
    unit = reading.unit or usual_unit
    return {**quantity, "unit": unit, "system": UCUM, "code": unit}


def _subject(story: Story) -> dict[str, str]:
    return {"reference": f"Patient/{story.id}"}


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def instant(at: datetime) -> str:
    """Write a moment as FHIR does."""
    return at.isoformat(timespec="seconds")
