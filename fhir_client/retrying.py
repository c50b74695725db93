"""When to ask again: after what the server says, else after a back-off with jitter, and only if time remains.

Only reads are asked again (FHIR-65): the caller of this module sends nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from fhir_client.questions import Deadline

TRANSIENT = frozenset({429, 502, 503, 504})
_LONGEST_NUMBER = 9  # of digits: thirty years of seconds


@dataclass(frozen=True, slots=True)
class Retries:
    """How often one request is sent again, and how long to pause before.

    A server that asks for a longer pause than `longest_seconds` is not asked again: sooner would disobey, and nobody
    waits that long. The back-off doubles from `first_seconds`, and jitter takes up to half of it away.
    """

    attempts: int = 1
    first_seconds: float = 0.1
    longest_seconds: float = 2.0


IN_A_CALL = Retries()
"""Inside a hook call: at most one retry (FHIR-64)."""


def pause_before(
    attempt: int,
    retry_after: str | None,
    *,
    took: float,
    deadline: Deadline,
    retries: Retries,
    random: Callable[[], float],
    sent: str | None = None,
) -> float | None:
    """Give the seconds to wait before retry number `attempt` (from 1), None if there is to be none.

    There must be time for the pause and then for an answer that takes as long as the failure took. `sent` is the Date
    header of the failure: a date to wait for is read by the clock of the server that named it.
    """
    if attempt > retries.attempts:
        return None
    asked_for = None if retry_after is None else seconds_of(retry_after, sent)
    if asked_for is None:
        pause = min(retries.first_seconds * 2 ** (attempt - 1), retries.longest_seconds) * (1 - random() / 2)
    else:
        pause = asked_for
    return pause if pause <= retries.longest_seconds and pause + took < deadline.remaining else None


def seconds_of(retry_after: str, sent: str | None = None) -> float | None:
    """Read a Retry-After header, seconds or HTTP-date (RFC 9110 10.2.3); None if it is neither, or no date says when.

    >>> seconds_of("120")
    120.0
    >>> seconds_of("Sat, 01 Jun 2024 12:00:30 GMT", "Sat, 01 Jun 2024 12:00:00 GMT")
    30.0
    """
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:_LONGEST_NUMBER])
    until, since = _date(text), _date(sent)
    return None if until is None or since is None else max(0.0, (until - since).total_seconds())


def _date(text: str | None) -> datetime | None:
    try:
        at = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
