"""Charlson and the diagnoses that it and LACE are made of."""

from typing import Any

import orjson
import pytest

from fhir_client.record import Availability
from models.assessment import Assessed, Gap, NotAssessable
from models.charlson import MODEL
from models.features.comorbidities import CATEGORIES
from models.plain_values import answer
from models.site import Site
from tests.builders import Resource, a_condition, a_patient, a_record, an_encounter

ICD = "http://hl7.org/fhir/sid/icd-10-cm"
# One code of each category, and its weights of 1987 and 2011 (models.md 11).
EACH = {
    "myocardial_infarction": ("I25.2", 1, 0),
    "heart_failure": ("I50.9", 1, 2),
    "peripheral_vascular": ("I73.9", 1, 0),
    "cerebrovascular": ("G45.9", 1, 0),
    "dementia": ("F03.90", 1, 2),
    "chronic_pulmonary": ("J44.9", 1, 1),
    "rheumatic": ("M06.9", 1, 1),
    "peptic_ulcer": ("K25.9", 1, 0),
    "mild_liver": ("K74.60", 1, 2),
    "diabetes_uncomplicated": ("E11.9", 1, 0),
    "diabetes_complicated": ("E11.22", 2, 1),
    "hemiplegia_or_paraplegia": ("G81.90", 2, 2),
    "renal": ("N18.4", 2, 1),
    "malignancy": ("C18.9", 2, 2),
    "moderate_severe_liver": ("K72.90", 3, 4),
    "metastatic": ("C78.7", 6, 6),
    "hiv": ("B20", 6, 4),
}


def results(*codes: str, **more: Any) -> Any:
    return answer(MODEL, orjson.dumps({"icd10": list(codes), **more}))[0].get("results")


def assess(*resources: Resource, site: Site = Site(), **more: Any) -> Any:  # noqa: B008 - frozen
    return MODEL.assess(a_record(*resources, **more), site)


def test_no_category_is_without_a_test() -> None:
    assert set(EACH) == set(CATEGORIES)


@pytest.mark.parametrize(("category", "row"), EACH.items())
def test_each_category_has_its_weights(category: str, row: tuple[str, int, int]) -> None:
    code, of_1987, of_2011 = row
    assert results(code) == {"points_1987": of_1987, "points_2011": of_2011, "categories": [category]}


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_category_counts_once(category: str) -> None:
    code = EACH[category][0]
    assert results(code, code.lower(), code.replace(".", "")) == results(code)


@pytest.mark.parametrize(
    ("milder", "graver"),
    [
        ("diabetes_uncomplicated", "diabetes_complicated"),
        ("mild_liver", "moderate_severe_liver"),
        ("malignancy", "metastatic"),
    ],
)
def test_the_graver_supersedes_the_milder(milder: str, graver: str) -> None:
    assert results(EACH[milder][0], EACH[graver][0]) == results(EACH[graver][0])


@pytest.mark.parametrize(
    ("code", "categories"),
    [
        ("I13.10", ["renal"]),
        ("I13.2", ["heart_failure"]),
        ("E08.21", ["diabetes_complicated"]),
        ("E09.65", ["diabetes_uncomplicated"]),
        ("C44.91", []),
        ("I10", []),
        ("N17.9", []),
        ("K70.40", ["moderate_severe_liver"]),
        ("J98.4", []),
        ("I69.354", ["cerebrovascular"]),
    ],
)
def test_codes_are_placed_by_their_beginning(code: str, categories: list[str]) -> None:
    assert results(code)["categories"] == categories


@pytest.mark.parametrize(
    ("age", "points"), [(18, 0), (49.9, 0), (50, 1), (60, 2), (69.9, 2), (70, 3), (79.9, 3), (80, 4), (110, 4)]
)
def test_age_has_points_of_its_own(age: float, points: int) -> None:
    assert results("I50.9", age_years=age) == {
        "points_1987": 1,
        "points_2011": 2,
        "age_points": points,
        "categories": ["heart_failure"],
    }


