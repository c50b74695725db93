"""What is in a Bundle, a list of resources or a single resource; each of the shapes in which clients send the same."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, Final, NamedTuple

from fhir_client.elements import Resource, mapping, mappings, text_of
from fhir_client.record import Availability, PatientRecord

_OUTCOME: Final = "OperationOutcome"


class FullUrls(Mapping[str, str]):
    """The full URLs of some entries that do not end in the id, as `Type/id`; worked out when the first is looked up.

    References are nearly all relative, and then none ever is. To compare each URL with its id would cost half as much
    as all the rest of reading a page.
    """

    __slots__ = ("_known", "entries")

    def __init__(self, entries: Iterable[Any]) -> None:
        """Take the entries as they were sent."""
        self.entries: Final = entries
        self._known: dict[str, str] | None = None

    @classmethod
    def of_all(cls, pages: Iterable["FullUrls"]) -> "FullUrls":
        """Put those of several pages together; where one stands for two resources, the later counts."""
        return cls(chain.from_iterable([page.entries for page in pages]))

    def __getitem__(self, full_url: str) -> str:
        return self._all[full_url]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def _all(self) -> dict[str, str]:
        if self._known is None:
            self._known = {}
            for entry in self.entries:
                full_url, resource = text_of(mapping(entry).get("fullUrl")), mapping(entry).get("resource")
                if full_url is not None and isinstance(resource, dict):
                    id_ = text_of(resource.get("id"))
                    if id_ is None or not full_url.endswith(id_):
                        self._known[full_url] = f"{resource.get('resourceType')}/{id_ or _id_in(full_url)}"
        return self._known


NO_FULL_URLS: Final = FullUrls(())


class Contents(NamedTuple):
    """The resources that were asked for, those that came along, and what the server said about the search.

    `full_urls` maps the full URLs that do not end in the id to `Type/id`: the record needs them to follow references.
    `is_readable` is False for what holds no resource, and for a Bundle of which no entry could be read: then nothing
    may be concluded from the emptiness.
    """

    matches: tuple[Resource, ...] = ()
    includes: tuple[Resource, ...] = ()
    outcomes: tuple[Resource, ...] = ()
    full_urls: FullUrls = NO_FULL_URLS
    self_link: str | None = None
    next_link: str | None = None
    is_readable: bool = True

    @property
    def resources(self) -> tuple[Resource, ...]:
        """Give matches and includes: all that can become facts or be pointed at."""
        return self.matches + self.includes if self.includes else self.matches


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
    drafts: tuple[Resource, ...] = (),
    selected: tuple[Resource, ...] | None = None,
) -> PatientRecord:
    """Make the record of one patient of a Bundle: the only one, or the one named.

    `drafts` are orders that nobody has placed yet, `selected` those of them that are asked about (None: all).

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
        drafts=drafts,
        selected=selected,
        full_urls=inside.full_urls,
    )


def _from_entries(entries: list[Any], bundle: Mapping[str, Any]) -> Contents:
    found = _Sorted([], [], [])
    matches = found.matches
    for entry in entries:
        try:  # nothing out of the ordinary: the hot path
            resource = entry["resource"]
            if (
                ("search" not in entry or entry["search"]["mode"] == "match")
                and type(resource["id"]) is str
                and resource["resourceType"] != _OUTCOME
            ):
                matches.append(resource)
                continue
        except (KeyError, TypeError):
            pass
        found.add(entry)
    links = (_link(bundle, "self"), _link(bundle, "next")) if "link" in bundle else (None, None)
    is_readable = not entries or bool(matches or found.includes or found.outcomes)
    sorted_in = tuple(matches), tuple(found.includes), tuple(found.outcomes)
    return Contents(*sorted_in, FullUrls(entries), *links, is_readable)


@dataclass(slots=True)
class _Sorted:
    """The lists that a Bundle's entries are sorted into."""

    matches: list[Resource]
    includes: list[Resource]
    outcomes: list[Resource]

    def add(self, entry: object) -> None:
        """Sort in an entry of any form; one without a resource is a deletion, or hides what may not be seen.

        A resource without an id takes that of its full URL.
        """
        resource = mapping(entry).get("resource")
        if not isinstance(resource, dict):
            return
        full_url = text_of(mapping(entry).get("fullUrl"))
        if full_url is not None and text_of(resource.get("id")) is None:
            resource = {**resource, "id": _id_in(full_url)}
        mode = mapping(mapping(entry).get("search")).get("mode")
        if resource.get("resourceType") == _OUTCOME or mode == "outcome":
            self.outcomes.append(resource)
        else:
            (self.includes if mode == "include" else self.matches).append(resource)


def _id_in(full_url: str) -> str:
    return full_url.removeprefix("urn:uuid:").rpartition("/")[2]


def _entries(bundle: Mapping[str, Any]) -> list[Any]:
    """Give the entries; what is neither a list nor one entry is an entry that cannot be read."""
    entries = bundle.get("entry")
    return entries if isinstance(entries, list) else [] if entries is None else [entries]


def _link(bundle: Mapping[str, Any], relation: str) -> str | None:
    links = mappings(bundle.get("link"))
    return next((text_of(link.get("url")) for link in links if link.get("relation") == relation), None)
