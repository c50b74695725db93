from typing import Any

import pytest

from fhir_client.references import medications_pointed_at

DRUG = {"resourceType": "Medication", "id": "7"}


def an_order(kind: str = "MedicationRequest", **elements: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": "1", **elements}


@pytest.mark.parametrize(
    ("order", "pointers"),
    [
        (an_order(medicationReference={"reference": "Medication/7"}), ("Medication/7",)),
        (an_order("MedicationOrder", medicationReference={"reference": "Medication/7"}), ("Medication/7",)),
        (an_order(medication={"reference": {"reference": "Medication/7"}}), ("Medication/7",)),
        (
            an_order(medicationReference={"reference": "https://fhir.example/r4/Medication/7/_history/2"}),
            ("https://fhir.example/r4/Medication/7/_history/2",),
        ),
        (an_order(medicationReference={"reference": "#7"}), ()),
        (an_order(medicationReference={"reference": "urn:uuid:7"}), ()),
        (an_order(medicationReference={"reference": "Substance/7"}), ()),
        (an_order(medicationReference={"display": "a drug"}), ()),
        (an_order(medicationReference="Medication/7"), ()),
        (an_order(medicationCodeableConcept={"text": "a drug"}), ()),
        (an_order("Observation", medicationReference={"reference": "Medication/7"}), ()),
    ],
)
def test_a_drug_named_by_reference_is_pointed_at(order: dict[str, Any], pointers: tuple[str, ...]) -> None:
    assert medications_pointed_at([order, order]) == pointers
    assert medications_pointed_at([order, DRUG]) == ()
