"""What is in a Bundle, a list of resources or a single resource; each of the shapes in which clients send the same."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from fhir_client.elements import Resource, mapping, mappings, text_of
from fhir_client.record import Availability, PatientRecord

_OUTCOME: Final = "OperationOutcome"
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Contents(NamedTuple):
    """The resources that were asked for, those that came along, and what the server said about the search.

    `full_urls` maps the full URLs that do not end in the id to `Type/id`: the record needs them to follow references.
    `is_readable` is False for what holds no resource at all: then nothing may be concluded from the emptiness.
    """

    matches: tuple[Resource, ...] = ()
    includes: tuple[Resource, ...] = ()
    outcomes: tuple[Resource, ...] = ()
    full_urls: Mapping[str, str] = _NONE
    self_link: str | None = None
    next_link: str | None = None
    is_readable: bool = True

    @property
    def resources(self) -> tuple[Resource, ...]:
        """Give matches and includes: all that can become facts or be pointed at."""
        return self.matches + self.includes


def contents(value: Any) -> Contents:
    """Read a Bundle, a list, a single resource, null, or any of these inside old clients' `{"resource": ...}`."""
    if isinstance(value, dict) and "resourceType" not in value and "resource" in value:
        value = value["resource"]
    match value:
        case None:
            return Contents()
        case list():
            return _from_entries([{"resource": item} for item in value], {})
        case {"resourceType": "Bundle"}:
            return _from_entries(_entries(value), value)
        case {"resourceType": str()}:
            return _from_entries([{"resource": value}], {})
    return Contents(is_readable=False)


def patients_in(resources: Iterable[Resource]) -> tuple[str, ...]:
    """Give the ids of the Patients among the resources, in order."""
    ids = (text_of(item.get("id")) for item in resources if item.get("resourceType") == "Patient")
    return tuple(dict.fromkeys(id_ for id_ in ids if id_ is not None))


def record_from_bundle(
    value: object,
    *,
    as_of: datetime,
    patient_id: str | None = None,
    encounter_id: str | None = None,
    availability: Mapping[str, Availability] | None = None,
) -> PatientRecord:
    """Make the record of one patient of a Bundle: the only one, or the one named.

    Raises:
        ValueError: there is no Patient, or there are several and none was named.
    """
    inside = contents(value)
    if patient_id is None:
        patients = patients_in(inside.resources)
        if len(patients) != 1:
            raise ValueError("the bundle holds no patient, or several and none was named")
        patient_id = patients[0]
    return PatientRecord.from_resources(
        inside.resources,
        patient_id=patient_id,
        as_of=as_of,
        encounter_id=encounter_id,
        availability=availability,
        full_urls=inside.full_urls,
    )


def _from_entries(entries: list[Any], bundle: Mapping[str, Any]) -> Contents:
    sorted_in = _Sorted([], [], [], {})
    matches = sorted_in.matches
    for entry in entries:
        try:  # nothing out of the ordinary: the hot path
            resource, search = entry["resource"], entry.get("search")
            if (
                entry["fullUrl"].endswith(resource["id"])
                and (search is None or search["mode"] == "match")
                and resource["resourceType"] != _OUTCOME
            ):
                matches.append(resource)
                continue
        except (KeyError, TypeError, AttributeError):
            pass
        sorted_in.add(entry)
    return Contents(
        matches=tuple(matches),
        includes=tuple(sorted_in.includes),
        outcomes=tuple(sorted_in.outcomes),
        full_urls=sorted_in.full_urls,
        self_link=_link(bundle, "self"),
        next_link=_link(bundle, "next"),
    )


@dataclass(slots=True)
class _Sorted:
    """The lists that a Bundle's entries are sorted into."""

    matches: list[Resource]
    includes: list[Resource]
    outcomes: list[Resource]
    full_urls: dict[str, str]

    def add(self, entry: object) -> None:
        """Sort in an entry of any form; one without a resource is a deletion, or hides what may not be seen."""
        resource = mapping(entry).get("resource")
        if not isinstance(resource, dict):
            return
        full_url, id_ = text_of(mapping(entry).get("fullUrl")), text_of(resource.get("id"))
        if full_url is not None and (id_ is None or not full_url.endswith(id_)):
            resource = _named(resource, full_url, self.full_urls)
        mode = mapping(mapping(entry).get("search")).get("mode")
        if resource.get("resourceType") == _OUTCOME or mode == "outcome":
            self.outcomes.append(resource)
        else:
            (self.includes if mode == "include" else self.matches).append(resource)


def _named(resource: dict[str, Any], full_url: str, full_urls: dict[str, str]) -> Resource:
    """Note under which id a full URL is known here; a resource without an id takes the last part of its full URL."""
    id_ = text_of(resource.get("id"))
    if id_ is None:
        id_ = full_url.removeprefix("urn:uuid:").rpartition("/")[2]
        resource = {**resource, "id": id_}
    full_urls[full_url] = f"{resource.get('resourceType')}/{id_}"
    return resource


def _entries(bundle: Mapping[str, Any]) -> list[Any]:
    entries = bundle.get("entry")
    return entries if isinstance(entries, list) else mappings(entries)


def _link(bundle: Mapping[str, Any], relation: str) -> str | None:
    links = mappings(bundle.get("link"))
    return next((text_of(link.get("url")) for link in links if link.get("relation") == relation), None)
