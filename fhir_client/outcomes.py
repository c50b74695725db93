"""What an OperationOutcome says of how a request went. Its text is never shown or logged: it may name the patient."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from fhir_client.elements import Resource, mappings
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
    effect = Effect.NONE
    for outcome in outcomes:
        for issue in mappings(outcome.get("issue")):
            severity = issue.get("severity")
            if severity in _FAILURES or issue.get("code") in _ROWS_MISSING:
                return Effect.INCOMPLETE
            if severity == "warning":
                effect = Effect.REMARK
    return effect


def reason_of(outcomes: Iterable[Resource]) -> Reason:
    """Give why there is no answer, or no whole one, by the failing issues: denied, for the moment, or neither."""
    codes = [
        issue.get("code")
        for outcome in outcomes
        for issue in mappings(outcome.get("issue"))
        if issue.get("severity") in _FAILURES or issue.get("code") in _ROWS_MISSING
    ]
    if codes and all(code in _DENIED for code in codes):
        return Reason.DENIED
    if codes and all(code in TRANSIENT for code in codes):
        return Reason.BUSY
    return Reason.OUTCOME
