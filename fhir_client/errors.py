"""What a FHIR server can do to us. Messages are fixed words: no address, no id, nothing sent or received."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a search or a read has no answer, or only a part of one; the words are safe to send and to log."""

    # Refused, reset and timed out read alike: the caller chooses the address, and must not learn which port is open
    # (FHIR-78).
    NO_ANSWER = "the FHIR server gave no answer in time"
    BUSY = "the FHIR server is busy or down for the moment (429, 502, 503 or 504)"
    RESTING = "the FHIR server gave no answer lately and is not asked for a while"
    FAILED = "the FHIR server failed (5xx)"
    DENIED = "the FHIR server denied access (401 or 403)"
    REJECTED = "the FHIR server did not accept the query (4xx)"
    REDIRECTED = "the FHIR server sent us elsewhere (3xx)"
    ABSENT = "the FHIR server has no such resource (404 or 410)"
    NOT_FHIR = "the FHIR server's answer was not FHIR JSON"
    NOT_ASKED_FOR = "the FHIR server answered with another resource"
    OUTCOME = "an OperationOutcome stands in place of the data"
    TOO_LARGE = "the FHIR server's answer was larger than we read"
    TOO_MANY_PAGES = "the FHIR server's answer had more pages or entries than we read"
    REPEATED_PAGE = "the FHIR server's pages led back to each other"
    FOREIGN_PAGE = "the next page lay on another server"
    ADDRESS = "the FHIR server's address is not one that we may call"
    VERSION = "the FHIR server speaks a FHIR version that we do not know"
    NOT_AUTHORIZED = "the authorization server gave us no token"
    NOT_SMART = "the FHIR server's SMART configuration lacks what backend services need"
    FEWER_SCOPES = "the authorization server granted less than the job needs"
    NO_KEY = "we have no signing key of an algorithm that the server takes"
    NO_ACCESS = "no access to a FHIR server was given"


class FhirError(Exception):
    """A request to a FHIR server that gave nothing we can use."""

    def __init__(self, reason: Reason) -> None:
        """Say why, in words that are the whole message."""
        self.reason = reason
        super().__init__(reason.value)


class Unreachable(FhirError):
    """No answer, or one that says the server cannot answer now."""


class AddressRefused(FhirError):
    """We will not call this address, or not with this token: nothing was sent (FHIR-71 to FHIR-73).

    `why` is a fixed word for the audit; the message is the same for all, so that the caller maps no network by it.
    """

    def __init__(self, reason: Reason = Reason.ADDRESS, *, why: str = "") -> None:
        """Say why, to the caller in the reason's words, to the audit in one more."""
        super().__init__(reason)
        self.why = why


class Refused(FhirError):
    """The server will not answer this question, or not to this token."""


class NotFound(FhirError):
    """The server looked: there is no such resource, or there is none any more."""


class BadResource(FhirError):
    """The answer is not what a FHIR server says when it answers this question."""


_BY_STATUS: dict[int, tuple[type[FhirError], Reason]] = {
    401: (Refused, Reason.DENIED),
    403: (Refused, Reason.DENIED),
    404: (NotFound, Reason.ABSENT),
    410: (NotFound, Reason.ABSENT),
    429: (Unreachable, Reason.BUSY),
    502: (Unreachable, Reason.BUSY),
    503: (Unreachable, Reason.BUSY),
    504: (Unreachable, Reason.BUSY),
}
_BY_CLASS: dict[int, tuple[type[FhirError], Reason]] = {
    3: (BadResource, Reason.REDIRECTED),
    4: (Refused, Reason.REJECTED),
    5: (Unreachable, Reason.FAILED),
}
_OTHERWISE = (BadResource, Reason.NOT_FHIR)


def error_of(status: int) -> FhirError | None:
    """Give the error that an HTTP status stands for, None for success (FHIR-63)."""
    if status // 100 == 2:  # noqa: PLR2004 - 2xx
        return None
    kind, reason = _BY_STATUS.get(status) or _BY_CLASS.get(status // 100, _OTHERWISE)
    return kind(reason)
