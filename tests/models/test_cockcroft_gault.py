from typing import Any

import pytest

from models.assessment import Assessed, Gap, NotApplicable, NotAssessable
from models.cockcroft_gault import MODEL
from models.site import Site
from tests.builders import Resource, a_condition, a_record, an_observation
from tests.models.charts import an_outpatient

MAN: dict[str, Any] = {"sex": "male", "age_years": 60, "weight_kg": 72, "creatinine_mg_dl": 1.0}
WEIGHT = an_observation("29463-7", 70, "kg", on="2024-03-01")


def assess(*resources: Resource) -> Any:
    return MODEL.assess(a_record(*resources), Site())


@pytest.mark.parametrize(
    ("changes", "clearance"),
    [
        ({}, 80),
        ({"sex": "female"}, 68),
        ({"weight_kg": 144}, 160),
        ({"creatinine_mg_dl": 2.0}, 40),
        ({"age_years": 100}, 40),
    ],
)
def test_the_formula_is_that_of_the_paper(changes: dict[str, Any], clearance: float) -> None:
    assert MODEL.compute({**MAN, **changes})["crcl_ml_min"] == pytest.approx(clearance, rel=1e-12)


def test_a_chart_is_read_with_actual_weight_and_says_so() -> None:
    answer = assess(*an_outpatient(WEIGHT))
    assert isinstance(answer, Assessed)
    assert answer.results["crcl_ml_min"] == pytest.approx((140 - 63) * 70 / (72 * 1.4) * 0.85)
    assert answer.notes == ("with actual body weight",)


def test_pounds_are_converted() -> None:
    pounds = an_observation("29463-7", 154, "[lb_av]", on="2024-03-01")
    assert assess(*an_outpatient(pounds)).values["weight_kg"] == pytest.approx(69.853, abs=0.001)


def test_without_a_weight_there_is_no_clearance() -> None:
    answer = assess(*an_outpatient())
    assert isinstance(answer, NotAssessable)
    assert [(each.name, each.reading.gap) for each in answer.missing] == [  # type: ignore[union-attr]
        ("weight_kg", Gap.NOT_RECORDED)
    ]


def test_dialysis_and_childhood_are_out_of_scope() -> None:
    assert isinstance(assess(*an_outpatient(WEIGHT, a_condition("Z99.2"))), NotApplicable)
    assert isinstance(MODEL.calculate({**MAN, "age_years": 17}), NotApplicable)
