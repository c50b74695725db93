from typing import Any

import pytest

from cds_hooks.protocol.cards import Card, CreateAction, Indicator
from cds_hooks.services.diabetes_screening import SERVICE
from fhir_client.record import PatientRecord
from tests.builders import (
    Resource,
    a_condition,
    a_medication,
    a_patient,
    a_record,
    an_encounter,
    an_observation,
)
from tests.cds_hooks.services.showing import cards_of

HBA1C, FASTING, FASTING_MOLAR, RANDOM, IFCC = "4548-4", "1558-6", "14771-0", "2345-7", "59261-8"
ON, BEFORE = "2024-05-01", "2023-11-01"
METFORMIN, LISINOPRIL, NO_PRODUCT = "6809", "314077", "99999999"
NOT_READABLE: Resource = {"text": "something in words"}
BED = an_encounter("IMP", start="2024-05-30T08:00:00Z", id="ward")


def hba1c(value: float, on: str = ON, **more: Any) -> Resource:
    return an_observation(HBA1C, value, "%", on=on, **more)


def fasting(value: float, on: str = ON, **more: Any) -> Resource:
    return an_observation(FASTING, value, "mg/dL", on=on, **more)


def a_chart(*more: Resource, **patient: Any) -> PatientRecord:
    return a_record(a_patient(born="1960-01-10", **patient), *more)


def cards(*more: Resource) -> list[Card]:
    return [*cards_of(SERVICE, a_chart(*more))]


def summaries(*more: Resource) -> list[str]:
    return [card.summary for card in cards(*more)]


def orders(card: Card) -> list[Any]:
    return [
        action.resource["code"]["coding"][0]["code"]
        if "coding" in action.resource.get("code", {})
        else action.description
        for suggestion in card.suggestions
        for action in suggestion.actions
        if isinstance(action, CreateAction)
    ]


def test_two_results_in_range_without_a_listed_diabetes_say_so_in_the_summary() -> None:
    (card,) = cards(hba1c(7.1), hba1c(6.8, BEFORE))
    assert card.summary == "Meets laboratory criteria for diabetes (HbA1c 7.1%), not on the problem list"
    assert card.indicator is Indicator.WARNING
    for part in (
        "| HbA1c | 7.1% | 2024-05-01 |",
        "| HbA1c of an earlier day | 6.8% | 2023-11-01 |",
        "| Fasting glucose | missing: not found |",
        "| Glucose-lowering drug | no |",
        "Model diabetes-detect 1.0.0.",
        "American Diabetes Association: HbA1c of 6.5% or more",
        "does not replace, clinical judgement",
    ):
        assert part in str(card.detail)
    assert card.source.url == "https://doi.org/10.2337/dc25-S002"
    assert orders(card) == ["Review the diagnosis of diabetes"]
    assert [suggestion.is_recommended for suggestion in card.suggestions] == [None]


def test_a_diabetes_told_by_glucose_alone_lacks_an_hba1c() -> None:
    (card,) = cards(fasting(140), fasting(131, BEFORE))
    assert card.summary == "Meets laboratory criteria for diabetes (fasting glucose 140 mg/dL), not on the problem list"
    assert orders(card) == ["Review the diagnosis of diabetes", "4548-4"]


def test_the_two_tests_confirm_each_other_on_one_sample() -> None:
    (card,) = cards(hba1c(6.5), fasting(126))
    assert card.summary == (
        "Meets laboratory criteria for diabetes (HbA1c 6.5%, fasting glucose 126 mg/dL), not on the problem list"
    )


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([hba1c(6.5)], "HbA1c 6.5%"),
        ([fasting(126)], "fasting glucose 126 mg/dL"),
        ([hba1c(6.8), hba1c(6.4, BEFORE)], "HbA1c 6.8%"),
        ([hba1c(6.8), fasting(110)], "HbA1c 6.8%"),
        ([an_observation(FASTING_MOLAR, 7.0, "mmol/L", on=ON)], "fasting glucose 126.11 mg/dL"),
        ([an_observation(IFCC, 48, "mmol/mol", on=ON)], "HbA1c 6.54%"),
    ],
)
def test_one_result_in_range_asks_for_a_second(results: list[Resource], said: str) -> None:
    (card,) = cards(*results)
    assert card.summary == f"{said} in the diabetic range, not yet confirmed; diabetes is not on the problem list"
    assert card.indicator is Indicator.INFO
    assert orders(card) == ["4548-4"]


