"""Moving a bundle to yesterday."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.ehr.dates import interval_of, shifted
from sandbox.ehr.recent import moved, offset_to_recent

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
DATES = st.dates(date(1900, 1, 1), date(2099, 12, 31))
DAYS = st.integers(-20_000, 20_000)
TIMES = st.sampled_from(["T08:15", "T08:15:30Z", "T23:59:59.123+05:30", "T00:00:00-08:00"])


def an_encounter(**period: str) -> dict[str, Any]:
    return {"resourceType": "Encounter", "id": "e", "period": period}


@given(DATES, TIMES, DAYS)
def test_a_moved_instant_keeps_its_time_and_offset(day: date, time: str, days: int) -> None:
    assert shifted(f"{day}{time}", days) == f"{day + timedelta(days=days)}{time}"


@given(st.lists(DATES, min_size=2, max_size=2), DAYS)
def test_the_days_between_two_dates_stay(days: list[date], offset: int) -> None:
    first, second = (date.fromisoformat(shifted(day.isoformat(), offset)) for day in days)

    assert second - first == days[1] - days[0]


@given(DATES, st.sampled_from([4, 7, 10]), DAYS)
def test_a_partial_date_keeps_its_precision_and_lands_within_it(day: date, precision: int, days: int) -> None:
    text = day.isoformat()[:precision]
    result = shifted(text, days)
    before, after = interval_of(text), interval_of(result)

    assert len(result) == precision
    assert before is not None
    assert after is not None
    assert abs((after.start - before.start) - timedelta(days=days)) <= timedelta(days={4: 184, 7: 17, 10: 0}[precision])


@given(DATES, DAYS)
def test_moving_there_and_back_is_the_identity_for_whole_dates(day: date, days: int) -> None:
    assert shifted(shifted(day.isoformat(), days), -days) == day.isoformat()


def test_only_dates_move() -> None:
    resource = {
        "resourceType": "Observation",
        "id": "2020-01-01",
        "identifier": [{"value": "2020-01-01", "period": {"start": "2020-01-01"}}],
        "code": {"coding": [{"code": "2020", "display": "2020-01-01"}], "text": "2020-01-01"},
        "effectivePeriod": {"start": "2020-01", "end": "2020-01-31T10:00:00Z"},
        "issued": "2020-01-31T10:00:00.000Z",
        "valueString": "2020-01-01",
        "referenceRange": [{"text": "2020"}],
        "extension": [{"url": "urn:x", "extension": [{"url": "y", "valueDate": "2020"}]}],
        "component": [{"valueDateTime": "2020-01-01"}, {"valuePeriod": {"end": "2020-02-28"}}],
        "note": [{"time": "2020-01-01", "text": "on 2020-01-01"}],
    }

    (result,) = moved([resource], 366)

    assert result == resource | {
        "identifier": [{"value": "2020-01-01", "period": {"start": "2021-01-01"}}],
        "effectivePeriod": {"start": "2021-01", "end": "2021-01-31T10:00:00Z"},
        "issued": "2021-01-31T10:00:00.000Z",
        "extension": [{"url": "urn:x", "extension": [{"url": "y", "valueDate": "2021"}]}],
        "component": [{"valueDateTime": "2021-01-01"}, {"valuePeriod": {"end": "2021-02-28"}}],
        "note": [{"time": "2021-01-01", "text": "on 2020-01-01"}],
    }


@given(DATES, TIMES, DATES)
def test_the_last_encounter_ends_yesterday(end: date, time: str, born: date) -> None:
    bundle = [an_encounter(start="1850", end=f"{end}{time}"), {"resourceType": "Patient", "birthDate": f"{born}"}]

    days = offset_to_recent(bundle, NOW)
    assert days is not None
    encounter, patient = moved(bundle, days)

    assert encounter["period"]["end"] == f"2026-11-23{time}"
    assert date.fromisoformat(patient["birthDate"]) - born == timedelta(days=days)


@pytest.mark.parametrize(
    ("resources", "days"),
    [
        ([an_encounter(start="2026-11-20", end="2026-11-21"), an_encounter(start="2026-11-22T10:00:00Z")], 1),
        ([{"resourceType": "Observation", "effectiveDateTime": "2026-11-01"}], 22),
        ([{"resourceType": "Condition", "onsetDateTime": "2026-11-03", "recordedDate": "2026-11-13"}], 10),
        ([an_encounter(end="2026-11-30")], -7),
        ([{"resourceType": "Patient", "birthDate": "1960-01-01"}], None),
    ],
)
def test_the_offset_is_that_of_the_last_encounter_or_the_newest_fact(resources: Any, days: int | None) -> None:
    assert offset_to_recent(resources, NOW) == days
