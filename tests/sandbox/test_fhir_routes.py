"""The sandbox FHIR server over HTTP."""

from datetime import UTC, datetime
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from flask.testing import FlaskClient

from sandbox.ehr.access import Grant, Grants
from sandbox.ehr.routes import create_fhir_app
from sandbox.ehr.server import FhirServer
from sandbox.ehr.store import Store

PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female"}
OTHER = {"resourceType": "Patient", "id": "p2"}
DOCTOR = {"resourceType": "Practitioner", "id": "d1"}
WEIGHT: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "weight"},
    "subject": {"reference": "Patient/p1"},
}
GLUCOSE = {**WEIGHT, "id": "g", "subject": {"reference": "Patient/p2"}}


@pytest.fixture
def server() -> FhirServer:
    store = Store(lambda: datetime(2024, 7, 1, tzinfo=UTC))
    store.fill([PATIENT, OTHER, DOCTOR, {**WEIGHT, "id": "w"}, GLUCOSE])
    return FhirServer(store, "http://localhost/fhir")


@pytest.fixture
def http(server: FhirServer) -> FlaskClient:
    return create_fhir_app(server).test_client()


def test_the_capability_statement_is_valid_and_names_the_version(http: FlaskClient) -> None:
    answer = http.get("/fhir/metadata")

    assert CapabilityStatement.model_validate(answer.get_json()).fhirVersion == "4.0.1"


def test_a_read_carries_its_version_as_etag(http: FlaskClient) -> None:
    answer = http.get("/fhir/Patient/p1")

    assert answer.mimetype == "application/fhir+json"
    assert answer.headers["ETag"] == 'W/"1"'
    assert answer.get_json()["meta"]["versionId"] == "1"
    assert http.get("/fhir/Patient/p1/_history/1").status_code == 200
    assert http.get("/fhir/Patient/p1/_history/2").status_code == 404


def test_get_and_post_searches_answer_alike(http: FlaskClient) -> None:
    by_get = http.get("/fhir/Observation?patient=p1&status=final").get_json()
    by_post = http.post("/fhir/Observation/_search", data={"patient": "p1", "status": "final"}).get_json()

    assert by_get == by_post
    assert [entry["resource"]["id"] for entry in by_get["entry"]] == ["w"]
    Bundle.model_validate(by_get)


def test_search_by_post_takes_a_form_only(http: FlaskClient) -> None:
    assert http.post("/fhir/Observation/_search", json={"patient": "p1"}).status_code == 415


def test_strict_handling_refuses_an_unknown_parameter(http: FlaskClient) -> None:
    assert http.get("/fhir/Patient?moon=1", headers={"Prefer": "handling=strict"}).status_code == 400
    assert http.get("/fhir/Patient?moon=1").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/fhir/Patient/nobody", 404),
        ("GET", "/fhir/Moon", 404),
        ("GET", "/fhir/Patient/p1/everything/else", 404),
        ("GET", "/fhir/Observation?date=never", 400),
        ("POST", "/fhir/Patient", 415),
    ],
)
def test_an_error_is_an_operation_outcome(http: FlaskClient, method: str, path: str, status: int) -> None:
    answer = http.open(path, method=method)

    assert answer.status_code == status
    OperationOutcome.model_validate(answer.get_json())


@pytest.mark.parametrize(
    ("accept", "status"),
    [("application/fhir+json; fhirVersion=4.0", 200), ("*/*", 200), ("application/xml", 406), ("text/html", 406)],
)
def test_json_is_the_only_form(http: FlaskClient, accept: str, status: int) -> None:
    assert http.get("/fhir/Patient/p1", headers={"Accept": accept}).status_code == status


