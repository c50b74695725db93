from typing import Any

import pytest

from models.assessment import Assessed, Gap, NotAssessable
from models.qtc import MODEL
from models.site import Site
from tests.builders import Resource, a_record, an_observation
from tests.models.patients import with_a_tracing


def assess(*resources: Resource) -> Any:
    return MODEL.assess(a_record(*resources), Site())


def missing(assessment: Any) -> dict[str, Gap]:
    assert isinstance(assessment, NotAssessable)
    return {each.name: each.reading.gap for each in assessment.missing}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("rate", "bazett", "fridericia"),
    [(60, 400, 400), (15 * 4, 400, 400), (240, 800, 400 * 4 ** (1 / 3)), (20, 400 / 3**0.5, 400 / 3 ** (1 / 3))],
)
def test_the_roots_are_those_of_the_papers(rate: float, bazett: float, fridericia: float) -> None:
    results = MODEL.compute({"qt_ms": 400, "heart_rate_per_min": rate})
    assert results == pytest.approx({"bazett_ms": bazett, "fridericia_ms": fridericia}, rel=1e-12)


def test_bazett_corrects_more_on_either_side_of_60() -> None:
    fast = MODEL.compute({"qt_ms": 400, "heart_rate_per_min": 110})
    slow = MODEL.compute({"qt_ms": 400, "heart_rate_per_min": 50})
    assert fast["bazett_ms"] > fast["fridericia_ms"] > 400
    assert slow["bazett_ms"] < slow["fridericia_ms"] < 400


def test_a_chart_is_read() -> None:
    answer = assess(*with_a_tracing())
    assert isinstance(answer, Assessed)
    assert answer.values == {"qt_ms": 400, "heart_rate_per_min": 75}


def test_seconds_written_as_milliseconds_are_refused() -> None:
    wrong = an_observation("8634-8", 0.42, "ms", on="2024-05-10T09:05:00Z")
    assert missing(assess(*with_a_tracing(wrong)))["qt_ms"] is Gap.IMPLAUSIBLE


def test_seconds_are_converted() -> None:
    seconds = an_observation("8634-8", 0.42, "s", on="2024-05-10T09:05:00Z")
    assert assess(*with_a_tracing(seconds)).values == {"qt_ms": 420, "heart_rate_per_min": 75}


def test_the_rate_nearest_in_time_is_taken_and_no_newer_one() -> None:
    others = (
        an_observation("8867-4", 130, "/min", on="2024-05-10T09:08:00Z"),
        an_observation("8867-4", 55, "/min", on="2024-05-30T09:00:00Z"),
    )
    assert assess(*with_a_tracing(*others)).values["heart_rate_per_min"] == 75


@pytest.mark.parametrize(("at", "near"), [("2024-05-10T09:10:00Z", True), ("2024-05-10T09:11:00Z", False)])
def test_a_rate_of_another_time_corrects_nothing(at: str, near: bool) -> None:
    answer = assess(*with_a_tracing(an_observation("8867-4", 90, "/min", on=at), without="8867-4"))
    if near:
        assert answer.values["heart_rate_per_min"] == 90
    else:
        assert missing(answer) == {"heart_rate_per_min": Gap.NOT_RECORDED}


def test_dates_alone_do_not_tell_which_rate_belongs_to_which_tracing() -> None:
    qt, rate = an_observation("8634-8", 410, "ms"), an_observation("8867-4", 70, "/min")
    assert missing(assess(qt, rate)) == {"heart_rate_per_min": Gap.NOT_RECORDED}


def test_a_report_that_holds_both_needs_no_time_of_day() -> None:
    def component(code: str, value: float, unit: str) -> Resource:
        found = an_observation(code, value, unit)
        return {"code": found["code"], "valueQuantity": found["valueQuantity"]}

    report = an_observation("11524-6", component=[component("8634-8", 410, "ms"), component("8867-4", 70, "/min")])
    assert assess(report).values == {"qt_ms": 410, "heart_rate_per_min": 70}


def test_two_rates_of_one_time_must_agree() -> None:
    other = an_observation("8867-4", 110, "/min", on="2024-05-10T09:00:00Z")
    assert missing(assess(*with_a_tracing(other))) == {"heart_rate_per_min": Gap.CONTRADICTORY}


def test_without_an_interval_no_rate_is_looked_for() -> None:
    answer = assess(*with_a_tracing(without="8634-8"))
    assert set(missing(answer)) == {"qt_ms", "heart_rate_per_min"}
