from typing import Any

import pytest

from cds_hooks.protocol.cards import Card, CreateAction, Indicator
from cds_hooks.services.liver_fibrosis import SERVICE
from fhir_client.record import PatientRecord
from models.site import Site
from tests.builders import a_condition, a_medication, a_patient, a_record, an_encounter, an_observation
from tests.cds_hooks.services.showing import cards_of

DIABETES, FATTY_LIVER, ALCOHOL, CIRRHOSIS = "E11.9", "K76.0", "F10.20", "K74.60"
LIVER_TESTS: dict[str, tuple[float, str]] = {"1920-8": (88, "U/L"), "1742-6": (52, "U/L"), "777-3": (132, "10*3/uL")}
MELD_TESTS: dict[str, tuple[float, str]] = {
    "1975-2": (3.0, "mg/dL"),
    "6301-6": (1.8, "{INR}"),
    "2160-0": (1.6, "mg/dL"),
    "2951-2": (130, "mmol/L"),
    "1751-7": (2.8, "g/dL"),
}
IN_HOSPITAL = an_encounter("IMP", start="2024-05-31T08:00:00Z")


def results(tests: dict[str, tuple[float, str]], on: str, **changed: float | None) -> list[dict[str, Any]]:
    values = {code: changed.get(f"c{code.replace('-', '_')}", value) for code, (value, _) in tests.items()}
    return [an_observation(code, value, tests[code][1], on=on) for code, value in values.items() if value is not None]


def an_outpatient(*more: Any, listed: str | None = DIABETES, born: str = "1964-01-10", **changed: Any) -> PatientRecord:
    """A person of 60 with a reason for fibrosis and FIB-4 of 60 * 88 / (132 * sqrt(52)) = 5.55."""
    tests = results(LIVER_TESTS, "2024-04-01", **changed)
    return a_record(a_patient(born=born), *([a_condition(listed)] if listed else []), *tests, *more)


def with_cirrhosis(*more: Any, sex: str = "female", on: str = "2024-05-20", **changed: Any) -> PatientRecord:
    """The vector of clinical/models.md 16 as a chart: MELD 3.0 of 28, as a man 26."""
    return a_record(a_patient(sex=sex), a_condition(CIRRHOSIS), *results(MELD_TESTS, on, **changed), *more)


def the_card(record: PatientRecord, **options: Any) -> Card:
    (card,) = cards_of(SERVICE, record, **options)
    return card


def summaries(record: PatientRecord, **options: Any) -> list[str]:
    return [card.summary for card in cards_of(SERVICE, record, **options)]


def test_a_high_index_says_so_with_its_inputs_and_where_the_cut_offs_come_from() -> None:
    card = the_card(an_outpatient())
    assert card.summary == "FIB-4 5.55 (high): advanced liver fibrosis likely"
    assert card.indicator is Indicator.WARNING
    for part in (
        "| AST | 88 U/L (setting not known) | 2024-04-01 |",
        "| Platelets | 132 10⁹/L (setting not known) | 2024-04-01 |",
        "Model fib-4 1.0.0.",
        "below 1.3, from 65 years below 2.0",
        "does not replace, clinical judgement",
    ):
        assert part in str(card.detail)
    assert [each.label for each in card.suggestions] == [
        "Order: Elastography of the liver",
        "Order: Referral to hepatology",
    ]


def test_an_indeterminate_index_suggests_elastography() -> None:
    card = the_card(an_outpatient(c777_3=300.0))
    assert card.summary == "FIB-4 2.44 (indeterminate): advanced liver fibrosis not ruled out"
    assert card.indicator is Indicator.INFO
    assert [each.label for each in card.suggestions] == ["Order: Elastography of the liver"]


def test_an_index_that_rules_fibrosis_out_is_silence() -> None:
    assert summaries(an_outpatient(c1920_8=20.0, c777_3=300.0)) == []


def test_what_rules_out_depends_on_the_age() -> None:
    """1.6 is low from 65 on, and indeterminate before."""
    older: dict[str, Any] = {"c1920_8": 1.6 * 250 * 52**0.5 / 70, "c777_3": 250.0}
    younger: dict[str, Any] = {"c1920_8": 1.6 * 250 * 52**0.5 / 60, "c777_3": 250.0}
    assert summaries(an_outpatient(born="1954-01-10", **older)) == []
    assert len(summaries(an_outpatient(**younger))) == 1


