from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_client.times import BEGINNING, FOREVER, Interval, age_range_years, age_years, completed_years


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, micro: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, micro, tzinfo=UTC)


def interval(text: str) -> Interval:
    found = Interval.parse(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2020", utc(2020, 1, 1), utc(2021, 1, 1)),
        ("2021", utc(2021, 1, 1), utc(2022, 1, 1)),
        ("2020-02", utc(2020, 2, 1), utc(2020, 3, 1)),
        ("2020-12", utc(2020, 12, 1), utc(2021, 1, 1)),
        ("2020-02-29", utc(2020, 2, 29), utc(2020, 3, 1)),
        ("2020-05-01T08:30:00Z", utc(2020, 5, 1, 8, 30), utc(2020, 5, 1, 8, 30, 1)),
        ("2020-05-01T08:30:00+02:00", utc(2020, 5, 1, 6, 30), utc(2020, 5, 1, 6, 30, 1)),
        ("2020-05-01T23:30:00-05:30", utc(2020, 5, 2, 5), utc(2020, 5, 2, 5, 0, 1)),
        ("2020-05-01T08:30:00+14:00", utc(2020, 4, 30, 18, 30), utc(2020, 4, 30, 18, 30, 1)),
        ("2020-05-01T08:30:00.250Z", utc(2020, 5, 1, 8, 30, 0, 250_000), utc(2020, 5, 1, 8, 30, 0, 251_000)),
        ("2020-05-01T08:30:00.123456789Z", utc(2020, 5, 1, 8, 30, 0, 123_456), utc(2020, 5, 1, 8, 30, 0, 123_457)),
        ("2020-05-01T08:30:00", utc(2020, 5, 1, 8, 30), utc(2020, 5, 1, 8, 30, 1)),
        ("2020-05-01T08:30Z", utc(2020, 5, 1, 8, 30), utc(2020, 5, 1, 8, 31)),
        ("2016-12-31T23:59:60Z", utc(2017, 1, 1), utc(2017, 1, 1, 0, 0, 1)),
        ("9999-12-31", utc(9999, 12, 31), FOREVER),
        ("9999-12-31T23:59:59Z", utc(9999, 12, 31, 23, 59, 59), FOREVER),
    ],
)
def test_a_fhir_time_is_the_interval_of_its_precision(text: str, start: datetime, end: datetime) -> None:
    assert Interval.parse(text) == Interval(start, end, text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "20", "20200501", "2020-5-1", "2020-13", "2020-02-30", "2021-02-29", "0000-01-01", "2020-W10-1"),
        *("2020-05-01T24:00:00Z", "2020-05-01T08:60:00Z", "2020-05-01T08:30:61Z", "2020-05-01T08Z"),
        *("2020-05-01T08:30:00z", "2020-05-01T08:30:00+15:00", "2020-05-01T08:30:00+14:30"),
        *("2020-05-01T08:30:00+0200", "2020-05-01T08:30:00+02.00", "2020-05-01T08:30:00.Z", "2020-05-01 08:30:00Z"),
        *(" 2020-05-01", "2020-05-01\n", "\uff12020-05-01", "0001-01-01T00:00:00+14:00", "May 2020"),
        *(None, 2020, True, ["2020"], {"start": "2020"}),
    ],
)
def test_what_is_no_fhir_time_is_none(text: object) -> None:
    assert Interval.parse(text) is None


def test_a_partial_date_is_neither_before_nor_after_an_instant_inside_it() -> None:
    """[FHIR-19] Partial dates (`2020`, `2020-05`) and instants with offsets are compared as intervals."""
    year = interval("2020")
    june = utc(2020, 6, 1)

    assert not year.is_before(june)
    assert not year.is_after(june)
    assert year.could_be_before(june)
    assert year.could_be_after(june)
    assert year.contains(june)


