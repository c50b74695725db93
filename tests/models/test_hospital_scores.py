"""The HOSPITAL score and its simplified form."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from models.assessment import Assessed, Gap, NotApplicable, NotAssessable
from models.hospital import MODEL as HOSPITAL
from models.hospital_simplified import MODEL as SIMPLIFIED
from models.hospital_simplified.model import known_points
from models.plain_values import answer, schema
from models.risk_model import RiskModel
from models.site import Site
from tests.builders import Resource, a_condition, a_record, an_encounter, an_observation
from tests.models.charts import an_outpatient
from tests.models.inpatients import at_discharge

CALM: dict[str, Any] = {
    "hemoglobin_g_dl": 12,
    "oncology": False,
    "sodium_mmol_l": 135,
    "nonelective": False,
    "admissions_12m": 0,
    "length_of_stay_days": 4.9,
}


def assess(model: RiskModel, *resources: Resource) -> Any:
    return model.assess(a_record(*resources), Site())


def missing(answer: Any) -> dict[str, Gap]:
    assert isinstance(answer, NotAssessable)
    return {each.name: each.reading.gap for each in answer.missing}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("worse", "points"),
    [
        ({}, 0),
        ({"hemoglobin_g_dl": 11.9}, 1),
        ({"oncology": True}, 2),
        ({"sodium_mmol_l": 134.9}, 1),
        ({"nonelective": True}, 1),
        ({"admissions_12m": 1}, 0),
        ({"admissions_12m": 2}, 2),
        ({"admissions_12m": 5}, 2),
        ({"admissions_12m": 6}, 5),
        ({"length_of_stay_days": 5}, 2),
    ],
)
def test_each_item_has_its_points_in_both_forms(worse: dict[str, Any], points: int) -> None:
    assert SIMPLIFIED.compute({**CALM, **worse}) == {"points": points}
    assert HOSPITAL.compute({**CALM, "procedure": False, **worse})["points"] == points
    assert HOSPITAL.compute({**CALM, "procedure": True, **worse})["points"] == points + 1


@pytest.mark.parametrize(
    ("admissions", "more", "band"),
    [
        (0, {}, "low"),
        (2, {"oncology": True}, "low"),
        (6, {}, "intermediate"),
        (6, {"nonelective": True}, "intermediate"),
        (6, {"oncology": True}, "high"),
    ],
)
def test_the_bands_are_those_of_the_original_score(admissions: int, more: dict[str, Any], band: str) -> None:
    results = HOSPITAL.compute({**CALM, "procedure": False, "admissions_12m": admissions, **more})
    assert results["band"] == band


def test_a_chart_is_read() -> None:
    found = assess(SIMPLIFIED, *at_discharge())
    assert isinstance(found, Assessed)
    assert found.values == {
        "hemoglobin_g_dl": 10.4,
        "oncology": False,
        "sodium_mmol_l": 138,
        "nonelective": True,
        "admissions_12m": 1,
        "length_of_stay_days": 6,
    }
    assert found.results == {"points": 4}


def test_cancer_is_read_from_the_problem_list() -> None:
    assert assess(SIMPLIFIED, *at_discharge(a_condition("C18.9"))).results == {"points": 6}


def test_the_newest_result_of_the_stay_decides_and_none_from_before_it() -> None:
    newer = an_observation("718-7", 125, "g/L", on="2024-05-31T08:00:00Z")
    assert assess(SIMPLIFIED, *at_discharge(newer)).values["hemoglobin_g_dl"] == 12.5
    older = an_observation("718-7", 9, "g/dL", on="2024-05-26T02:59:00Z")
    assert missing(assess(SIMPLIFIED, *at_discharge(older, without="718-7"))) == {"hemoglobin_g_dl": Gap.TOO_OLD}
    strange = an_observation("718-7", 9, "mmol/L", on="2024-05-31T08:00:00Z")
    assert missing(assess(SIMPLIFIED, *at_discharge(strange))) == {"hemoglobin_g_dl": Gap.UNIT}


def test_how_the_patient_came_is_not_guessed() -> None:
    found = assess(SIMPLIFIED, *at_discharge(without="EMER"))
    assert missing(found) == {"nonelective": Gap.NOT_RECORDED}


def test_the_original_score_needs_answers_that_no_chart_gives() -> None:
    assert missing(assess(HOSPITAL, *at_discharge())) == {
        "oncology": Gap.NOT_RECORDED,
        "procedure": Gap.NOT_RECORDED,
    }


@pytest.mark.parametrize("given", [1.5, True, "1", {"value": 1, "unit": "1"}, 1e400, -1])
def test_admissions_are_a_whole_number(given: Any) -> None:
    line = json.dumps({**CALM, "admissions_12m": given}).replace("Infinity", "1e400").encode()
    assert not answer(SIMPLIFIED, line)[1]
    assert not Draft202012Validator(schema(SIMPLIFIED)).is_valid({**CALM, "admissions_12m": given})


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert answer(SIMPLIFIED, json.dumps({**CALM, "admissions_12m": 2.0}).encode())[0]["results"] == {"points": 2}
    assert Draft202012Validator(schema(SIMPLIFIED)).is_valid({**CALM, "admissions_12m": 2.0})


@pytest.mark.parametrize("model", [SIMPLIFIED, HOSPITAL], ids=lambda model: model.id)
def test_without_a_stay_there_is_no_score(model: RiskModel) -> None:
    silent = NotApplicable(model.reference, "no inpatient stay goes on or is named")
    assert assess(model, *an_outpatient()) == silent
    over = an_encounter("IMP", "2024-05-20T08:00:00Z", "2024-05-25T08:00:00Z")
    assert assess(model, *an_outpatient(over)) == silent


def test_what_is_known_is_the_least_that_the_simplified_score_can_be() -> None:
    whole = assess(SIMPLIFIED, *at_discharge())
    assert known_points(whole.inputs) == whole.results["points"] == 4
    assert known_points(assess(SIMPLIFIED, *at_discharge(without="718-7")).inputs) == 3
    assert known_points(()) == 0
