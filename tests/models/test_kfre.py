from math import exp
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.kfre import MODEL
from models.kfre.model import drive
from models.kfre.thresholds import reaches_referral, supports_referral

regions = st.sampled_from(["north-america", "other", "united-kingdom"])
people = st.fixed_dictionaries(
    {
        "sex": st.sampled_from(["female", "male"]),
        "age_years": st.integers(18, 100),
        "egfr_ml_min_1_73m2": st.floats(10, 59.9),
        "acr_mg_g": st.floats(0.1, 10_000),
        "region": regions,
    }
)


@given(people, st.floats(0.1, 20))
def test_risk_falls_with_egfr(person: dict[str, Any], gain: float) -> None:
    better = {**person, "egfr_ml_min_1_73m2": person["egfr_ml_min_1_73m2"] + gain}
    worse_result, better_result = MODEL.compute(person), MODEL.compute(better)
    assert better_result["risk_2y"] <= worse_result["risk_2y"]
    assert better_result["risk_5y"] <= worse_result["risk_5y"]


def test_risk_truly_falls_and_does_not_only_stay() -> None:
    person = {"sex": "male", "age_years": 60, "egfr_ml_min_1_73m2": 25, "acr_mg_g": 300, "region": "other"}
    assert MODEL.compute({**person, "egfr_ml_min_1_73m2": 26})["risk_5y"] < MODEL.compute(person)["risk_5y"]
    assert MODEL.compute({**person, "acr_mg_g": 301})["risk_5y"] > MODEL.compute(person)["risk_5y"]


@given(people, st.floats(1.01, 10))
def test_risk_rises_with_albuminuria(person: dict[str, Any], factor: float) -> None:
    more = MODEL.compute({**person, "acr_mg_g": person["acr_mg_g"] * factor})
    assert more["risk_5y"] >= MODEL.compute(person)["risk_5y"]


@given(people)
def test_five_years_hold_more_risk_than_two(person: dict[str, Any]) -> None:
    results = MODEL.compute(person)
    assert results["risk_2y"] <= results["risk_5y"]


@given(people)
def test_the_contributions_make_the_log_hazard(person: dict[str, Any]) -> None:
    survival = MODEL.parameters[f"survival_{person['region'].replace('-', '_')}"]
    for output, drivers in drive(person).items():
        hazard = exp(sum(driver.amount for driver in drivers))
        assert MODEL.compute(person)[output] == pytest.approx(1 - survival[output] ** hazard, abs=1e-12)


def test_the_average_patient_has_no_contributions_but_sex() -> None:
    average = {
        "sex": "male",
        "age_years": 70.36,
        "egfr_ml_min_1_73m2": 36.11,
        "acr_mg_g": 2.718281828459045**5.137,
        "region": "other",
    }
    amounts = {driver.name: driver.amount for driver in drive(average)["risk_5y"]}
    assert amounts.pop("sex") == pytest.approx(0.2467 * (1 - 0.5642))
    assert list(amounts.values()) == pytest.approx([0, 0, 0], abs=1e-12)


@pytest.mark.parametrize(
    ("risk", "reaches", "supports"), [(0.0299, False, False), (0.03, True, False), (0.05, True, True)]
)
def test_referral_is_supported_in_a_range(risk: float, reaches: bool, supports: bool) -> None:
    assert (reaches_referral(risk), supports_referral(risk)) == (reaches, supports)
