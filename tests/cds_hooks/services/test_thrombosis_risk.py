"""Thrombosis at admission: who is shown, what silences it, and what is said where the chart could not be read."""

from typing import Any

import pytest

from cds_hooks.protocol.cards import Card, CreateAction, Indicator
from cds_hooks.protocol.hooks import Hook
from cds_hooks.services.thrombosis_risk import SERVICE
from fhir_client.codes import SNOMED_CT, Code
from fhir_client.record import Availability, PatientRecord
from tests.builders import Resource, a_condition, a_medication, a_patient, a_record, an_encounter, an_observation
from tests.cds_hooks.services.showing import cards_of

CANCER, WORDS = "C34.90", {"text": "something in words"}
ENOXAPARIN, APIXABAN, HEPARIN, PARACETAMOL, NO_PRODUCT = "854235", "1364445", "5224", "161", "99999999"
BLOOD = "2024-05-31T20:00:00Z"
AT_START, AT_SIGNING = Hook.ENCOUNTER_START, Hook.ORDER_SIGN


def a_chart(*more: Resource, age: int = 74, admitted: str = "2024-05-31T18:00:00Z", **record: Any) -> PatientRecord:
    """Someone admitted six hours ago, with an active cancer and over 70: 4 points of Padua are known."""
    stay = an_encounter("IMP", admitted, id="stay")
    patient = a_patient(born=f"{2024 - age}-01-10")
    return a_record(patient, stay, a_condition(CANCER), *more, encounter_id="stay", **record)


def a_draft(drug: str, **more: Any) -> Resource:
    return a_medication(drug, id=f"draft-{drug}", status="draft", authored=None, **more)


def the_card(record: PatientRecord, hook: Hook = AT_START) -> Card:
    (card,) = cards_of(SERVICE, record, hook=hook)
    return card


def summaries(record: PatientRecord, hook: Hook = AT_START) -> list[str]:
    return [card.summary for card in cards_of(SERVICE, record, hook=hook)]


SHOWN = ["High risk of thrombosis (Padua at least 4), no anticoagulant ordered"]


def test_a_high_risk_without_an_anticoagulant_says_it_with_inputs_and_bleeding() -> None:
    card = the_card(a_chart(an_observation("777-3", 231, "10*3/uL", on=BLOOD)))
    assert [card.summary] == SHOWN
    assert card.source.url == "https://doi.org/10.1111/j.1538-7836.2010.04044.x"
    for part in (
        "Points for: active cancer (3), age (1).",
        "| Active cancer | yes | 2020-01-15 |",
        "| Bed rest for three days or more | missing: not found",
        "| Platelets | 231 10⁹/L | 2024-05-31 |",
        "| INR | missing: not found |",
        "| Major bleeding within three months | no |",
        "Not looked for: heparin-induced thrombocytopenia",
        "Model padua 1.0.0.",
        "4 points or more are high risk",
        "does not replace, clinical judgement",
    ):
        assert part in str(card.detail)


def test_a_whole_score_is_no_lower_bound() -> None:
    known = [a_condition("Z74.01", onset="2024-05-20"), a_condition("S72.001A", onset="2024-05-20")]
    bmi = an_observation("39156-5", 24, "kg/m2", on="2024-05-20")
    assert summaries(a_chart(*known, bmi)) == ["High risk of thrombosis (Padua 9), no anticoagulant ordered"]


def test_three_points_are_silence() -> None:
    assert summaries(a_chart(age=69)) == []


def test_before_orders_it_is_information_and_once_they_are_signed_a_warning() -> None:
    record = a_chart(drafts=(a_draft(PARACETAMOL),))
    assert the_card(record, AT_START).indicator is Indicator.INFO
    assert the_card(record, AT_SIGNING).indicator is Indicator.WARNING


def test_a_review_is_suggested_and_platelets_where_there_are_none() -> None:
    review, platelets = the_card(a_chart()).suggestions
    (action,) = review.actions
    assert isinstance(action, CreateAction)
    assert action.resource["description"] == "Review prophylaxis of thrombosis, with the risk of bleeding"
    assert platelets.label == "Order: Platelet count"
    (alone,) = the_card(a_chart(an_observation("777-3", 231, "10*3/uL", on=BLOOD))).suggestions
    assert alone.label == review.label
    assert [each.is_recommended for each in (review, platelets)] == [None, None]


def test_an_answer_at_the_start_holds_at_signing() -> None:
    record = a_chart(drafts=(a_draft(PARACETAMOL),))
    assert the_card(record, AT_START).findings == the_card(record, AT_SIGNING).findings != ()


@pytest.mark.parametrize("hook", [AT_START, AT_SIGNING])
@pytest.mark.parametrize("drug", [ENOXAPARIN, APIXABAN, HEPARIN, "67109", "321208", "855332"])
def test_an_anticoagulant_that_is_ordered_is_silence(drug: str, hook: Hook) -> None:
    assert summaries(a_chart(a_medication(drug)), hook) == []


def test_an_anticoagulant_that_was_stopped_is_none() -> None:
    assert summaries(a_chart(a_medication(ENOXAPARIN, status="stopped"))) == SHOWN


def test_an_anticoagulant_about_to_be_signed_is_silence() -> None:
    assert summaries(a_chart(drafts=(a_draft(PARACETAMOL), a_draft(ENOXAPARIN))), AT_SIGNING) == []


def test_an_order_that_a_draft_ends_is_none() -> None:
    """The draft with the id of the order is the order, stopped."""
    order = a_medication(ENOXAPARIN, id="m1")
    ending = {**a_medication(ENOXAPARIN, id="m1", status="stopped")}
    assert summaries(a_chart(order), AT_SIGNING) == []
    assert summaries(a_chart(order, drafts=(ending,)), AT_SIGNING) == SHOWN


