"""What is entered and not in the chart: picked, advised on, signed or saved."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.client import Entered
from sandbox.ehr.errors import Refused
from sandbox.ehr.store import Store
from sandbox.scratchpad import Scratchpad

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TEST: dict[str, Any] = {
    "resourceType": "ServiceRequest",
    "id": "t1",
    "status": "draft",
    "subject": {"reference": "Patient/a"},
}
DRUG: dict[str, Any] = {**TEST, "resourceType": "MedicationRequest", "id": "m1"}
TASK: dict[str, Any] = {"resourceType": "Task", "status": "requested", "for": {"reference": "Patient/a"}}
ALLERGY: dict[str, Any] = {"resourceType": "AllergyIntolerance", "id": "x1", "patient": {"reference": "Patient/a"}}


@pytest.fixture
def chart() -> Store:
    return Store(lambda: NOW)


@pytest.fixture
def pad() -> Scratchpad:
    return Scratchpad(lambda: NOW, Entered((TEST, DRUG)))


def ids(pad: Scratchpad) -> list[str]:
    return [draft["id"] for draft in pad.drafts]


def test_drafts_keep_the_order_in_which_they_were_entered(pad: Scratchpad) -> None:
    pad.add({**TEST, "id": "t2"})

    assert ids(pad) == ["t1", "m1", "t2"]
    entered = pad.entered("ServiceRequest/t2")
    assert ([draft["id"] for draft in entered.drafts], entered.picked) == (["t1", "m1", "t2"], ("ServiceRequest/t2",))


def test_a_draft_that_is_gone_cannot_be_selected(pad: Scratchpad) -> None:
    pad.remove("MedicationRequest/m1")

    with pytest.raises(Refused) as caught:
        pad.entered("MedicationRequest/m1")
    assert caught.value.status == 404


def test_a_suggestion_changes_the_drafts_and_leaves_the_chart(pad: Scratchpad, chart: Store) -> None:
    instead = {**DRUG, "id": "temporary"}
    actions: list[dict[str, Any]] = [
        {"type": "delete", "resourceId": "MedicationRequest/m1"},
        {"type": "create", "resource": instead},
        {"type": "update", "resource": {**TEST, "priority": "urgent"}},
    ]

    said = pad.apply(chart, actions, "order-select")

    first, second = pad.drafts
    assert (first["id"], first["priority"]) == ("t1", "urgent")
    assert second["id"] not in ("m1", "temporary")
    assert said == [
        f"MedicationRequest/{second['id']} among the drafts",
        "ServiceRequest/t1 among the drafts",
        "MedicationRequest/m1 removed",
    ]
    assert list(chart.types()) == []


def test_what_is_no_order_goes_into_the_chart(pad: Scratchpad, chart: Store) -> None:
    (said,) = pad.apply(chart, [{"type": "create", "resource": TASK}], "order-sign") or []

    (task,) = chart.of_type("Task")
    assert said == f"Task/{task['id']} in the chart"
    assert ids(pad) == ["t1", "m1"]


def test_an_order_that_an_opened_chart_suggests_is_in_the_chart(pad: Scratchpad, chart: Store) -> None:
    pad.apply(chart, [{"type": "create", "resource": TEST}], "patient-view")

    assert len(chart.of_type("ServiceRequest")) == 1
    assert ids(pad) == ["t1", "m1"]


def test_a_suggestion_is_carried_out_whole_or_not_at_all(pad: Scratchpad, chart: Store) -> None:
    actions = [
        {"type": "delete", "resourceId": "MedicationRequest/m1"},
        {"type": "delete", "resourceId": "Task/unknown"},
    ]

    with pytest.raises(Refused):
        pad.apply(chart, actions, "order-select")
    assert ids(pad) == ["t1", "m1"]


def test_drafts_change_beside_a_chart_that_is_read_only_but_not_together_with_it(pad: Scratchpad) -> None:
    removal = {"type": "delete", "resourceId": "MedicationRequest/m1"}

    assert pad.apply(None, [removal, {"type": "create", "resource": TASK}], "order-select") is None
    assert ids(pad) == ["t1", "m1"]
    assert pad.apply(None, [removal], "order-select") == ["MedicationRequest/m1 removed"]
    assert ids(pad) == ["t1"]


def test_signed_drafts_are_active_orders_of_the_chart(pad: Scratchpad, chart: Store) -> None:
    placed = pad.sign(chart)

    assert [(each["id"], each["status"], each["meta"]["versionId"]) for each in placed] == [
        ("t1", "active", "1"),
        ("m1", "active", "1"),
    ]
    assert chart.of_patient("MedicationRequest", "a") == [placed[1]]
    assert pad.drafts == []


def test_there_is_one_new_allergy_and_it_is_saved_once(pad: Scratchpad, chart: Store) -> None:
    pad.add(ALLERGY)
    pad.add({**ALLERGY, "id": "x2"})
    pad.apply(chart, [{"type": "update", "resource": {**ALLERGY, "id": "x2", "type": "intolerance"}}], (
        "allergyintolerance-create"
    ))  # fmt: skip

    (saved,) = pad.save_allergy(chart)

    assert (saved["id"], saved["type"]) == ("x2", "intolerance")
    assert chart.of_type("AllergyIntolerance") == [saved]
    assert pad.save_allergy(chart) == []