def test_an_empty_list_says_that_there_is_nothing_and_no_list_says_nothing() -> None:
    assert results() == {"points_1987": 0, "points_2011": 0, "categories": []}
    assert answer(MODEL, b'{"age_years": 70}')[0]["missing"] == ["icd10"]


@pytest.mark.parametrize("code", ["I", "50.9", "I5.09", "I50.", "I50.99999", "diabetes", 50, None, ""])
def test_what_is_no_icd_10_code_is_refused(code: Any) -> None:
    answered, understood = answer(MODEL, orjson.dumps({"icd10": ["I50.9", code]}))
    assert not understood
    assert answered["errors"] == [{"field": "icd10", "problem": "entry 2: must be an ICD-10 code"}]


# ---- from a chart


def test_a_chart_is_read() -> None:
    found = assess(a_condition("E11.22"), a_condition("I50.9"), a_condition("I10"))
    assert isinstance(found, Assessed)
    assert found.values == {"icd10": ("E1122", "I509"), "age_years": 63}
    assert found.results == {
        "points_1987": 3,
        "points_2011": 3,
        "age_points": 2,
        "categories": ["heart_failure", "diabetes_complicated"],
    }
    read = found.inputs[0].reading
    assert len(read.sources) == 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("code", "categories"),
    [
        ("84114007", ["heart_failure"]),
        ("44054006", ["diabetes_uncomplicated"]),
        ("368581000119106", ["diabetes_complicated"]),
        ("433144002", ["renal"]),
        ("94225005", ["metastatic"]),
        ("93761005", ["malignancy"]),
        ("38341003", []),
    ],
)
def test_snomed_ct_is_read_by_the_icd_10_code_of_its_meaning(code: str, categories: list[str]) -> None:
    assert assess(a_condition(code)).results["categories"] == categories


def test_a_site_without_snomed_ct_does_not_guess_what_it_says() -> None:
    found = assess(a_condition("84114007"), site=Site(snomed=False))
    assert isinstance(found, NotAssessable)
    assert [each.reading.gap for each in found.missing] == [Gap.UNREADABLE]  # type: ignore[union-attr]


@pytest.mark.parametrize(("onset", "counts"), [("2022-06-01", True), ("2022-05-31", False)])
def test_what_is_over_counts_for_24_months(onset: str, counts: bool) -> None:
    over = a_condition("I21.9", clinical_status="resolved", onset=onset)
    assert bool(assess(over).results["categories"]) is counts


def test_what_goes_on_counts_however_long() -> None:
    assert assess(a_condition("I50.9", onset="1999-01-01")).results["categories"] == ["heart_failure"]


@pytest.mark.parametrize(("start", "counts"), [("2022-06-01", True), ("2021-06-01", False)])
def test_the_reasons_of_encounters_count_for_24_months(start: str, counts: bool) -> None:
    reason = [{"coding": [{"system": ICD, "code": "J44.1"}]}]
    visit = an_encounter("AMB", start, start, reasonCode=reason)
    assert bool(assess(visit).results["categories"]) is counts


def test_refuted_problems_do_not_count() -> None:
    assert assess(a_condition("I50.9", verification_status="refuted")).results["categories"] == []


def test_without_a_whole_problem_list_there_is_no_index() -> None:
    available = {"patient": Availability.COMPLETE, "conditions": Availability.PARTIAL}
    found = assess(a_patient(), a_condition("I50.9"), availability=available)
    assert isinstance(found, NotAssessable)


def test_few_unreadable_problems_are_said() -> None:
    codes = ("I50.9", "I10", "E78.5", "K21.9", "M17.9")
    texts = {"text": "something"}
    found = assess(*(a_condition(code) for code in codes), a_condition(texts))
    assert found.inputs[0].reading.note == "1 of 6 active conditions without a readable code"
