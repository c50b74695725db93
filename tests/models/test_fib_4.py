from typing import Any

import pytest

from fhir_client.record import Availability
from models.assessment import Assessed, Gap, NotApplicable, NotAssessable
from models.fib_4 import MODEL
from models.site import Site
from tests.builders import Resource, a_patient, a_record, an_encounter, an_observation
from tests.models.patients import with_liver_tests

MAN: dict[str, Any] = {"age_years": 60, "ast_u_l": 50, "alt_u_l": 40, "platelets_10e9_l": 180}


def assess(*resources: Resource) -> Any:
    return MODEL.assess(a_record(*resources), Site())


def band(age: float, index: float) -> Any:
    return MODEL.compute({"age_years": age, "ast_u_l": index * 100 / age, "alt_u_l": 1, "platelets_10e9_l": 100})[
        "band"
    ]


@pytest.mark.parametrize(
    ("age", "bands"),
    [
        (64, {1.29: "low", 1.31: "indeterminate", 1.99: "indeterminate", 2.66: "indeterminate", 2.68: "high"}),
        (65, {1.31: "low", 1.99: "low", 2.01: "indeterminate", 2.66: "indeterminate", 2.68: "high"}),
    ],
)
def test_the_lower_cut_off_is_that_of_the_age(age: float, bands: dict[float, str]) -> None:
    assert {index: band(age, index) for index in bands} == bands


def test_the_cut_offs_themselves_are_indeterminate() -> None:
    exactly = {"age_years": 50, "alt_u_l": 1, "platelets_10e9_l": 100}
    assert MODEL.compute({**exactly, "ast_u_l": 2.6})["band"] == "indeterminate"
    assert MODEL.compute({**exactly, "ast_u_l": 5.34})["band"] == "indeterminate"


@pytest.mark.parametrize(("name", "rises"), [("ast_u_l", True), ("alt_u_l", False), ("platelets_10e9_l", False)])
def test_the_index_moves_with_each_input(name: str, rises: bool) -> None:
    more = MODEL.compute({**MAN, name: MAN[name] * 1.1})["index"]
    assert (more > MODEL.compute(MAN)["index"]) is rises


def test_a_chart_is_read() -> None:
    answer = assess(*with_liver_tests())
    assert isinstance(answer, Assessed)
    assert answer.results["index"] == pytest.approx(63 * 50 / (180 * 40**0.5))
    assert [each.reading.note for each in answer.inputs[1:]] == ["setting not known"] * 3


def test_results_of_a_ward_are_passed_over() -> None:
    stay = an_encounter("IMP", start="2024-05-01T08:00:00Z", end="2024-05-09T08:00:00Z", id="stay")
    ill = an_observation("1920-8", 900, "U/L", on="2024-05-02", encounter="Encounter/stay")
    answer = assess(*with_liver_tests(stay, ill))
    assert isinstance(answer, Assessed)
    assert answer.values["ast_u_l"] == 50


def test_a_newer_outpatient_result_that_cannot_be_used_is_no_reason_to_take_an_older_one() -> None:
    answer = assess(*with_liver_tests(an_observation("777-3", 0, "10*3/uL", on="2024-05-02")))
    assert isinstance(answer, NotAssessable)
    assert [(each.name, each.reading.gap) for each in answer.missing] == [  # type: ignore[union-attr]
        ("platelets_10e9_l", Gap.IMPLAUSIBLE)
    ]


def test_results_older_than_six_months_are_too_old() -> None:
    old = (
        an_observation("1920-8", 50, "U/L", on="2023-11-30"),
        an_observation("1742-6", 40, "U/L", on="2023-12-01"),
        an_observation("777-3", 180, "10*3/uL", on="2024-03-01"),
    )
    answer = assess(a_patient(), *old)
    assert isinstance(answer, NotAssessable)
    assert [(each.name, each.reading.gap) for each in answer.missing] == [  # type: ignore[union-attr]
        ("ast_u_l", Gap.TOO_OLD)
    ]


def test_what_a_partly_answered_search_found_is_used_and_said() -> None:
    every = {search.key: Availability.COMPLETE for search in MODEL.searches}
    partly = {**every, "laboratory": Availability.PARTIAL, "encounters": Availability.DENIED}
    answer = MODEL.assess(a_record(*with_liver_tests(), availability=partly), Site())
    assert isinstance(answer, Assessed)
    note = "setting not known; the record system answered only in part"
    assert [each.reading.note for each in answer.inputs[1:]] == [note] * 3


def test_a_result_of_a_clinic_needs_no_remark() -> None:
    visit = an_encounter("AMB", start="2024-05-02T08:00:00Z", end="2024-05-02T09:00:00Z", id="visit")
    more = [
        an_observation(code, value, unit, on="2024-05-02", encounter="Encounter/visit")
        for code, value, unit in [("1920-8", 20, "U/L"), ("1742-6", 25, "U/L"), ("777-3", 250, "10*3/uL")]
    ]
    answer = assess(*with_liver_tests(visit, *more))
    assert [each.reading.note for each in answer.inputs[1:]] == [""] * 3
    assert answer.results["band"] == "low"


def test_acute_hepatitis_and_the_young_are_out_of_scope() -> None:
    acute = assess(*with_liver_tests(an_observation("1742-6", 201, "U/L", on="2024-05-02")))
    assert isinstance(acute, NotApplicable)
    assert acute.reason == "ALT 201 is outside 0 to 200 U/L (5 times a usual upper limit of normal)"
    assert MODEL.calculate({**MAN, "alt_u_l": 201}) == MODEL.calculate({**MAN, "alt_u_l": 201.0})
    assert isinstance(MODEL.calculate({**MAN, "alt_u_l": 201}), Assessed)
    assert isinstance(MODEL.calculate({**MAN, "age_years": 17}), NotApplicable)
