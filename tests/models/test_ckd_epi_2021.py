import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ckd_epi_2021 import MODEL
from models.ckd_epi_2021.equation import egfr, g_stage


@pytest.mark.parametrize(
    ("value", "stage"),
    [
        (90, "G1"),
        (89.99, "G2"),
        (60, "G2"),
        (59.96, "G3a"),
        (45, "G3a"),
        (44.9, "G3b"),
        (30, "G3b"),
        (29.9, "G4"),
        (15, "G4"),
        (14.9, "G5"),
        (0.5, "G5"),
    ],
)
def test_the_stage_is_of_the_unrounded_value(value: float, stage: str) -> None:
    assert g_stage(value) == stage


@given(st.sampled_from(["female", "male"]), st.integers(18, 100), st.floats(0.1, 24))
def test_egfr_falls_with_creatinine_and_age(sex: str, age: int, creatinine: float) -> None:
    value = egfr(sex=sex, age_years=age, creatinine_mg_dl=creatinine)
    assert value > egfr(sex=sex, age_years=age, creatinine_mg_dl=creatinine * 1.01)
    assert value > egfr(sex=sex, age_years=age + 1, creatinine_mg_dl=creatinine)


def test_both_results_are_given_together() -> None:
    assert MODEL.compute({"sex": "male", "age_years": 60, "creatinine_mg_dl": 2.0}) == {
        "egfr_ml_min_1_73m2": egfr(sex="male", age_years=60, creatinine_mg_dl=2.0),
        "g_stage": "G3b",
    }
