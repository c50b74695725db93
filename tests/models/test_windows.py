from datetime import UTC, datetime

import pytest

from fhir_client.times import Interval
from models.features.windows import Window

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "at", "inside"),
    [
        (Window(hours=24), "2024-05-31T12:00:00Z", True),
        (Window(hours=24), "2024-05-31T11:59:59Z", False),
        (Window(hours=24), "2024-06-01", True),
        (Window(hours=24), "2024-05-31", False),  # it may have been in the morning
        (Window(months=1), "2024-05-01T12:00:00Z", True),
        (Window(months=1), "2024-05-01T11:59:59Z", False),
        (Window(months=1), "2024-05", False),
    ],
)
def test_only_what_certainly_lies_inside_counts(window: Window, at: str, inside: bool) -> None:
    found = Interval.parse(at)
    assert found is not None
    assert window.includes(found, NOW) is inside


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (Window(hours=24), "24 hours"),
        (Window(hours=30), "30 hours"),
        (Window(hours=168), "7 days"),
        (Window(months=12), "12 months"),
        (Window(months=60), "5 years"),
    ],
)
def test_a_window_says_how_long_it_is(window: Window, words: str) -> None:
    assert str(window) == words
