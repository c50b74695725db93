"""Padua and Wells PE: the scores of venous thrombosis."""

from itertools import combinations
from typing import Any

import pytest

from models.assessment import Assessed, Gap, NotApplicable, NotAssessable
from models.padua import MODEL as PADUA
from models.padua.model import known_points, most_points
from models.risk_model import RiskModel
from models.site import Site
from models.wells_pe import MODEL as WELLS
from models.wells_pe.model import known_points as wells_points
from tests.builders import Resource, a_condition, a_medication, a_record
from tests.models.charts import an_inpatient, an_outpatient
from tests.models.inpatients import with_risk_of_thrombosis

PADUA_ITEMS = {
    "active_cancer": 3,
    "previous_vte": 3,
    "reduced_mobility": 3,
    "thrombophilia": 3,
    "recent_trauma_or_surgery": 2,
    "heart_or_respiratory_failure": 1,
    "acute_mi_or_stroke": 1,
    "acute_infection_or_rheumatological": 1,
    "hormonal_treatment": 1,
}
LOW: dict[str, Any] = {**dict.fromkeys(PADUA_ITEMS, False), "age_years": 69.9, "bmi_kg_m2": 29.9}
WELLS_ITEMS = {
    "dvt_signs": 3.0,
    "pe_most_likely": 3.0,
    "immobilized_or_surgery": 1.5,
    "previous_vte": 1.5,
    "hemoptysis": 1.0,
    "malignancy": 1.0,
}
CALM: dict[str, Any] = {**dict.fromkeys(WELLS_ITEMS, False), "heart_rate_per_min": 100}


def assess(model: RiskModel, *resources: Resource) -> Any:
    return model.assess(a_record(*resources), Site())


def missing(answer: Any) -> dict[str, Gap]:
    assert isinstance(answer, NotAssessable)
    return {each.name: each.reading.gap for each in answer.missing}  # type: ignore[union-attr]


@pytest.mark.parametrize("present", list(combinations(PADUA_ITEMS, 2)))
def test_the_points_of_padua_add_up(present: tuple[str, ...]) -> None:
    assert PADUA.compute(LOW) == {"points": 0}
    points = sum(PADUA_ITEMS[name] for name in present)
    assert PADUA.compute({**LOW, **dict.fromkeys(present, True)}) == {"points": points}


@pytest.mark.parametrize(("name", "value"), [("age_years", 70), ("bmi_kg_m2", 30)])
def test_age_and_weight_count_from_their_bounds(name: str, value: float) -> None:
    assert PADUA.compute({**LOW, name: value}) == {"points": 1}


@pytest.mark.parametrize("present", [set(c) for n in range(7) for c in combinations(WELLS_ITEMS, n)])
def test_the_points_of_wells_add_up_and_make_two_bands(present: set[str]) -> None:
    points = sum(WELLS_ITEMS[name] for name in present)
    results = WELLS.compute({**CALM, **dict.fromkeys(present, True)})
    assert results == {"points": points, "band": "likely" if points > 4 else "unlikely"}
    assert WELLS.compute({**CALM, **dict.fromkeys(present, True), "heart_rate_per_min": 101})["points"] == points + 1.5


def test_a_chart_is_read() -> None:
    answer = assess(PADUA, *with_risk_of_thrombosis())
    assert isinstance(answer, Assessed)
    assert answer.results == {"points": 6}
    assert {driver.name: driver.amount for driver in answer.drivers["points"] if driver.amount} == {
        "reduced_mobility": 3,
        "recent_trauma_or_surgery": 2,
        "bmi_kg_m2": 1,
    }


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("active_cancer", a_condition("C18.9")),
        ("active_cancer", a_condition("93761005")),
        ("previous_vte", a_condition("I82.402", clinical_status="resolved")),
        ("previous_vte", a_condition("Z86.711")),
        ("previous_vte", a_condition("128053003")),
        ("thrombophilia", a_condition("D68.51")),
        ("heart_or_respiratory_failure", a_condition("I50.9")),
        ("heart_or_respiratory_failure", a_condition("J96.01")),
        ("acute_mi_or_stroke", a_condition("I63.9", onset="2024-05-20")),
        ("acute_infection_or_rheumatological", a_condition("J18.9", onset="2024-05-30")),
        ("acute_infection_or_rheumatological", a_condition("M06.9")),
        ("hormonal_treatment", a_medication("4124")),
    ],
)
def test_items_are_found_in_a_chart(name: str, resource: Resource) -> None:
    assert assess(PADUA, *with_risk_of_thrombosis()).values[name] is False
    assert assess(PADUA, *with_risk_of_thrombosis(resource)).values[name] is True


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("active_cancer", a_condition("C18.9", clinical_status="resolved")),
        ("active_cancer", a_condition("C44.91")),  # of the skin
        ("active_cancer", a_condition("92691004")),  # in situ
        ("previous_vte", a_condition("I80.00")),  # superficial veins
        ("previous_vte", a_condition("I82.812")),
        ("acute_mi_or_stroke", a_condition("I63.9", onset="2024-04-20")),
        ("acute_mi_or_stroke", a_condition("I25.2")),
        ("acute_infection_or_rheumatological", a_condition("J18.9", onset="2024-03-30")),
        ("acute_infection_or_rheumatological", a_condition("J00", onset="2024-05-30")),
        ("hormonal_treatment", a_medication("4124", status="stopped")),
    ],
)
def test_what_is_no_item_does_not_count(name: str, resource: Resource) -> None:
    assert assess(PADUA, *with_risk_of_thrombosis(resource)).values[name] is False


