"""Small FHIR R4 resources and records for tests: every argument has a made-up default, all of it synthetic.

Each call gives a new id, so that two readings are two rows and never one row sent twice.
"""

from collections.abc import Mapping
from datetime import datetime
from itertools import count
from typing import Any

from fhir_client.codes import ICD_10_CM, LOINC, RXNORM, SNOMED_CT, UCUM, Code, CodeSet
from fhir_client.errors import Reason
from fhir_client.record import Availability, PatientRecord

Resource = dict[str, Any]
Coded = str | Code | CodeSet | Resource  # a bare code, one of any system, the first of a set, a whole CodeableConcept

_numbers = count(1)
_BASE = "https://fhir.example/r4"
_ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_CLINICAL_STATUS = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_VERIFICATION_STATUS = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_ALLERGY_CLINICAL = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
_ALLERGY_VERIFICATION = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"


def a_patient(born: str | None = "1960-06-02", sex: str | None = "female", id: str = "p1", **more: Any) -> Resource:
    """Build a Patient; `sex` is the administrative gender; more elements by name."""
    return _without_none({"resourceType": "Patient", "id": id, "gender": sex, "birthDate": born, **more})


def an_observation(
    code: Coded,
    value: float | str | bool | Code | None = None,
    unit: str | None = None,
    on: str | None = "2024-05-01",
    *,
    status: str | None = "final",
    patient: str = "p1",
    encounter: str | None = None,
    comparator: str | None = None,
    absent: str | None = None,
    **more: Any,
) -> Resource:
    """Build a result: a number with its UCUM unit, a truth, a coded answer (a Code), a text, or no value."""
    return _without_none(
        {
            "resourceType": "Observation",
            "id": _new_id("observation"),
            "status": status,
            "code": _concept(code, LOINC),
            "subject": {"reference": f"Patient/{patient}"},
            "encounter": {"reference": encounter} if encounter else None,
            "effectiveDateTime": on,
            **_value(value, unit, comparator, absent),
            **more,
        }
    )


def a_blood_pressure(
    systolic: float, diastolic: float, on: str | None = "2024-05-01", *, panel: Coded = "85354-9", **more: Any
) -> Resource:
    """Build a blood-pressure panel: no value of its own, two components."""
    components = [
        {"code": _concept(code, LOINC), **_value(value, "mm[Hg]", None, None)}
        for code, value in (("8480-6", systolic), ("8462-4", diastolic))
    ]
    return an_observation(panel, on=on, component=components, **more)


def a_condition(
    code: Coded,
    *,
    onset: str | None = "2020-01-15",
    abated: str | None = None,
    clinical_status: str | None = "active",
    verification_status: str | None = "confirmed",
    patient: str = "p1",
    **more: Any,
) -> Resource:
    """Build a Condition; a bare code is ICD-10-CM, digits alone are SNOMED CT."""
    system = SNOMED_CT if isinstance(code, str) and code.isdigit() else ICD_10_CM
    return _without_none(
        {
            "resourceType": "Condition",
            "id": _new_id("condition"),
            "clinicalStatus": clinical_status and _concept(Code(_CLINICAL_STATUS, clinical_status), ""),
            "verificationStatus": verification_status and _concept(Code(_VERIFICATION_STATUS, verification_status), ""),
            "code": _concept(code, system),
            "subject": {"reference": f"Patient/{patient}"},
            "onsetDateTime": onset,
            "abatementDateTime": abated,
            **more,
        }
    )


def a_medication(
    rxcui: Coded,
    *,
    status: str | None = "active",
    intent: str | None = "order",
    authored: str | None = "2024-03-01",
    patient: str = "p1",
    **more: Any,
) -> Resource:
    """Build a MedicationRequest for a drug; a bare code is RxNorm."""
    return _without_none(
        {
            "resourceType": "MedicationRequest",
            "id": _new_id("medication"),
            "status": status,
            "intent": intent,
            "medicationCodeableConcept": _concept(rxcui, RXNORM),
            "subject": {"reference": f"Patient/{patient}"},
            "authoredOn": authored,
            **more,
        }
    )


def an_encounter(
    kind: str | None = "IMP",
    start: str | None = "2024-05-20T08:00:00Z",
    end: str | None = None,
    *,
    status: str | None = None,
    patient: str = "p1",
    id: str | None = None,
    **more: Any,
) -> Resource:
    """Build an Encounter; without a status it is finished if it has an end, else in progress."""
    return _without_none(
        {
            "resourceType": "Encounter",
            "id": id or _new_id("encounter"),
            "status": status or ("finished" if end else "in-progress"),
            "class": kind and {"system": _ACT_CODE, "code": kind},
            "subject": {"reference": f"Patient/{patient}"},
            "period": _without_none({"start": start, "end": end}) or None,
            **more,
        }
    )


