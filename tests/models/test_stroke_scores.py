"""CHA2DS2-VA, CHA2DS2-VASc and HAS-BLED: the scores of atrial fibrillation."""

from itertools import combinations
from typing import Any

import pytest

from fhir_client.record import Availability
from models.assessment import Assessed, Gap, NotApplicable, NotAssessable
from models.cha2ds2_va import MODEL as VA
from models.cha2ds2_vasc import MODEL as VASC
from models.has_bled import MODEL as HAS_BLED
from models.has_bled.model import known_parts
from models.risk_model import RiskModel
from models.site import Site
from tests.builders import Resource, a_condition, a_medication, a_record, an_observation
from tests.models.charts import an_outpatient
from tests.models.patients import with_fibrillation

CONDITIONS = {
    "heart_failure": 1,
    "hypertension": 1,
    "diabetes": 1,
    "stroke_tia_thromboembolism": 2,
    "vascular_disease": 1,
}
NOTHING: dict[str, Any] = {"sex": "male", "age_years": 50, **dict.fromkeys(CONDITIONS, False)}
NO_BLEEDING: dict[str, Any] = {
    "age_years": 65,
    "systolic_bp_mmhg": 160,
    "abnormal_renal_function": False,
    "abnormal_liver_function": False,
    "stroke": False,
    "bleeding": False,
    "labile_inr": False,
    "antiplatelet_or_nsaid": False,
    "alcohol_drinks_per_week": 7.9,
}


def assess(model: RiskModel, *resources: Resource) -> Any:
    return model.assess(a_record(*resources), Site())


def missing(answer: Any) -> dict[str, Gap]:
    assert isinstance(answer, NotAssessable)
    return {each.name: each.reading.gap for each in answer.missing}  # type: ignore[union-attr]


@pytest.mark.parametrize("present", [set(c) for n in range(len(CONDITIONS) + 1) for c in combinations(CONDITIONS, n)])
def test_the_points_of_what_is_present_add_up(present: set[str]) -> None:
    values = {**NOTHING, **dict.fromkeys(present, True)}
    points = sum(CONDITIONS[name] for name in present)
    assert VA.compute(values) == VASC.compute(values) == {"points": points}
    assert VASC.compute({**values, "sex": "female"}) == {"points": points + 1}


@pytest.mark.parametrize(("age", "points"), [(64, 0), (64.99, 0), (65, 1), (74, 1), (75, 2), (110, 2)])
def test_age_counts_from_65_and_twice_from_75(age: float, points: int) -> None:
    assert (
        VA.compute({**NOTHING, "age_years": age}) == VASC.compute({**NOTHING, "age_years": age}) == {"points": points}
    )


def test_sex_is_no_input_of_the_score_without_it() -> None:
    assert "sex" not in VA.by_name
    assert [feature.name for feature in VASC.features] == ["sex", *(feature.name for feature in VA.features)]


@pytest.mark.parametrize("model", [VA, VASC, HAS_BLED], ids=lambda model: model.id)
def test_contributions_are_the_points(model: RiskModel) -> None:
    answer = assess(model, *with_fibrillation(a_condition("I63.9", clinical_status="resolved")))
    assert isinstance(answer, Assessed)
    drivers = answer.drivers["points"]
    assert sum(driver.amount for driver in drivers) == answer.results["points"]
    assert [driver.name for driver in drivers] == [feature.name for feature in model.features]


@pytest.mark.parametrize(
    ("code", "points"),
    [
        ("I50.9", 1),
        ("I42.0", 1),
        ("I11.0", 2),  # heart failure, and hypertension
        ("I10", 1),
        ("I63.9", 2),
        ("Z86.73", 2),
        ("G45.9", 2),
        ("G45.4", 0),  # transient global amnesia
        ("I74.3", 2),
        ("I25.2", 1),
        ("I70.0", 1),
        ("I73.9", 1),
        ("I25.10", 0),
        ("84114007", 1),
        ("38341003", 1),
        ("230690007", 2),
        ("22298006", 1),
    ],
)
def test_problems_are_found_by_their_codes(code: str, points: int) -> None:
    answer = assess(VA, *with_fibrillation(a_condition(code), without="E11.9"))
    assert answer.results == {"points": points}


@pytest.mark.parametrize(("code", "counts"), [("I63.9", True), ("I21.9", True), ("I50.9", True), ("I10", False)])
def test_an_event_that_is_over_counts_and_an_illness_that_is_over_does_not(code: str, counts: bool) -> None:
    over = a_condition(code, clinical_status="resolved")
    assert (assess(VA, *with_fibrillation(over)).results["points"] > 1) is counts


@pytest.mark.parametrize("model", [VA, VASC, HAS_BLED], ids=lambda model: model.id)
def test_without_fibrillation_the_scores_are_silent(model: RiskModel) -> None:
    assert assess(model, *an_outpatient()) == NotApplicable(
        model.reference, "no atrial fibrillation on the problem list"
    )


def test_where_the_problem_list_was_not_read_nobody_is_assessed() -> None:
    every = {search.key: Availability.COMPLETE for search in VA.searches}
    record = a_record(*an_outpatient(), availability={**every, "conditions": Availability.DENIED})
    assert missing(VA.assess(record, Site()))["without_atrial_fibrillation"] is Gap.UNAVAILABLE