def test_what_is_written_can_be_read_searched_replaced_and_deleted(http: FlaskClient) -> None:
    created = http.post("/fhir/Observation", json=WEIGHT)
    identity = created.get_json()["id"]
    address = f"/fhir/Observation/{identity}"
    replaced = http.put(address, json={**created.get_json(), "status": "amended"})
    found = http.get("/fhir/Observation?patient=p1&status=amended").get_json()
    deleted = http.delete(address)

    assert created.status_code == 201
    assert created.headers["Location"] == f"http://localhost{address}/_history/1"
    assert (replaced.status_code, replaced.headers["ETag"]) == (200, 'W/"2"')
    assert [entry["resource"]["id"] for entry in found["entry"]] == [identity]
    assert (deleted.status_code, http.get(address).status_code) == (204, 410)
    assert http.get("/fhir/Observation?patient=p1").get_json()["total"] == 1


@pytest.mark.parametrize("body", [[], {"resourceType": "Patient", "id": "w"}, {**WEIGHT, "id": "x"}])
def test_a_body_that_is_not_the_resource_of_the_address_is_refused(http: FlaskClient, body: Any) -> None:
    assert http.put("/fhir/Observation/w", json=body).status_code == 400


def test_a_batch_answers_each_entry_on_its_own(http: FlaskClient) -> None:
    urls = ["Patient/p1", "Observation?patient=p1", "Patient/nobody"]
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    entries.append({"request": {"method": "DELETE", "url": "Patient/p1"}})

    answer = http.post("/fhir", json={"resourceType": "Bundle", "type": "batch", "entry": entries})

    statuses = [entry["response"]["status"] for entry in answer.get_json()["entry"]]
    assert statuses == ["200 OK", "200 OK", "404", "405"]
    assert http.get("/fhir/Patient/p1").status_code == 200
    assert http.post("/fhir", json={"resourceType": "Bundle", "type": "transaction"}).status_code == 400


class TestWithTokens:
    @pytest.fixture
    def grants(self) -> Grants:
        return Grants()

    @pytest.fixture
    def guarded(self, server: FhirServer, grants: Grants) -> FlaskClient:
        return create_fhir_app(server, grants).test_client()

    def bearer(self, token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    def test_nothing_is_read_without_a_good_token(self, guarded: FlaskClient, grants: Grants) -> None:
        token = grants.issue(Grant("p1"))
        good = guarded.get("/fhir/Patient/p1", headers=self.bearer(token))
        grants.revoke(token)
        ended = guarded.get("/fhir/Patient/p1", headers=self.bearer(token))
        none = guarded.get("/fhir/Patient/p1")

        assert (good.status_code, ended.status_code, none.status_code) == (200, 401, 401)
        assert none.headers["WWW-Authenticate"] == "Bearer"
        assert guarded.get("/fhir/metadata").status_code == 200

    def test_a_token_opens_one_chart_and_what_belongs_to_nobody(self, guarded: FlaskClient, grants: Grants) -> None:
        headers = self.bearer(grants.issue(Grant("p1")))

        assert guarded.get("/fhir/Patient/p2", headers=headers).status_code == 403
        assert guarded.get("/fhir/Practitioner/d1", headers=headers).status_code == 200
        assert guarded.get("/fhir/Observation", headers=headers).get_json()["total"] == 1
        assert guarded.get("/fhir/Observation?patient=p2", headers=headers).get_json()["total"] == 0

    def test_a_page_of_another_bearer_shows_nothing_foreign(
        self, guarded: FlaskClient, grants: Grants, server: FhirServer
    ) -> None:
        page = server.ask("Observation?_count=1")
        address = page["link"][1]["url"].removeprefix("http://localhost")

        answer = guarded.get(address, headers=self.bearer(grants.issue(Grant("p1"))))

        assert "entry" not in answer.get_json()

    def test_a_token_only_reads(self, guarded: FlaskClient, grants: Grants) -> None:
        headers = self.bearer(grants.issue(Grant("p1")))

        assert guarded.post("/fhir/Observation", json=WEIGHT, headers=headers).status_code == 403
        assert guarded.delete("/fhir/Observation/w", headers=headers).status_code == 403

    def test_a_failing_server_says_when_to_come_back(self, guarded: FlaskClient, grants: Grants) -> None:
        answer = guarded.get("/fhir/Patient/p1", headers=self.bearer(grants.issue(Grant("p1", "failing"))))

        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
