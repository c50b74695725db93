from datetime import UTC, datetime, timedelta
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.kidney_stability.rule import Creatinine, reaches_back, unstable_since

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def a_series(*values: tuple[float, float]) -> list[Creatinine]:
    """Creatinines by hours before now, newest first."""
    return [Creatinine(NOW - timedelta(hours=hours), mg_dl) for hours, mg_dl in values]


DAY = 24.0


@pytest.mark.parametrize(
    ("values", "is_unstable"),
    [
        ([(0, 1.3), (48, 1.0)], True),  # +0.3 within 48 hours
        ([(0, 1.4), (48, 1.1)], True),  # whatever the last bit of a float
        ([(0, 1.29), (48, 1.0)], False),
        ([(0, 1.3), (49, 1.0)], False),
        ([(0, 1.5), (7 * DAY, 1.0)], True),  # 1.5 times the lowest of 7 days
        ([(0, 1.65), (7 * DAY, 1.1)], True),
        ([(0, 1.49), (7 * DAY, 1.0)], False),
        ([(0, 1.5), (7 * DAY, 1.4), (5 * DAY, 1.0)], True),
        ([(0, 1.5), (30 * DAY, 1.0)], True),  # 1.5 times the median of 8 to 365 days
        ([(0, 1.5), (366 * DAY, 1.0)], False),
        ([(0, 1.5), (7.5 * DAY, 1.0)], False),
        ([(0, 1.5), (30 * DAY, 1.0), (60 * DAY, 1.2), (90 * DAY, 1.3)], False),
        ([(91 * DAY, 3.0), (92 * DAY, 1.0)], False),  # over 90 days ago
        ([(0, 1.0), (89 * DAY, 3.0), (90 * DAY, 1.0)], True),
        ([(0, 1.0), (2 * DAY, 3.0)], False),  # a fall is no rise
        ([(0, 1.0)], False),
        ([], False),
    ],
)
def test_a_rise_as_in_acute_injury_is_seen_for_90_days(values: list[tuple[float, float]], is_unstable: bool) -> None:
    assert (unstable_since(a_series(*values), NOW) is not None) is is_unstable


def test_the_time_of_the_newest_rise_is_given() -> None:
    series = a_series((10, 1.0), (30 * DAY, 2.0), (31 * DAY, 1.0))
    assert unstable_since(series, NOW) == NOW - timedelta(days=30)


def test_nothing_before_the_oldest_baseline_matters() -> None:
    assert reaches_back(NOW) == NOW - timedelta(days=455)


@given(st.lists(st.tuples(st.integers(0, 400 * 24), st.sampled_from([0.8, 1.0, 1.1, 1.4, 1.5, 2.1])), max_size=12))
def test_pairs_compared_one_by_one_say_the_same(values: list[tuple[float, float]]) -> None:
    def rose(hours: float, mg_dl: float) -> bool:
        before = [(then - hours, level) for then, level in values if then > hours]
        recent = [level for ago, level in before if ago <= 48]
        week = [level for ago, level in before if ago <= 7 * DAY]
        year = [level for ago, level in before if 8 * DAY <= ago <= 365 * DAY]
        return (
            any(round(mg_dl - level, 9) >= 0.3 for level in recent)
            or any(round(mg_dl / level, 9) >= 1.5 for level in week)
            or (bool(year) and round(mg_dl / median(year), 9) >= 1.5)
        )

    newest = min((hours for hours, mg_dl in values if hours <= 90 * DAY and rose(hours, mg_dl)), default=None)
    expected = None if newest is None else NOW - timedelta(hours=newest)
    assert unstable_since(a_series(*values), NOW) == expected
