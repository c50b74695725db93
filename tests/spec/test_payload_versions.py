"""The resources of a context in each FHIR version: they are read, or refused with a clear place."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from cds_hooks.protocol.hooks import Hook
from fhir_client.codes import RXNORM, Code
from tests.builders import a_bundle as a_searchset
from tests.builders import a_patient
from tests.cds_hooks.declared import AnAssessor, a_service
from tests.cds_hooks.web.edge import AnEdge, an_edge
from tests.spec.messages import a_bundle, a_context, a_request

PATIENT = {"reference": "Patient/p1"}
WARFARIN = {"coding": [{"system": RXNORM, "code": "11289"}]}
VERSIONS = ("DSTU2", "STU3", "R4", "R5")
COMPLETE = {"patient": a_patient(), "laboratory": a_searchset()}

DRUG_ORDERS: dict[str, dict[str, Any]] = {
    "DSTU2": {
        "resourceType": "MedicationOrder",
        "id": "m1",
        "status": "draft",
        "patient": PATIENT,
        "dateWritten": "2024-06-01",
        "medicationCodeableConcept": WARFARIN,
    },
    "STU3": {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "draft",
        "intent": "order",
        "subject": PATIENT,
        "context": {"reference": "Encounter/e1"},
        "medicationCodeableConcept": WARFARIN,
    },
    "R4": {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "draft",
        "intent": "order",
        "subject": PATIENT,
        "medicationCodeableConcept": WARFARIN,
    },
    "R5": {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "draft",
        "intent": "order",
        "subject": PATIENT,
        "medication": {"concept": WARFARIN},
    },
}
OTHER_ORDERS: dict[str, dict[str, Any]] = {
    "DSTU2": {"resourceType": "ProcedureRequest", "id": "s1", "subject": PATIENT, "code": {"text": "x"}},
    "STU3": {"resourceType": "ReferralRequest", "id": "s1", "subject": PATIENT, "intent": "order"},
    "R4": {"resourceType": "ServiceRequest", "id": "s1", "subject": PATIENT, "code": {"text": "x"}},
    "R5": {"resourceType": "ServiceRequest", "id": "s1", "subject": PATIENT, "code": {"concept": {"text": "x"}}},
}
PROBLEMS: dict[str, dict[str, Any]] = {
    "DSTU2": {
        "resourceType": "Condition",
        "id": "c1",
        "patient": PATIENT,
        "category": {"text": "x"},
        "verificationStatus": "confirmed",
    },
    "STU3": {"resourceType": "Condition", "id": "c1", "subject": PATIENT, "clinicalStatus": "active"},
    "R4": {"resourceType": "Condition", "id": "c1", "subject": PATIENT, "clinicalStatus": {"text": "active"}},
    "R5": {"resourceType": "Condition", "id": "c1", "subject": PATIENT, "participant": [{"actor": PATIENT}]},
}
ALLERGIES: dict[str, dict[str, Any]] = {
    "DSTU2": {"resourceType": "AllergyIntolerance", "id": "a1", "patient": PATIENT, "substance": {"text": "x"}},
    "STU3": {"resourceType": "AllergyIntolerance", "id": "a1", "patient": PATIENT, "clinicalStatus": "active"},
    "R4": {"resourceType": "AllergyIntolerance", "id": "a1", "patient": PATIENT, "type": "allergy"},
    "R5": {"resourceType": "AllergyIntolerance", "id": "a1", "patient": PATIENT, "type": {"text": "allergy"}},
}
_BOOKED = {"resourceType": "Appointment", "id": "b1", "status": "proposed", "participant": [{"actor": PATIENT}]}
APPOINTMENTS: dict[str, dict[str, Any]] = {
    "DSTU2": {**_BOOKED, "type": {"text": "x"}},
    "STU3": {**_BOOKED, "appointmentType": {"text": "x"}},
    "R4": {**_BOOKED, "reasonCode": [{"text": "x"}]},
    "R5": {**_BOOKED, "subject": PATIENT, "reason": [{"concept": {"text": "x"}}]},
}
TASKS: dict[str, dict[str, Any]] = {
    version: {"resourceType": "Task", "id": "t1", "for": PATIENT, "basedOn": [{"reference": "ServiceRequest/s1"}]}
    for version in VERSIONS
}


def contexts(version: str) -> dict[Hook, dict[str, Any]]:
    """The members of each context that hold resources, as a client of this version sends them."""
    drug, other = DRUG_ORDERS[version], OTHER_ORDERS[version]
    selected = {"selections": [f"{drug['resourceType']}/m1"], "draftOrders": a_bundle(drug, other)}
    return {
        Hook.ORDER_SELECT: selected,
        Hook.ORDER_SIGN: {"draftOrders": a_bundle(drug, other)},
        Hook.ORDER_DISPATCH: {"fulfillmentTasks": [TASKS[version]]},
        Hook.APPOINTMENT_BOOK: {"appointments": a_bundle(APPOINTMENTS[version])},
        Hook.MEDICATION_REFILL: {"medications": a_bundle(drug)},
        Hook.ALLERGYINTOLERANCE_CREATE: {"allergyIntolerance": ALLERGIES[version]},
        Hook.PROBLEM_LIST_ITEM_CREATE: {"conditions": a_bundle(PROBLEMS[version])},
        Hook.MEDICATION_VERIFY: {"medication": drug},
        Hook.MEDICATION_PRESCRIBE: {"medications": a_bundle(drug)},
        Hook.ORDER_REVIEW: {"orders": a_bundle(drug, other)},
    }


def posted(edge: AnEdge, hook: Hook, **members: Any) -> Any:
    return edge.call(a_request(hook, context=a_context(hook, **members), prefetch=COMPLETE))


@pytest.mark.parametrize("hook", list(contexts("R4")))
@pytest.mark.parametrize("version", VERSIONS)
def test_a_payload_of_each_version_is_read(version: str, hook: Hook, tmp_path: Path) -> None:
    """[HOOK-2] All FHIR content of one context has one FHIR version: DSTU2, STU3, R4, R5 payloads parse."""
    assessor = AnAssessor()
    members = contexts(version)[hook]
    with an_edge(tmp_path, a_service(hooks=(hook,), assessors=(assessor,))) as edge:
        answer = posted(edge, hook, **members)
        assert answer.status_code == 200, answer.text
    (record,) = assessor.seen
    sent = [member for member in members.values() if isinstance(member, dict)] or members["fulfillmentTasks"]
    resources = [entry["resource"] for entry in sent[0].get("entry", [{"resource": sent[0]}])]
    assert record.drafts == tuple(resources)
    if DRUG_ORDERS[version] in resources:
        assert [drug.codings for drug in record.drafted_medications] == [(Code(RXNORM, "11289"),)]


def test_every_hook_that_carries_resources_is_among_them() -> None:
    carrying = {hook for hook in Hook if a_request(hook)["context"].keys() - {"userId", "patientId", "encounterId"}}
    assert set(contexts("R4")) == carrying


@pytest.mark.parametrize(
    ("draft", "place"),
    [
        ("<MedicationRequest/>", "context.draftOrders.entry[0].resource"),
        ([DRUG_ORDERS["R4"]], "context.draftOrders.entry[0].resource"),
        ({"id": "m1", "status": "draft"}, "context.draftOrders.entry[0].resource.resourceType"),
        ({"resourceType": ["MedicationRequest"]}, "context.draftOrders.entry[0].resource.resourceType"),
    ],
)
def test_a_payload_of_no_version_is_refused_at_its_place(draft: Any, place: str, tmp_path: Path) -> None:
    """[HOOK-2] or give a clear 400."""
    with an_edge(tmp_path, a_service(hooks=(Hook.ORDER_SIGN,))) as edge:
        answer = posted(edge, Hook.ORDER_SIGN, draftOrders=a_bundle(draft))
        assert answer.status_code == 400
        assert [issue["expression"] for issue in orjson.loads(answer.data)["issue"]] == [[place]]


def test_a_mix_of_versions_is_refused_only_where_it_cannot_be_read(tmp_path: Path) -> None:
    """[REQ-12] All FHIR resources in context follow one FHIR version; a mix is a 400 only when it cannot be parsed."""
    assessor = AnAssessor()
    mixed = [{**DRUG_ORDERS[version], "id": version} for version in VERSIONS]
    with an_edge(tmp_path, a_service(hooks=(Hook.ORDER_SIGN,), assessors=(assessor,))) as edge:
        assert posted(edge, Hook.ORDER_SIGN, draftOrders=a_bundle(*mixed)).status_code == 200
        unreadable: Any = "<MedicationRequest/>"
        assert posted(edge, Hook.ORDER_SIGN, draftOrders=a_bundle(*mixed, unreadable)).status_code == 400
    (record,) = assessor.seen
    assert [drug.codings for drug in record.drafted_medications] == [(Code(RXNORM, "11289"),)] * 4
