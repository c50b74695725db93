"""When a read is asked again, and after how long."""

import pytest

from fhir_client.questions import Deadline
from fhir_client.retrying import IN_A_CALL, Retries, pause_before, seconds_of

SENT = "Sat, 01 Jun 2024 12:00:00 GMT"


def a_pause(
    retry_after: str | None = None,
    *,
    attempt: int = 1,
    took: float = 0.0,
    remaining: float = 4.0,
    retries: Retries = IN_A_CALL,
    random: float = 0.0,
) -> float | None:
    return pause_before(
        attempt,
        retry_after,
        took=took,
        deadline=Deadline(remaining, lambda: 0.0),
        retries=retries,
        random=lambda: random,
        sent=SENT,
    )


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("1", 1.0),
        (" 2 ", 2.0),
        ("0", 0.0),
        ("Sat, 01 Jun 2024 12:00:02 GMT", 2.0),
        ("Saturday, 01-Jun-24 12:00:02 GMT", 2.0),
        ("Sat Jun  1 12:00:02 2024", 2.0),
        ("Sat, 01 Jun 2024 11:00:00 GMT", 0.0),
        ("9" * 400, 999_999_999.0),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("٣", None),
    ],
)
def test_both_forms_of_the_header_are_read(header: str, seconds: float | None) -> None:
    """[FHIR-64] 429 and 503: obey Retry-After as seconds or HTTP-date."""
    assert seconds_of(header, SENT) == seconds


def test_a_date_means_nothing_without_the_clock_of_the_server() -> None:
    assert seconds_of("Sat, 01 Jun 2024 12:00:02 GMT") is None
    assert seconds_of("Sat, 01 Jun 2024 12:00:02 GMT", "noon") is None
    assert seconds_of("2") == 2.0


def test_what_the_server_asks_for_is_waited_for() -> None:
    """[FHIR-64] Obey Retry-After, capped: fake clock, both header forms."""
    assert a_pause("1") == 1.0
    assert a_pause("Sat, 01 Jun 2024 12:00:02 GMT") == 2.0
    assert a_pause("3") is None
    assert a_pause("Sat, 01 Jun 2024 12:01:00 GMT") is None
    assert a_pause("60", retries=Retries(longest_seconds=90), remaining=1000) == 60.0


def test_without_the_header_the_pauses_double_with_jitter() -> None:
    """[FHIR-64] Else exponential back-off with jitter."""
    retries = Retries(attempts=6, first_seconds=0.1, longest_seconds=1.0)
    pauses = [a_pause(attempt=attempt, retries=retries) for attempt in range(1, 8)]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, None]
    assert a_pause("soon", random=0.5) == pytest.approx(0.075)
    assert a_pause(random=1.0) == pytest.approx(0.05)


def test_inside_a_call_there_is_one_retry() -> None:
    """[FHIR-64] Inside a call: at most one retry."""
    assert (a_pause(attempt=1) is None, a_pause(attempt=2) is None) == (False, True)


def test_there_must_be_time_for_the_pause_and_the_answer() -> None:
    """[FHIR-64] And only if time remains."""
    assert a_pause("1", remaining=1.0) is None
    assert a_pause("1", remaining=1.1) == 1.0
    assert a_pause("1", took=0.2, remaining=1.1) is None
    assert a_pause(remaining=0.0) is None