def test_a_draft_that_forbids_one_is_none() -> None:
    forbidden = a_draft(ENOXAPARIN, doNotPerform=True)
    assert summaries(a_chart(drafts=(forbidden,)), AT_SIGNING) == SHOWN


@pytest.mark.parametrize(
    ("resource", "shown"),
    [
        (an_observation("777-3", 49, "10*3/uL", on=BLOOD), 0),
        (an_observation("777-3", 50, "10*3/uL", on=BLOOD), 1),
        (an_observation("777-3", 49, "10*3/uL", on="2024-05-20"), 1),  # more than a week ago
        (an_observation("6301-6", 1.6, "{INR}", on=BLOOD), 0),
        (an_observation("6301-6", 1.5, "{INR}", on=BLOOD), 1),
        (a_condition("K92.2", onset="2024-04-20"), 0),
        (a_condition("K92.2", onset="2024-04-20", clinical_status="resolved"), 0),
        (a_condition("K92.2", onset="2023-04-20"), 1),
    ],
)
def test_bleeding_speaks_against_it(resource: Resource, shown: int) -> None:
    assert len(summaries(a_chart(resource))) == shown
    assert len(summaries(a_chart(resource, a_medication(NO_PRODUCT)))) == shown


def test_at_signing_it_is_about_admission_orders() -> None:
    later = a_chart(admitted="2024-05-29T18:00:00Z", drafts=(a_draft(PARACETAMOL),))
    assert summaries(later, AT_SIGNING) == []
    assert summaries(later, AT_START) == SHOWN


@pytest.mark.parametrize("kind", ["EMER", "AMB", "OBSENC"])
def test_who_is_not_admitted_is_silence(kind: str) -> None:
    visit = an_encounter(kind, "2024-05-31T18:00:00Z", id="stay")
    record = a_record(a_patient(born="1950-01-10"), visit, a_condition(CANCER), encounter_id="stay")
    assert summaries(record) == summaries(record, AT_SIGNING) == []


@pytest.mark.parametrize("more", [a_condition("Z51.5"), a_condition("Z33.1", onset="2024-01-10")])
def test_whom_the_score_was_not_made_for_is_silence(more: Resource) -> None:
    assert summaries(a_chart(more)) == []


def test_a_drug_that_is_not_recognised_is_no_proof_of_no_anticoagulant() -> None:
    card = the_card(a_chart(a_medication(NO_PRODUCT), a_medication("314077")))
    assert card.summary == (
        "High risk of thrombosis (Padua at least 4); anticoagulant not known: 1 of 2 drugs ordered not recognised"
    )
    assert card.indicator is Indicator.INFO
    assert "It is not read as no." in str(card.detail)


def test_a_draft_that_is_not_recognised_is_none_either() -> None:
    assert summaries(a_chart(drafts=(a_draft(NO_PRODUCT),)), AT_SIGNING) == [
        "High risk of thrombosis (Padua at least 4); anticoagulant not known: 1 of 1 drugs ordered not recognised"
    ]


def states(**changed: Availability) -> dict[str, Availability]:
    by_key = {name.replace("_", "-"): state for name, state in changed.items()}
    return dict.fromkeys(SERVICE.searches, Availability.COMPLETE) | by_key


def test_orders_that_could_not_be_read_are_named() -> None:
    assert summaries(a_chart(availability=states(medications=Availability.DENIED))) == [
        "High risk of thrombosis (Padua at least 4); anticoagulant not known: could not be read: access was denied"
    ]


def test_orders_that_could_not_be_read_come_before_a_draft_that_is_not_recognised() -> None:
    record = a_chart(drafts=(a_draft(NO_PRODUCT),), availability=states(medications=Availability.DENIED))
    (summary,) = summaries(record, AT_SIGNING)
    assert summary.endswith("anticoagulant not known: could not be read: access was denied")


def test_encounters_that_could_not_be_read_are_named() -> None:
    record = a_record(
        a_patient(born="1950-01-10"),
        a_condition(CANCER),
        encounter_id="stay",
        availability=states(encounters=Availability.DENIED),
    )
    assert summaries(record) == [
        "High risk of thrombosis (Padua at least 4); inpatient stay not known: could not be read: access was denied"
    ]
    assert summaries(record, AT_SIGNING) == []


def test_problems_that_could_not_be_read_are_named_and_not_taken_for_none() -> None:
    stay = an_encounter("IMP", "2024-05-31T18:00:00Z", id="stay")
    record = a_record(a_patient(), stay, encounter_id="stay", availability=states(conditions=Availability.DENIED))
    card = the_card(record)
    assert card.summary.startswith("Risk of thrombosis (Padua) not told, missing: active cancer")
    assert "missing: could not be read: access was denied" in str(card.detail)


def test_a_list_in_words_alone_is_no_reason_for_a_card_at_each_stay() -> None:
    stay = an_encounter("IMP", "2024-05-31T18:00:00Z", id="stay")
    record = a_record(a_patient(), stay, *(a_condition(WORDS) for _ in range(3)), encounter_id="stay")
    assert summaries(record) == []


@pytest.mark.parametrize(("age", "told"), [(45, False), (74, True)])
def test_what_could_not_be_read_is_told_where_it_may_decide(age: int, *, told: bool) -> None:
    """Surgery gives two points: with one for the age and one for the heart it would be four."""
    stay = an_encounter("IMP", "2024-05-31T18:00:00Z", id="stay")
    patient = a_patient(born=f"{2024 - age}-01-10")
    problems = [a_condition("I50.9"), *(a_condition(Code(SNOMED_CT, "1")) for _ in range(3))]
    assert bool(summaries(a_record(patient, stay, *problems, encounter_id="stay"))) is told