def test_a_problem_without_a_date_is_neither_acute_nor_old() -> None:
    answer = assess(PADUA, *with_risk_of_thrombosis(a_condition("I63.9", onset=None)))
    assert missing(answer) == {"acute_mi_or_stroke": Gap.NOT_RECORDED}


def test_bed_rest_and_surgery_that_nobody_listed_are_not_denied() -> None:
    answer = assess(PADUA, *with_risk_of_thrombosis(without="2024-05-20"))
    assert missing(answer) == {
        "reduced_mobility": Gap.NOT_RECORDED,
        "recent_trauma_or_surgery": Gap.NOT_RECORDED,
        "bmi_kg_m2": Gap.NOT_RECORDED,
    }
    old = a_condition("S72.001A", onset="2024-03-20")
    assert "recent_trauma_or_surgery" in missing(assess(PADUA, *with_risk_of_thrombosis(old, without="S72.001A")))


def test_what_is_known_gives_the_least_that_the_total_can_be() -> None:
    answer = assess(PADUA, *an_inpatient(a_condition("C18.9"), a_condition("I50.9")))
    assert isinstance(answer, NotAssessable)
    assert known_points(answer.inputs) == 4
    whole = assess(PADUA, *with_risk_of_thrombosis())
    assert known_points(whole.inputs) == whole.results["points"]


def test_padua_is_silent_outside_acute_care() -> None:
    assert isinstance(assess(PADUA, *an_outpatient()), NotApplicable)


def test_no_chart_gives_a_wells_total_and_its_items_are_filled_in() -> None:
    found = (a_condition("Z86.711"), a_condition("C18.9"), a_condition("R04.2"), a_condition("Z74.01"))
    answer = assess(WELLS, *an_inpatient(*found))
    assert missing(answer) == {"dvt_signs": Gap.NOT_RECORDED, "pe_most_likely": Gap.NOT_RECORDED}
    read = {each.name: getattr(each.reading, "value", None) for each in answer.inputs}
    assert read == {
        "dvt_signs": None,
        "pe_most_likely": None,
        "heart_rate_per_min": 96,
        "immobilized_or_surgery": True,
        "previous_vte": True,
        "hemoptysis": True,
        "malignancy": True,
    }


def test_the_points_of_wells_that_a_chart_knows_are_a_lower_bound() -> None:
    found = (a_condition("Z86.711"), a_condition("C18.9"), a_condition("R04.2"), a_condition("Z74.01"))
    answer = assess(WELLS, *an_inpatient(*found))
    assert isinstance(answer, NotAssessable)
    assert wells_points(answer.inputs) == 1.5 + 1.5 + 1 + 1
    nobody_wrote = assess(WELLS, *an_inpatient())
    assert isinstance(nobody_wrote, NotAssessable)
    assert wells_points(nobody_wrote.inputs) == 0


def test_what_nobody_wrote_down_is_not_denied() -> None:
    answer = assess(WELLS, *an_inpatient())
    assert set(missing(answer)) == {"dvt_signs", "pe_most_likely", "immobilized_or_surgery", "hemoptysis"}


def test_what_is_not_known_may_count() -> None:
    whole = assess(PADUA, *with_risk_of_thrombosis())
    assert most_points(whole.inputs) == whole.results["points"] == 6
    partly = assess(PADUA, *with_risk_of_thrombosis(without="Z74"))
    assert (known_points(partly.inputs), most_points(partly.inputs)) == (3, 6)