@pytest.mark.parametrize("listed", [DIABETES, FATTY_LIVER, ALCOHOL, "44054006", "197321007", "7200002"])
def test_each_reason_of_the_problem_list_asks_the_question(listed: str) -> None:
    assert len(summaries(an_outpatient(listed=listed))) == 1


@pytest.mark.parametrize(("bmi", "cards"), [(29.9, 0), (30.0, 1)])
def test_obesity_asks_the_question(bmi: float, cards: int) -> None:
    assert len(summaries(an_outpatient(an_observation("39156-5", bmi, "kg/m2"), listed=None))) == cards


def test_without_a_reason_it_is_silent() -> None:
    assert summaries(an_outpatient(listed="E10.9")) == []


def test_in_acute_care_the_index_is_silent() -> None:
    assert summaries(an_outpatient(IN_HOSPITAL)) == []
    assert summaries(an_outpatient(IN_HOSPITAL, c777_3=None)) == []


def test_one_missing_test_is_named_and_can_be_ordered() -> None:
    card = the_card(an_outpatient(c777_3=None))
    assert card.summary == "Liver fibrosis (FIB-4) not ruled out, missing: platelets"
    (suggestion,) = card.suggestions
    (action,) = suggestion.actions
    assert isinstance(action, CreateAction)
    assert action.resource["code"]["coding"][0]["code"] == "777-3"
    assert suggestion.is_recommended is None


def test_a_chart_with_little_of_it_is_silence() -> None:
    assert summaries(an_outpatient(c777_3=None, c1742_6=None)) == []


def test_a_missing_test_is_not_named_where_nothing_is_known_to_ask_the_question() -> None:
    assert summaries(an_outpatient(listed=None, c777_3=None)) == []


def test_in_known_cirrhosis_severity_is_told_and_no_index() -> None:
    card = the_card(with_cirrhosis(a_condition(DIABETES), *results(LIVER_TESTS, "2024-04-01")))
    assert card.summary == "Cirrhosis: MELD 3.0 = 28"
    assert card.indicator is Indicator.INFO
    assert "| INR | 1.8 | 2024-05-20 |" in str(card.detail)
    assert "Model meld-3 1.0.0." in str(card.detail)
    assert card.suggestions == ()


def test_a_threshold_that_is_not_verified_is_the_pilots_and_says_so() -> None:
    card = the_card(with_cirrhosis(), shows_unverified=True)
    assert card.summary == "PILOT: Cirrhosis: MELD 3.0 = 28"
    assert card.indicator is Indicator.WARNING
    assert [each.label for each in card.suggestions] == ["Order: Referral to hepatology"]
    assert "Referral from 15 points: UNVERIFIED." in str(card.detail)
    mild: dict[str, Any] = {"c1975_2": 1.5, "c6301_6": 1.1, "c2160_0": 0.9, "c2951_2": 138.0, "c1751_7": 3.6}
    assert summaries(with_cirrhosis(**mild), shows_unverified=True) == ["Cirrhosis: MELD 3.0 = 10"]


def test_the_lowest_score_there_is_says_nothing() -> None:
    well: dict[str, Any] = {"c1975_2": 0.8, "c6301_6": 1.0, "c2160_0": 0.8, "c2951_2": 140.0, "c1751_7": 4.2}
    assert summaries(with_cirrhosis(sex="male", **well)) == []


def test_without_female_or_male_both_scores_are_shown() -> None:
    assert summaries(with_cirrhosis(sex="other")) == ["Cirrhosis: MELD 3.0 = 28 (female) or 26 (male)"]


def test_under_warfarin_there_is_no_score() -> None:
    assert summaries(with_cirrhosis(a_medication("855332"))) == []


def test_a_missing_value_is_named_and_one_whole_set_can_be_ordered() -> None:
    card = the_card(with_cirrhosis(c6301_6=None))
    assert card.summary == "Cirrhosis: MELD 3.0 not computed, missing: INR"
    assert [each.label for each in card.suggestions] == ["Order: Comprehensive metabolic panel", "Order: INR"]


def test_cirrhosis_without_results_is_silence() -> None:
    assert summaries(a_record(a_patient(), a_condition(CIRRHOSIS))) == []


def test_snomed_ct_can_be_switched_off() -> None:
    assert cards_of(SERVICE, an_outpatient(listed="197321007"), Site(snomed=False)) == []
