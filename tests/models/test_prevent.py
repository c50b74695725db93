from math import log
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.assessment import Assessed, NotApplicable
from models.prevent import MODEL
from models.prevent.equation import LABELS, PARAMETERS, drive
from models.prevent.thresholds import ascvd_category, reaches_blood_pressure_threshold

WOMAN: dict[str, Any] = {
    "sex": "female",
    "age_years": 50,
    "total_cholesterol_mg_dl": 200,
    "hdl_cholesterol_mg_dl": 45,
    "systolic_bp_mmhg": 160,
    "bp_treated": True,
    "diabetes": True,
    "smoker": False,
    "bmi_kg_m2": 35,
    "egfr_ml_min_1_73m2": 90,
    "statin": False,
}

people = st.fixed_dictionaries(
    {
        "sex": st.sampled_from(["female", "male"]),
        "age_years": st.integers(30, 79),
        "total_cholesterol_mg_dl": st.floats(130, 320),
        "hdl_cholesterol_mg_dl": st.floats(20, 100),
        "systolic_bp_mmhg": st.floats(90, 200),
        "bp_treated": st.booleans(),
        "diabetes": st.booleans(),
        "smoker": st.booleans(),
        "bmi_kg_m2": st.floats(18.5, 39.9),
        "egfr_ml_min_1_73m2": st.floats(15, 140),
        "statin": st.booleans(),
    }
)


@pytest.mark.parametrize(("age", "spans"), [(30, {"10y", "30y"}), (59, {"10y", "30y"}), (60, {"10y"}), (79, {"10y"})])
def test_thirty_years_are_given_up_to_59(age: int, spans: set[str]) -> None:
    assessment = MODEL.calculate({**WOMAN, "age_years": age})
    assert isinstance(assessment, Assessed)
    assert set(assessment.results) == {f"{event}_{span}" for event in ("cvd", "ascvd", "hf") for span in spans}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("age_years", 29, "age 29 is outside 30 to 79"),
        ("age_years", 80, "age 80 is outside 30 to 79"),
        ("total_cholesterol_mg_dl", 129, "total cholesterol 129 is outside 130 to 320"),
        ("total_cholesterol_mg_dl", 321, "total cholesterol 321 is outside 130 to 320"),
        ("hdl_cholesterol_mg_dl", 19.9, "HDL cholesterol 19.9 is outside 20 to 100"),
        ("hdl_cholesterol_mg_dl", 101, "HDL cholesterol 101 is outside 20 to 100"),
        ("systolic_bp_mmhg", 89, "systolic blood pressure 89 is outside 90 to 200"),
        ("systolic_bp_mmhg", 201, "systolic blood pressure 201 is outside 90 to 200"),
        ("bmi_kg_m2", 18.4, "BMI 18.4 is outside 18.5 to below 40"),
        ("bmi_kg_m2", 40, "BMI 40 is outside 18.5 to below 40"),
        ("egfr_ml_min_1_73m2", 14.9, "eGFR 14.9 is outside 15 to 140"),
        ("egfr_ml_min_1_73m2", 141, "eGFR 141 is outside 15 to 140"),
    ],
)
def test_outside_a_valid_range_there_is_no_result(name: str, value: float, reason: str) -> None:
    assert MODEL.calculate({**WOMAN, name: value}) == NotApplicable(MODEL.reference, reason)


@given(people, st.integers(30, 78))
def test_risk_rises_with_age_without_diabetes_smoking_or_kidney_disease(person: dict[str, Any], age: int) -> None:
    fixed = {**person, "diabetes": False, "smoker": False}
    fixed["egfr_ml_min_1_73m2"] = max(fixed["egfr_ml_min_1_73m2"], 60)
    younger, older = (MODEL.compute({**fixed, "age_years": years}) for years in (age, age + 1))
    for output in ("cvd_10y", "ascvd_10y", "hf_10y"):
        assert older[output] > younger[output]


@given(people)
def test_the_contributions_and_the_constant_make_the_log_odds(person: dict[str, Any]) -> None:
    results = MODEL.compute(person)
    for output, drivers in drive(person).items():
        constant = PARAMETERS[f"{output}_{person['sex']}"]["constant"]
        log_odds = constant + sum(driver.amount for driver in drivers)
        assert log_odds == pytest.approx(log(results[output] / (1 - results[output])), abs=1e-9)
        assert {driver.name for driver in drivers} == set(LABELS)


def test_the_reference_person_has_no_contributions() -> None:
    hdl = 1.3 / 0.02586
    reference = {
        **WOMAN,
        "age_years": 55,
        "total_cholesterol_mg_dl": hdl + 3.5 / 0.02586,
        "hdl_cholesterol_mg_dl": hdl,
        "systolic_bp_mmhg": 130,
        "bmi_kg_m2": 25,
        "egfr_ml_min_1_73m2": 90,
        "bp_treated": False,
        "diabetes": False,
    }
    for drivers in drive(reference).values():
        assert [driver.amount for driver in drivers] == pytest.approx([0] * len(drivers), abs=1e-12)


def test_an_interaction_with_age_counts_for_the_other_input() -> None:
    at_55, at_45 = (
        {driver.name: driver.amount for driver in drive({**WOMAN, "age_years": age})["cvd_10y"]} for age in (55, 45)
    )
    female = PARAMETERS["cvd_10y_female"]
    assert at_55["diabetes"] == pytest.approx(female["diabetes"])
    assert at_45["diabetes"] == pytest.approx(female["diabetes"] - female["age_x_diabetes"])
    assert at_45["age_years"] == pytest.approx(-female["age"])


def test_every_published_coefficient_is_in_the_file() -> None:
    tables = {name: value for name, value in PARAMETERS.by_name.items() if name.endswith(("_female", "_male"))}
    assert {len(table.value) for name, table in tables.items() if "_10y_" in name} == {23}
    assert {len(table.value) for name, table in tables.items() if "_30y_" in name} == {24}
    assert len(tables) == 12
    # The sign that a circulating package has wrong (models.md 0.2).
    assert PARAMETERS["ascvd_10y_female"]["age_x_egfr"] == -0.1671492


@pytest.mark.parametrize(
    ("risk", "category"),
    [
        (0.0299, "low"),
        (0.03, "borderline"),
        (0.0499, "borderline"),
        (0.05, "intermediate"),
        (0.0999, "intermediate"),
        (0.10, "high"),
    ],
)
def test_a_guideline_category_begins_at_its_lower_bound(risk: float, category: str) -> None:
    assert ascvd_category(risk) == category


@pytest.mark.parametrize(("risk", "reaches"), [(0.0749, False), (0.075, True)])
def test_the_blood_pressure_threshold_is_reached_at_its_value(risk: float, reaches: bool) -> None:
    assert reaches_blood_pressure_threshold(risk) is reaches
