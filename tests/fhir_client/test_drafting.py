import copy

import pytest
from fhir.resources.R4B.condition import Condition
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.servicerequest import ServiceRequest
from fhir.resources.R4B.task import Task

from fhir_client import drafting
from fhir_client.codes import ICD_10_CM, LOINC, RXNORM, Code
from fhir_client.drafting import NotDrafted, condition, medication_request, preload, service_request, task

ACR = Code(LOINC, "9318-7")
CKD = Code(ICD_10_CM, "N18.31")


def test_an_order_is_a_draft_for_the_clinician_to_sign() -> None:
    order = service_request(
        ACR,
        "Albumin/creatinine ratio",
        patient_id="p1",
        encounter_id="e1",
        reason_text="No ratio on record",
        priority="urgent",
    )

    ServiceRequest.model_validate(order)
    assert order == {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "order",
        "priority": "urgent",
        "code": {
            "coding": [{"system": LOINC, "code": "9318-7", "display": "Albumin/creatinine ratio"}],
            "text": "Albumin/creatinine ratio",
        },
        "subject": {"reference": "Patient/p1"},
        "encounter": {"reference": "Encounter/e1"},
        "reasonCode": [{"text": "No ratio on record"}],
    }


def test_an_order_without_a_code_is_one_in_words() -> None:
    order = service_request(None, "Nephrology referral", patient_id="p1")

    ServiceRequest.model_validate(order)
    assert order["code"] == {"text": "Nephrology referral"}


def test_an_order_for_a_drug_is_a_draft_to_be_dosed_and_signed() -> None:
    order = medication_request(
        Code(RXNORM, "1725059"), "naloxone", patient_id="p1", encounter_id="e1", reason_text="Rescue from an overdose"
    )

    MedicationRequest.model_validate(order)
    assert order == {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [{"system": RXNORM, "code": "1725059", "display": "naloxone"}],
            "text": "naloxone",
        },
        "subject": {"reference": "Patient/p1"},
        "encounter": {"reference": "Encounter/e1"},
        "reasonCode": [{"text": "Rescue from an overdose"}],
    }


def test_a_problem_is_active_and_confirmed_once_it_is_accepted() -> None:
    problem = condition(CKD, "Chronic kidney disease, stage 3a", patient_id="p1", note="By laboratory criteria")

    Condition.model_validate(problem)
    assert problem["clinicalStatus"]["coding"][0]["code"] == "active"
    assert problem["verificationStatus"]["coding"][0]["code"] == "confirmed"
    assert problem["category"][0]["coding"][0]["code"] == "problem-list-item"
    assert problem["subject"] == {"reference": "Patient/p1"}
    assert "encounter" not in problem


def test_a_task_is_for_the_patient() -> None:
    draft = task("Call about the missed test", patient_id="p1", encounter_id="e1")

    Task.model_validate(draft)
    assert draft["for"] == {"reference": "Patient/p1"}
    assert draft["encounter"] == {"reference": "Encounter/e1"}


def test_the_same_draft_for_two_patients_differs_only_in_the_patient() -> None:
    first = service_request(ACR, "ACR", patient_id="p1", encounter_id="e1")
    kept = copy.deepcopy(first)
    second = service_request(ACR, "ACR", patient_id="p2")
    second["code"]["text"] = "changed by its owner"

    assert first == kept
    assert second["subject"] == {"reference": "Patient/p2"}
    assert "encounter" not in second
    assert service_request(ACR, "ACR", patient_id="p1", encounter_id="e1") == kept


def test_a_long_id_is_taken() -> None:
    """[CTX-4] Do not enforce FHIR's 64-character id limit on draft resources or ids in context."""
    for id_ in ("p" * 200, "p_1", "ü"):
        assert service_request(ACR, "ACR", patient_id=id_)["subject"] == {"reference": f"Patient/{id_}"}


@pytest.mark.parametrize("id_", ["", ".", "..", "p/1", "p 1", "p?x=1", "../p", "p#1", "p\n", "p|2", "p&x"])
def test_an_id_that_would_break_out_of_its_reference_is_refused(id_: str) -> None:
    with pytest.raises(NotDrafted) as refusal:
        service_request(ACR, "ACR", patient_id=id_)
    assert str(refusal.value) == "an id is empty or has a character that no FHIR id has"
    with pytest.raises(NotDrafted):
        service_request(ACR, "ACR", patient_id="p1", encounter_id=id_)


def test_what_is_not_valid_fhir_is_not_built_and_not_repeated() -> None:
    with pytest.raises(NotDrafted) as refusal:
        condition(Code(ICD_10_CM, ""), "MARKER", patient_id="p1")
    assert str(refusal.value) == "the resource would not be valid FHIR"
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize("draft", [lambda p: service_request(ACR, "ACR", patient_id="p1", priority=p),
                                   lambda p: task("Call", patient_id="p1", priority=p)])  # fmt: skip
def test_a_priority_is_one_of_fhirs(draft: object) -> None:
    with pytest.raises(NotDrafted):
        draft("now")  # type: ignore[operator]


def test_a_body_is_validated_once() -> None:
    before = drafting._task.cache_info().misses
    for number in range(3):
        task("Asked thrice", patient_id=f"p{number}")

    assert drafting._task.cache_info().misses == before + 1


def test_the_models_can_be_imported_before_the_first_call() -> None:
    preload()
