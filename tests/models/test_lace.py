from typing import Any

import orjson
import pytest

from models.assessment import Assessed, Gap, NotApplicable, NotAssessable
from models.lace import MODEL
from models.lace.model import comorbidity, known_points
from models.plain_values import answer
from models.site import Site
from tests.builders import Resource, a_condition, a_record
from tests.models.charts import an_outpatient
from tests.models.inpatients import at_discharge

SHORT: dict[str, Any] = {
    "length_of_stay_days": 0,
    "acute_admission": False,
    "comorbidity_points": 0,
    "ed_visits_6m": 0,
}


def assess(*resources: Resource) -> Any:
    return MODEL.assess(a_record(*resources), Site())


def ask(given: dict[str, Any]) -> dict[str, Any]:
    return answer(MODEL, orjson.dumps(given))[0]


@pytest.mark.parametrize(
    ("days", "points"),
    [(0.9, 0), (1, 1), (1.9, 1), (2, 2), (3, 3), (4, 4), (6.9, 4), (7, 5), (13.9, 5), (14, 7), (100, 7)],
)
def test_the_points_of_the_length_of_stay(days: float, points: int) -> None:
    assert MODEL.compute({**SHORT, "length_of_stay_days": days})["points"] == points


@pytest.mark.parametrize(("weight", "points"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 5), (20, 5)])
def test_the_points_of_comorbidity(weight: int, points: int) -> None:
    assert MODEL.compute({**SHORT, "comorbidity_points": weight})["points"] == points


@pytest.mark.parametrize(("visits", "points"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (12, 4)])
def test_the_points_of_emergency_visits(visits: int, points: int) -> None:
    assert MODEL.compute({**SHORT, "ed_visits_6m": visits})["points"] == points


def test_an_unplanned_admission_is_three_points_and_parts_are_named_by_their_inputs() -> None:
    assert MODEL.compute({**SHORT, "acute_admission": True}) == {
        "points": 3,
        "parts": {"length_of_stay_days": 0, "acute_admission": 3, "comorbidity_points": 0, "ed_visits_6m": 0},
    }


@pytest.mark.parametrize(
    ("codes", "weight"),
    [
        ((), 0),
        (("I252",), 1),
        (("I639",), 1),
        (("I739",), 1),
        (("E119",), 1),
        (("E1122",), 2),
        (("E119", "E1122"), 2),
        (("I509",), 2),
        (("J449",), 2),
        (("K7460",), 2),
        (("N183",), 2),
        (("K7460", "N183"), 2),  # mild liver or renal disease: one item
        (("C189",), 2),
        (("C189", "C787"), 6),
        (("F0390",), 3),
        (("M069",), 3),
        (("B20",), 4),
        (("K7290",), 4),
        (("N184",), 4),
        (("N186", "Z992"), 4),
        (("Z940",), 4),
        (("N183", "N185"), 4),
        (("K7290", "N184"), 4),
        (("K259",), 0),  # no item of LACE
        (("G8190",), 0),
        (("I252", "I509", "J449"), 5),
    ],
)
def test_comorbidity_has_the_weights_of_lace_and_not_those_of_charlson(codes: tuple[str, ...], weight: int) -> None:
    assert comorbidity(codes) == weight


def test_codes_and_their_weight_are_two_ways_to_say_the_same() -> None:
    by_codes = {name: value for name, value in SHORT.items() if name != "comorbidity_points"}
    assert ask({**by_codes, "icd10": ["I25.2", "I50.9"]})["results"]["points"] == 3
    assert ask({**SHORT, "comorbidity_points": 3})["results"]["points"] == 3
    assert ask(by_codes)["missing"] == ["comorbidity_points", "icd10"]
    assert ask({**SHORT, "icd10": []})["errors"][0]["field"] == "icd10"


def test_hours_are_days() -> None:
    assert ask({**SHORT, "length_of_stay_days": {"value": 72, "unit": "h"}})["results"]["points"] == 3


def test_a_chart_is_read() -> None:
    found = assess(*at_discharge(a_condition("I50.9")))
    assert isinstance(found, Assessed)
    assert found.values == {
        "length_of_stay_days": 6,
        "acute_admission": True,
        "icd10": ("E119", "I509"),
        "ed_visits_6m": 1,
    }
    assert found.results == {
        "points": 4 + 3 + 3 + 1,
        "parts": {"length_of_stay_days": 4, "acute_admission": 3, "comorbidity_points": 3, "ed_visits_6m": 1},
    }


def test_how_the_patient_came_is_not_guessed() -> None:
    found = assess(*at_discharge(without="EMER"))
    assert isinstance(found, NotAssessable)
    assert {each.name: each.reading.gap for each in found.missing} == {  # type: ignore[union-attr]
        "acute_admission": Gap.NOT_RECORDED
    }


def test_without_a_stay_there_is_no_score() -> None:
    assert assess(*an_outpatient()) == NotApplicable(MODEL.reference, "no inpatient stay goes on or is named")


def test_what_is_known_bounds_the_whole_score() -> None:
    known = known_points(assess(*at_discharge(a_condition("I50.9"), without="EMER")).inputs)
    assert dict(known.parts) == {"length_of_stay_days": 4, "comorbidity_points": 3, "ed_visits_6m": 0}
    assert (known.least, known.most) == (7, 10)
    whole = known_points(assess(*at_discharge(a_condition("I50.9"))).inputs)
    assert (whole.least, whole.most) == (11, 11)
    assert (known_points(()).least, known_points(()).most) == (0, 19)
