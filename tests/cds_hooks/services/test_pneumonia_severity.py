from typing import Any

import pytest

from cds_hooks.protocol.cards import Card, CreateAction, Indicator
from cds_hooks.services.pneumonia_severity import SERVICE
from fhir_client.codes import ICD_10_CM, LOINC, Code
from fhir_client.record import PatientRecord
from tests.builders import Resource, a_blood_pressure, a_condition, a_patient, a_record, an_encounter, an_observation
from tests.cds_hooks.services.showing import cards_of

EVENING = "2024-05-31T22:00:00Z"
ALERT, CONFUSED, VOICE = (Code(LOINC, code) for code in ("LA9340-6", "LA6560-2", "LA17108-4"))
PNEUMONIA = a_condition("J18.9", onset="2024-05-30")
STAY = an_encounter("IMP", start="2024-05-30T08:00:00Z")


def the_rows(
    *, breaths: float | None = 32, systolic: float = 118, mind: Code | None = CONFUSED, bun: float | None = 30
) -> list[Resource]:
    """Vital signs and urea of an evening: 3 points of someone of 63."""
    return [
        *([an_observation("9279-1", breaths, "/min", on=EVENING)] if breaths is not None else []),
        a_blood_pressure(systolic, 70, on=EVENING),
        *([an_observation("67775-7", mind, on=EVENING)] if mind is not None else []),
        *([an_observation("3094-0", bun, "mg/dL", on=EVENING)] if bun is not None else []),
    ]


def ill(*more: Any, born: str = "1960-06-02", stay: Resource = STAY, **changed: Any) -> PatientRecord:
    return a_record(a_patient(born=born), PNEUMONIA, stay, *the_rows(**changed), *more)


def the_card(record: PatientRecord) -> Card:
    (card,) = cards_of(SERVICE, record)
    return card


def summaries(record: PatientRecord) -> list[str]:
    return [card.summary for card in cards_of(SERVICE, record)]


def test_a_severe_pneumonia_is_a_warning_with_its_parts_and_their_times() -> None:
    card = the_card(ill())
    assert card.summary == "Pneumonia: CURB-65 = 3 (severe), 30-day mortality 17.0% (Lim 2003)"
    assert card.indicator is Indicator.WARNING
    for part in (
        "Points for: confusion, urea, respiratory rate.",
        "| New confusion | yes (from the level of consciousness) | 2024-05-31 22:00 |",
        "| Urea nitrogen (BUN) | 30 mg/dL | 2024-05-31 22:00 |",
        "| Respiratory rate | 32 /min | 2024-05-31 22:00 |",
        "Lim 2003: under 2 points low, 2 moderate, 3 or more severe.",
        "Model curb-65 1.0.0.",
        "does not replace, clinical judgement",
    ):
        assert part in str(card.detail)
    assert "Urea |" not in str(card.detail)


@pytest.mark.parametrize(
    ("changed", "points", "mortality"),
    [({"born": "1950-01-10"}, 4, "41.5%"), ({"born": "1950-01-10", "systolic": 85}, 5, "57.0%")],
)
def test_every_item_adds_to_it(changed: dict[str, Any], points: int, mortality: str) -> None:
    (summary,) = summaries(ill(**changed))
    assert summary == f"Pneumonia: CURB-65 = {points} (severe), 30-day mortality {mortality} (Lim 2003)"


def test_two_points_are_moderate_and_information() -> None:
    card = the_card(ill(mind=ALERT))
    assert card.summary == "Pneumonia: CURB-65 = 2 (moderate), 30-day mortality 13.0% (Lim 2003)"
    assert card.indicator is Indicator.INFO


@pytest.mark.parametrize("changed", [{"mind": ALERT, "bun": 15}, {"mind": ALERT, "bun": 15, "breaths": 18}])
def test_low_severity_is_silence(changed: dict[str, Any]) -> None:
    assert summaries(ill(**changed)) == []


def test_without_pneumonia_it_is_silent() -> None:
    assert summaries(a_record(a_patient(), STAY, a_condition("I10"), *the_rows())) == []


def test_the_reason_of_the_stay_is_enough() -> None:
    reason = [{"coding": [{"system": ICD_10_CM, "code": "J15.9"}]}]
    stay = an_encounter("EMER", start="2024-05-31T20:00:00Z", reasonCode=reason)
    assert len(summaries(a_record(a_patient(), stay, *the_rows()))) == 1


def test_what_is_missing_is_named_once_and_urea_can_be_ordered() -> None:
    card = the_card(ill(mind=None, bun=None))
    assert card.summary == "Pneumonia: CURB-65 not computed, missing: new confusion, urea"
    assert card.indicator is Indicator.INFO
    (suggestion,) = card.suggestions
    (action,) = suggestion.actions
    assert isinstance(action, CreateAction)
    assert action.resource["code"]["coding"][0]["code"] == "3094-0"
    assert suggestion.is_recommended is None


def test_a_stupor_is_no_answer_about_confusion() -> None:
    card = the_card(ill(mind=VOICE))
    assert card.summary == "Pneumonia: CURB-65 not computed, missing: new confusion"
    assert card.suggestions == ()


def test_a_chart_with_little_of_it_is_silence() -> None:
    assert summaries(a_record(a_patient(), PNEUMONIA, STAY)) == []


def test_a_pneumonia_that_was_never_taken_off_the_list_asks_for_nothing_in_the_clinic() -> None:
    visit = an_encounter("AMB", start="2024-05-31T21:00:00Z")
    assert summaries(ill(stay=visit, bun=None)) == []


def test_results_of_another_day_are_not_used() -> None:
    yesterday = an_observation("3094-0", 30, "mg/dL", on="2024-05-29T08:00:00Z")
    assert summaries(ill(yesterday, bun=None)) == ["Pneumonia: CURB-65 not computed, missing: urea"]


def test_a_list_that_may_or_may_not_name_a_pneumonia_is_silence() -> None:
    unreadable = [a_condition({"text": "something in words"}) for _ in range(3)]
    assert summaries(a_record(a_patient(), STAY, *unreadable, *the_rows(mind=None))) == []
