"""Results of the same time: the order in which a source sends them decides nothing."""

from itertools import permutations

import pytest

from models.assessment import Gap, Missing, Reading
from models.features.labs import TOTAL_CHOLESTEROL_MG_DL
from models.features.observation_set import HEART_RATE_PER_MIN, read_newest
from models.features.vitals import SYSTOLIC_BP_MMHG
from models.site import Site
from tests.builders import a_blood_pressure, a_record, an_observation

SITE = Site()
AT = "2024-05-31T22:00:00Z"


def read(feature: object, *resources: dict[str, object]) -> Reading | Missing:
    answers = {feature.read(a_record(*order), SITE) for order in permutations(resources)}  # type: ignore[attr-defined]
    (answer,) = answers
    return answer  # type: ignore[no-any-return]


def cholesterol(value: float, unit: str | None = "mg/dL") -> dict[str, object]:
    return an_observation("2093-3", value, unit, on="2024-05-01")


def test_two_different_results_of_one_time_contradict_each_other() -> None:
    answer = read(TOTAL_CHOLESTEROL_MG_DL, cholesterol(176.2), cholesterol(291.2))
    assert isinstance(answer, Missing)
    assert answer.gap is Gap.CONTRADICTORY


def test_one_result_printed_in_two_units_is_one_result() -> None:
    answer = read(TOTAL_CHOLESTEROL_MG_DL, cholesterol(200.0), cholesterol(5.2, "mmol/L"))
    assert isinstance(answer, Reading)
    assert answer.value == pytest.approx(200, rel=0.01)


def test_a_second_print_without_a_unit_does_not_spoil_the_first() -> None:
    answer = read(TOTAL_CHOLESTEROL_MG_DL, cholesterol(200.0), cholesterol(7.0, None))
    assert isinstance(answer, Reading)
    assert answer.value == 200.0


def test_an_older_result_neither_contradicts_nor_replaces() -> None:
    older = an_observation("2093-3", 291.2, "mg/dL", on="2024-04-01")
    answer = read(TOTAL_CHOLESTEROL_MG_DL, cholesterol(176.2), older)
    assert isinstance(answer, Reading)
    assert answer.value == 176.2


def test_pressures_of_one_time_are_averaged_before_the_last_two_are() -> None:
    today = (a_blood_pressure(150, 80, on="2024-05-20"), a_blood_pressure(140, 80, on="2024-05-20"))
    answer = read(SYSTOLIC_BP_MMHG, *today, a_blood_pressure(135, 80, on="2024-04-01"))
    assert isinstance(answer, Reading)
    assert answer.value == 140.0


def test_heart_rates_of_one_second_that_differ_are_not_scored() -> None:
    answers = {
        read_newest(a_record(*order, as_of="2024-06-01T00:00:00Z"), SITE)[HEART_RATE_PER_MIN.name]
        for order in permutations([an_observation("8867-4", rate, "/min", on=AT) for rate in (60.0, 130.0)])
    }
    (answer,) = answers
    assert isinstance(answer, Missing)
    assert answer.gap is Gap.CONTRADICTORY
