"""What came back for one search, prefetched or fetched, and how far that is everything."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from fhir_client.bundles import Contents, contents
from fhir_client.elements import Resource, mapping, mappings
from fhir_client.errors import Reason
from fhir_client.record import Availability

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_FAILURES = frozenset({"fatal", "error"})


class Answer(NamedTuple):
    """The resources of one search or read: never silently a part of them (FHIR-6).

    Nothing found is `complete` without resources. `reason` is None when the answer is complete, except that a read
    of what is not there says so. With a `next_link` this is one page, and `availability` speaks of this page.
    """

    resources: tuple[Resource, ...] = ()
    availability: Availability = Availability.COMPLETE
    reason: Reason | None = None
    full_urls: Mapping[str, str] = _NONE
    next_link: str | None = None

    def joined(self, other: "Answer") -> "Answer":
        """Add what follows: the whole is complete if both parts are. The record makes one of rows that came twice."""
        return Answer(
            resources=self.resources + other.resources,
            availability=self.availability if self.availability is other.availability else Availability.PARTIAL,
            reason=self.reason or other.reason,
            full_urls={**self.full_urls, **other.full_urls},
            next_link=other.next_link,
        )


def missing(reason: Reason) -> Answer:
    """Give the answer of a search that could not be made, or of the part that could not be read."""
    return Answer((), Availability.DENIED if reason is Reason.DENIED else Availability.UNAVAILABLE, reason)


def page_of(bundle: Resource) -> Answer:
    """Read one searchset page."""
    return _answer_of(contents(bundle))


def prefetched(value: Resource | None, resource_type: str) -> Answer | None:
    """Read what a CDS client says of one key, None if nothing in it is what the key asks for (PRE-30).

    null: the client looked and found nothing. An OperationOutcome: it looked and failed; asking again would fail again.
    """
    if _is_outcome(value):
        return missing(Reason.OUTCOME)
    inside = contents(value)
    is_other = bool(inside.matches) and all(match.get("resourceType") != resource_type for match in inside.matches)
    if is_other or not inside.is_readable:
        return None
    return _answer_of(inside)


def _is_outcome(value: Resource | None) -> bool:
    found = mapping(value)
    inner = found if "resourceType" in found else mapping(found.get("resource"))
    return inner.get("resourceType") == "OperationOutcome"


def _answer_of(inside: Contents) -> Answer:
    """Give matches and includes; an outcome beside them says how the search went.

    One that warns leaves the answer complete: servers warn beside every full answer, and say so of an empty one
    ("returns no results"). One that reports an error means that rows may be missing.
    """
    resources = inside.resources
    issues = (issue for outcome in inside.outcomes for issue in mappings(outcome.get("issue")))
    if any(issue.get("severity") in _FAILURES for issue in issues):
        availability = Availability.PARTIAL if resources else Availability.UNAVAILABLE
        return Answer(resources, availability, Reason.OUTCOME, inside.full_urls, inside.next_link)
    return Answer(resources, full_urls=inside.full_urls, next_link=inside.next_link)
