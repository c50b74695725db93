"""Diabetes detection: an assessor, not a calculator; it needs a chart's results, problems and orders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from models.features.conditions import DIABETES, DIALYSIS, PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED
from models.features.diabetes_results import (
    EARLIER_FASTING_GLUCOSE_MG_DL,
    EARLIER_HBA1C_PERCENT,
    FASTING_GLUCOSE_MG_DL,
    HBA1C_PERCENT,
)
from models.features.diabetes_risk import GLUCOSE_LOWERING_DRUG
from models.features.logic import any_of
from models.features.truths import condition
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

LISTED: Final = any_of(
    "diabetes_listed",
    "diabetes on the problem list",
    DIABETES,
    condition("diabetes_named_by_its_harm", "harm of diabetes", of="diabetes_named_by_its_harm"),
)
HBA1C_MISLEADS: Final = (
    Exclusion(DIALYSIS, "HbA1c does not tell under dialysis"),
    Exclusion(
        condition("sickle_cell_disease", "sickle-cell disease", of="sickle_cell_disease"),
        "HbA1c does not tell in sickle-cell disease",
    ),
)
_TESTS: Final = (
    (HBA1C_PERCENT, EARLIER_HBA1C_PERCENT),
    (FASTING_GLUCOSE_MG_DL, EARLIER_FASTING_GLUCOSE_MG_DL),
)
_FEATURES: Final = (*(feature for test in _TESTS for feature in test), GLUCOSE_LOWERING_DRUG)
_NEEDED: Final[int] = PARAMETERS["results_needed"]


def tests_in_range(values: Mapping[str, Any]) -> dict[str, int]:
    """Name the tests whose newest result is in the diabetic range, each with how many of its newest two are."""
    counts = {}
    for newest, earlier in _TESTS:
        bound = PARAMETERS[newest.name]["at_least"]
        run = [values.get(feature.name, 0) >= bound for feature in (newest, earlier)]
        if run[0]:
            counts[newest.name] = sum(run)
    return counts


def compute(values: Mapping[str, Any]) -> dict[str, Any]:
    """Count the results in the diabetic range: two confirm each other, of one test or of both."""
    tests = tests_in_range(values)
    return {"tests_in_range": list(tests), "is_confirmed": sum(tests.values()) >= _NEEDED}


ASSESSOR = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(
        PARAMETERS,
        _FEATURES,
        ("tests_in_range", "tests whose newest result is in the diabetic range", ""),
        ("is_confirmed", "two results in the diabetic range", ""),
    ),
    compute=compute,
    chart_domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
        Exclusion(LISTED, "diabetes is known", blocks=True),
        Exclusion(GLUCOSE_LOWERING_DRUG, "takes a glucose-lowering drug"),
        *HBA1C_MISLEADS,
    ),
    one_of=((HBA1C_PERCENT.name, FASTING_GLUCOSE_MG_DL.name),),
)
