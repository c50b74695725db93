"""What an OperationOutcome says of how a request went. Its text is never shown or logged: it may name the patient."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from fhir_client.elements import Resource, mappings, text_of
from fhir_client.errors import Reason

# FHIR-68: the issue type "transient" and all beneath it in the code system, and the types that servers use like these.
TRANSIENT: Final = frozenset({"transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled"})
_DENIED: Final = frozenset({"security", "login", "unknown", "expired", "forbidden", "suppressed"})
# No failure of the request, and yet rows may be missing: some were kept from this user, or a source was not asked.
_ROWS_MISSING: Final = frozenset({"suppressed", "incomplete"})
_FAILURES: Final = frozenset({"fatal", "error"})


class Effect(StrEnum):
    """What the outcomes beside an answer mean for it."""

    NONE = "none"
    REMARK = "a warning stands beside the answer"
    INCOMPLETE = "rows may be missing"


def effect_of(outcomes: Iterable[Resource]) -> Effect:
    """Tell what outcomes that came with an answer mean for it.

    One that only warns leaves the answer complete: servers warn beside every full answer, and say so of an empty one
    ("returns no results"). One that reports an error, or says that something was left out, does not.
    """
    issues = _issues(outcomes)
    if any(_is_failure(*issue) for issue in issues):
        return Effect.INCOMPLETE
    return Effect.REMARK if any(severity == "warning" for severity, _ in issues) else Effect.NONE


def reason_of(outcomes: Iterable[Resource]) -> Reason:
    """Give why there is no answer, or no whole one, by the failing issues: denied, for the moment, or neither."""
    codes = {code for severity, code in _issues(outcomes) if _is_failure(severity, code)}
    if codes and codes <= _DENIED:
        return Reason.DENIED
    return Reason.BUSY if codes and codes <= TRANSIENT else Reason.OUTCOME


def _issues(outcomes: Iterable[Resource]) -> list[tuple[str | None, str | None]]:
    return [
        (text_of(issue.get("severity")), text_of(issue.get("code")))
        for outcome in outcomes
        for issue in mappings(outcome.get("issue"))
    ]


def _is_failure(severity: str | None, code: str | None) -> bool:
    return severity in _FAILURES or code in _ROWS_MISSING
