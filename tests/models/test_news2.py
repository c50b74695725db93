from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.assessment import Assessed, NotAssessable
from models.news2 import MODEL
from models.news2.model import Known, known_points
from models.site import Site
from tests.builders import a_record
from tests.models.charts import an_inpatient

NORMAL: dict[str, Any] = {
    "respiratory_rate_per_min": 16,
    "spo2_percent": 98,
    "on_oxygen": False,
    "systolic_bp_mmhg": 125,
    "heart_rate_per_min": 70,
    "consciousness": "A",
    "temperature_cel": 37.0,
}


def part(name: str, value: Any, **more: Any) -> int:
    return int(MODEL.compute({**NORMAL, name: value, **more})["parts"][name])


@pytest.mark.parametrize(
    ("name", "chart"),
    [
        ("respiratory_rate_per_min", {8: 3, 9: 1, 11: 1, 12: 0, 20: 0, 21: 2, 24: 2, 25: 3}),
        ("spo2_percent", {91: 3, 92: 2, 93: 2, 94: 1, 95: 1, 96: 0, 100: 0}),
        ("systolic_bp_mmhg", {90: 3, 91: 2, 100: 2, 101: 1, 110: 1, 111: 0, 219: 0, 220: 3}),
        ("heart_rate_per_min", {40: 3, 41: 1, 50: 1, 51: 0, 90: 0, 91: 1, 110: 1, 111: 2, 130: 2, 131: 3}),
        ("temperature_cel", {35.0: 3, 35.1: 1, 36.0: 1, 36.1: 0, 38.0: 0, 38.1: 1, 39.0: 1, 39.1: 2}),
        ("consciousness", {"A": 0, "C": 3, "V": 3, "P": 3, "U": 3}),
        ("on_oxygen", {False: 0, True: 2}),
    ],
)
def test_the_chart_gives_the_points(name: str, chart: dict[Any, int]) -> None:
    assert {value: part(name, value) for value in chart} == chart


@pytest.mark.parametrize(
    ("on_oxygen", "chart"),
    [
        (True, {83: 3, 84: 2, 85: 2, 86: 1, 87: 1, 88: 0, 92: 0, 93: 1, 94: 1, 95: 2, 96: 2, 97: 3}),
        (False, {83: 3, 85: 2, 87: 1, 88: 0, 92: 0, 93: 0, 97: 0, 100: 0}),
    ],
)
def test_scale_2_has_a_chart_of_its_own(on_oxygen: bool, chart: dict[int, int]) -> None:
    found = {value: part("spo2_percent", value, spo2_scale=2, on_oxygen=on_oxygen) for value in chart}
    assert found == chart


@pytest.mark.parametrize(
    ("name", "value", "points"),
    [
        ("temperature_cel", 36.04, 1),
        ("temperature_cel", 36.05, 0),  # halves go up: 36.1
        ("temperature_cel", 36.05 - 1e-12, 0),  # the same, as a conversion of units may leave it
        ("respiratory_rate_per_min", 20.4, 0),
        ("respiratory_rate_per_min", 20.5, 2),
        ("spo2_percent", 95.5, 0),
        ("systolic_bp_mmhg", 90.4, 3),
        ("heart_rate_per_min", 130.5, 3),
    ],
)
def test_values_between_chart_steps_are_rounded_first(name: str, value: float, points: int) -> None:
    assert part(name, value) == points


@pytest.mark.parametrize(
    ("changes", "points", "band"),
    [
        ({}, 0, "low"),
        ({"on_oxygen": True, "heart_rate_per_min": 115}, 4, "low"),
        ({"consciousness": "C"}, 3, "low-medium"),
        ({"consciousness": "V", "heart_rate_per_min": 95}, 4, "low-medium"),
        ({"on_oxygen": True, "heart_rate_per_min": 115, "temperature_cel": 38.5}, 5, "medium"),
        ({"consciousness": "U", "heart_rate_per_min": 115, "temperature_cel": 38.5}, 6, "medium"),
        ({"consciousness": "P", "heart_rate_per_min": 115, "on_oxygen": True}, 7, "high"),
    ],
)
def test_the_band_follows_from_the_total_or_a_single_3(changes: dict[str, Any], points: int, band: str) -> None:
    results = MODEL.compute({**NORMAL, **changes})
    assert (results["points"], results["band"]) == (points, band)


@given(
    st.fixed_dictionaries(
        {
            "respiratory_rate_per_min": st.integers(12, 20),
            "spo2_percent": st.integers(96, 100),
            "on_oxygen": st.just(value=False),
            "systolic_bp_mmhg": st.integers(111, 219),
            "heart_rate_per_min": st.integers(51, 90),
            "consciousness": st.just("A"),
            "temperature_cel": st.integers(361, 380).map(lambda tenths: tenths / 10),
        }
    )
)
def test_inside_every_normal_band_there_are_no_points(values: dict[str, Any]) -> None:
    assert MODEL.compute(values)["points"] == 0


WORSE = {
    "respiratory_rate_per_min": (16, 2, 80),
    "spo2_percent": (98, 50, 98),
    "systolic_bp_mmhg": (125, 40, 300),
    "heart_rate_per_min": (70, 20, 300),
    "temperature_cel": (37.0, 25.0, 45.0),
}


@pytest.mark.parametrize("name", ["respiratory_rate_per_min", "spo2_percent", "systolic_bp_mmhg", "heart_rate_per_min"])
@pytest.mark.parametrize("direction", [-1, 1])
def test_points_never_fall_when_a_vital_sign_worsens(name: str, direction: int) -> None:
    start, low, high = WORSE[name]
    end = low if direction < 0 else high
    points = [part(name, value) for value in range(int(start), int(end) + direction, direction)]
    assert points == sorted(points)


@pytest.mark.parametrize("direction", [-1, 1])
def test_points_never_fall_when_the_temperature_worsens(direction: int) -> None:
    end = 250 if direction < 0 else 450
    points = [part("temperature_cel", tenths / 10) for tenths in range(370, end + direction, direction)]
    assert points == sorted(points)


def test_a_chart_is_read_on_scale_1_and_says_so() -> None:
    assessment = MODEL.assess(a_record(*an_inpatient()), Site())
    assert isinstance(assessment, Assessed)
    assert "spo2_scale" not in assessment.values
    assert any("scale 1" in note for note in assessment.notes)
    assert (assessment.results["points"], assessment.results["band"]) == (6, "medium")


def test_what_is_known_of_an_incomplete_set_is_the_least_the_score_can_be() -> None:
    assessment = MODEL.assess(a_record(*an_inpatient(without="67775-7")), Site())
    assert isinstance(assessment, NotAssessable)
    assert known_points(assessment.inputs) == Known(points=6, band="medium")
    assert known_points(()) == Known(points=0, band="low")
