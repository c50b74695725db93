from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.assessment import Assessed, Gap, NotApplicable, NotAssessable
from models.kdigo_aki import MODEL
from models.kdigo_aki.staging import Creatinine, Judged, judge
from models.kidney_stability.rule import Creatinine as Stable
from models.kidney_stability.rule import unstable_since
from models.plain_values import answer, schema
from models.site import Site
from tests.builders import Resource, a_condition, a_patient, a_record, an_observation
from tests.models.patients import with_creatinines

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def series(*values: tuple[float, float]) -> list[Creatinine]:
    """Values by how many hours ago they were taken."""
    return [Creatinine(NOW - timedelta(hours=hours), mg_dl) for hours, mg_dl in values]


def stage(*values: tuple[float, float]) -> int | None:
    judged = judge(series(*values))
    return None if judged is None else judged.stage


@pytest.mark.parametrize(
    ("now", "expected"),
    [(1.0, 0), (1.49, 0), (1.5, 1), (1.99, 1), (2.0, 2), (2.99, 2), (3.0, 3), (3.9, 3), (9.0, 3)],
)
def test_the_ratio_to_the_baseline_makes_the_stage(now: float, expected: int) -> None:
    assert stage((0, now), (100, 1.0)) == expected
    assert stage((0, now), (24 * 100, 1.0)) == expected


@pytest.mark.parametrize(
    ("hours", "before", "now", "expected"),
    [(48, 1.1, 1.4, 1), (48, 1.1, 1.39, 0), (49, 1.1, 1.4, 0), (1, 3.0, 3.3, 1), (48, 1.4, 1.1, 0)],
)
def test_a_rise_within_48_hours_makes_stage_1(hours: float, before: float, now: float, expected: int) -> None:
    assert stage((0, now), (hours, before)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (((0, 4.0), (24, 3.7)), 3),  # a rise
        (((0, 4.0), (100, 2.6)), 3),  # a ratio
        (((0, 4.0), (24, 3.8)), 0),  # high, and no rise
        (((0, 3.99), (24, 3.5)), 1),
        (((0, 4.0), (72, 3.7)), 0),  # too slow a rise
    ],
)
def test_a_high_value_is_stage_3_only_with_an_acute_rise(
    values: tuple[tuple[float, float], ...], expected: int
) -> None:
    assert stage(*values) == expected


def test_the_baseline_is_that_of_the_higher_ratio() -> None:
    week, year = (100, 1.0), [(24 * 20, 0.6), (24 * 100, 0.7), (24 * 300, 2.0)]
    assert judge(series((0, 1.4), week, *year)) == Judged(2, 0.7)
    assert judge(series((0, 1.4), (100, 0.5), *year)) == Judged(2, 0.5)


@pytest.mark.parametrize(
    ("days", "baseline"), [(7, 0.5), (7.9, 0.5), (8, 0.75), (365, 0.75), (365.9, 0.75), (366, 1.0)]
)
def test_days_are_completed_days(days: float, baseline: float) -> None:
    judged = judge(series((0, 1.2), (24 * days, 0.5), (24 * 50, 1.0)))
    assert judged is not None
    assert judged.baseline_mg_dl == baseline


@pytest.mark.parametrize("values", [(), ((0, 1.0),), ((0, 5.0), (24 * 366, 1.0)), ((0, 1.0), (0, 2.0))])
def test_without_an_earlier_value_there_is_no_baseline(values: tuple[tuple[float, float], ...]) -> None:
    assert stage(*values) is None


def test_of_two_values_of_the_newest_time_the_higher_counts() -> None:
    assert stage((0, 1.0), (0, 2.0), (100, 1.0)) == 2


readings = st.lists(
    st.tuples(st.integers(0, 24 * 380), st.integers(2, 60).map(lambda tenths: tenths / 10)), max_size=12
)


