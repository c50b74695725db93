from typing import Any

import pytest

from cds_hooks.protocol.cards import Card, CreateAction, Indicator
from cds_hooks.services.stroke_prevention import SERVICE
from fhir_client.record import PatientRecord
from models.site import Site
from tests.builders import (
    a_blood_pressure,
    a_condition,
    a_medication,
    a_patient,
    a_record,
    an_encounter,
    an_observation,
)
from tests.cds_hooks.services.showing import cards_of

VA, VASC = Site(), Site(stroke_score="cha2ds2-vasc")
FIBRILLATION, HYPERTENSION, NOT_READABLE = "I48.0", "I10", {"text": "something in words"}
APIXABAN, WARFARIN, IBUPROFEN, LISINOPRIL, NO_PRODUCT = "1364445", "855332", "197806", "314077", "99999999"


def a_chart(*more: Any, age: int = 70, sex: str | None = "female") -> PatientRecord:
    """Someone with atrial fibrillation, hypertension and a drug for it: 2 points of CHA2DS2-VA from 65 on."""
    return a_record(
        a_patient(born=f"{2024 - age}-01-10", sex=sex),
        a_condition(FIBRILLATION),
        a_condition(HYPERTENSION),
        a_medication(LISINOPRIL),
        *more,
    )


def the_card(record: PatientRecord, site: Site = VA) -> Card:
    (card,) = cards_of(SERVICE, record, site)
    return card


def summaries(record: PatientRecord, site: Site = VA) -> list[str]:
    return [card.summary for card in cards_of(SERVICE, record, site)]


def test_fibrillation_without_an_anticoagulant_says_all_of_it_in_the_summary() -> None:
    card = the_card(a_chart(a_blood_pressure(172, 95, on="2024-05-01"), a_medication(IBUPROFEN)))
    assert card.summary == "Atrial fibrillation without anticoagulant: CHA2DS2-VA 2, anticoagulant recommended"
    assert card.indicator is Indicator.WARNING
    for part in (
        "| Age | 70 years |",
        "| Hypertension | yes | 2020-01-15 |",
        "| Systolic blood pressure | 172 mmHg (one reading; setting not known) | 2024-05-01 |",
        "| Antiplatelet drug or NSAID | yes (NSAID) | 2024-03-01 |",
        "HAS-BLED at least 3, as far as known",
        "no reason to withhold an anticoagulant",
        "Model cha2ds2-va 1.0.0.",
        "2024 ESC guideline: an anticoagulant is recommended from 2 points",
        "does not replace, clinical judgement",
    ):
        assert part in str(card.detail)
    assert card.source.url == "https://doi.org/10.1093/eurheartj/ehae176"


def test_a_review_and_a_missing_creatinine_are_suggested() -> None:
    review, creatinine = the_card(a_chart()).suggestions
    assert (review.label, creatinine.label) == (
        "Review oral anticoagulation",
        "Order: Creatinine, serum or plasma",
    )
    (action,) = creatinine.actions
    assert isinstance(action, CreateAction)
    assert action.resource["code"]["coding"][0]["code"] == "2160-0"
    assert [each.is_recommended for each in (review, creatinine)] == [None, None]


def test_a_known_creatinine_is_not_ordered_again() -> None:
    (review,) = the_card(a_chart(an_observation("2160-0", 0.9, "mg/dL"))).suggestions
    assert review.label == "Review oral anticoagulation"


@pytest.mark.parametrize("drug", [APIXABAN, WARFARIN, "1232086", "1037045", "1599555", "246018"])
def test_under_an_anticoagulant_without_a_factor_to_correct_it_is_silent(drug: str) -> None:
    """Apixaban, warfarin, rivaroxaban, dabigatran, edoxaban, acenocoumarol: a product counts by its ingredient."""
    assert summaries(a_chart(a_medication(drug))) == []


def test_a_stopped_anticoagulant_is_none() -> None:
    assert len(summaries(a_chart(a_medication(APIXABAN, status="stopped")))) == 1


