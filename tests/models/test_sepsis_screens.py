"""qSOFA and SIRS: the screens for sepsis."""

from typing import Any

import pytest

from models.assessment import Assessed, Gap, NotApplicable, NotAssessable
from models.qsofa import MODEL as QSOFA
from models.risk_model import RiskModel
from models.sirs import MODEL as SIRS
from models.site import Site
from tests.builders import Resource, a_condition, a_record, an_observation
from tests.models.charts import an_outpatient
from tests.models.inpatients import BLOOD, with_suspected_infection

CALM: dict[str, Any] = {"respiratory_rate_per_min": 21.9, "systolic_bp_mmhg": 100.1, "gcs": 15}
QUIET: dict[str, Any] = {
    "temperature_cel": 38,
    "heart_rate_per_min": 90,
    "respiratory_rate_per_min": 20,
    "paco2_mmhg": 32,
    "wbc_10e9_l": 12,
    "bands_percent": 10,
}


def assess(model: RiskModel, *resources: Resource) -> Any:
    return model.assess(a_record(*resources), Site())


def missing(answer: Any) -> dict[str, Gap]:
    assert isinstance(answer, NotAssessable)
    return {each.name: each.reading.gap for each in answer.missing}  # type: ignore[union-attr]


@pytest.mark.parametrize("worse", [{"respiratory_rate_per_min": 22}, {"systolic_bp_mmhg": 100}, {"gcs": 14}])
def test_each_criterion_of_qsofa_is_one_point_at_its_bound(worse: dict[str, Any]) -> None:
    assert QSOFA.compute(CALM) == {"points": 0}
    assert QSOFA.compute({**CALM, **worse}) == {"points": 1}
    drivers = QSOFA.calculate({**CALM, **worse}).drivers["points"]  # type: ignore[union-attr]
    assert {driver.name for driver in drivers if driver.amount} == set(worse)


@pytest.mark.parametrize(
    "worse",
    [
        {"temperature_cel": 38.1},
        {"temperature_cel": 35.9},
        {"heart_rate_per_min": 91},
        {"respiratory_rate_per_min": 21},
        {"paco2_mmhg": 31.9},
        {"respiratory_rate_per_min": 21, "paco2_mmhg": 31.9},
        {"wbc_10e9_l": 12.1},
        {"wbc_10e9_l": 3.9},
        {"bands_percent": 10.1},
        {"wbc_10e9_l": 12.1, "bands_percent": 10.1},
    ],
)
def test_each_criterion_of_sirs_is_one_point_beyond_its_bound(worse: dict[str, Any]) -> None:
    assert SIRS.compute(QUIET) == {"points": 0}
    assert SIRS.compute({**QUIET, **worse}) == {"points": 1}
    drivers = SIRS.calculate({**QUIET, **worse}).drivers["points"]  # type: ignore[union-attr]
    (driver,) = [each for each in drivers if each.amount]
    assert driver.name in worse


@pytest.mark.parametrize("low", [{"temperature_cel": 36}, {"wbc_10e9_l": 4}])
def test_the_lower_bounds_of_sirs_are_no_point(low: dict[str, Any]) -> None:
    assert SIRS.compute({**QUIET, **low}) == {"points": 0}


def test_what_was_not_measured_leaves_its_criterion_to_the_other_value() -> None:
    measured = {name: value for name, value in QUIET.items() if name not in {"paco2_mmhg", "bands_percent"}}
    assert SIRS.compute(measured) == {"points": 0}
    assert SIRS.compute({**measured, "respiratory_rate_per_min": 24}) == {"points": 1}


def test_a_chart_is_read() -> None:
    qsofa, sirs = (assess(model, *with_suspected_infection()) for model in (QSOFA, SIRS))
    assert isinstance(qsofa, Assessed)
    assert qsofa.values == {"respiratory_rate_per_min": 22, "systolic_bp_mmhg": 118, "gcs": 14}
    assert qsofa.results == {"points": 2}
    assert isinstance(sirs, Assessed)
    assert sirs.values["wbc_10e9_l"] == 13
    assert sirs.values["bands_percent"] == 4
    assert "paco2_mmhg" not in sirs.values
    assert sirs.results == {"points": 3}


def test_arterial_gas_is_read_in_kilopascal_too() -> None:
    gas = an_observation("2019-8", 4, "kPa", on=BLOOD)
    values = assess(SIRS, *with_suspected_infection(gas)).values
    assert values["paco2_mmhg"] == pytest.approx(30.0, abs=0.01)


def test_an_alert_patient_without_a_coma_score_is_not_given_15() -> None:
    assert missing(assess(QSOFA, *with_suspected_infection(without="9269-2"))) == {"gcs": Gap.NOT_RECORDED}


@pytest.mark.parametrize(("at", "gap"), [("2024-05-31T21:00:00Z", None), ("2024-05-31T20:59:00Z", Gap.TOO_OLD)])
def test_a_coma_score_of_an_earlier_round_is_not_used(at: str, gap: Gap | None) -> None:
    earlier = an_observation("9269-2", 13, "{score}", on=at)
    answer = assess(QSOFA, *with_suspected_infection(earlier, without="9269-2"))
    if gap is None:
        assert answer.values["gcs"] == 13
    else:
        assert missing(answer) == {"gcs": gap}


def test_white_cells_count_for_a_day() -> None:
    old = an_observation("6690-2", 13, "10*3/uL", on="2024-05-30T23:59:00Z")
    assert missing(assess(SIRS, *with_suspected_infection(old, without="6690-2"))) == {"wbc_10e9_l": Gap.TOO_OLD}


def test_a_count_in_a_unit_that_is_none_is_refused() -> None:
    strange = an_observation("6690-2", 13, "g/L", on="2024-05-31T21:00:00Z")
    assert missing(assess(SIRS, *with_suspected_infection(strange))) == {"wbc_10e9_l": Gap.UNIT}


@pytest.mark.parametrize("model", [QSOFA, SIRS], ids=lambda model: model.id)
def test_the_screens_are_silent_outside_acute_care_and_in_palliative_care(model: RiskModel) -> None:
    assert isinstance(assess(model, *an_outpatient()), NotApplicable)
    palliative = assess(model, *with_suspected_infection(a_condition("Z51.5")))
    assert palliative == NotApplicable(model.reference, "palliative care")


@pytest.mark.parametrize("model", [QSOFA, SIRS], ids=lambda model: model.id)
def test_each_result_says_that_it_is_for_suspected_infection(model: RiskModel) -> None:
    assert assess(model, *with_suspected_infection()).notes[0].startswith("for suspected infection only")
