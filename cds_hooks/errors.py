"""Why an invocation failed: one tree, by who must act. Texts are fixed words, safe to send and to log."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One issue of an OperationOutcome: a code of FHIR's issue-type list, fixed words, and the place; never a value."""

    code: str
    text: str
    expression: str | None = None
    severity: str = "error"

    def __str__(self) -> str:
        """Give the place and the words, as one line."""
        return self.text if self.expression is None else f"{self.expression}: {self.text}"


class CdsError(Exception):
    """An invocation that cannot be answered with cards; carries every fault found, in the order found."""

    status: ClassVar[int] = 500
    usual: ClassVar[Fault] = Fault("exception", "the service failed")
    retry_after: int | None = None

    def __init__(self, *faults: Fault) -> None:
        """Keep the faults; without one of its own, a failure says what its kind usually says."""
        self.faults: tuple[Fault, ...] = faults or (self.usual,)
        super().__init__("; ".join(map(str, self.faults)))


# Their request.


class MalformedRequest(CdsError):
    """The body is not JSON, or not what CDS Hooks says."""

    status = 400
    usual = Fault("invalid", "the request is malformed")


class WrongHook(CdsError):
    """The request names a hook that this service does not answer."""

    status = 400
    usual = Fault("not-supported", "this service does not answer the hook", "hook")


class NotTrusted(CdsError):
    """No token, or one that does not prove a CDS client we know. All of these look alike from outside (SEC-27)."""

    status = 401
    usual = Fault("login", "authentication is required")


class NotEntitled(CdsError):
    """A known CDS client that may not call this service, or not for this tenant."""

    status = 403
    usual = Fault("forbidden", "the client may not use this service")


class UnknownService(CdsError):
    """No service has this id."""

    status = 404
    usual = Fault("not-found", "there is no such service")


class BodyTooLarge(CdsError):
    """The body is larger than we read."""

    status = 413
    usual = Fault("too-long", "the body is too large")


class WrongMediaType(CdsError):
    """The body is not declared as JSON."""

    status = 415
    usual = Fault("not-supported", "the body must be application/json")


class BreaksProfile(CdsError):
    """A valid request that breaks a profile which the service imposes."""

    status = 422
    usual = Fault("business-rule", "the request breaks a profile of this service")


class TooMany(CdsError):
    """More calls than agreed with this client."""

    status = 429
    usual = Fault("throttled", "too many requests")

    def __init__(self, *faults: Fault, retry_after: int = 1) -> None:
        """Say also after how many seconds another try may succeed (HTTP-11)."""
        self.retry_after = retry_after
        super().__init__(*faults)


# Their data.


class DataUnavailable(CdsError):
    """Required data was neither prefetched nor obtainable; never raised for data that is merely empty (PRE-28)."""

    status = 412
    usual = Fault("incomplete", "required data could not be obtained")


# Our state.


class Overloaded(CdsError):
    """Our own queue or our own work has used up the deadline."""

    status = 503
    usual = Fault("timeout", "the service is overloaded")

    def __init__(self, *faults: Fault, retry_after: int = 1) -> None:
        """Say also after how many seconds another try may succeed (HTTP-11)."""
        self.retry_after = retry_after
        super().__init__(*faults)


class JournalTrouble(StrEnum):
    """Why the journal could not be written or read: fixed words for the log of those who run it."""

    FULL = "the journal's disk is full"
    READ_ONLY = "the journal is read-only"
    LOCKED = "another process holds the journal"
    UNREACHABLE = "the journal's database cannot be reached"
    OUTDATED = "the journal is not in the shape of this version: chartside journal migrate"
    OTHER = "the journal's database failed"


class NotRecorded(CdsError):
    """The journal cannot be written, and what cannot be recorded is not answered; `cause` is for the log alone."""

    status = 503
    usual = Fault("no-store", "the call could not be recorded")

    def __init__(self, *faults: Fault, cause: JournalTrouble = JournalTrouble.OTHER) -> None:
        """Say also what is wrong with the journal."""
        self.cause = cause
        super().__init__(*faults)
