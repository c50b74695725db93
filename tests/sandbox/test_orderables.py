"""What can be ordered, and an order as a draft."""

from datetime import UTC, datetime
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from sandbox.patients.orderables import Bedside, draft_of, orderables
from sandbox.patients.stories import Dosing, Draft

NOW = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)
WARD = Bedside("wren", NOW, "wren-encounter-1", "Practitioner/9")


@pytest.mark.parametrize("name", orderables())
def test_whatever_can_be_ordered_is_a_valid_draft(name: str) -> None:
    draft = draft_of(Draft(name, reason="I10"), "draft-1", WARD)

    model = get_fhir_model_class(draft["resourceType"])
    assert model is not None
    model.model_validate(draft)
    assert (draft["status"], draft["intent"], draft["subject"]) == ("draft", "order", {"reference": "Patient/wren"})


def test_a_draft_says_who_ordered_what_for_whom_and_how_it_is_taken() -> None:
    assert draft_of(Draft("diazepam"), "draft-1", WARD) == {
        "resourceType": "MedicationRequest",
        "id": "draft-1",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [
                {
                    "system": "http://www.nlm.nih.gov/research/umls/rxnorm",
                    "code": "197591",
                    "display": "diazepam 5 MG Oral Tablet",
                },
            ],
            "text": "diazepam 5 MG Oral Tablet",
        },
        "subject": {"reference": "Patient/wren"},
        "encounter": {"reference": "Encounter/wren-encounter-1"},
        "authoredOn": "2026-11-24T15:30:00+00:00",
        "requester": {"reference": "Practitioner/9"},
        "dosageInstruction": [
            {
                "text": "5 mg up to three times a day, when needed",
                "timing": {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}},
                "asNeededBoolean": True,
                "doseAndRate": [
                    {"doseQuantity": {"value": 5, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}},
                ],
            },
        ],
    }


def test_a_draft_may_differ_from_what_is_usually_ordered() -> None:
    dosing = Dosing("one patch every 48 hours", 1, "{patch}", per="48 hours")
    drug = draft_of(Draft("fentanyl-patch", dosing, more={"priority": "urgent"}), "draft-1", WARD)
    test = draft_of(Draft("ctpa", reason="R07.9", due="2 days"), "draft-2", WARD)

    repeat: dict[str, Any] = drug["dosageInstruction"][0]["timing"]["repeat"]
    assert repeat == {"frequency": 1, "period": 48, "periodUnit": "h"}
    assert drug["priority"] == "urgent"
    assert test["occurrenceDateTime"] == "2026-11-26T15:30:00+00:00"
    assert test["reasonCode"][0]["coding"][0]["code"] == "R07.9"


def test_an_unknown_order_and_a_drug_that_is_due_are_refused() -> None:
    with pytest.raises(KeyError):
        draft_of(Draft("snake-oil"), "draft-1", WARD)
    with pytest.raises(ValueError, match="can be due"):
        draft_of(Draft("warfarin", due="2 days"), "draft-1", WARD)
