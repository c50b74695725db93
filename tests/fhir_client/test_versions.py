"""One patient, written in five FHIR versions, is one set of facts."""

from collections.abc import Sequence
from typing import Any

import pytest

from fhir_client.codes import ICD_10_CM, LOINC, RXNORM, UCUM, Code, CodeSet
from fhir_client.record import PatientRecord
from tests.builders import Resource, a_record

WEIGHT = CodeSet("weight", "Weight", frozenset({Code(LOINC, "29463-7")}))
SUBJECT = {"subject": {"reference": "Patient/p1"}}
PATIENT = {"patient": {"reference": "Patient/p1"}}


def concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


STATIN, HEART_FAILURE, ACR = concept(RXNORM, "617311"), concept(ICD_10_CM, "I50.9"), concept(LOINC, "9318-7")
QUANTITY = {"value": 70, "unit": "kg", "system": UCUM, "code": "kg"}
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PERIOD = {"start": "2024-05-20T08:00:00Z", "end": "2024-05-25T08:00:00Z"}

R4: list[Resource] = [
    {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1960-06-02"},
    {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": concept(LOINC, "29463-7"),
        **SUBJECT,
        "encounter": {"reference": "Encounter/e1"},
        "effectiveDateTime": "2024-05-20",
        "valueQuantity": QUANTITY,
    },
    {
        "resourceType": "Condition",
        "id": "c1",
        "clinicalStatus": concept(CLINICAL, "active"),
        "verificationStatus": concept(VERIFICATION, "confirmed"),
        "code": HEART_FAILURE,
        **SUBJECT,
        "onsetDateTime": "2020",
        "recordedDate": "2021-01-01",
    },
    {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": STATIN,
        **SUBJECT,
        "authoredOn": "2024-05-20",
    },
    {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "finished",
        "class": {"system": ACT_CODE, "code": "IMP"},
        **SUBJECT,
        "period": PERIOD,
        "reasonCode": [HEART_FAILURE],
    },
    {
        "resourceType": "ServiceRequest",
        "id": "s1",
        "status": "active",
        "intent": "order",
        "code": ACR,
        **SUBJECT,
        "authoredOn": "2024-05-20",
    },
]


def changed(index: int, *, without: Sequence[str] = (), **elements: Any) -> Resource:
    return {name: value for name, value in R4[index].items() if name not in without} | elements


DSTU2 = [
    R4[0],
    R4[1],
    changed(
        2, without=("recordedDate", "subject"), **PATIENT, clinicalStatus="active", verificationStatus="confirmed",
        dateRecorded="2021-01-01",
    ),
    changed(3, without=("intent", "authoredOn", "subject"), **PATIENT, resourceType="MedicationOrder",
            dateWritten="2024-05-20"),
    changed(4, without=("reasonCode", "subject"), **PATIENT, **{"class": "inpatient"}, reason=[HEART_FAILURE]),
    changed(5, without=("code", "authoredOn", "intent"), resourceType="DiagnosticOrder", orderedOn="2024-05-20",
            item=[{"code": ACR}]),
]  # fmt: skip
STU3 = [
    R4[0],
    changed(1, without=("encounter",), context={"reference": "Encounter/e1"}),
    changed(2, without=("recordedDate",), clinicalStatus="active", verificationStatus="confirmed",
            assertedDate="2021-01-01"),
    R4[3],
    changed(4, without=("reasonCode",), reason=[HEART_FAILURE]),
    changed(5, resourceType="ProcedureRequest"),
]  # fmt: skip
R4B = [*R4[:4], changed(4, classHistory=[]), R4[5]]
R5 = [
    R4[0],
    R4[1],
    R4[2],
    changed(3, without=("medicationCodeableConcept",), medication={"concept": STATIN}),
    changed(
        4, without=("period", "reasonCode"), status="completed", actualPeriod=PERIOD,
        reason=[{"use": [{"text": "chief complaint"}], "value": [{"concept": HEART_FAILURE}]}],
        **{"class": [concept(ACT_CODE, "IMP")]},
    ),
    changed(5, code={"concept": ACR}),
]  # fmt: skip


def without_type(text: str) -> str:
    return text.replace("MedicationOrder", "MedicationRequest")


def facts(record: PatientRecord) -> list[object]:
    """Everything but the name of the type that an order had, and the intent that DSTU2 did not know."""
    return [
        record.patient,
        tuple(record.observations(WEIGHT)),
        record.conditions,
        [
            (without_type(m.source.reference), m.codings, m.is_active, m.ingredients, m.authored)
            for m in record.medications
        ],
        record.encounters,
        [(order.codings, order.status, order.authored) for order in record.orders],
        record.dropped,
    ]


@pytest.mark.parametrize("version", [DSTU2, STU3, R4B, R5], ids=["DSTU2", "STU3", "R4B", "R5"])
def test_the_same_patient_gives_the_same_facts_in_every_version(version: list[Resource]) -> None:
    """[FHIR-16] Version differences sit in one adapter. Same patient in R4, R4B, R5 gives the same features."""
    expected = facts(a_record(*R4))

    assert all(expected)
    assert facts(a_record(*version)) == expected


@pytest.mark.parametrize(
    "orders",
    [
        {"medicationReference": {"reference": "Medication/d1"}},
        {"medication": {"reference": {"reference": "Medication/d1"}}},
    ],
    ids=["R4", "R5"],
)
def test_a_medication_by_reference_is_followed_in_every_version(orders: Resource) -> None:
    """[FHIR-16] medication[x] (R4, R4B) against medication as CodeableReference (R5)."""
    drug = {"resourceType": "Medication", "id": "d1", "code": STATIN}
    order = changed(3, without=("medicationCodeableConcept",), **orders)

    assert a_record(drug, order).medications[0].ingredients == frozenset({"83367"})


def test_the_reason_by_reference_is_followed_in_every_version() -> None:
    """[FHIR-16] reasonCode and reasonReference against reason."""
    pointer = {"reference": "Condition/c1"}
    r4 = changed(4, without=("reasonCode",), reasonReference=[pointer])
    r5 = changed(4, without=("reasonCode",), reason=[{"value": [{"reference": pointer}]}])

    expected = (Code(ICD_10_CM, "I50.9"),)
    assert a_record(r4, R4[2]).encounters[0].reasons == expected
    assert a_record(r5, R4[2]).encounters[0].reasons == expected


@pytest.mark.parametrize(
    ("sent", "meant"),
    [("completed", "finished"), ("discharged", "finished"), ("on-hold", "onleave"), ("planned", "planned"), (7, None)],
)
def test_encounter_states_are_given_in_the_words_of_r4(sent: object, meant: str | None) -> None:
    assert a_record(changed(4, status=sent)).encounters[0].status == meant


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        ("emergency", "EMER"),
        ("ambulatory", "AMB"),
        ("other", None),
        ({"code": "EMER"}, "EMER"),
        ([{"coding": [{"system": ACT_CODE, "code": "EMER"}]}], "EMER"),
        ([{"text": "ward"}, {"coding": [{}, {"code": "IMP"}]}], "IMP"),
        ([], None),
        ({"display": "ward"}, None),
        (7, None),
    ],
)
def test_the_kind_of_an_encounter_is_read_in_every_form(sent: object, kind: str | None) -> None:
    assert a_record({**R4[4], "class": sent}).encounters[0].kind == kind
