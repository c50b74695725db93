"""What the calculators of the ward refuse: what is no measurement, and units of something else."""

from typing import Any

import orjson
import pytest

from models.plain_values import answer
from models.registry import calculators


def faults(model: str, given: dict[str, Any]) -> list[str]:
    answered, understood = answer(calculators()[model], orjson.dumps(given))
    return [] if understood else [error["field"] for error in answered["errors"]]


@pytest.mark.parametrize(
    ("model", "field", "inside", "outside"),
    [
        ("qsofa", "gcs", (3, 15), (2.9, 15.1)),
        ("qsofa", "systolic_bp_mmhg", (40, 300), (39.9, 300.1)),
        ("sirs", "wbc_10e9_l", (0, 1_000), (-0.1, 7_500)),  # 7,500 in a microlitre
        ("sirs", "bands_percent", (0, 100), (-1, 101)),
        ("sirs", "paco2_mmhg", (1, 300), (0, 301)),
        ("sirs", "temperature_cel", (25, 45), (24.9, 98.6)),
        ("wells-pe", "heart_rate_per_min", (20, 300), (19, 301)),
        ("padua", "age_years", (0, 120), (-1, 121)),
        ("findrisc", "waist_cm", (40, 250), (0.9, 251)),
        ("hospital", "hemoglobin_g_dl", (2, 25), (1.9, 120)),  # 120 g/L
        ("hospital-simplified", "sodium_mmol_l", (90, 200), (89, 201)),
        ("hospital-simplified", "length_of_stay_days", (0, 3_650), (-1, 3_651)),
        ("lace", "ed_visits_6m", (0, 1_000), (-1, 1_001)),
        ("lace", "comorbidity_points", (0, 50), (-1, 51)),
    ],
)
def test_what_is_no_measurement_is_refused(
    model: str, field: str, inside: tuple[float, float], outside: tuple[float, float]
) -> None:
    for value in inside:
        assert faults(model, {field: value}) == []
    for value in outside:
        assert faults(model, {field: value}) == [field]


@pytest.mark.parametrize(
    ("model", "field", "unit"),
    [
        ("qsofa", "gcs", "%"),
        ("sirs", "wbc_10e9_l", "%"),
        ("sirs", "wbc_10e9_l", "10*9"),
        ("sirs", "bands_percent", "10*9/L"),
        ("sirs", "paco2_mmhg", "mmol/L"),
        ("findrisc", "waist_cm", "kg"),
        ("hospital", "hemoglobin_g_dl", "mmol/L"),
        ("hospital", "sodium_mmol_l", "mmol"),
        ("lace", "length_of_stay_days", "1"),
        ("lace", "length_of_stay_days", "days"),
    ],
)
def test_a_unit_of_something_else_is_refused(model: str, field: str, unit: str) -> None:
    assert faults(model, {field: {"value": 14, "unit": unit}}) == [field]


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        ("wells-pe", "hemoptysis", 1),
        ("padua", "active_cancer", "yes"),
        ("findrisc", "family_history", "first_degree"),
        ("findrisc", "sex", "other"),
        ("lace", "icd10", "I50.9"),
        ("charlson", "icd10", {"I50.9": True}),
        ("mme", "opioids", {"rxcui": "7804", "daily_dose": 20, "unit": "mg/d"}),
        ("qsofa", "spo2_percent", 90),
    ],
)
def test_a_value_of_another_kind_is_refused(model: str, field: str, value: Any) -> None:
    assert faults(model, {field: value}) == [field]