def an_allergy(
    to: Coded | None,
    *reactions: Resource,
    clinical_status: str | None = "active",
    verification_status: str | None = "confirmed",
    kind: str | None = "allergy",
    recorded: str | None = "2020-01-15",
    patient: str = "p1",
    **more: Any,
) -> Resource:
    """Build an AllergyIntolerance with its reactions; a bare code is RxNorm."""
    return _without_none(
        {
            "resourceType": "AllergyIntolerance",
            "id": _new_id("allergy"),
            "clinicalStatus": clinical_status and _concept(Code(_ALLERGY_CLINICAL, clinical_status), ""),
            "verificationStatus": verification_status
            and _concept(Code(_ALLERGY_VERIFICATION, verification_status), ""),
            "type": kind,
            "code": None if to is None else _concept(to, RXNORM),
            "patient": {"reference": f"Patient/{patient}"},
            "recordedDate": recorded,
            "reaction": list(reactions) or None,
            **more,
        }
    )


def a_reaction(*seen: Coded, severity: str | None = None, **more: Any) -> Resource:
    """Build one reaction of an allergy; a bare code is SNOMED CT."""
    return _without_none({"manifestation": [_concept(each, SNOMED_CT) for each in seen], "severity": severity, **more})


def an_order(
    code: Coded,
    *,
    status: str | None = "active",
    intent: str | None = "order",
    authored: str | None = "2024-05-20",
    patient: str = "p1",
    **more: Any,
) -> Resource:
    """Build a ServiceRequest; a bare code is LOINC."""
    return _without_none(
        {
            "resourceType": "ServiceRequest",
            "id": _new_id("order"),
            "status": status,
            "intent": intent,
            "code": _concept(code, LOINC),
            "subject": {"reference": f"Patient/{patient}"},
            "authoredOn": authored,
            **more,
        }
    )


def a_report(
    code: Coded, on: str | None = "2024-05-20", *, status: str | None = "final", patient: str = "p1", **more: Any
) -> Resource:
    """Build a DiagnosticReport; a bare code is LOINC."""
    return _without_none(
        {
            "resourceType": "DiagnosticReport",
            "id": _new_id("report"),
            "status": status,
            "code": _concept(code, LOINC),
            "subject": {"reference": f"Patient/{patient}"},
            "effectiveDateTime": on,
            **more,
        }
    )


def a_record(
    *resources: Resource,
    as_of: str | datetime = "2024-06-01T00:00:00Z",
    patient_id: str = "p1",
    encounter_id: str | None = None,
    availability: Mapping[str, Availability] | None = None,
    reasons: Mapping[str, Reason] | None = None,
    drafts: tuple[Resource, ...] = (),
    selected: tuple[Resource, ...] | None = None,
) -> PatientRecord:
    """Build a record of these resources; without a Patient among them, of a woman of 63."""
    if not any(resource.get("resourceType") == "Patient" for resource in resources):
        resources = (a_patient(id=patient_id), *resources)
    return PatientRecord.from_resources(
        resources,
        patient_id=patient_id,
        as_of=datetime.fromisoformat(as_of) if isinstance(as_of, str) else as_of,
        encounter_id=encounter_id,
        availability=availability,
        reasons=reasons or {},
        drafts=drafts,
        selected=selected,
    )


def a_bundle(*resources: Resource, type: str = "searchset", next: str | None = None) -> Resource:  # noqa: A002
    """Build a Bundle of matches, as a FHIR server would answer; `next` is the address of its next page."""
    bundle: Resource = {
        "resourceType": "Bundle",
        "type": type,
        "entry": [
            {
                **({"fullUrl": f"{_BASE}/{resource['resourceType']}/{resource['id']}"} if "id" in resource else {}),
                "resource": resource,
                **({"search": {"mode": "match"}} if type == "searchset" else {}),
            }
            for resource in resources
        ],
    }
    if next is not None:
        bundle["link"] = [{"relation": "next", "url": next}]
    return bundle


def _new_id(kind: str) -> str:
    return f"{kind}-{next(_numbers)}"


def _concept(code: Coded, system: str) -> Resource:
    if isinstance(code, dict):
        return code
    if isinstance(code, CodeSet):
        code = min(code.codes or {Code(prefix.system, prefix.code) for prefix in code.prefixes})
    if isinstance(code, str):
        code = Code(system, code)
    return {"coding": [{"system": code.system, "code": code.code}]}


def _value(
    value: float | str | bool | Code | None, unit: str | None, comparator: str | None, absent: str | None
) -> Resource:
    if absent is not None:
        system = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
        return {"dataAbsentReason": _concept(Code(system, absent), "")}
    match value:
        case None:
            return {}
        case bool():
            return {"valueBoolean": value}
        case Code():
            return {"valueCodeableConcept": _concept(value, "")}
        case str():
            return {"valueString": value}
    coded = {"unit": unit, "system": UCUM, "code": unit} if unit is not None else {}
    return {"valueQuantity": _without_none({"value": value, "comparator": comparator, **coded})}


def _without_none(elements: Mapping[str, Any]) -> Resource:
    return {name: value for name, value in elements.items() if value is not None}