def test_under_an_anticoagulant_a_bleeding_factor_is_named_to_be_corrected() -> None:
    card = the_card(a_chart(a_medication(APIXABAN), a_medication(IBUPROFEN)))
    assert card.summary == (
        "Anticoagulant in atrial fibrillation, bleeding factors to correct: antiplatelet drug or NSAID"
    )
    assert card.indicator is Indicator.INFO
    assert "| Antiplatelet drug or NSAID | yes (NSAID) | 2024-03-01 |" in str(card.detail)
    assert "Model has-bled 1.0.0." in str(card.detail)


def test_a_bleeding_factor_that_cannot_be_corrected_is_no_reason_for_a_card() -> None:
    assert summaries(a_chart(a_medication(APIXABAN), a_condition("I63.9"))) == []


def test_one_point_is_to_be_considered() -> None:
    card = the_card(a_chart(age=60))
    assert card.summary == "Atrial fibrillation without anticoagulant: CHA2DS2-VA 1, consider an anticoagulant"
    assert card.indicator is Indicator.INFO


def test_no_point_is_silence() -> None:
    assert summaries(a_record(a_patient(born="1980-01-10"), a_condition(FIBRILLATION))) == []


@pytest.mark.parametrize(
    ("sex", "age", "said"),
    [
        ("female", 70, "CHA2DS2-VASc 3, anticoagulant recommended"),
        ("female", 60, "CHA2DS2-VASc 2, consider an anticoagulant"),
        ("male", 70, "CHA2DS2-VASc 2, anticoagulant recommended"),
        ("male", 60, "CHA2DS2-VASc 1, consider an anticoagulant"),
        ("other", 70, "CHA2DS2-VASc 3 (female) or 2 (male), anticoagulant recommended"),
    ],
)
def test_a_site_that_follows_the_us_guideline_has_its_score_and_marks(sex: str, age: int, said: str) -> None:
    card = the_card(a_chart(age=age, sex=sex), VASC)
    assert card.summary == f"Atrial fibrillation without anticoagulant: {said}"
    assert "2023 ACC/AHA/ACCP/HRS" in str(card.detail)


def test_a_woman_whose_only_point_is_her_sex_is_silence() -> None:
    record = a_record(a_patient(born="1980-01-10", sex="female"), a_condition(FIBRILLATION))
    assert summaries(record, VASC) == []


def test_a_drug_that_is_not_recognised_is_no_proof_of_no_anticoagulant() -> None:
    card = the_card(a_chart(a_medication(NO_PRODUCT)))
    assert card.summary == (
        "Atrial fibrillation, CHA2DS2-VA 2; anticoagulant not known: 1 of 2 active drugs not recognised"
    )
    assert card.indicator is Indicator.INFO
    assert "| Oral anticoagulant | missing: 1 of 2 active drugs not recognised |" in str(card.detail)


def test_a_drug_that_is_not_recognised_says_nothing_where_no_anticoagulant_is_called_for() -> None:
    young = a_record(a_patient(born="1980-01-10"), a_condition(FIBRILLATION), a_medication(NO_PRODUCT))
    assert summaries(young) == []


def test_a_list_that_cannot_be_read_well_enough_is_named() -> None:
    listed = [a_condition(code) for code in ("I50.9", "E11.9", "I63.9")]
    record = a_chart(*listed, *[a_condition(NOT_READABLE) for _ in range(3)])
    (summary,) = summaries(record)
    assert summary == "Atrial fibrillation without anticoagulant: CHA2DS2-VA not computed, missing: vascular disease"
    assert summaries(a_chart(*[a_condition(NOT_READABLE) for _ in range(3)])) == []


def test_what_is_missing_waits_while_the_patient_is_in_acute_care() -> None:
    listed = [a_condition(code) for code in ("I50.9", "E11.9", "I63.9")]
    unread = [a_condition(NOT_READABLE) for _ in range(3)]
    assert summaries(a_chart(*listed, *unread, an_encounter("IMP", start="2024-05-31T08:00:00Z"))) == []


@pytest.mark.parametrize("more", ["I05.0", "Z95.2"])
def test_a_valve_that_calls_for_warfarin_anyway_is_silence(more: str) -> None:
    assert summaries(a_chart(a_condition(more))) == []


def test_without_fibrillation_it_is_silent() -> None:
    record = a_record(a_patient(born="1940-01-10"), a_condition(HYPERTENSION), a_condition("I63.9"))
    assert summaries(record) == []