def test_the_same_result_sent_twice_confirms_nothing() -> None:
    (card,) = cards(hba1c(6.8, "2024-05-01T08:00:00Z"), hba1c(6.8, "2024-05-01T09:30:00Z"))
    assert "not yet confirmed" in card.summary


def test_a_date_that_may_be_the_same_day_confirms_nothing() -> None:
    (card,) = cards(hba1c(6.8, "2024-05-20"), hba1c(6.8, "2024-05"))
    assert "not yet confirmed" in card.summary


@pytest.mark.parametrize(
    "results",
    [
        [hba1c(6.4), fasting(125)],
        [hba1c(6.2), hba1c(7.1, BEFORE)],
        [hba1c(7.1, "2022-05-01"), hba1c(7.1, "2021-05-01")],
        [an_observation(RANDOM, 260, "mg/dL", on=ON)],
        [],
    ],
    ids=["below", "the newest is below", "older than two years", "not fasting", "no result"],
)
def test_nothing_in_range_is_silence(results: list[Resource]) -> None:
    assert summaries(*results) == []


@pytest.mark.parametrize(("before", "is_confirmed"), [("2019-06-02", True), ("2019-05-31", False)])
def test_a_result_of_the_last_five_years_confirms(before: str, is_confirmed: bool) -> None:
    (summary,) = summaries(hba1c(7.0), hba1c(7.2, before))
    assert summary.startswith("Meets laboratory criteria") is is_confirmed


@pytest.mark.parametrize(
    "known",
    [
        a_condition("E11.9"),
        a_condition("E10.9"),
        a_condition({"coding": [{"system": "http://snomed.info/sct", "code": "127013003"}]}),
        a_condition("O24.111"),
        a_medication(METFORMIN),
        a_medication("274783"),
        a_condition("Z99.2"),
        a_condition("D57.1"),
        a_condition("Z33.1"),
        a_condition("Z51.5"),
    ],
    ids=[
        "type 2",
        "type 1",
        "by its harm",
        "in pregnancy",
        "metformin",
        "insulin",
        "dialysis",
        "sickle cells",
        "pregnancy",
        "palliative",
    ],
)
def test_what_is_known_or_makes_the_test_mislead_is_silence(known: Resource) -> None:
    assert summaries(hba1c(7.1), hba1c(6.8, BEFORE), known) == []


def test_a_child_is_silence() -> None:
    child = a_record(a_patient(born="2012-01-10"), hba1c(7.1), hba1c(6.8, BEFORE))
    assert cards_of(SERVICE, child) == []


def test_a_diabetes_that_is_over_is_not_listed() -> None:
    (summary,) = summaries(hba1c(7.1), hba1c(6.8, BEFORE), a_condition("E11.9", clinical_status="resolved"))
    assert summary.startswith("Meets laboratory criteria")


def test_a_fasting_glucose_of_a_ward_is_passed_over() -> None:
    stay = an_encounter("IMP", start="2024-04-28T08:00:00Z", end="2024-05-03T08:00:00Z", id="stay")
    assert summaries(stay, fasting(190, encounter="Encounter/stay")) == []
    visit = an_encounter("AMB", start="2024-05-01T08:00:00Z", end="2024-05-01T09:00:00Z", id="visit")
    assert len(summaries(visit, fasting(190, encounter="Encounter/visit"))) == 1


def test_in_acute_care_only_what_is_confirmed_is_said() -> None:
    assert summaries(BED, hba1c(7.1)) == []
    assert summaries(BED, *AT_HIGH_RISK) == []
    assert len(summaries(BED, hba1c(7.1), hba1c(6.8, BEFORE))) == 1


def test_a_drug_that_is_not_recognised_is_shown_and_silences_nothing() -> None:
    (card,) = cards(hba1c(7.1), hba1c(6.8, BEFORE), a_medication(NO_PRODUCT))
    assert "| Glucose-lowering drug | missing: 1 of 1 active drugs not recognised |" in str(card.detail)


