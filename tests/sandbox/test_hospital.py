"""What a hook is fired with: the chart, the stay, and what was entered."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.client import Entered, Moment
from sandbox.hospital import Hospital, NotFired, apart_from_drafts, local_hospital, story_entries, story_resources

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DRAFT: dict[str, Any] = {"resourceType": "MedicationRequest", "id": "d1", "status": "draft"}


@pytest.fixture(scope="module")
def hospital() -> Hospital:
    resources, stories = story_resources(NOW)
    return local_hospital(resources, "http://localhost/fhir", lambda: NOW, stories, story_entries(NOW))


def moment(hospital: Hospital, hook: str, patient: str, entered: Entered | None = None) -> Moment:
    found = hospital.moment(hook, patient, entered=entered)
    assert isinstance(found, Moment)
    return found


def test_order_select_is_fired_with_all_drafts_and_the_one_just_picked(hospital: Hospital) -> None:
    context = moment(hospital, "order-select", "gannet").context_of("order-select")

    assert context["encounterId"] == "gannet-encounter-1"
    drafts = [entry["resource"] for entry in context["draftOrders"]["entry"]]
    assert [draft["id"] for draft in drafts] == ["gannet-draft-1", "gannet-draft-2"]
    assert {draft["status"] for draft in drafts} == {"draft"}
    assert context["selections"] == ["MedicationRequest/gannet-draft-2"]


def test_order_sign_is_about_all_drafts(hospital: Hospital) -> None:
    context = moment(hospital, "order-sign", "gannet").context_of("order-sign")

    assert context.keys() == {"userId", "patientId", "encounterId", "draftOrders"}


def test_the_chart_alone_is_what_a_chart_is_opened_with(hospital: Hospital) -> None:
    context = moment(hospital, "patient-view", "gannet").context_of("patient-view")

    assert context.keys() == {"userId", "patientId", "encounterId"}


def test_a_new_allergy_is_the_entry_itself(hospital: Hospital) -> None:
    allergy = {"resourceType": "AllergyIntolerance", "id": "new"}
    found = moment(hospital, "allergyintolerance-create", "wren", Entered(allergy=allergy))

    assert found.context_of("allergyintolerance-create")["allergyIntolerance"] == allergy


@pytest.mark.parametrize(
    ("hook", "patient", "why"),
    [
        ("order-select", "goose", "nothing is ordered"),
        ("order-sign", "goose", "nothing is ordered"),
        ("allergyintolerance-create", "goose", "no allergy is entered"),
        ("encounter-discharge", "goose", "no encounter"),
    ],
)
def test_a_hook_is_not_fired_without_what_it_is_about(hospital: Hospital, hook: str, patient: str, why: str) -> None:
    assert hospital.moment(hook, patient) == NotFired(why)


def test_what_is_entered_now_stands_in_place_of_what_the_story_drafts(hospital: Hospital) -> None:
    assert hospital.moment("order-sign", "gannet", entered=Entered()) == NotFired("nothing is ordered")
    found = moment(hospital, "order-sign", "gannet", Entered((DRAFT,)))
    assert found.context_of("order-sign")["draftOrders"]["entry"] == [{"resource": DRAFT}]


def test_draft_orders_of_a_bundle_are_no_part_of_the_chart() -> None:
    mine = {**DRAFT, "subject": {"reference": "Patient/a"}}
    placed = {**mine, "id": "d2", "status": "active"}

    kept, entered = apart_from_drafts([placed, mine])

    assert kept == [placed]
    assert entered == {"a": Entered((mine,), ("MedicationRequest/d1",))}
