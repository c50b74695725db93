"""What came back for one search, prefetched or fetched, and how far that is everything."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_client.errors import Reason
from fhir_client.record import Availability

Resource = Mapping[str, Any]

_FAILURES = frozenset({"fatal", "error"})


@dataclass(frozen=True, slots=True)
class Answer:
    """The resources of one search or read: never silently a part of them (FHIR-6).

    Nothing found is `complete` without resources. `reason` is None when the answer is complete, except that a read
    of what is not there says so.
    """

    resources: tuple[Resource, ...] = ()
    availability: Availability = Availability.COMPLETE
    reason: Reason | None = None

    def joined(self, other: "Answer") -> "Answer":
        """Add a further part: the whole is complete if both parts are, and what stands twice is kept once."""
        availability = self.availability if self.availability is other.availability else Availability.PARTIAL
        resources = _once([*self.resources, *other.resources]) if other.resources else self.resources
        return Answer(resources, availability, self.reason or other.reason)


def missing(reason: Reason) -> Answer:
    """Give the answer of a search that could not be made, or of the part that could not be read."""
    return Answer((), Availability.DENIED if reason is Reason.DENIED else Availability.UNAVAILABLE, reason)


def answer_of(bundle: Resource) -> Answer:
    """Read one searchset page: matches and includes are resources, outcomes say how the search went.

    An outcome that warns leaves the answer complete: servers warn beside every full answer, and say so of an empty
    one ("returns no results"). One that reports an error means that rows may be missing.
    """
    resources: list[Resource] = []
    has_failed = False
    for entry in _dicts(bundle.get("entry")):
        resource = entry.get("resource")
        if not isinstance(resource, dict):
            continue
        if resource.get("resourceType") == "OperationOutcome":
            has_failed = has_failed or any(i.get("severity") in _FAILURES for i in _dicts(resource.get("issue")))
        else:
            resources.append(resource)
    if not has_failed:
        return Answer(tuple(resources))
    return Answer(tuple(resources), Availability.PARTIAL if resources else Availability.UNAVAILABLE, Reason.OUTCOME)


def next_link(bundle: Resource) -> str | None:
    """Give the address of the page that follows, opaque as the server wrote it; None on the last page."""
    for link in _dicts(bundle.get("link")):
        if link.get("relation") == "next" and isinstance(link.get("url"), str) and link["url"]:
            return str(link["url"])
    return None


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _once(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Keep the last copy of what pages repeat, at the place of the first; what has no id cannot be compared."""
    kept: dict[object, Resource] = {}
    for resource in resources:
        kept[(resource.get("resourceType"), resource["id"]) if "id" in resource else id(resource)] = resource
    return tuple(kept.values())
