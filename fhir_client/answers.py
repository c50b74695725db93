"""What came back for one search, prefetched or fetched, and how far that is everything."""

from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from fhir_client.bundles import NO_FULL_URLS, Contents, FullUrls, contents
from fhir_client.elements import Resource, mapping
from fhir_client.errors import Reason
from fhir_client.outcomes import Effect, effect_of, reason_of
from fhir_client.questions import Parameters
from fhir_client.record import Availability

_NO_REMARKS: Final[frozenset["Remark"]] = frozenset()


class Remark(StrEnum):
    """What a server let us know beside an answer that is complete."""

    WARNED = "a warning stood beside the answer"
    FILTER_IGNORED = "the server did not apply all of the filters"


class Answer(NamedTuple):
    """The resources of one search or read: never silently a part of them (FHIR-6).

    Nothing found is `complete` without resources. `reason` is None when the answer is complete, except that a read
    of what is not there says so. With a `next_link` this is one page, and `availability` speaks of this page. After
    `FILTER_IGNORED` there are rows that nobody asked for: the record applies the filters again (FHIR-46).
    """

    resources: tuple[Resource, ...] = ()
    availability: Availability = Availability.COMPLETE
    reason: Reason | None = None
    full_urls: FullUrls = NO_FULL_URLS
    next_link: str | None = None
    remarks: frozenset[Remark] = _NO_REMARKS

    def joined(self, other: "Answer") -> "Answer":
        """Add what follows: the whole is complete if both parts are. The record makes one of rows that came twice."""
        return Answer(
            resources=self.resources + other.resources,
            availability=self.availability if self.availability is other.availability else Availability.PARTIAL,
            reason=self.reason or other.reason,
            full_urls=FullUrls.of_all((self.full_urls, other.full_urls)),
            next_link=other.next_link,
            remarks=self.remarks | other.remarks,
        )


def missing(reason: Reason) -> Answer:
    """Give the answer of a search that could not be made, or of the part that could not be read."""
    return Answer((), Availability.DENIED if reason is Reason.DENIED else Availability.UNAVAILABLE, reason)


def page_of(bundle: Resource, asked: Parameters = ()) -> Answer:
    """Read one searchset page; the parameters that were asked for are compared with those that it says it answers."""
    inside = contents(bundle)
    if not inside.is_readable:
        return missing(Reason.NOT_FHIR)
    answer = _answer_of(inside)
    if asked and inside.self_link is not None and _is_filter_ignored(inside.self_link, asked):
        return answer._replace(remarks=answer.remarks | {Remark.FILTER_IGNORED})
    return answer


def prefetched(value: Resource | None, resource_type: str) -> Answer | None:
    """Read what a CDS client says of one key, None if nothing in it is what the key asks for (PRE-30).

    null: the client looked and found nothing. An OperationOutcome: it looked and failed; asking again would fail again.
    """
    outcome = _outcome_in(value)
    if outcome is not None:
        return missing(Reason.DENIED if reason_of([outcome]) is Reason.DENIED else Reason.OUTCOME)
    inside = contents(value)
    is_other = bool(inside.matches) and all(match.get("resourceType") != resource_type for match in inside.matches)
    if is_other or not inside.is_readable:
        return None
    return _answer_of(inside)


def _outcome_in(value: Resource | None) -> Resource | None:
    found = mapping(value)
    inner = found if "resourceType" in found else mapping(found.get("resource"))
    return inner if inner.get("resourceType") == "OperationOutcome" else None


def _is_filter_ignored(self_link: str, asked: Parameters) -> bool:
    """Tell whether the link names some of what was asked and leaves out a filter; an opaque one tells nothing."""
    answered = {name.partition(":")[0] for name, _ in parse_qsl(self_link.partition("?")[2])}
    filters = {name for name, _ in asked if name == "_id" or not name.startswith("_")}
    return not answered.isdisjoint(name for name, _ in asked) and not filters <= answered


def _answer_of(inside: Contents) -> Answer:
    """Give matches and includes; an outcome beside them says how the search went (FHIR-67)."""
    if not inside.outcomes:
        return Answer(inside.resources, full_urls=inside.full_urls, next_link=inside.next_link)
    effect = effect_of(inside.outcomes)
    if effect is Effect.INCOMPLETE:
        reason = reason_of(inside.outcomes)
        state = Availability.PARTIAL if inside.resources else missing(reason).availability
        return Answer(inside.resources, state, reason, inside.full_urls, inside.next_link)
    remarks = frozenset({Remark.WARNED}) if effect is Effect.REMARK else _NO_REMARKS
    return Answer(inside.resources, full_urls=inside.full_urls, next_link=inside.next_link, remarks=remarks)