def by_the_letter(values: list[tuple[int, float]]) -> int | None:
    """The rule once more, in the words of models.md 4.3 and by whole hours."""
    if not values:
        return None
    ago, now = min(values, key=lambda value: (value[0], -value[1]))
    before = [(hours - ago, mg_dl) for hours, mg_dl in values if hours > ago]
    lowest = [mg_dl for hours, mg_dl in before if hours // 24 <= 7]
    earlier = [mg_dl for hours, mg_dl in before if 8 <= hours // 24 <= 365]
    ratios = [
        round(now / base, 9) for base in ([min(lowest)] if lowest else []) + ([median(earlier)] if earlier else [])
    ]
    if not ratios:
        return None
    rose = any(round(now - mg_dl, 9) >= 0.3 for hours, mg_dl in before if hours <= 48)
    ratio = max(ratios)
    if ratio >= 3 or (now >= 4 and (rose or ratio >= 1.5)):
        return 3
    if ratio >= 2:
        return 2
    return 1 if rose or ratio >= 1.5 else 0


@given(readings)
def test_any_series_is_staged_by_the_letter_of_the_rule(values: list[tuple[int, float]]) -> None:
    assert stage(*values) == by_the_letter(values)


@given(readings)
def test_an_injury_now_makes_chronic_scores_withhold_their_egfr(values: list[tuple[int, float]]) -> None:
    """The two rules are told apart by the eighth day only: there the other has no window."""
    found = series(*((hours, mg_dl) for hours, mg_dl in values if hours // 24 not in (7, 365)))
    judged = judge(found)
    newest = max((value.at for value in found), default=None)
    if judged is not None and judged.stage and newest is not None and (NOW - newest).days < 90:
        assert unstable_since([Stable(value.at, value.mg_dl) for value in found], NOW) is not None


def ask(given: Any) -> dict[str, Any]:
    return answer(MODEL, orjson.dumps(given))[0]


def row(time: Any, value: Any) -> dict[str, Any]:
    return {"time": time, "value_mg_dl": value}


PLAIN = [row("2024-05-01T08:00:00Z", 0.9), row("2024-05-05T10:00:00+02:00", {"value": 159.12, "unit": "umol/L"})]


def test_plain_values_are_a_list_of_times_and_amounts() -> None:
    assert ask({"creatinines": PLAIN})["results"] == {"stage": 2, "baseline_mg_dl": 0.9}
    assert ask({"creatinines": PLAIN[::-1]}) == ask({"creatinines": PLAIN})


@pytest.mark.parametrize(
    "time",
    [
        "2024-05-05T08:00:00Z",
        "2024-05-05t08:00:00z",
        "2024-05-05 08:00:00Z",
        "2024-05-05T08:00:00.123456789Z",
        "2024-05-05T10:00:00+02:00",
        "2024-05-04T20:30:00-11:30",
    ],
)
def test_a_time_may_be_written_in_any_form_of_rfc_3339(time: str) -> None:
    assert ask({"creatinines": [PLAIN[0], row(time, 1.8)]})["results"] == {"stage": 2, "baseline_mg_dl": 0.9}


def test_dialysis_is_stage_3_and_no_dialysis_changes_nothing() -> None:
    assert ask({"creatinines": PLAIN, "dialysis": True})["results"] == {"stage": 3, "baseline_mg_dl": 0.9}
    assert ask({"creatinines": PLAIN, "dialysis": False}) == ask({"creatinines": PLAIN})
    assert ask({"creatinines": PLAIN[:1], "dialysis": True})["results"] == {"stage": 3}


@pytest.mark.parametrize("given", [{}, {"creatinines": None}, {"creatinines": []}, {"creatinines": PLAIN[:1]}])
def test_no_baseline_is_not_assessable(given: dict[str, Any]) -> None:
    answered = ask(given)
    assert (answered["outcome"], answered["missing"]) == ("not-assessable", ["creatinines"])


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "must be a list"),
        (1.2, "must be a list"),
        ([1.2], "entry 1: must be an object with time and value_mg_dl, and nothing else"),
        (
            [*PLAIN, {"time": "2024-05-01T08:00:00Z"}],
            "entry 3: must be an object with time and value_mg_dl, and nothing else",
        ),
        ([row("20240501T080000Z", 1)], "entry 1: time must be an RFC 3339 date and time with its offset"),
        ([row("2024-W18-3T08:00:00Z", 1)], "entry 1: time must be an RFC 3339 date and time with its offset"),
        ([row("2024-02-30T08:00:00Z", 1)], "entry 1: time must be an RFC 3339 date and time with its offset"),
        ([row("2024-05-01", 1)], "entry 1: time must be an RFC 3339 date and time with its offset"),
        ([row("2024-05-01T08:00:00", 1)], "entry 1: time must be an RFC 3339 date and time with its offset"),
        ([row(17, 1)], "entry 1: time must be an RFC 3339 date and time with its offset"),
        ([row("0001-01-01T00:00:00+14:00", 1)], "entry 1: time must be an RFC 3339 date and time with its offset"),
        ([row("2024-05-01T08:00:00Z", 26)], "entry 1: value_mg_dl: the value is not plausible: 0.1 to 25"),
        (
            [row("2024-05-01T08:00:00Z", {"value": 90, "unit": "mmHg"})],
            "entry 1: value_mg_dl: the unit is not one that converts to mg/dL",
        ),
    ],
)
def test_an_entry_that_cannot_be_read_is_an_error_with_its_number(given: Any, problem: str) -> None:
    assert ask({"creatinines": given})["errors"] == [{"field": "creatinines", "problem": problem}]


def test_the_schema_says_what_an_entry_is() -> None:
    items = schema(MODEL)["properties"]["creatinines"]["items"]
    assert items["required"] == ["time", "value_mg_dl"]


def assess(*resources: Resource) -> Any:
    return MODEL.assess(a_record(*resources), Site())


def test_a_chart_is_read() -> None:
    answered = assess(*with_creatinines())
    assert isinstance(answered, Assessed)
    assert answered.results == {"stage": 1, "baseline_mg_dl": 0.8}
    reading = answered.inputs[0].reading
    assert (reading.value, reading.note) == (1.3, "the newest of 2 in a year")  # type: ignore[union-attr]
    assert answered.notes == ("by creatinine alone: urine output is not read",)


def test_a_creatinine_of_last_month_tells_nothing_of_today() -> None:
    answered = assess(*with_creatinines(("2024-01-10T08:00:00Z", 0.8), ("2024-05-24T08:00:00Z", 1.6)))
    assert isinstance(answered, NotAssessable)
    assert [each.reading.gap for each in answered.missing] == [Gap.TOO_OLD]  # type: ignore[union-attr]


def test_a_newest_result_that_cannot_be_used_stages_nothing() -> None:
    bound = an_observation("2160-0", 9, "mg/dL", on="2024-05-31T08:00:00Z", comparator=">")
    answered = assess(*with_creatinines(more=(bound,)))
    assert isinstance(answered, NotAssessable)
    assert [each.reading.gap for each in answered.missing] == [Gap.BOUND_ONLY]  # type: ignore[union-attr]


def test_an_older_result_that_cannot_be_used_is_passed_over() -> None:
    strange = an_observation("2160-0", 0.2, "mmol", on="2024-05-28T08:00:00Z")
    assert assess(*with_creatinines(more=(strange,))).results == {"stage": 1, "baseline_mg_dl": 0.8}


def test_a_date_that_could_be_later_than_the_newest_is_no_baseline() -> None:
    same_day = (("2024-05-30", 0.5), ("2024-05-30T08:00:00Z", 1.3))
    answered = assess(*with_creatinines(*same_day))
    assert isinstance(answered, NotAssessable)
    assert "no baseline" in answered.missing[0].reading.note
    assert assess(*with_creatinines(*same_day, ("2024-05-29", 0.6))).results["baseline_mg_dl"] == 0.6


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (a_condition("N18.6"), "end-stage kidney disease or chronic dialysis"),
        (a_condition("Z99.2"), "end-stage kidney disease or chronic dialysis"),
        (a_condition("O09.90"), "not made for pregnancy"),
        (a_condition("Z51.5"), "palliative care"),
    ],
)
def test_out_of_scope_is_not_applicable(resource: Resource, reason: str) -> None:
    assert assess(*with_creatinines(more=(resource,))) == NotApplicable(MODEL.reference, reason)


def test_a_transplanted_kidney_is_in_scope_and_a_child_is_not() -> None:
    assert isinstance(assess(*with_creatinines(more=(a_condition("Z94.0"),))), Assessed)
    child = (a_patient(born="2010-01-01"), *with_creatinines()[1:])
    assert assess(*child) == NotApplicable(MODEL.reference, "age 14 is under 18")
