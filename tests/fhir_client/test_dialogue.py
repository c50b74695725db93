"""How a server is spoken to: versions, local names, filters it ignores, and the versions of what it gives."""

import time
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from fhir_client.addresses import Base
from fhir_client.answers import Remark
from fhir_client.client import Connections
from fhir_client.codes import LOINC, Code, CodeSet
from fhir_client.dialogue import Manners
from fhir_client.errors import Reason
from fhir_client.questions import Deadline
from fhir_client.record import Availability, PatientRecord
from fhir_client.references import medications_pointed_at
from fhir_client.releases import Release
from fhir_client.search import Search
from fhir_client.server import Pace
from tests.builders import a_bundle
from tests.fhir_asking import PATIENT, a_client, an_observation, found, ids
from tests.fhir_stub import Asked, FhirStub, Says, an_outcome

A_PATIENT = {"resourceType": "Patient", "id": "p1"}
R4 = Manners(release=Release.R4)
PLAIN = "application/fhir+json, application/json;q=0.9"
VERSIONED = "application/fhir+json; fhirVersion=4.0, application/fhir+json;q=0.9, application/json;q=0.8"


# Versions


def test_a_configured_release_is_asked_for(connections: Connections, server: FhirStub) -> None:
    """[FHIR-12] Ask for a version by media-type parameter: `Accept: application/fhir+json; fhirVersion=4.0`."""
    server.on("GET", "Patient/p1", Says(A_PATIENT, media_type="application/fhir+json; fhirVersion=4.0"))
    assert ids(found(a_client(connections, server, manners=R4), PATIENT)) == ["p1"]
    assert [asked.headers["Accept"] for asked in server.asked] == [VERSIONED]


def test_a_server_that_knows_no_versions_is_asked_without(connections: Connections, server: FhirStub) -> None:
    """[FHIR-12] 406 leads to one retry without the parameter; that is remembered."""

    def by_accept(asked: Asked) -> Says:
        return Says(an_outcome(), 406) if "fhirVersion" in asked.headers["Accept"] else Says(A_PATIENT)

    server.on("GET", "Patient/p1", by_accept)
    for _ in range(2):
        assert ids(found(a_client(connections, server, manners=R4), PATIENT)) == ["p1"]
    assert [asked.headers["Accept"] for asked in server.asked] == [VERSIONED, PLAIN, PLAIN]


def test_a_server_that_accepts_neither_is_asked_twice_at_most(connections: Connections, server: FhirStub) -> None:
    """[FHIR-12] 406 leads to one retry without the parameter."""
    server.on("GET", "Patient/p1", Says(an_outcome(), 406))
    assert found(a_client(connections, server, manners=R4), PATIENT).reason is Reason.REJECTED
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("version", "reason"), [("4.0", None), ("3.0", None), ('"5.0"', None), ("6.0", Reason.VERSION)]
)
def test_the_version_of_the_answer_is_looked_at(
    connections: Connections, server: FhirStub, version: str, reason: Reason | None
) -> None:
    """[FHIR-12] Servers may ignore them; check the answer's Content-Type: what is of a release we know is read."""
    server.on("GET", "Patient/p1", Says(A_PATIENT, media_type=f"application/fhir+json;fhirVersion={version}"))
    assert found(a_client(connections, server), PATIENT).reason is reason


def test_what_a_server_does_not_take_is_tried_again_after_hours(server: FhirStub) -> None:
    """[FHIR-47] Identifiers stay out of access logs: a POST that was refused once is not given up for ever."""
    now = 1_000.0
    server.on("POST", "Observation/_search", Says(an_outcome(), 405))
    server.on("GET", "Observation", Says(a_bundle()))
    with Connections(pace=Pace(clock=lambda: now)) as connections:
        for hours in (0, 5, 2):
            now += hours * 3_600
            found(a_client(connections, server))
    assert [asked.method for asked in server.asked] == ["POST", "GET", "GET", "POST", "GET"]


def test_made_up_bases_do_not_fill_the_memory(connections: Connections) -> None:
    deadline = Deadline.after(1, time.monotonic)
    for number in range(300):
        base = Base.parse(f"https://fhir.example/{number}")
        connections.client(base, token=None, deadline=deadline, request_id="request-1")
    assert (len(connections._habits), len(connections._servers)) == (256, 1)


# Names


def test_configured_names_are_used_for_their_type_alone(connections: Connections, server: FhirStub) -> None:
    """[FHIR-15] Search parameter names may be local, per-client configuration: encounter is called `visit`."""
    names = {"Observation.encounter": "visit", "Observation.date": "when"}
    search = Search("x", "Observation", parameters=(("encounter", "e1"), ("_sort", "-date,code")))
    server.on("POST", "Observation/_search", Says(a_bundle()))
    server.on("POST", "Condition/_search", Says(a_bundle()))
    manners = Manners(names=MappingProxyType(names))
    found(a_client(connections, server, manners=manners), search)
    found(a_client(connections, server, manners=manners), Search("x", "Condition", parameters=(("encounter", "e1"),)))
    assert [asked.form for asked in server.asked] == [
        (("patient", "p1"), ("visit", "e1"), ("_sort", "-when,code")),
        (("patient", "p1"), ("encounter", "e1")),
    ]


