"""Accepted suggestions change the chart, as one transaction."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.ehr.errors import Refused
from sandbox.ehr.ordering import apply
from sandbox.ehr.store import Store

ORDER: dict[str, Any] = {"resourceType": "ServiceRequest", "status": "draft", "subject": {"reference": "Patient/p"}}
DRUG: dict[str, Any] = {
    "resourceType": "MedicationRequest",
    "id": "m",
    "status": "active",
    "subject": {"reference": "Patient/p"},
}


@pytest.fixture
def store() -> Store:
    store = Store(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    store.fill([{"resourceType": "Patient", "id": "p"}, DRUG])
    return store


def create(resource: dict[str, Any]) -> dict[str, Any]:
    return {"type": "create", "description": "make it", "resource": resource}


def test_a_created_order_is_in_the_chart_under_an_id_of_the_ehr(store: Store) -> None:
    (stored,) = apply(store, [create({**ORDER, "id": "temporary"})])

    assert store.of_patient("ServiceRequest", "p") == [stored]
    assert stored["id"] != "temporary"


@pytest.mark.parametrize("reference", ["ServiceRequest/temporary", "urn:uuid:temporary"])
def test_references_between_created_resources_follow_their_new_ids(store: Store, reference: str) -> None:
    task = {"resourceType": "Task", "focus": {"reference": reference}, "for": {"reference": "Patient/p"}}
    made, order = apply(store, [create(task), create({**ORDER, "id": "temporary"})])

    assert made["focus"]["reference"] == f"ServiceRequest/{order['id']}"


def test_a_delete_comes_before_a_create(store: Store) -> None:
    apply(store, [create(ORDER), {"type": "delete", "description": "stop", "resourceId": "MedicationRequest/m"}])

    assert store.of_patient("MedicationRequest", "p") == []
    assert len(store.of_patient("ServiceRequest", "p")) == 1


def test_the_older_form_of_a_delete_is_understood(store: Store) -> None:
    apply(store, [{"type": "delete", "description": "stop", "resource": "MedicationRequest/m"}])

    assert store.of_patient("MedicationRequest", "p") == []


def test_an_update_replaces_the_version_it_was_made_from(store: Store) -> None:
    changed = {**store.read("MedicationRequest", "m"), "status": "stopped"}
    apply(store, [{"type": "update", "description": "stop", "resource": changed}])

    assert store.read("MedicationRequest", "m")["status"] == "stopped"
    with pytest.raises(Refused) as refused:
        apply(store, [{"type": "update", "description": "stop", "resource": changed}])
    assert refused.value.status == 409


@pytest.mark.parametrize(
    "action",
    [
        {"type": "create", "description": "no resource"},
        {"type": "delete", "description": "no id"},
        {"type": "delete", "description": "not there", "resourceId": "MedicationRequest/other"},
        {"type": "update", "description": "not there", "resource": {**DRUG, "id": "other"}},
    ],
)
def test_one_action_that_fails_undoes_all(store: Store, action: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        apply(store, [create(ORDER), action])

    assert store.of_patient("ServiceRequest", "p") == []
    assert store.of_patient("MedicationRequest", "p") == [store.read("MedicationRequest", "m")]
