from typing import Any

import pytest

from fhir_client.codes import ICD_10_CM, Code
from fhir_client.record import Availability
from models.assessment import Assessed, Gap, NotApplicable, NotAssessable
from models.ckd_detection import ASSESSOR
from models.ckd_detection.staging import a_stage, diagnosis
from models.ckd_epi_2021.equation import egfr
from models.concepts import concept
from models.site import Site
from tests.builders import Resource, a_condition, a_patient, a_record, an_observation
from tests.models.charts import EGFR_UNIT


def creatinine(mg_dl: float, on: str) -> Resource:
    return an_observation("2160-0", mg_dl, "mg/dL", on=on)


def acr(mg_g: float, on: str) -> Resource:
    return an_observation("9318-7", mg_g, "mg/g", on=on)


def assess(*resources: Resource, **availability: Availability) -> Any:
    every = dict.fromkeys((search.key for search in ASSESSOR.searches), Availability.COMPLETE)
    return ASSESSOR.assess(a_record(*resources, availability={**every, **availability}), Site())


# For a woman of 63, 1.4 mg/dL is an eGFR of 42, 0.8 one of 82.


@pytest.mark.parametrize(
    ("resources", "meets"),
    [
        ([creatinine(1.4, "2024-05-01"), creatinine(1.4, "2024-02-01")], True),  # 90 days
        ([creatinine(1.4, "2024-05-01"), creatinine(1.4, "2024-02-02")], False),
        ([creatinine(1.4, "2024-05-01")], False),
        ([creatinine(0.8, "2024-05-01"), creatinine(1.4, "2023-12-01"), creatinine(1.4, "2023-07-01")], False),
        ([creatinine(1.4, "2024-05-01"), creatinine(0.8, "2023-01-01")], False),
        ([creatinine(1.4, "2024-05-01"), creatinine(1.4, "2019-01-01")], True),
        ([creatinine(0.8, "2024-05-01"), acr(30, "2024-05-01"), acr(30, "2024-02-01")], True),
        ([creatinine(0.8, "2024-05-01"), acr(30, "2024-05-01"), acr(29, "2024-02-01")], False),
        ([creatinine(0.8, "2024-05-01"), acr(29, "2024-05-01"), acr(300, "2024-02-01")], False),
    ],
)
def test_the_criteria_need_two_results_90_days_apart(resources: list[Resource], meets: bool) -> None:
    assert assess(*resources).results["meets_criteria"] is meets


@pytest.mark.parametrize(
    ("conditions", "listed"),
    [([], False), ([a_condition("N18.31")], True), ([a_condition("433144002")], True), ([a_condition("I10")], False)],
)
def test_the_problem_list_is_compared(conditions: list[Resource], listed: bool) -> None:
    assert assess(creatinine(1.4, "2024-05-01"), *conditions).results["listed"] is listed


def test_a_problem_list_that_cannot_be_read_is_not_taken_for_empty() -> None:
    answer = assess(creatinine(1.4, "2024-05-01"), conditions=Availability.UNAVAILABLE)
    assert answer.results["listed"] is None


def test_results_hold_stages_and_series_with_dates() -> None:
    answer = assess(creatinine(1.4, "2024-05-01"), creatinine(0.8, "2020-05-01"), acr(120, "2024-04-01"))
    assert isinstance(answer, Assessed)
    newest = egfr(sex="female", age_years=63, creatinine_mg_dl=1.4)
    assert answer.results["egfr_ml_min_1_73m2"] == newest
    assert (answer.results["g_stage"], answer.results["a_stage"]) == ("G3b", "A2")
    assert [(point["at"], point["value"]) for point in answer.results["egfr"]] == [
        ("2024-05-01", newest),
        ("2020-05-01", egfr(sex="female", age_years=59, creatinine_mg_dl=0.8)),
    ]
    assert [point["at"] for point in answer.results["acr"]] == ["2024-04-01"]


def test_without_an_acr_there_is_no_a_stage_and_the_input_says_so() -> None:
    answer = assess(creatinine(1.4, "2024-05-01"))
    assert answer.results["a_stage"] is None
    assert next(each for each in answer.inputs if each.name == "acr_mg_g").reading.gap is Gap.NOT_RECORDED


@pytest.mark.parametrize(("value", "stage"), [(29.9, "A1"), (30, "A2"), (300, "A2"), (300.1, "A3"), (3000, "A3")])
def test_albuminuria_is_staged(value: float, stage: str) -> None:
    assert a_stage(value) == stage


def test_reported_egfr_counts_where_there_is_no_creatinine() -> None:
    reported = (an_observation("98979-8", 40, EGFR_UNIT, on=on) for on in ("2024-05-01", "2023-05-01"))
    answer = assess(*reported)
    assert answer.results["meets_criteria"] is True
    assert [point["value"] for point in answer.results["egfr"]] == [40, 40]


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        ([a_patient(deceasedBoolean=True)], "the patient has died"),
        ([a_condition("Z99.2")], "dialysis, end-stage kidney disease or kidney transplant"),
        ([a_condition("O09.90")], "not made for pregnancy"),
        ([a_patient(born="2010-01-01")], "age 14 is under 18"),
    ],
)
def test_out_of_scope_is_not_applicable(resources: list[Resource], reason: str) -> None:
    answer = assess(creatinine(1.4, "2024-05-01"), *resources)
    assert answer == NotApplicable(ASSESSOR.reference, reason)


@pytest.mark.parametrize(
    ("resources", "missing"),
    [
        ([], "egfr_ml_min_1_73m2"),
        ([creatinine(1.4, "2020-05-01")], "egfr_ml_min_1_73m2"),
        ([creatinine(2.8, "2024-05-20"), creatinine(1.4, "2024-05-15")], "egfr_ml_min_1_73m2"),
    ],
)
def test_without_a_recent_and_stable_egfr_nothing_is_staged(resources: list[Resource], missing: str) -> None:
    answer = assess(*resources)
    assert isinstance(answer, NotAssessable)
    assert [each.name for each in answer.missing] == [missing]


def test_the_assessor_asks_for_what_it_reads() -> None:
    assert ASSESSOR.required_keys == {"patient", "laboratory"}
    assert {search.key for search in ASSESSOR.searches} == {"patient", "laboratory", "conditions", "social-history"}
    assert all(output.unverified == () for output in ASSESSOR.outputs)


@pytest.mark.parametrize(
    ("stage", "code"),
    [("G1", "N18.1"), ("G2", "N18.2"), ("G3a", "N18.31"), ("G3b", "N18.32"), ("G4", "N18.4"), ("G5", "N18.5")],
)
def test_every_stage_has_a_diagnosis_that_the_problem_list_is_read_by(stage: str, code: str) -> None:
    found, display = diagnosis(stage)
    assert found == Code(ICD_10_CM, code)
    assert display
    assert concept("chronic_kidney_disease").codes(Site()).matches([found])
