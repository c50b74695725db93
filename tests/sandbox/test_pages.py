"""The EHR's web application."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

from sandbox.client import CdsClient
from sandbox.hospital import Hospital, local_hospital, story_resources
from sandbox.pages.app import create_ehr_app
from sandbox.serving import Serving
from tests.sandbox.fake_service import CARD, create_fake_service

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CHARTS = story_resources(NOW, 2)


class Desk:
    def __init__(self, http: FlaskClient, hospital: Hospital, seen: list[Any]) -> None:
        self.http = http
        self.hospital = hospital
        self.seen = seen

    def call(self, **asked: Any) -> dict[str, Any]:
        body = {"service": "fake", "hook": "patient-view", "patient": "wren", **asked}
        answer = self.http.post("/ehr/calls", json=body)
        assert answer.status_code == 200
        found = answer.get_json()
        assert isinstance(found, dict)
        return found


@pytest.fixture
def desk() -> Iterator[Desk]:
    fake = create_fake_service()
    resources, stories = CHARTS
    with Serving(lambda _: fake) as service, requests.Session() as http:
        hospital = local_hospital(resources, "http://localhost/fhir", lambda: NOW, stories)
        client = CdsClient(service.origin, hospital.charts, None, http=http)
        app = create_ehr_app(hospital, client, lambda: NOW)
        yield Desk(app.test_client(), hospital, fake.config["seen"])


def test_the_page_and_its_parts_are_served_under_a_strict_policy(desk: Desk) -> None:
    for path in ("/", "/static/app.js", "/static/style.css", "/static/icon.svg"):
        answer = desk.http.get(path)
        assert answer.status_code == 200
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        answer.close()


def test_the_page_asks_for_nothing_from_elsewhere_and_has_no_inline_code(desk: Desk) -> None:
    with desk.http.get("/") as answer:
        page = answer.get_data(as_text=True)

    assert "http://" not in page
    assert "https://" not in page
    assert not re.search(r"\s(?:on\w+|style)=", page)


def test_another_host_name_is_turned_away(desk: Desk) -> None:
    assert desk.http.get("/ehr/patients", headers={"Host": "rebound.example"}).status_code == 421


def test_the_list_starts_with_the_stories(desk: Desk) -> None:
    patients = desk.http.get("/ehr/patients").get_json()

    assert (patients[0]["id"], patients[0]["story"]) == ("wren", "Healthy young adult: nothing to say.")
    assert patients[-1]["id"].startswith("generated-")
    assert {p["id"]: p["deceased"] for p in patients}["owl"] is True


def test_a_chart_shows_values_as_they_stand_and_what_is_wrong_with_them(desk: Desk) -> None:
    def latest(patient: str, name: str) -> tuple[str, str]:
        chart = desk.http.get(f"/ehr/patients/{patient}").get_json()
        (group,) = [g for g in chart["results"] if g["name"].startswith(name)]
        return group["points"][-1]["text"], group["points"][-1]["status"]

    assert latest("toad", "Creatinine") == ("1.9 (no unit)", "final")
    assert latest("loon", "Albumin/Creatinine") == ("<5 mg/g", "final")
    assert latest("mole", "Cholesterol in HDL") == ("absent: error", "final")
    assert latest("raven", "Creatinine") == ("6.5 mg/dL", "preliminary")
    assert latest("bison", "Systolic") == ("96 mm[Hg]", "final")


def test_a_chart_names_the_age_as_far_as_it_is_known(desk: Desk) -> None:
    ages = {p: desk.http.get(f"/ehr/patients/{p}").get_json()["patient"]["age"] for p in ("wren", "tern", "goose")}

    assert ages == {"wren": "24 years", "tern": "62-63 years", "goose": "age unknown"}


def test_a_patient_who_is_not_there_is_404(desk: Desk) -> None:
    assert desk.http.get("/ehr/patients/nobody").status_code == 404


def test_the_services_are_those_of_discovery(desk: Desk) -> None:
    about = desk.http.get("/ehr/services").get_json()

    assert [service["id"] for service in about["services"]] == ["fake", "quiet", "orders"]


def test_a_call_returns_what_went_over_the_wire(desk: Desk) -> None:
    call = desk.call(prefetch="partial")

    assert call["request"] == desk.seen[-1]
    assert list(call["request"]["prefetch"]) == ["patient", "user", "nothing"]
    assert (call["status"], call["response"], call["breaches"]) == (200, {"cards": [CARD]}, [])
    assert call["milliseconds"] > 0


def test_a_chart_opened_during_a_stay_names_the_encounter(desk: Desk) -> None:
    assert "encounterId" not in desk.call(patient="wren")["request"]["context"]
    assert desk.call(patient="bison")["request"]["context"]["encounterId"] == "bison-encounter-1"


def test_a_hook_that_needs_an_encounter_is_not_fired_without_one(desk: Desk) -> None:
    assert "skipped" in desk.call(service="quiet", hook="encounter-start", patient="goose")


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"service": "unknown"}, 404),
        ({"hook": "encounter-start"}, 404),
        ({"prefetch": "magic"}, 400),
        ({"server": "magic"}, 400),
        ({"token": "magic"}, 400),
        ({"without": "patient"}, 400),
    ],
)
def test_a_wrong_call_is_refused(desk: Desk, asked: dict[str, Any], status: int) -> None:
    body = {"service": "fake", "hook": "patient-view", "patient": "wren", **asked}

    assert desk.http.post("/ehr/calls", json=body).status_code == status


def test_an_ehr_that_does_not_sign_has_no_keys(desk: Desk) -> None:
    assert desk.http.get("/ehr/services").get_json()["signing"] is None
    assert desk.http.get("/.well-known/jwks.json").status_code == 404
    assert desk.http.post("/ehr/rotate-key", json={}).status_code == 404
    assert desk.call()["token"] is None


def test_what_a_form_on_another_site_can_send_is_refused(desk: Desk) -> None:
    assert desk.http.post("/ehr/calls", data='{"service": "fake"}', content_type="text/plain").status_code == 415


def test_an_accepted_suggestion_is_in_the_chart_and_reported(desk: Desk) -> None:
    call = desk.call()

    done = desk.http.post("/ehr/accept", json={"call": call["id"], "card": 0, "suggestion": 0}).get_json()

    chart = desk.http.get("/ehr/patients/wren").get_json()
    assert [(order["text"], order["status"]) for order in chart["orders"]] == [("Body weight", "draft")]
    assert done["feedback"] == 200
    (entry,) = desk.seen[-1]["feedback"]
    assert entry["acceptedSuggestions"] == [{"id": CARD["suggestions"][0]["uuid"]}]


def test_an_override_is_reported_with_its_reason_and_comment(desk: Desk) -> None:
    call = desk.call()

    body = {"call": call["id"], "card": 0, "reason": 1, "comment": " seen "}
    assert desk.http.post("/ehr/override", json=body).get_json() == {"feedback": 200}

    (entry,) = desk.seen[-1]["feedback"]
    assert entry["overrideReason"] == {"reason": CARD["overrideReasons"][1], "userComment": "seen"}


@pytest.mark.parametrize("path", ["/ehr/accept", "/ehr/override"])
def test_an_answer_to_an_unknown_card_is_refused(desk: Desk, path: str) -> None:
    call = desk.call()

    assert desk.http.post(path, json={"call": "other", "card": 0, "suggestion": 0}).status_code == 404
    assert desk.http.post(path, json={"call": call["id"], "card": 5, "suggestion": 0}).status_code == 404
