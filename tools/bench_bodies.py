"""Synthetic hook requests, of resources of about 1 KB each: 200 for a service's templates, or a long chart's."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from cds_hooks.protocol.hooks import Hook
from cds_hooks.service import Service
from fhir_client.search import Search

PATIENT = "bench-patient"
ENCOUNTER = "bench-encounter"
# How many resources each kind of search brings; observations are shared out over the codes that are asked for.
COUNTS = {"Condition": 40, "MedicationRequest": 20, "Encounter": 10, "ServiceRequest": 10}
TOTAL = 200
# The same for the long chart, of which each service is sent what it asks for.
LONG_CHART = {
    "Condition": 80,
    "MedicationRequest": 40,
    "Encounter": 60,
    "ServiceRequest": 60,
    "AllergyIntolerance": 9,
    "laboratory": 500,
    "vital-signs": 200,
    "social-history": 50,
}
DRAFTS = ("6809", "5640", "723")
# A chart has more laboratory results than vital signs, and few answers about the patient's life.
SHARES = {"laboratory": 6, "vital-signs": 3, "social-history": 1}
# A plausible value for each code that our templates ask for, so that the models really compute.
VALUES: dict[str, tuple[float, str]] = {
    "2160-0": (1.6, "mg/dL"),
    "38483-4": (1.6, "mg/dL"),
    "14682-9": (141.0, "umol/L"),
    "2093-3": (212.0, "mg/dL"),
    "2085-9": (44.0, "mg/dL"),
    "39156-5": (31.2, "kg/m2"),
    "29463-7": (92.0, "kg"),
    "8302-2": (172.0, "cm"),
    "9318-7": (180.0, "mg/g"),
    "14959-1": (180.0, "mg/g"),
    "32294-1": (180.0, "mg/g"),
    "8867-4": (104.0, "/min"),
    "9279-1": (23.0, "/min"),
    "59408-5": (93.0, "%"),
    "2708-6": (93.0, "%"),
    "3151-8": (2.0, "L/min"),
    "3150-0": (28.0, "%"),
    "8310-5": (38.4, "Cel"),
    "8331-1": (38.4, "Cel"),
    "98979-8": (45.0, "mL/min/{1.73_m2}"),
}
PANELS = {"85354-9", "55284-4"}
# A hospital uses one code for each analyte, although our templates ask for every code in use: these are its codes.
USED = {
    *("2160-0", "98979-8", "2093-3", "2085-9", "9318-7"),
    *("85354-9", "39156-5", "29463-7", "8302-2", "8867-4", "9279-1", "59408-5", "3151-8", "8310-5", "67775-7"),
    "72166-2",
}
# Rounds of the laboratory come monthly, those of a ward every four hours.
HOURS_APART = {"laboratory": 24 * 30, "vital-signs": 4, "social-history": 24 * 180}


def hook_request(service: Service, now: datetime) -> dict[str, Any]:
    """Build a patient-view request whose prefetch fills every template of the service: about 200 resources."""
    fixed = sum(COUNTS.get(search.resource_type, 1) for search in service.searches.values())
    observations = [search for search in service.searches.values() if search.resource_type == "Observation"]
    shares = sum(SHARES[search.key] for search in observations)
    counts = {search.key: (TOTAL - fixed) * SHARES[search.key] // shares for search in observations}
    return {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/1", "patientId": PATIENT, "encounterId": ENCOUNTER},
        "prefetch": {key: _answer(search, counts.get(key, 0), now) for key, search in service.searches.items()},
    }


def long_chart_request(service: Service, now: datetime) -> dict[str, Any]:
    """Build a request of the service's first hook about a chart of 1,000 resources, with the part it asks for."""
    hook = service.hooks[0]
    prefetch = {
        key: _answer(search, LONG_CHART.get(search.key, 0), now, LONG_CHART) for key, search in service.searches.items()
    }
    context: dict[str, Any] = {"userId": "Practitioner/1", "patientId": PATIENT, "encounterId": ENCOUNTER}
    drafts = [_draft(code) for code in DRAFTS]
    if hook in (Hook.ORDER_SELECT, Hook.ORDER_SIGN):
        context["draftOrders"] = {"resourceType": "Bundle", "entry": [{"resource": draft} for draft in drafts]}
    if hook is Hook.ORDER_SELECT:
        context["selections"] = [f"MedicationRequest/{drafts[0]['id']}"]
    if hook is Hook.ALLERGYINTOLERANCE_CREATE:
        context["allergyIntolerance"] = _other("AllergyIntolerance", 0, now)
    return {
        "hook": hook,
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": context,
        "prefetch": prefetch,
    }


