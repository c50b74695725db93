from itertools import product
from typing import Any

import pytest

from models.assessment import Gap, NotApplicable, NotAssessable
from models.pce import MODEL
from models.site import Site
from tests.builders import a_record
from tests.models.charts import an_outpatient

GROUPS = tuple(product(["female", "male"], ["white", "black"]))
PERSON: dict[str, Any] = {
    "age_years": 55,
    "total_cholesterol_mg_dl": 213,
    "hdl_cholesterol_mg_dl": 50,
    "systolic_bp_mmhg": 120,
    "bp_treated": False,
    "diabetes": False,
    "smoker": False,
}
every_group = pytest.mark.parametrize(("sex", "race"), GROUPS)


def risk(sex: str, race: str, **changes: Any) -> float:
    return float(MODEL.compute({**PERSON, "sex": sex, "race": race, **changes})["ascvd_10y"])


@every_group
@pytest.mark.parametrize(
    "worse",
    [
        {"total_cholesterol_mg_dl": 260},
        {"hdl_cholesterol_mg_dl": 35},
        {"systolic_bp_mmhg": 150},
        {"bp_treated": True},
        {"diabetes": True},
        {"smoker": True},
        {"age_years": 65},
    ],
    ids=lambda worse: next(iter(worse)),
)
def test_risk_rises_with_each_factor(sex: str, race: str, worse: dict[str, Any]) -> None:
    assert risk(sex, race, **worse) > risk(sex, race)


def test_each_group_has_an_equation_of_its_own() -> None:
    assert len({risk(sex, race) for sex, race in GROUPS}) == len(GROUPS)


@every_group
def test_absurd_inputs_give_a_probability_all_the_same(sex: str, race: str) -> None:
    for hdl in (1e-300, 1e300):
        assert 0 <= risk(sex, race, hdl_cholesterol_mg_dl=hdl, total_cholesterol_mg_dl=1e300) <= 1


def test_race_is_never_read_from_a_chart() -> None:
    us_core = {
        "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
        "extension": [{"url": "text", "valueString": "White"}],
    }
    answer = MODEL.assess(a_record(*an_outpatient(extension=[us_core])), Site())
    assert isinstance(answer, NotAssessable)
    assert [(each.name, each.reading.gap) for each in answer.missing] == [  # type: ignore[union-attr]
        ("race", Gap.NOT_RECORDED)
    ]
    assert {each.name for each in answer.inputs} - {"race"} == {*PERSON, "sex"}


@pytest.mark.parametrize("age", [39, 80])
def test_the_equations_hold_from_40_to_79(age: int) -> None:
    answer = MODEL.calculate({**PERSON, "sex": "male", "race": "white", "age_years": age})
    assert answer == NotApplicable(MODEL.reference, f"age {age} is outside 40 to 79")
