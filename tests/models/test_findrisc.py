from typing import Any

import pytest

from models.assessment import Gap, NotApplicable, NotAssessable
from models.findrisc import MODEL
from models.site import Site
from tests.builders import Resource, a_condition, a_record, an_observation
from tests.models.charts import an_outpatient

LOW: dict[str, Any] = {
    "sex": "male",
    "age_years": 44,
    "bmi_kg_m2": 24.9,
    "waist_cm": 79,
    "active_daily": True,
    "vegetables_daily": True,
    "antihypertensive": False,
    "high_glucose_ever": False,
    "family_history": "none",
}
ASKED = {"active_daily": Gap.NOT_RECORDED, "vegetables_daily": Gap.NOT_RECORDED, "family_history": Gap.NOT_RECORDED}


def assess(*resources: Resource) -> Any:
    return MODEL.assess(a_record(*resources), Site())


@pytest.mark.parametrize(
    ("changes", "points"),
    [
        ({}, 0),
        ({"age_years": 45}, 2),
        ({"age_years": 54.9}, 2),
        ({"age_years": 55}, 3),
        ({"age_years": 64.9}, 3),
        ({"age_years": 65}, 4),
        ({"bmi_kg_m2": 25}, 1),
        ({"bmi_kg_m2": 30}, 1),
        ({"bmi_kg_m2": 30.1}, 3),
        ({"waist_cm": 93.9}, 0),
        ({"waist_cm": 94}, 3),
        ({"waist_cm": 102}, 3),
        ({"waist_cm": 102.1}, 4),
        ({"sex": "female"}, 0),
        ({"sex": "female", "waist_cm": 80}, 3),
        ({"sex": "female", "waist_cm": 88}, 3),
        ({"sex": "female", "waist_cm": 88.1}, 4),
        ({"active_daily": False}, 2),
        ({"vegetables_daily": False}, 1),
        ({"antihypertensive": True}, 2),
        ({"high_glucose_ever": True}, 5),
        ({"family_history": "second-degree"}, 3),
        ({"family_history": "first-degree"}, 5),
    ],
)
def test_each_answer_has_its_points(changes: dict[str, Any], points: int) -> None:
    assert MODEL.compute({**LOW, **changes}) == {"points": points}


def test_a_chart_is_read_as_far_as_it_goes_and_the_rest_is_asked() -> None:
    chart = an_outpatient(a_condition("15777000"), an_observation("8280-0", 0.9, "m", on="2024-01-01"), without="E11.9")
    answer = assess(*chart)
    assert isinstance(answer, NotAssessable)
    assert {each.name: each.reading.gap for each in answer.missing} == ASKED  # type: ignore[union-attr]
    read = {each.name: getattr(each.reading, "value", None) for each in answer.inputs}
    assert read == {
        "sex": "female",
        "age_years": 63,
        "bmi_kg_m2": 31,
        "waist_cm": 90,
        "active_daily": None,
        "vegetables_daily": None,
        "antihypertensive": True,
        "high_glucose_ever": True,
        "family_history": None,
    }


@pytest.mark.parametrize(
    ("code", "counts"), [("R73.03", True), ("O24.410", True), ("Z86.32", True), ("80394007", True), ("R81", False)]
)
def test_high_glucose_is_read_from_the_problem_list(code: str, counts: bool) -> None:
    over = a_condition(code, clinical_status="resolved")
    answer = assess(*an_outpatient(over, without="E11.9"))
    read = next(each.reading for each in answer.inputs if each.name == "high_glucose_ever")
    assert read.value is counts
    assert ("laboratory results are not read" in read.note) is not counts


def test_known_diabetes_needs_no_prediction() -> None:
    assert assess(*an_outpatient()) == NotApplicable(MODEL.reference, "diabetes is known")
