"""Charts of a FHIR server elsewhere: read, listed, prefetched, and never written to."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests
import responses
from flask import Flask

from sandbox.client import CdsClient
from sandbox.ehr.charts import RemoteCharts
from sandbox.ehr.errors import Refused
from sandbox.ehr.routes import create_fhir_app
from sandbox.ehr.server import FhirServer
from sandbox.hospital import Hospital, local_hospital, story_resources
from sandbox.pages.app import create_ehr_app
from sandbox.serving import Serving
from tests.sandbox.fake_service import create_fake_service

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def far() -> Iterator[FhirServer]:
    """An open FHIR server on loopback, standing for one elsewhere."""
    resources, stories = story_resources(NOW)
    server = local_hospital(resources, "", lambda: NOW, stories).server
    assert server is not None
    found = server

    def app(origin: str) -> Flask:
        found.base = f"{origin}/fhir"
        return create_fhir_app(found)

    with Serving(app):
        yield found


def test_a_remote_chart_is_the_same_as_a_local_one(far: FhirServer) -> None:
    with requests.Session() as http:
        charts = RemoteCharts(f"{far.base}/", http)

        assert charts.ask("Patient/wren") == far.ask("Patient/wren")
        assert charts.ask("Observation?patient=wren&_count=2")["total"] == far.ask("Observation?patient=wren")["total"]
        assert charts.whole("Observation?patient=bison")["entry"] == far.whole("Observation?patient=bison")["entry"]
        assert len(charts.whole("Observation?patient=whale")["entry"]) == far.ask("Observation?patient=whale")["total"]


def test_the_page_shows_remote_patients_and_leaves_their_charts_alone(far: FhirServer) -> None:
    with Serving(lambda _: create_fake_service()) as service, requests.Session() as http:
        hospital = Hospital(RemoteCharts(far.base, http))
        app = create_ehr_app(hospital, CdsClient(service.origin, hospital.charts, None, http=http), lambda: NOW)
        page = app.test_client()

        before = far.store.of_type("ServiceRequest")
        listed = page.get("/ehr/patients").get_json()
        chart = page.get("/ehr/patients/bison").get_json()
        body = {"service": "fake", "hook": "patient-view", "patient": "bison"}
        call = page.post("/ehr/calls", json=body).get_json()
        accepted = page.post("/ehr/accept", json={"call": call["id"], "card": 0, "suggestion": 0}).get_json()

    assert {"wren", "bison"} <= {patient["id"] for patient in listed}
    assert chart["problems"][0]["code"] == "J18.9"
    assert call["request"]["fhirServer"] == far.base
    assert "fhirAuthorization" not in call["request"]
    assert call["request"]["prefetch"]["patient"]["id"] == "bison"
    assert accepted == {"applied": None, "feedback": 200}
    assert far.store.of_type("ServiceRequest") == before


@responses.activate
def test_a_page_elsewhere_is_not_followed() -> None:
    link = [{"relation": "next", "url": "https://other.example/page"}]
    bundle = {"resourceType": "Bundle", "type": "searchset", "link": link}
    responses.get("https://fhir.example/r4/Observation", json=bundle)

    with requests.Session() as http:
        assert "entry" in RemoteCharts("https://fhir.example/r4", http).whole("Observation?patient=a")
    assert len(responses.calls) == 1


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [("{}", 200, 502), ("<html>", 200, 502), ("{}", 404, 404), ("{}", 500, 500)],
)
@responses.activate
def test_what_is_no_resource_is_refused(body: str, status: int, expected: int) -> None:
    responses.get("https://fhir.example/r4/Patient/a", body=body, status=status)

    with requests.Session() as http, pytest.raises(Refused) as refused:
        RemoteCharts("https://fhir.example/r4", http).ask("Patient/a")
    assert refused.value.status == expected


def test_a_server_that_cannot_be_reached_is_said() -> None:
    with requests.Session() as http, pytest.raises(Refused) as refused:
        RemoteCharts("http://127.0.0.1:9/fhir", http).ask("Patient/a")

    assert refused.value.status == 503