# Filters


def self_linked(query: str, *resources: dict[str, Any]) -> dict[str, Any]:
    bundle = a_bundle(*resources)
    bundle["link"] = [{"relation": "self", "url": f"https://fhir.example/r4/Observation{query}"}]
    return bundle


@pytest.mark.parametrize(
    ("query", "is_ignored"),
    [
        ("?patient=p1&_sort=-date", True),
        ("?_sort=-date", True),
        ("?patient=p1&code=http%3A%2F%2Floinc.org%7C4548-4", False),
        ("?patient:Patient=p1&code=4548-4&_format=json", False),
        ("?_getpages=17", False),
        ("", False),
    ],
)
def test_a_filter_that_the_server_ignored_is_noticed(
    connections: Connections, server: FhirStub, query: str, is_ignored: bool
) -> None:
    """[FHIR-46] Servers may ignore unknown parameters: compare the `self` link with the request."""
    server.on("POST", "Observation/_search", Says(self_linked(query, an_observation("a"))))
    answer = found(a_client(connections, server))
    assert (Remark.FILTER_IGNORED in answer.remarks, answer.availability) == (is_ignored, Availability.COMPLETE)


def test_filters_that_were_ignored_are_applied_again(connections: Connections, server: FhirStub) -> None:
    """[FHIR-46] Server ignoring `code`, and the patient: foreign rows dropped."""

    def result(id: str, code: str, patient: str) -> dict[str, Any]:
        return an_observation(
            id,
            status="final",
            subject={"reference": f"Patient/{patient}"},
            code={"coding": [{"system": LOINC, "code": code}]},
            effectiveDateTime="2024-05-01",
            valueQuantity={"value": 6.1, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"},
        )

    rows = [result("a", "4548-4", "p1"), result("b", "718-7", "p1"), result("c", "4548-4", "p2")]
    server.on("POST", "Observation/_search", Says(a_bundle(*rows)))
    answer = found(a_client(connections, server))
    record = PatientRecord.from_resources(answer.resources, patient_id="p1", as_of=datetime(2024, 6, 1, tzinfo=UTC))
    hba1c = record.observations(CodeSet("hba1c", "HbA1c", frozenset({Code(LOINC, "4548-4")})))
    assert [each.source.reference for each in hba1c] == ["Observation/a"]
    assert record.dropped.other_patient == 1


def test_more_rows_and_another_order_than_asked_for_are_no_surprise(connections: Connections, server: FhirStub) -> None:
    """[FHIR-44] `_count` is a hint: a server that gives all, oldest first, is read all the same."""
    one = Search("one", "Observation", parameters=(("_sort", "-date"), ("_count", "1")))
    server.on("POST", "Observation/_search", Says(a_bundle(*map(an_observation, "abc")) | {"total": 1}))
    assert ids(found(a_client(connections, server), one)) == ["a", "b", "c"]


def test_nothing_is_asked_to_be_included(connections: Connections, server: FhirStub) -> None:
    """[FHIR-49] `_include`, chains and `_has` are optimisations with a plain fallback: a drug is read by reference."""
    order = {"resourceType": "MedicationRequest", "id": "m", "medicationReference": {"reference": "Medication/7"}}
    server.on("POST", "MedicationRequest/_search", Says(a_bundle(order)))
    server.on("GET", "Medication/7", Says({"resourceType": "Medication", "id": "7"}))
    client = a_client(connections, server)
    (pointer,) = medications_pointed_at(found(client, Search("m", "MedicationRequest")).resources)
    assert client.read(pointer) == {"resourceType": "Medication", "id": "7"}
    asked = [name for each in server.asked for name, _ in each.form]
    assert not [name for name in asked if name.startswith(("_include", "_revinclude", "_has", "_summary", "_elements"))]


# Provenance


@pytest.mark.parametrize(
    ("etag", "meta", "version"),
    [
        ('W/"3"', None, "3"),
        ('"3"', {"profile": ["x"]}, "3"),
        ('W/"3"', {"versionId": "2"}, "2"),
        ("", None, None),
        ('W/""', None, None),
    ],
)
def test_the_version_of_what_was_read_is_kept_with_it(
    connections: Connections, server: FhirStub, etag: str, meta: dict[str, Any] | None, version: str | None
) -> None:
    """[FHIR-62] `meta.versionId` and ETag are kept with the data as provenance."""
    resource = A_PATIENT if meta is None else A_PATIENT | {"meta": meta}
    server.on("GET", "Patient/p1", Says(resource, headers={"ETag": etag}))
    answer = found(a_client(connections, server), PATIENT)
    record = PatientRecord.from_resources(answer.resources, patient_id="p1", as_of=datetime(2024, 6, 1, tzinfo=UTC))
    assert record.patient is not None
    assert record.patient.source.version == version
    assert answer.resources[0].get("meta", {}).get("profile") == (meta or {}).get("profile")
