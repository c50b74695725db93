"""What OperationOutcomes say: beside an answer, in its place, in an error."""

from typing import Any

import pytest

from fhir_client.answers import Answer, Remark, page_of, prefetched
from fhir_client.client import Connections
from fhir_client.errors import Reason
from fhir_client.outcomes import Effect, effect_of, reason_of
from fhir_client.record import Availability
from tests.builders import a_bundle
from tests.fhir_asking import a_client, an_observation, found
from tests.fhir_stub import FhirStub, Says, an_outcome


def of(*codes: str, severity: str = "error") -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code} for code in codes]}


@pytest.mark.parametrize(
    "code", ["transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled"]
)
def test_what_passes_is_told_by_its_code(code: str) -> None:
    """[FHIR-68] Transient issue codes: mapping test."""
    assert reason_of([of(code)]) is Reason.BUSY


@pytest.mark.parametrize("code", ["security", "login", "unknown", "expired", "forbidden", "suppressed"])
def test_what_is_denied_is_told_by_its_code(code: str) -> None:
    assert reason_of([of(code)]) is Reason.DENIED


@pytest.mark.parametrize(
    "outcome",
    [
        of("processing"),
        of("timeout", "processing"),
        of("timeout", "forbidden"),
        of("timeout", severity="information"),
        of(),
        {"resourceType": "OperationOutcome", "issue": "none"},
        {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": ["timeout"]}]},
    ],
)
def test_anything_else_is_neither(outcome: dict[str, Any]) -> None:
    """[FHIR-67] OperationOutcome: read issue.severity and code; what is malformed says nothing."""
    assert reason_of([outcome]) is Reason.OUTCOME


@pytest.mark.parametrize(
    ("outcome", "effect"),
    [
        (of("processing"), Effect.INCOMPLETE),
        (of("processing", severity="fatal"), Effect.INCOMPLETE),
        (of("processing", severity="warning"), Effect.REMARK),
        (of("informational", severity="information"), Effect.NONE),
        (of("suppressed", severity="information"), Effect.INCOMPLETE),
        (of("incomplete", severity="warning"), Effect.INCOMPLETE),
        (of(), Effect.NONE),
    ],
)
def test_what_stands_beside_an_answer_may_make_it_a_part(outcome: dict[str, Any], effect: Effect) -> None:
    """[FHIR-67, FHIR-69] Security labels and silent filtering: what was left out, and said to be, leaves a part."""
    assert effect_of([outcome]) is effect


def test_warnings_are_kept_as_a_remark() -> None:
    """[FHIR-67] Warnings in 200 answers are kept."""
    answer = page_of(a_bundle(an_observation("a"), of("processing", severity="warning")))
    assert answer == Answer((an_observation("a"),), remarks=frozenset({Remark.WARNED}))
    more = Answer((an_observation("b"),))
    assert answer.joined(more).remarks == more.joined(answer).remarks == {Remark.WARNED}


def test_rows_kept_from_the_user_leave_a_part() -> None:
    """[FHIR-69] A short result may be legal: where the server says so, the answer is not complete."""
    answer = page_of(a_bundle(an_observation("a"), of("suppressed", severity="information")))
    assert (answer.availability, answer.reason) == (Availability.PARTIAL, Reason.DENIED)
    nothing = page_of(a_bundle(of("suppressed", severity="information")))
    assert (nothing.availability, nothing.reason) == (Availability.DENIED, Reason.DENIED)


def test_a_denial_that_was_prefetched_is_one() -> None:
    answer = prefetched(of("forbidden"), "Observation")
    assert answer == Answer((), Availability.DENIED, Reason.DENIED)
    assert prefetched(of("timeout"), "Observation") == Answer((), Availability.UNAVAILABLE, Reason.OUTCOME)


def test_the_text_of_an_outcome_goes_nowhere(
    connections: Connections, server: FhirStub, caplog: pytest.LogCaptureFixture
) -> None:
    """[FHIR-67] Text is not shown to users and not logged (may hold PHI): in an error, an entry, a whole body."""
    told = an_outcome(code="processing")
    told["issue"][0] |= {"diagnostics": "canary-patient", "details": {"text": "canary-patient"}}
    for says in (Says(told, 400), Says(told, 500), Says(told), Says(a_bundle(an_observation("a"), told))):
        server.on("POST", "Observation/_search", says)
        answer = found(a_client(connections, server))
        assert answer.reason is not None
        assert "canary-patient" not in repr(answer) + caplog.text