def test_a_list_that_cannot_be_read_is_not_taken_for_one_without_diabetes() -> None:
    unread = [a_condition(NOT_READABLE) for _ in range(3)]
    (card,) = cards(hba1c(7.1), hba1c(6.8, BEFORE), *unread)
    assert card.summary.startswith("HbA1c 7.1% in the diabetic range; whether diabetes is listed is not known: ")
    assert card.indicator is Indicator.INFO
    assert "| Diabetes on the problem list | missing: " in str(card.detail)
    assert summaries(hba1c(5.4), *unread) == []


def test_without_a_usable_result_and_a_high_risk_there_is_nothing_to_say() -> None:
    assert summaries(an_observation(HBA1C, 7.1, None, on=ON)) == []
    assert summaries(an_observation(HBA1C, 71, "%", on=ON)) == []


# Age over 64: 4, BMI over 30: 3, waist over 88 cm: 4, drug for blood pressure: 2, prediabetes: 5.
AT_HIGH_RISK = [
    a_patient(born="1955-01-10"),
    an_observation("39156-5", 33, "kg/m2", on="2024-02-01"),
    an_observation("8280-0", 104, "cm", on="2024-02-01"),
    a_medication(LISINOPRIL),
    a_condition("R73.03"),
]


def risk_cards(*more: Resource, without: int | None = None, **sex: Any) -> list[Card]:
    rows = [row for place, row in enumerate(AT_HIGH_RISK) if place not in (0, without)]
    return [*cards_of(SERVICE, a_record(a_patient(born="1955-01-10", **sex), *rows, *more))]


def test_a_risk_that_is_high_by_the_chart_alone_asks_for_an_hba1c() -> None:
    (card,) = risk_cards()
    assert card.summary == (
        "Diabetes likely to come: FINDRISC at least 18 (high), no usable HbA1c or fasting glucose in 12 months"
    )
    assert card.indicator is Indicator.INFO
    for part in (
        "About 33% of people at that many points",
        "**Raises it most:** high blood glucose ever, age, waist circumference.",
        "| Diabetes in the family | missing: not found |",
        "Model findrisc 1.0.0.",
    ):
        assert part in str(card.detail)
    assert orders(card) == ["4548-4"]
    assert card.source.url == "https://doi.org/10.2337/diacare.26.3.725"


@pytest.mark.parametrize(("without", "said"), [(3, "at least 16"), (1, "at least 15"), (2, None), (4, None)])
def test_what_the_chart_does_not_tell_adds_nothing(without: int, said: str | None) -> None:
    found = risk_cards(without=without)
    assert bool(found) is bool(said)
    assert all(str(said) in card.summary for card in found)


def test_a_test_within_a_year_is_enough() -> None:
    assert risk_cards(hba1c(5.4, "2023-06-02")) == []
    assert risk_cards(fasting(101, "2024-01-02")) == []
    assert len(risk_cards(hba1c(5.4, "2023-05-30"))) == 1


def test_a_result_that_cannot_be_used_is_no_test_and_the_card_says_so() -> None:
    (card,) = risk_cards(an_observation(HBA1C, 5.4, None, on="2024-01-02"))
    assert "- HbA1c or fasting glucose: HbA1c 2024-01-02: unit missing or unknown" in str(card.detail)


def test_where_hba1c_misleads_none_is_asked_for() -> None:
    assert risk_cards(a_condition("Z99.2")) == []


def test_of_two_sexes_the_points_that_both_have_count() -> None:
    (card,) = risk_cards(sex="other", without=3)
    assert "at least 16" in card.summary
    narrower = [an_observation("8280-0", 90, "cm", on="2024-03-01")]
    assert len(risk_cards(*narrower, without=3, sex="female")) == 1
    assert risk_cards(*narrower, without=3, sex="male") == []
    assert risk_cards(*narrower, without=3, sex="other") == []


def test_results_in_range_come_before_a_risk() -> None:
    (card,) = risk_cards(hba1c(6.8, "2022-09-01"))
    assert card.summary.startswith("HbA1c 6.8% in the diabetic range, not yet confirmed")
