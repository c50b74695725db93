"""The FHIR server without its web framework: reads, searches, pages and batches over a store."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from sandbox.ehr.access import Grant
from sandbox.ehr.errors import Refused
from sandbox.ehr.parameters import PARAMETERS, parameters_of
from sandbox.ehr.search import LARGEST_PAGE, PAGE_SIZE, Pairs, Search, read_search, split_relative
from sandbox.ehr.store import SHARED_TYPES, Resource, Store, patient_of

_CURSOR: Final = "_cursor"
_REMEMBERED_CURSORS: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Rest:
    """What is left of a search whose first pages were sent: the matches as they were when it ran."""

    search: Search
    matches: list[Resource]
    start: int
    size: int


class FhirServer:
    """Answers FHIR requests from a store; `base` is the address that its links carry."""

    def __init__(self, store: Store, base: str) -> None:
        self.store = store
        self.base = base
        self._lock = threading.Lock()
        self._rests: OrderedDict[str, _Rest] = OrderedDict()

    def ask(self, relative: str, *, page_size: int | None = None, grant: Grant | None = None) -> Resource:
        """Answer a relative read or search, as a prefetch template expands to one."""
        path, pairs = split_relative(relative)
        kind, _, identity = path.partition("/")
        if identity:
            return self.read(kind, identity, grant=grant)
        if page_size is not None:
            pairs = [*(pair for pair in pairs if pair[0] != "_count"), ("_count", str(page_size))]
        return self.search(kind, pairs, grant=grant)

    def read(self, kind: str, identity: str, *, grant: Grant | None = None) -> Resource:
        """Return a resource, or raise Refused."""
        found = self.store.read(_known(kind, self.store), identity)
        if not _may_read(grant, found):
            raise Refused(403, "forbidden", "The token is for another patient.")
        return found

    def search(self, kind: str, pairs: Pairs, *, strict: bool = False, grant: Grant | None = None) -> Resource:
        """Return the first page of a search, or the page of the cursor among `pairs`."""
        cursor = dict(pairs).get(_CURSOR)
        if cursor is not None:
            return self._page(self._rest_of(cursor, kind), grant)
        search = read_search(_known(kind, self.store), pairs, strict=strict)
        matches = [found for found in search.run(self.store) if _may_read(grant, found)]
        size = search.count if search.count is not None else PAGE_SIZE
        return self._page(_Rest(search, matches, 0, 0 if search.counts_only else size), grant)

    def _rest_of(self, cursor: str, kind: str) -> _Rest:
        with self._lock:
            rest = self._rests.get(cursor)
        if rest is None or rest.search.kind != kind:
            raise Refused(410, "expired", "The page is no longer available.")
        return rest

    def _page(self, rest: _Rest, grant: Grant | None) -> Resource:
        search, end = rest.search, rest.start + rest.size
        query = f"?{urlencode(search.understood)}" if search.understood else ""
        links = [{"relation": "self", "url": f"{self.base}/{search.kind}{query}"}]
        if rest.size and end < len(rest.matches):
            cursor = self._remember(_Rest(search, rest.matches, end, rest.size))
            links.append({"relation": "next", "url": f"{self.base}/{search.kind}?{_CURSOR}={cursor}"})
        bundle: Resource = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(rest.matches),
            "link": links,
        }
        entries = [
            {
                "fullUrl": f"{self.base}/{found['resourceType']}/{found['id']}",
                "resource": found,
                "search": {"mode": "match"},
            }
            for found in rest.matches[rest.start : end]
            if _may_read(grant, found)
        ]
        # FHIR has no empty arrays: a page without entries has no `entry`.
        return {**bundle, "entry": entries} if entries else bundle

    def _remember(self, rest: _Rest) -> str:
        cursor = secrets.token_urlsafe(16)
        with self._lock:
            self._rests[cursor] = rest
            while len(self._rests) > _REMEMBERED_CURSORS:
                self._rests.popitem(last=False)
        return cursor

    def batch(self, bundle: Any, *, grant: Grant | None = None) -> Resource:
        """Answer a batch of GETs, entry by entry, each with a status of its own."""
        if not isinstance(bundle, dict) or bundle.get("type") != "batch":
            raise Refused(400, "not-supported", "Only a Bundle of type batch is accepted here.")
        entries = [self._batched(entry, grant) for entry in bundle.get("entry", ())]
        return {"resourceType": "Bundle", "type": "batch-response", "entry": entries}

    def _batched(self, entry: Any, grant: Grant | None) -> dict[str, Any]:
        request = entry.get("request", {}) if isinstance(entry, dict) else {}
        if request.get("method") != "GET" or not isinstance(request.get("url"), str):
            refused = Refused(405, "not-supported", "A batch may hold GET entries only.")
            return {"response": {"status": str(refused.status), "outcome": refused.outcome()}}
        try:
            return {"resource": self.ask(request["url"], grant=grant), "response": {"status": "200 OK"}}
        except Refused as refused:
            return {"response": {"status": str(refused.status), "outcome": refused.outcome()}}

    def whole(self, relative: str) -> Resource:
        """Answer like `ask`, all pages in one Bundle."""
        path, pairs = split_relative(relative)
        if "/" in path:
            return self.ask(relative)
        without = [pair for pair in pairs if pair[0] != "_count"]
        first = self.search(path, [*without, ("_count", str(LARGEST_PAGE))])
        entries = [entry for page in self._pages(path, first) for entry in page.get("entry", ())]
        links = [link for link in first["link"] if link["relation"] != "next"]
        return {**first, "link": links, "entry": entries} if entries else {**first, "link": links}

    def _pages(self, kind: str, page: Resource) -> Iterator[Resource]:
        yield page
        while following := [link["url"] for link in page["link"] if link["relation"] == "next"]:
            page = self.search(kind, [(_CURSOR, following[0].rpartition("=")[2])])
            yield page

    def capabilities(self) -> Resource:
        """Write the CapabilityStatement."""
        kinds = sorted({*PARAMETERS, *self.store.types()})
        return {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2026-11-24",
            "kind": "instance",
            "implementation": {"description": "Sandbox EHR: synthetic patients in memory", "url": self.base},
            "software": {"name": "Chartside sandbox"},
            "fhirVersion": "4.0.1",
            "format": ["application/fhir+json", "application/json"],
            "rest": [
                {
                    "mode": "server",
                    "interaction": [{"code": "batch"}],
                    "resource": [_capability_of(kind) for kind in kinds],
                },
            ],
        }


def _capability_of(kind: str) -> dict[str, Any]:
    return {
        "type": kind,
        "interaction": [{"code": c} for c in ("read", "search-type", "create", "update", "delete")],
        "versioning": "versioned",
        # A plain string type in R4's sense is `string`; the other kinds carry their own names.
        "searchParam": [{"name": name, "type": p.kind} for name, p in sorted(parameters_of(kind).items())],
    }


def _known(kind: str, store: Store) -> str:
    if kind not in PARAMETERS and kind not in store.types():
        raise Refused(404, "not-supported", "This server has no resources of that type.")
    return kind


def _may_read(grant: Grant | None, resource: Resource) -> bool:
    if grant is None or resource["resourceType"] in SHARED_TYPES:
        return True
    owner = patient_of(resource)
    return owner is None or owner == grant.patient
