"""The failures of an invocation."""

import pytest

from cds_hooks import errors
from cds_hooks.errors import CdsError, Fault, MalformedRequest, Overloaded, TooMany

STATUS = {
    "MalformedRequest": 400,
    "WrongHook": 400,
    "NotTrusted": 401,
    "NotEntitled": 403,
    "UnknownService": 404,
    "DataUnavailable": 412,
    "BodyTooLarge": 413,
    "WrongMediaType": 415,
    "BreaksProfile": 422,
    "TooMany": 429,
    "Overloaded": 503,
    "NotRecorded": 503,
}


def test_every_failure_has_its_status() -> None:
    found = {kind.__name__: kind.status for kind in CdsError.__subclasses__()}
    assert found == STATUS


@pytest.mark.parametrize("name", STATUS)
def test_a_failure_without_faults_says_what_its_kind_usually_says(name: str) -> None:
    error = getattr(errors, name)()
    (fault,) = error.faults
    assert str(error) == str(fault)
    assert fault.severity == "error"


def test_a_failure_keeps_all_its_faults_in_order() -> None:
    faults = (Fault("required", "is missing", "hook"), Fault("structure", "must be an object"))
    error = MalformedRequest(*faults)
    assert error.faults == faults
    assert str(error) == "hook: is missing; must be an object"


@pytest.mark.parametrize("kind", [Overloaded, TooMany])
def test_a_failure_that_passes_says_when(kind: type[Overloaded] | type[TooMany]) -> None:
    assert (kind().retry_after, kind(retry_after=7).retry_after) == (1, 7)
