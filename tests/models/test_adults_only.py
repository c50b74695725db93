"""Whom the scores of the ward are not made for."""

from typing import Any

import pytest

from models.assessment import NotApplicable
from models.registry import calculators
from models.site import Site
from tests.builders import Resource, a_condition, a_patient, a_record, an_encounter

WARD = ("qsofa", "sirs", "wells-pe", "padua", "hospital", "hospital-simplified", "lace")
ADULT = (*WARD, "findrisc", "charlson")


def reason(model: str, *resources: Resource, **patient: Any) -> str:
    stay = an_encounter("IMP", start="2024-05-20T08:00:00Z")
    answer = calculators()[model].assess(a_record(a_patient(**patient), stay, *resources), Site())
    return answer.reason if isinstance(answer, NotApplicable) else ""


@pytest.mark.parametrize("model", ADULT)
def test_the_scores_are_for_adults(model: str) -> None:
    assert reason(model, born="2006-06-02") == "age 17 is under 18"
    assert reason(model, born="2006-06-01") == ""


@pytest.mark.parametrize("model", [*ADULT, "mme"])
def test_nobody_who_died_is_scored(model: str) -> None:
    assert reason(model, deceasedBoolean=True) == "the patient has died"


@pytest.mark.parametrize("model", [*WARD, "findrisc"])
def test_pregnancy_and_palliative_care_are_out_of_scope(model: str) -> None:
    assert reason(model, a_condition("O09.90")) == "not made for pregnancy"
    assert reason(model, a_condition("Z51.5")) == "palliative care"