def _draft(code: str) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": f"draft-{code}",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{PATIENT}"},
        "medicationCodeableConcept": {"coding": [_rxnorm(code)]},
        **_narrative("draft"),
    }


def _rxnorm(code: str) -> dict[str, Any]:
    return {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code}


def _answer(
    search: Search, observations: int, now: datetime, counts: Mapping[str, int] = MappingProxyType(COUNTS)
) -> dict[str, Any]:
    if search.is_read:
        return {
            "resourceType": "Patient",
            "id": PATIENT,
            "gender": "female",
            "birthDate": "1962-03-14",
            **_narrative("p"),
        }
    if search.resource_type == "Observation":
        rows = list(_observations(search, observations, now))
    else:
        count = counts.get(search.resource_type, 1)
        rows = [_other(search.resource_type, index, now) for index in range(count)]
    entries = [
        {
            "fullUrl": f"https://ehr.example/fhir/{row['resourceType']}/{row['id']}",
            "resource": row,
            "search": {"mode": "match"},
        }
        for row in rows
    ]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}


def _observations(search: Search, count: int, now: datetime) -> Iterator[dict[str, Any]]:
    codes = [code.code for code in search.codes if code.code in USED] or [search.codes[0].code]
    for index in range(count):
        code = codes[index % len(codes)]
        at = now - timedelta(hours=HOURS_APART[search.key] * (index // len(codes)), minutes=5)
        yield {
            "resourceType": "Observation",
            "id": f"{search.key}-{index}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": f"result {code}"}]},
            "subject": {"reference": f"Patient/{PATIENT}"},
            "encounter": {"reference": "Encounter/e-1"},
            "effectiveDateTime": at.isoformat(),
            "issued": at.isoformat(),
            **_value(code),
            **_narrative(code),
        }


def _value(code: str) -> dict[str, Any]:
    if code in PANELS:
        return {"component": [_component("8480-6", 151.0), _component("8462-4", 88.0)]}
    if code == "72166-2":
        return {"valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "266919005"}]}}
    if code == "67775-7":
        return {"valueCodeableConcept": {"coding": [{"system": "http://loinc.org", "code": "LA9340-6"}]}}
    value, unit = VALUES.get(code, (1.0, "1"))
    return {"valueQuantity": _quantity(value, unit)}


def _component(code: str, value: float) -> dict[str, Any]:
    return {
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "valueQuantity": _quantity(value, "mm[Hg]"),
    }


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def _other(resource_type: str, index: int, now: datetime) -> dict[str, Any]:
    start = (now - timedelta(days=30 * (index + 1))).isoformat()
    row: dict[str, Any] = {
        "resourceType": resource_type,
        "id": f"e-{index}" if resource_type == "Encounter" else f"{resource_type.lower()}-{index}",
        "subject": {"reference": f"Patient/{PATIENT}"},
        **_narrative(resource_type),
    }
    match resource_type:
        case "Condition":
            row["clinicalStatus"] = {"coding": [{"code": "active"}]}
            row["verificationStatus"] = {"coding": [{"code": "confirmed"}]}
            code = ("I10", "E78.5", "M17.9", "J30.9")[index % 4]
            row["code"] = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}], "text": code}
            row["onsetDateTime"] = start
        case "MedicationRequest":
            code = ("197361", "310798", "314076", "861007")[index % 4]
            row |= {"status": "active", "intent": "order", "authoredOn": start}
            row["medicationCodeableConcept"] = {"coding": [_rxnorm(code)]}
        case "AllergyIntolerance":
            row["patient"] = row.pop("subject")
            row["clinicalStatus"] = {"coding": [{"code": "active"}]}
            row["verificationStatus"] = {"coding": [{"code": "confirmed"}]}
            row |= {"recordedDate": start, "code": {"coding": [_rxnorm(("2670", "10829", "7258")[index % 3])]}}
        case "Encounter":
            row |= {"status": "finished", "class": {"code": "AMB"}, "period": {"start": start, "end": start}}
        case _:
            row |= {"status": "active", "intent": "order", "authoredOn": start, "code": {"text": "test"}}
    return row


def _narrative(word: str) -> dict[str, Any]:
    # Real resources carry a profile and a narrative: they make up the 1 KB that a parser must get through.
    return {
        "meta": {"versionId": "1", "lastUpdated": "2026-05-30T08:00:00Z", "profile": ["http://example.org/profile"]},
        "text": {"status": "generated", "div": f"<div>{(word + ' ') * 40}</div>"[:330]},
    }