def test_instants_with_offsets_are_compared_as_the_moments_they_are() -> None:
    """[FHIR-19] Partial dates (`2020`, `2020-05`) and instants with offsets are compared as intervals."""
    evening = interval("2020-05-01T23:30:00-05:00")

    assert evening.is_after(utc(2020, 5, 2))
    assert evening.is_before(utc(2020, 5, 2, 4, 31))


def test_the_end_of_a_span_is_not_in_it() -> None:
    day = interval("2020-05-01")

    assert day.is_before(utc(2020, 5, 2))
    assert not day.could_be_after(utc(2020, 5, 2))
    assert not day.contains(utc(2020, 5, 2))
    assert day.contains(utc(2020, 5, 1))
    assert not day.is_after(utc(2020, 5, 1))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2020", "2020-05", Interval(utc(2020, 1, 1), utc(2020, 6, 1), "2020 to 2020-05")),
        ("2020-05-01", None, Interval(utc(2020, 5, 1), FOREVER, "since 2020-05-01")),
        (None, "2020-05-01", Interval(BEGINNING, utc(2020, 5, 2), "until 2020-05-01")),
        (None, None, None),
        ("2020-05-02", "2020-05-01", None),
        ("2020-05-02", "soon", None),
        (7, "2020-05-01", None),
    ],
)
def test_a_period_reaches_to_the_end_of_its_last_date(start: object, end: object, expected: Interval | None) -> None:
    assert Interval.between(start, end) == expected


def test_what_has_not_ended_is_left_open() -> None:
    assert interval("2020-05-01").left_open() == Interval(utc(2020, 5, 1), FOREVER, "since 2020-05-01")
    period = Interval.between("2020-05-01", "2020-05-09")
    assert period is not None
    assert period.left_open().text == "since 2020-05-01"
    assert period.left_open().is_open


@pytest.mark.parametrize(
    ("born", "on", "years"),
    [
        (date(1960, 6, 2), date(2024, 6, 1), 63),
        (date(1960, 6, 2), date(2024, 6, 2), 64),
        (date(2000, 2, 29), date(2024, 2, 28), 23),
        (date(2000, 2, 29), date(2024, 2, 29), 24),
        (date(2000, 2, 29), date(2023, 2, 28), 22),
        (date(2000, 2, 29), date(2023, 3, 1), 23),
        (date(2024, 1, 1), date(2024, 6, 1), 0),
    ],
)
def test_age_is_completed_years(born: date, on: date, years: int) -> None:
    assert completed_years(born, on) == years


def test_the_age_of_a_partial_birth_date_is_that_of_its_middle_and_has_a_range() -> None:
    year = interval("1960")

    assert age_years(year, utc(2024, 6, 1)) == 63
    assert age_years(year, utc(2024, 8, 1)) == 64
    assert age_range_years(year, utc(2024, 6, 1)) == (63, 64)
    assert age_range_years(interval("1960-06-02"), utc(2024, 6, 1)) == (63, 63)


def test_nobody_has_an_age_before_birth() -> None:
    assert age_years(interval("2025-01-01"), utc(2024, 6, 1)) is None
    assert age_range_years(interval("2025-01-01"), utc(2024, 6, 1)) is None
    assert age_years(interval("2024"), utc(2024, 2, 1)) == 0
    assert age_range_years(interval("2024"), utc(2024, 2, 1)) == (0, 0)


@given(st.integers(-5_000_000_000, 7_000_000_000), st.integers(-14 * 60, 14 * 60))
def test_any_moment_written_with_any_offset_is_read_as_that_moment(seconds: int, minutes: int) -> None:
    moment = utc(1970, 1, 1) + timedelta(seconds=seconds)
    sign, size = "-" if minutes < 0 else "+", abs(minutes)
    local = moment + timedelta(minutes=minutes)
    text = f"{local:%Y-%m-%dT%H:%M:%S}{sign}{size // 60:02}:{size % 60:02}"

    assert interval(text).start == moment


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_none(text: str) -> None:
    found = Interval.parse(text)
    assert found is None or found.start < found.end
