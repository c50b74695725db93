"""Order entry as the page asks for it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from fhir.resources.R4B import get_fhir_model_class
from flask.testing import FlaskClient

from sandbox.client import CdsClient
from sandbox.hospital import local_hospital, story_entries, story_resources
from sandbox.pages.app import create_ehr_app
from sandbox.patients.allergens import allergens, allergy_of
from sandbox.serving import Serving
from tests.sandbox.fake_service import create_fake_service

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def http() -> Iterator[FlaskClient]:
    resources, stories = story_resources(NOW)
    with Serving(lambda _: create_fake_service()) as service, requests.Session() as session:
        hospital = local_hospital(resources, "http://localhost/fhir", lambda: NOW, stories, story_entries(NOW))
        client = CdsClient(service.origin, hospital.charts, None, http=session)
        yield create_ehr_app(hospital, client, lambda: NOW).test_client()


def post(http: FlaskClient, path: str, **asked: Any) -> Any:
    return http.post(path, json=asked).get_json()


def drafts(http: FlaskClient, patient: str) -> list[str]:
    return [draft["text"] for draft in http.get(f"/ehr/patients/{patient}/entered").get_json()["drafts"]]


def test_a_story_begins_with_what_it_drafts(http: FlaskClient) -> None:
    assert drafts(http, "gannet") == ["Creatinine, serum or plasma", "ibuprofen 400 MG Oral Tablet"]
    assert drafts(http, "wren") == []


def test_a_picked_order_is_what_order_sign_is_fired_with(http: FlaskClient) -> None:
    before = post(http, "/ehr/calls", service="orders", hook="order-sign", patient="bison")
    picked = post(http, "/ehr/orders", patient="bison", order="warfarin", user="Practitioner/7")["picked"]
    call = post(http, "/ehr/calls", service="orders", hook="order-sign", patient="bison", picked=picked)

    assert before == {"skipped": "nothing is ordered"}
    (entry,) = call["request"]["context"]["draftOrders"]["entry"]
    draft = entry["resource"]
    assert picked == f"MedicationRequest/{draft['id']}"
    assert draft["encounter"] == {"reference": "Encounter/bison-encounter-1"}
    assert draft["requester"] == {"reference": "Practitioner/7"}
    assert call["status"] == 200


def test_signed_orders_leave_the_drafts_for_the_chart(http: FlaskClient) -> None:
    post(http, "/ehr/orders", patient="wren", order="hba1c")
    done = post(http, "/ehr/orders/sign", patient="wren")

    chart = http.get("/ehr/patients/wren").get_json()
    assert len(done["placed"]) == 1
    assert [(order["text"], order["status"]) for order in chart["orders"]] == [("Hemoglobin A1c", "active")]
    assert drafts(http, "wren") == []


def test_a_removed_draft_is_gone(http: FlaskClient) -> None:
    picked = post(http, "/ehr/orders", patient="wren", order="hba1c")["picked"]
    post(http, "/ehr/orders/remove", patient="wren", draft=picked)

    assert drafts(http, "wren") == []
    gone = {"service": "orders", "hook": "order-sign", "patient": "wren", "picked": picked}
    assert http.post("/ehr/calls", json=gone).status_code == 404


def test_an_allergy_is_entered_and_saved(http: FlaskClient) -> None:
    offered = http.get("/ehr/orderables").get_json()
    chosen = {"substance": offered["substances"][0]["code"], "reaction": offered["reactions"][0]["code"]}
    post(http, "/ehr/allergies", patient="wren", kind="allergy", severity="mild", **chosen)

    assert http.get("/ehr/patients/wren/entered").get_json()["allergy"] == "penicillin G"
    assert http.get("/ehr/patients/wren").get_json()["allergies"] == []
    (reference,) = post(http, "/ehr/allergies/save", patient="wren")["placed"]
    assert reference.startswith("AllergyIntolerance/allergy-")
    assert http.get("/ehr/patients/wren").get_json()["allergies"] == ["penicillin G"]


def test_what_the_form_enters_is_valid_fhir() -> None:
    for substance in allergens().substances:
        for reaction in allergens().reactions:
            chosen = {"substance": substance, "reaction": reaction, "kind": "allergy", "severity": "severe"}
            entry = allergy_of(chosen, "a1", "wren")
            model = get_fhir_model_class("AllergyIntolerance")
            assert model is not None
            assert entry is not None
            model.model_validate(entry)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/ehr/orders", {"order": "snake-oil"}),
        ("/ehr/allergies", {"substance": "0", "reaction": "422587007", "kind": "allergy", "severity": "mild"}),
        ("/ehr/allergies", {"substance": "7980", "reaction": "0", "kind": "allergy", "severity": "mild"}),
        ("/ehr/allergies", {"substance": "7980", "reaction": "422587007", "kind": "whim", "severity": "mild"}),
        ("/ehr/allergies", {"substance": "7980", "reaction": "422587007", "kind": "allergy", "severity": "odd"}),
    ],
)
def test_what_is_not_offered_is_refused(http: FlaskClient, path: str, asked: dict[str, str]) -> None:
    assert http.post(path, json={"patient": "wren", **asked}).status_code == 404
