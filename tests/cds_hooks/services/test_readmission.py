"""Readmission at discharge: who is shown, on how much, and what may be arranged."""

from typing import Any

import pytest

from cds_hooks.protocol.cards import Card, CreateAction, Indicator
from cds_hooks.services.readmission import SERVICE
from fhir_client.record import Availability, PatientRecord
from tests.builders import Resource, a_condition, a_patient, a_record, an_encounter
from tests.cds_hooks.services.showing import cards_of
from tests.models.inpatients import at_discharge

FAILURE, OBSTRUCTION, WORDS = "I50.9", "J44.9", {"text": "something in words"}
PRIORITY = "http://terminology.hl7.org/CodeSystem/v3-ActPriority"


def a_chart(*more: Resource, without: str = "", **record: Any) -> PatientRecord:
    """Six nights after an emergency visit, diabetes, an emergency visit in January: 9 points of LACE, and `more`."""
    return a_record(*at_discharge(*more, without=without), encounter_id="stay", **record)


def the_card(record: PatientRecord) -> Card:
    (card,) = cards_of(SERVICE, record)
    return card


def summaries(record: PatientRecord) -> list[str]:
    return [card.summary for card in cards_of(SERVICE, record)]


def test_from_ten_points_on_it_says_both_scores_with_their_inputs() -> None:
    card = the_card(a_chart(a_condition(FAILURE)))
    assert card.summary == "High risk of readmission: LACE 11 of 19, simplified HOSPITAL 4 of 12"
    assert card.indicator is Indicator.INFO
    assert card.source.url == "https://doi.org/10.1503/cmaj.091117"
    for part in (
        "| Comorbidity by the weights of LACE | 3 |",
        "| Length of stay | 6 d (until now) | since 2024-05-26 |",
        "| Unplanned admission | yes | 2024-05-26 |",
        "Diagnoses that count: E11.9, I50.9.",
        "| Haemoglobin | 10.4 g/dL | 2024-05-30 |",
        "Model lace 1.0.0.",
        "Model hospital-simplified 1.0.0.",
        "c statistic of 0.684",
        "none to delay the discharge",
        "does not replace, clinical judgement",
    ):
        assert part in str(card.detail)


def test_no_probability_is_shown() -> None:
    assert (
        "%" not in f"{the_card(a_chart(a_condition(FAILURE))).summary}{the_card(a_chart(a_condition(FAILURE))).detail}"
    )


def test_a_visit_reconciliation_and_transitional_care_may_be_arranged() -> None:
    suggestions = the_card(a_chart(a_condition(FAILURE))).suggestions
    assert [each.label for each in suggestions] == [
        "Order: Follow-up visit within 7 days of discharge",
        "Reconcile the medication before discharge",
        "Order: Referral to transitional care",
    ]
    resources = [action.resource for each in suggestions for action in each.actions if isinstance(action, CreateAction)]
    assert [each["status"] for each in resources] == ["draft", "requested", "draft"]
    assert [each["encounter"] for each in resources] == [{"reference": "Encounter/stay"}] * 3
    assert not any(each.is_recommended for each in suggestions)


def test_nine_points_are_silence_and_ten_are_not() -> None:
    visit = an_encounter("EMER", "2024-03-05T03:00:00Z", "2024-03-05T09:00:00Z")
    assert summaries(a_chart()) == []
    assert summaries(a_chart(visit)) == ["High risk of readmission: LACE 10 of 19, simplified HOSPITAL 4 of 12"]


def test_what_is_not_known_does_not_matter_where_the_rest_is_enough() -> None:
    stay = an_encounter("IMP", "2024-05-10T09:30:00Z", id="stay")
    record = a_record(a_patient(), a_condition(FAILURE), a_condition(OBSTRUCTION), stay, encounter_id="stay")
    card = the_card(record)
    assert card.summary == "High risk of readmission: LACE at least 12 of 19"
    assert "| Unplanned admission | missing: not found, how the patient was admitted" in str(card.detail)
    assert "**Simplified HOSPITAL at least 2 of 12**" in str(card.detail)


def test_what_decides_and_is_missing_is_named() -> None:
    card = the_card(a_chart(a_condition(FAILURE), a_condition(OBSTRUCTION), without="EMER"))
    assert card.summary == "Readmission: LACE not computed, missing: unplanned admission; 9 to 12 points"
    assert card.indicator is Indicator.INFO
    assert card.suggestions == ()


def test_what_is_missing_and_decides_nothing_is_silence() -> None:
    assert summaries(a_chart(without="EMER")) == []  # 5, at most 8 points


def test_a_chart_that_tells_no_more_than_half_is_silence() -> None:
    assert summaries(a_chart(*(a_condition(WORDS) for _ in range(4)), without="EMER")) == []  # 4 to 12 points


def test_a_planned_admission_is_known() -> None:
    planned = an_encounter(
        "IMP", "2024-05-26T09:30:00Z", id="stay", priority={"coding": [{"system": PRIORITY, "code": "EL"}]}
    )
    record = a_record(a_patient(), a_condition(FAILURE), a_condition(OBSTRUCTION), planned, encounter_id="stay")
    assert summaries(record) == []


def test_a_list_that_cannot_be_read_well_enough_is_named() -> None:
    unread = [a_condition(WORDS) for _ in range(4)]
    assert summaries(a_chart(a_condition(FAILURE), *unread)) == [
        "Readmission: LACE not computed, missing: diagnoses as ICD-10 codes; 8 to 13 points"
    ]


def test_problems_that_could_not_be_had_are_named() -> None:
    states = dict.fromkeys(SERVICE.searches, Availability.COMPLETE) | {"conditions": Availability.DENIED}
    card = the_card(a_chart(availability=states))
    assert card.summary == "Readmission: LACE not computed, missing: diagnoses as ICD-10 codes; 8 to 13 points"
    assert "missing: could not be read: access was denied" in str(card.detail)


@pytest.mark.parametrize("more", [a_condition("Z33.1", onset="2024-01-10"), a_condition("Z51.5")])
def test_whom_the_scores_were_not_made_for_is_silence(more: Resource) -> None:
    assert summaries(a_chart(a_condition(FAILURE), more)) == []


def test_a_visit_to_the_clinic_is_no_discharge_from_a_stay() -> None:
    visit = an_encounter("AMB", "2024-05-31T09:00:00Z", id="stay")
    assert summaries(a_record(a_patient(), a_condition(FAILURE), visit, encounter_id="stay")) == []


def test_those_who_died_are_silence() -> None:
    dead = a_patient(deceasedDateTime="2024-05-31")
    assert summaries(a_record(*at_discharge(a_condition(FAILURE))[1:], dead, encounter_id="stay")) == []
