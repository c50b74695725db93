"""Errors as answers: one table from what went wrong to a status and an OperationOutcome (design/contract.md, 3).

The words are fixed; a place is named where there is one. There is no `diagnostics`, no value, no stack trace.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Any

import orjson
from werkzeug.exceptions import HTTPException

from cds_hooks.errors import BodyTooLarge, CdsError, Fault, WrongMediaType

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
INTERNAL = Fault("exception", "the service failed; the correlation id finds the reason in its log")

# What Werkzeug refuses before a route is reached, or while the body is read.
_OF_HTTP: Mapping[int, Fault] = MappingProxyType(
    {
        400: Fault("invalid", "the request is malformed"),
        403: Fault("forbidden", "this address is not open to the caller"),
        404: Fault("not-found", "there is nothing at this address"),
        405: Fault("not-supported", "this address does not answer that method"),
        408: Fault("timeout", "the request did not arrive in time"),
        413: BodyTooLarge.usual,
        414: Fault("too-long", "the address is too long"),
        415: WrongMediaType.usual,
        417: Fault("not-supported", "the expectation cannot be met"),
        431: Fault("too-long", "the headers are too large"),
        501: Fault("not-supported", "the transfer coding is not supported"),
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What to answer in place of cards. `is_ours` if nobody but us can mend it: then it is logged with its place."""

    status: int
    faults: tuple[Fault, ...]
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)
    is_ours: bool = False

    def outcome(self, correlation: str) -> dict[str, Any]:
        """Give the OperationOutcome, valid FHIR R4."""
        return operation_outcome(self.faults, correlation)


def problem_of(error: BaseException) -> Problem:
    """Give the answer to any error at all."""
    if isinstance(error, CdsError):
        headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        if error.status == 401:  # noqa: PLR2004 - HTTP-4
            # One body for all of them: which fault it was is for the log alone (SEC-27).
            return Problem(401, (type(error).usual,), {"WWW-Authenticate": "Bearer"})
        return Problem(error.status, error.faults, headers, is_ours=error.status >= 500)  # noqa: PLR2004 - HTTP's own
    if isinstance(error, HTTPException) and error.code is not None and error.code in _OF_HTTP:
        allowed = getattr(error, "valid_methods", None)
        headers = {"Allow": ", ".join(sorted(allowed))} if allowed else {}
        return Problem(error.code, (_OF_HTTP[error.code],), headers)
    return Problem(500, (INTERNAL,), is_ours=True)


def problem_of_status(status: int) -> Problem:
    """Give the answer to what the server refused before the application was asked."""
    return Problem(status, (_OF_HTTP.get(status, INTERNAL),))


def operation_outcome(faults: Sequence[Fault], correlation: str) -> dict[str, Any]:
    """Write faults as an OperationOutcome whose id is the correlation id."""
    return {"resourceType": "OperationOutcome", "id": correlation, "issue": [_issue(fault) for fault in faults]}


def body_of(problem: Problem, correlation: str) -> bytes:
    """Write the body of an error."""
    return orjson.dumps(problem.outcome(correlation))


def place_of(error: BaseException) -> str:
    """Say where an error was raised: module, function and line, which hold nothing of a patient's."""
    place = "unknown"
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        place = f"{frame.f_globals.get('__name__', '?')}:{frame.f_code.co_name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _issue(fault: Fault) -> dict[str, Any]:
    issue: dict[str, Any] = {"severity": fault.severity, "code": fault.code, "details": {"text": fault.text}}
    if fault.expression is not None:
        issue["expression"] = [fault.expression]
    return issue
