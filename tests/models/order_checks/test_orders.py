"""Which orders a check looks at: not those that are over, changed or replaced, and each draft as itself."""

from typing import Any

import pytest

from fhir_client.codes import RXNORM
from fhir_client.record import PatientRecord
from models.assessment import Findings
from models.order_checks.engine import ORDER_CHECKS
from models.order_checks.orders import drug_orders
from models.site import Site
from tests.builders import Resource, a_medication, a_reaction, a_record, an_allergy
from tests.dosing import a_day, instruction, quantity

SIMVASTATIN, CLARITHROMYCIN, WARFARIN, APIXABAN, PARACETAMOL = "36567", "21212", "11289", "1364430", "161"
AMOXICILLIN, IBUPROFEN, ANAPHYLAXIS = "723", "5640", "39579001"
DRUG_OF_THE_PAIR = "statin-cyp3a4-inhibitor"


def a_draft(code: str, id: str | None = "d1", *, status: str = "draft", **more: Any) -> Resource:
    draft = a_medication(code, id=id, status=status, **more)
    return {name: value for name, value in draft.items() if value is not None}


def found(record: PatientRecord) -> list[str]:
    checks = ORDER_CHECKS.assess(record, Site())
    return [finding.rule.id for finding in checks.found] if isinstance(checks, Findings) else []


@pytest.mark.parametrize("status", ["draft", "active", "on-hold", "unknown"])
def test_a_draft_that_asks_for_the_drug_is_checked(status: str) -> None:
    record = a_record(a_medication(SIMVASTATIN), drafts=(a_draft(CLARITHROMYCIN, status=status),))
    assert found(record) == [DRUG_OF_THE_PAIR]


@pytest.mark.parametrize("status", ["stopped", "cancelled", "completed", "ended", "entered-in-error"])
def test_a_draft_that_is_over_asks_for_nothing(status: str) -> None:
    assert found(a_record(a_medication(SIMVASTATIN), drafts=(a_draft(CLARITHROMYCIN, status=status),))) == []


@pytest.mark.parametrize("status", ["stopped", "entered-in-error"])
def test_an_order_that_a_draft_ends_is_not_looked_at(status: str) -> None:
    taken = a_medication(SIMVASTATIN, id="a1")
    drafts = (a_draft(SIMVASTATIN, "a1", status=status), a_draft(CLARITHROMYCIN))
    assert found(a_record(taken, drafts=drafts)) == []


def test_an_order_that_a_draft_replaces_is_not_looked_at() -> None:
    taken = a_medication(WARFARIN, id="a1")
    switched = a_draft(APIXABAN, priorPrescription={"reference": "https://ehr.example/r4/MedicationRequest/a1"})
    assert found(a_record(taken, drafts=(switched,))) == []
    assert found(a_record(taken, drafts=(a_draft(APIXABAN),))) == ["two-anticoagulants"]


def test_behind_an_order_that_is_ended_the_other_for_the_same_drug_counts() -> None:
    taken = (a_medication(SIMVASTATIN, id="a1", authored="2024-05-01"), a_medication(SIMVASTATIN, id="a2"))
    drafts = (a_draft(SIMVASTATIN, "a1", status="stopped"), a_draft(CLARITHROMYCIN))
    checks = ORDER_CHECKS.assess(a_record(*taken, drafts=drafts), Site())
    assert isinstance(checks, Findings)
    assert [finding.orders for finding in checks.found] == [("MedicationRequest/d1", "MedicationRequest/a2")]


def test_a_draft_whose_client_has_a_fast_clock_is_checked() -> None:
    """What is being written now is no fact of the future."""
    ahead = a_draft(CLARITHROMYCIN, authored="2024-06-01T00:05:00Z")
    assert found(a_record(a_medication(SIMVASTATIN), drafts=(ahead,))) == [DRUG_OF_THE_PAIR]


@pytest.mark.parametrize("ids", [(None, None), ("d1", "d1")])
def test_two_drafts_without_a_name_of_their_own_are_two(ids: tuple[str | None, str | None]) -> None:
    allergies = [an_allergy(code, a_reaction(ANAPHYLAXIS)) for code in (AMOXICILLIN, IBUPROFEN)]
    drafts = (a_draft(AMOXICILLIN, ids[0]), a_draft(IBUPROFEN, ids[1]))
    checks = ORDER_CHECKS.assess(a_record(*allergies, drafts=drafts), Site())
    assert isinstance(checks, Findings)
    assert [finding.rule.id for finding in checks.found] == ["allergy-to-drug-grave"] * 2
    assert len({finding.orders for finding in checks.found}) == 2


def test_a_draft_without_an_id_is_not_taken_for_an_order_without_one() -> None:
    taken = {name: value for name, value in a_medication(SIMVASTATIN).items() if name != "id"}
    assert found(a_record(taken, drafts=(a_draft(CLARITHROMYCIN, None),))) == [DRUG_OF_THE_PAIR]


def test_an_order_that_nobody_knows_counts_once_if_a_draft_changes_it() -> None:
    taken = (a_medication("0", id="a1"), a_medication("0", id="a2"))
    orders = drug_orders(a_record(*taken, drafts=(a_draft("0", "a1"), a_draft(WARFARIN))))
    assert (orders.unresolved, orders.unresolved_asked_about) == (2, 1)


def test_every_order_for_paracetamol_is_in_the_sum() -> None:
    two_grams = [instruction(quantity(1000, "mg"), a_day(2))]
    product = {"coding": [{"system": RXNORM, "code": "198440"}]}
    taken = [a_medication(product, dosageInstruction=two_grams) for _ in range(2)]
    draft = a_draft(PARACETAMOL, dosageInstruction=two_grams)
    assert found(a_record(taken[0], drafts=(draft,))) == []
    assert found(a_record(*taken, drafts=(draft,))) == ["paracetamol-above-4-g"]


def test_of_many_orders_for_one_drug_two_are_tried_as_partners() -> None:
    """Each of a thousand drafts beside each other one would be a million."""
    many = tuple(a_draft(WARFARIN, f"d{number}") for number in range(50))
    orders = drug_orders(a_record(a_medication(APIXABAN), drafts=many))
    assert len(orders.asked_about) == 50
    assert [order.ingredients for order in orders.of_each_kind] == [frozenset({WARFARIN})] * 2 + [frozenset({APIXABAN})]
    assert found(a_record(a_medication(APIXABAN), drafts=many)) == ["two-anticoagulants"] * 50


LITHIUM, DICLOFENAC_TABLET, DICLOFENAC_GEL = "6448", "855942", "855633"
LONG_AGO = "2023-01-01"


def test_what_is_renewed_has_been_taken_as_long_as_what_it_replaces() -> None:
    taken = (a_medication(IBUPROFEN, id="a1", authored=LONG_AGO), a_medication(LITHIUM, authored=LONG_AGO))
    renewed = a_draft(IBUPROFEN, priorPrescription={"reference": "MedicationRequest/a1"})
    assert found(a_record(*taken, drafts=(renewed,))) == []
    assert found(a_record(taken[1], drafts=(a_draft(IBUPROFEN),))) == ["lithium-raising-drug"]


def test_a_gel_that_was_used_for_long_does_not_make_a_tablet_tolerated() -> None:
    taken = (a_medication(LITHIUM, authored=LONG_AGO), a_medication(DICLOFENAC_GEL, authored=LONG_AGO))
    assert found(a_record(*taken, drafts=(a_draft(DICLOFENAC_TABLET),))) == ["lithium-raising-drug"]