@pytest.mark.parametrize("code", ["I05.0", "Z95.2", "79619009"])
def test_valvular_fibrillation_is_another_matter(code: str) -> None:
    answer = assess(VASC, *with_fibrillation(a_condition(code)))
    assert answer == NotApplicable(VASC.reference, "rheumatic mitral disease or mechanical valve: not by this score")
    assert isinstance(assess(HAS_BLED, *with_fibrillation(a_condition(code))), Assessed)


def test_neither_female_nor_male_gives_both() -> None:
    answer = assess(VASC, *with_fibrillation(sex="other"))
    assert answer.alternatives == {"female": {"points": 2}, "male": {"points": 1}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("age_years", 66),
        ("systolic_bp_mmhg", 161),
        ("alcohol_drinks_per_week", 8),
        *((name, True) for name, value in NO_BLEEDING.items() if value is False),
    ],
)
def test_each_bleeding_factor_is_one_point(name: str, value: Any) -> None:
    assert HAS_BLED.compute(NO_BLEEDING) == {"points": 0}
    assert HAS_BLED.compute({**NO_BLEEDING, name: value}) == {"points": 1}


def bleeding_points(*more: Resource, **changes: Any) -> dict[str, Any]:
    answer = assess(HAS_BLED, *with_fibrillation(*more, **changes))
    assert isinstance(answer, Assessed)
    return dict(answer.values)


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("abnormal_renal_function", an_observation("2160-0", 2.26, "mg/dL", on="2024-05-02")),
        ("abnormal_renal_function", an_observation("14682-9", 200, "umol/L", on="2024-05-02")),
        ("abnormal_renal_function", a_condition("Z99.2")),
        ("abnormal_renal_function", a_condition("Z94.0")),
        ("abnormal_liver_function", a_condition("K74.60")),
        ("abnormal_liver_function", a_condition("K70.30", clinical_status="resolved")),
        ("stroke", a_condition("I61.9", clinical_status="resolved")),
        ("bleeding", a_condition("K92.2", clinical_status="resolved")),
        ("bleeding", a_condition("D64.9")),
        ("bleeding", a_condition("74474003")),
        ("antiplatelet_or_nsaid", a_medication("1191")),
        ("antiplatelet_or_nsaid", a_medication("5640")),
    ],
)
def test_bleeding_factors_are_found_in_a_chart(name: str, resource: Resource) -> None:
    assert bleeding_points()[name] is False
    assert bleeding_points(resource)[name] is True


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("abnormal_renal_function", an_observation("2160-0", 2.25, "mg/dL", on="2024-05-02")),
        ("abnormal_liver_function", a_condition("K74.00")),  # fibrosis
        ("bleeding", a_condition("D64.9", clinical_status="resolved")),
        ("bleeding", a_condition("D68.51")),  # thrombophilia
        ("bleeding", a_condition("R04.0")),  # nosebleed
        ("antiplatelet_or_nsaid", a_medication("1191", status="stopped")),
        ("antiplatelet_or_nsaid", a_medication("161")),  # paracetamol
    ],
)
def test_what_is_no_bleeding_factor_does_not_count(name: str, resource: Resource) -> None:
    assert bleeding_points(resource)[name] is False


def test_drinks_a_day_are_counted_by_the_week() -> None:
    assert bleeding_points()["alcohol_drinks_per_week"] == 7
    glasses = an_observation("74013-4", 2, "{wine glasses}/d", on="2024-02-01")
    assert bleeding_points(glasses, drinks=None)["alcohol_drinks_per_week"] == 14


def test_under_warfarin_the_inr_is_not_known_to_be_stable() -> None:
    answer = assess(HAS_BLED, *with_fibrillation(a_medication("11289")))
    assert missing(answer) == {"labile_inr": Gap.NOT_RECORDED}


def test_no_creatinine_leaves_renal_function_unknown_but_dialysis_decides() -> None:
    assert missing(assess(HAS_BLED, *with_fibrillation(without="2160-0"))) == {
        "abnormal_renal_function": Gap.NOT_RECORDED
    }
    assert bleeding_points(a_condition("Z99.2"), without="2160-0")["abnormal_renal_function"] is True


def test_a_drug_that_is_not_recognised_leaves_the_drugs_unknown() -> None:
    answer = assess(HAS_BLED, *with_fibrillation(a_medication("999999999")))
    assert missing(answer) == {"labile_inr": Gap.UNREADABLE, "antiplatelet_or_nsaid": Gap.UNREADABLE}


def test_what_is_known_of_an_incomplete_chart_is_the_least_the_points_can_be() -> None:
    answer = assess(HAS_BLED, *with_fibrillation(a_medication("11289"), a_medication("1191"), drinks=None))
    assert set(missing(answer)) == {"labile_inr", "alcohol_drinks_per_week"}
    parts = known_parts(answer.inputs)
    assert set(parts) == set(HAS_BLED.by_name) - set(missing(answer))
    assert {name for name, points in parts.items() if points} == {"antiplatelet_or_nsaid"}
    assert known_parts(()) == {}


def test_the_card_can_say_what_of_the_liver_was_not_looked_at() -> None:
    answer = assess(HAS_BLED, *with_fibrillation())
    notes = {each.name: each.reading.note for each in answer.inputs}
    assert notes["abnormal_liver_function"] == "from the problem list; bilirubin and enzymes are not read"
    assert answer.notes == ("to find bleeding factors that can be corrected, not to deny anticoagulation",)
