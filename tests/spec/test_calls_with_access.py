"""Calls whose data are read from the CDS client's FHIR server, through the edge: what goes out, and for how long."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson
import pytest

from cds_hooks.catalogue import Catalogue
from cds_hooks.protocol.hooks import Hook
from cds_hooks.service import Service
from cds_hooks.web.clients import ANONYMOUS, Client
from cds_hooks.web.settings import Authentication, Settings
from fhir_client.search import Search
from tests.builders import a_bundle, a_condition, a_medication, a_patient, an_observation
from tests.cds_hooks.declared import AnAssessor, a_service
from tests.cds_hooks.web.edge import INSTANCE, AnEdge, a_call, an_edge
from tests.fhir_stub import Asked, FhirStub, Says, a_fhir_server
from tests.spec.messages import a_context, a_draft

SERVICES = Catalogue.found().services
KIDNEY = next(service for service in SERVICES if service.id == "kidney-risk")
MEDICATIONS = Search("medications", "MedicationRequest")
TOKEN = {
    "access_token": "made-up",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "user/*.rs",
    "subject": "chartside",
}
Opens = Callable[..., AbstractContextManager[AnEdge]]


def a_chart(*, creatinine: float = 2.0) -> dict[str, Any]:
    """What the server has, by resource type: kidney disease that is on no problem list."""
    return {
        "Observation": a_bundle(
            an_observation("2160-0", creatinine, "mg/dL", on="2024-05-20"),
            an_observation("2160-0", creatinine, "mg/dL", on="2024-01-10"),
        ),
        "Condition": a_bundle(a_condition("I10")),
        "MedicationRequest": a_bundle(a_medication("314076")),
        "Encounter": a_bundle(),
    }


def holds(server: FhirStub, chart: dict[str, Any]) -> None:
    server.on("GET", "Patient/p1", Says(a_patient()))
    for resource_type, bundle in chart.items():
        server.on("POST", f"{resource_type}/_search", Says(bundle))


@pytest.fixture
def server() -> Iterator[FhirStub]:
    with a_fhir_server() as stub:
        holds(stub, a_chart())
        yield stub


def trusting(server: FhirStub, *, is_test_host: bool = True, deadline_ms: int = 4000) -> Settings:
    """Settings whose anonymous client may have this server read."""
    client = Client(
        ANONYMOUS,
        fhir_servers=frozenset({server.base}),
        test_hosts=frozenset({server.origin} if is_test_host else ()),
    )
    return Settings(authentication=Authentication.OFF, clients=(client,), deadline_ms=deadline_ms)


@pytest.fixture
def opens(tmp_path: Path, server: FhirStub) -> Opens:
    """Open an edge over the services, whose client trusts the server."""

    def open_edge(*services: Service, **more: Any) -> AbstractContextManager[AnEdge]:
        return an_edge(tmp_path, *services, **{"settings": trusting(server), **more})

    return open_edge


def a_bare_call(server: FhirStub, **members: Any) -> dict[str, Any]:
    """Build a call with ids and FHIR access, and nothing else."""
    return a_call(**{"prefetch": ..., "fhirServer": server.base, "fhirAuthorization": TOKEN, **members})


def cards_in(answer: Any) -> list[dict[str, Any]]:
    """Give the cards without their uuids: all that two calls may differ in."""
    assert answer.status_code == 200, answer.text
    cards: list[dict[str, Any]] = orjson.loads(answer.data)["cards"]
    for card in cards:
        for each in (card, *card.get("suggestions", ())):
            del each["uuid"]
    return cards


# What goes out


def test_a_service_works_from_ids_and_fhir_access_alone(opens: Opens, server: FhirStub) -> None:
    """[CTX-8] Do not expect a Patient resource in context: service runs with context ids only plus FHIR access."""
    chart = a_chart()
    holds(server, chart)
    prefetch = {
        key: a_patient() if search.is_read else chart[search.resource_type] for key, search in KIDNEY.searches.items()
    }
    with opens(KIDNEY) as edge:
        fetched = cards_in(edge.call(a_bare_call(server), service=KIDNEY.id))
        assert [card["summary"][:37] for card in fetched] == ["Meets laboratory criteria for CKD G4,"]
        assert cards_in(edge.call(a_call(prefetch=prefetch), service=KIDNEY.id)) == fetched


def test_drafts_are_never_read_from_the_server(opens: Opens, server: FhirStub) -> None:
    """[CTX-6] Drafts live only in the request: the server gives 404 for the draft id, the answer is still 200."""
    assessor = AnAssessor()
    drafts = [a_draft("d1"), a_draft("d2", resource_type="ServiceRequest")]
    orders = {"resourceType": "Bundle", "entry": [{"resource": each} for each in drafts]}
    context = {"userId": "Practitioner/u1", "patientId": "p1", "draftOrders": orders}
    with opens(a_service(hooks=(Hook.ORDER_SIGN,), assessors=(assessor,))) as edge:
        answer = edge.call(a_bare_call(server, hook="order-sign", context=context))
        assert [card["summary"] for card in cards_in(answer)] == ["risk is 0.25"]
    assert sorted(server.paths()) == ["Observation/_search", "Patient/p1"]
    assert assessor.seen[0].drafts == tuple(drafts)


@pytest.mark.parametrize("instance", [INSTANCE, INSTANCE.upper(), "00000000-0000-0000-0000-000000000001"])
def test_a_hook_instance_opens_nothing(opens: Opens, server: FhirStub, instance: str) -> None:
    """[REQ-4] Not a credential: authorisation never depends on it, seen before or guessable."""
    with opens(a_service()) as edge:
        opened = edge.call(a_bare_call(server, hookInstance=INSTANCE))
        assert opened.status_code == 200
        asked = len(server.asked)
        without = edge.call(a_bare_call(server, hookInstance=instance, fhirAuthorization=..., fhirServer=...))
        assert without.status_code == 412
        elsewhere = edge.call(a_bare_call(server, hookInstance=instance, fhirServer="https://elsewhere.example/r4"))
        assert elsewhere.status_code == 412
        assert len(server.asked) == asked
        assert edge.call(a_bare_call(server, hookInstance=instance)).status_code == 200
        assert len(server.asked) == 2 * asked


def test_a_plain_http_server_is_refused_outside_the_listed_test_hosts(
    opens: Opens, server: FhirStub, tmp_path: Path
) -> None:
    """[REQ-7] `http://` refused in production mode, allowed for listed test hosts."""
    with opens(a_service(), settings=trusting(server, is_test_host=False)) as edge:
        assert edge.call(a_bare_call(server)).status_code == 412
        assert server.asked == []
    with opens(a_service()) as edge:
        assert edge.call(a_bare_call(server)).status_code == 200
        assert len(server.asked) == 2


@pytest.mark.parametrize(
    "patient",
    ["1&_include=*", "1?x", "1#x", "1 2", "1\t2", "1\n", "..", "a..b", "a/b", "1,2", "p1%26_include", "*", "p1|x", "é"],
)
def test_an_id_that_would_alter_a_query_is_refused(opens: Opens, server: FhirStub, patient: str) -> None:
    """[PRE-15] refuse values with `&`, `?`, `#`, whitespace, `..`."""
    with opens(a_service()) as edge:
        answer = edge.call(a_bare_call(server, context={"userId": "Practitioner/u1", "patientId": patient}))
        assert answer.status_code == 400
        assert patient not in answer.text
        assert server.asked == []


@pytest.mark.parametrize("patient", ["a=b", "a+b", "a:b", "a@b", "a;b=c", "a~b"])
def test_an_odd_id_is_encoded_and_stays_one_value(opens: Opens, server: FhirStub, patient: str) -> None:
    """[PRE-15] URL-encode expanded values: patientId does not alter the query."""
    with opens(a_service()) as edge:
        edge.call(a_bare_call(server, context={"userId": "Practitioner/u1", "patientId": patient}))
    raws = {asked.raw for asked in server.asked}
    (read,) = (raw for raw in raws if raw.startswith("/r4/Patient/"))
    assert unquote(read) == f"/r4/Patient/{patient}"
    assert not set("=+@;:") & set(read)
    (search,) = (asked for asked in server.asked if asked.method == "POST")
    assert search.form == (
        ("patient", patient),
        ("code", "http://loinc.org|2160-0"),
        ("_sort", "-date"),
        ("_count", "200"),
    )


def test_an_empty_expansion_is_no_query(opens: Opens, server: FhirStub) -> None:
    """[PRE-14] An empty expansion must not become a query without a filter: no HTTP call."""
    holds(server, a_chart())  # its drug orders name their drugs by code, none by reference
    with opens(a_service(assessors=(AnAssessor(searches=(MEDICATIONS,), required_keys=frozenset()),))) as edge:
        assert edge.call(a_bare_call(server)).status_code == 200
        assert server.paths() == ["MedicationRequest/_search"]
        nobody: list[dict[str, Any]] = [{}, {"patientId": ""}, {"patientId": None}, {"patientId": []}]
        for member in nobody:
            context = {"userId": "Practitioner/u1", **member}
            assert edge.call(a_bare_call(server, context=context)).status_code == 400
        assert len(server.asked) == 1


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.id)
def test_every_search_of_ours_is_filtered(service: Service) -> None:
    """[PRE-14] `Medication?_id=` is never sent: each query of ours names the patient, none has an empty value."""
    for search in service.searches.values():
        path, parameters = search.query("p1")
        assert path == "Patient/p1" if search.is_read else parameters[0] == ("patient", "p1")
        assert all(value.strip(", ") for _, value in parameters)
        assert search.codes or search.resource_type != "Observation"


# For how long


def test_the_deadline_ends_the_waiting_for_a_slow_server(opens: Opens, server: FhirStub) -> None:
    """[RESP-5, PV-3] Answer in the order of 500 ms: the deadline aborts FHIR calls, required or optional."""
    slow = trusting(server, deadline_ms=300)
    with opens(a_service(), settings=slow, timer=time.monotonic) as edge:
        server.on("POST", "Observation/_search", Says(a_bundle(), delay=2.0))
        started = time.monotonic()
        assert edge.call(a_bare_call(server)).status_code == 200
        server.on("GET", "Patient/p1", Says(a_patient(), delay=2.0))
        assert edge.call(a_bare_call(server)).status_code == 412
        assert time.monotonic() - started < 1.5


def test_nothing_is_asked_once_the_answer_is_out(opens: Opens, server: FhirStub) -> None:
    """[ES-2, ACC-10] The token may not outlive the call: no background FHIR call, not of pages left unread either."""

    def next_page(asked: Asked) -> Says:
        del asked
        return Says(a_bundle(next=f"{server.base}/Observation?page={len(server.asked)}"), delay=0.15)

    server.on("POST", "Observation/_search", next_page)
    server.on("GET", "Observation", next_page)
    service = a_service(hooks=(Hook.ENCOUNTER_START,))
    context = {"userId": "Practitioner/u1", "patientId": "p1", "encounterId": "e1"}
    with opens(service, settings=trusting(server, deadline_ms=400), timer=time.monotonic) as edge:
        assert edge.call(a_bare_call(server, hook="encounter-start", context=context)).status_code == 200
        asked = len(server.asked)
        assert asked > 2
        time.sleep(0.5)
        assert len(server.asked) == asked


def test_no_clinical_data_are_kept_for_the_next_call(opens: Opens, server: FhirStub) -> None:
    """[SEC-44] No cross-call cache of clinical data: the next call sees what the server says by then."""
    with opens(KIDNEY) as edge:
        assert len(cards_in(edge.call(a_bare_call(server), service=KIDNEY.id))) == 1
        asked = len(server.asked)
        holds(server, a_chart(creatinine=0.7))
        assert cards_in(edge.call(a_bare_call(server), service=KIDNEY.id)) == []
        assert len(server.asked) == 2 * asked


def test_answers_keep_a_latency_budget(opens: Opens, server: FhirStub) -> None:
    """[RESP-5, PV-3] Answer in the order of 500 ms: nine calls of ten, reading five searches, within half of it."""
    milliseconds = []
    with opens(*SERVICES, timer=time.monotonic) as edge:
        for service in SERVICES * 7:
            started = time.monotonic()
            body = a_bare_call(server, hook=service.hooks[0].value, context=a_context(service.hooks[0]))
            assert edge.call(body, service=service.id).status_code == 200
            milliseconds.append((time.monotonic() - started) * 1000)
    assert sorted(milliseconds)[len(milliseconds) * 9 // 10] < 250
