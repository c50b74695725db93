"""All resources of the sandbox, in memory."""

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from sandbox.ehr.errors import Refused

# Types whose resources belong to nobody's chart: any caller may read them.
SHARED_TYPES: Final = frozenset({"Practitioner", "PractitionerRole", "Organization", "Location", "Medication"})
_WHOSE: Final = ("subject", "patient", "beneficiary", "for", "individual")

Resource = dict[str, Any]


def patient_of(resource: Resource) -> str | None:
    """Tell whose chart a resource is in."""
    if resource.get("resourceType") == "Patient":
        return str(resource["id"])
    for name in _WHOSE:
        reference = resource.get(name)
        if isinstance(reference, dict) and "Patient/" in str(reference.get("reference", "")):
            return str(reference["reference"]).rpartition("/")[2]
    return None


class Store:
    """Resources by type and id, with the chart of each patient at hand. Safe to use from several threads.

    A stored resource is replaced and never changed in place, so what a reader holds stays as it was.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.RLock()
        self._by_type: dict[str, dict[str, Resource]] = {}
        self._by_patient: dict[tuple[str, str], dict[str, Resource]] = {}
        self._deleted: set[tuple[str, str]] = set()

    def fill(self, resources: Iterable[Resource]) -> None:
        """Put resources in under the ids they bring."""
        with self._lock:
            for resource in resources:
                self.put(resource)

    def put(self, resource: Resource) -> Resource:
        """Store a resource under its own id, as its next version."""
        kind, identity = resource["resourceType"], resource["id"]
        with self._lock:
            previous = self._by_type.get(kind, {}).get(identity)
            version = 1 if previous is None else int(previous["meta"]["versionId"]) + 1
            updated = self._now().isoformat(timespec="milliseconds")
            meta = {**resource.get("meta", {}), "versionId": str(version), "lastUpdated": updated}
            stored = {**resource, "meta": meta}
            if previous is not None:
                self._forget(previous)
            self._by_type.setdefault(kind, {})[identity] = stored
            owner = patient_of(stored)
            if owner is not None:
                self._by_patient.setdefault((owner, kind), {})[identity] = stored
            self._deleted.discard((kind, identity))
            return stored

    def add(self, resource: Resource) -> Resource:
        """Store a new resource under an id of the store's own."""
        return self.put({**resource, "id": str(uuid.uuid4())})

    def delete(self, kind: str, identity: str) -> None:
        """Remove a resource; what is not there is gone already."""
        with self._lock:
            found = self._by_type.get(kind, {}).get(identity)
            if found is not None:
                self._forget(found)
                del self._by_type[kind][identity]
                self._deleted.add((kind, identity))

    def read(self, kind: str, identity: str) -> Resource:
        """Return a resource, or raise Refused: 404 never seen, 410 deleted."""
        with self._lock:
            found = self._by_type.get(kind, {}).get(identity)
            if found is not None:
                return found
            if (kind, identity) in self._deleted:
                raise Refused(410, "deleted", "The resource was deleted.")
            raise Refused(404, "not-found", "There is no such resource.")

    def holds(self, kind: str, identity: str) -> bool:
        """Say whether there is such a resource now."""
        with self._lock:
            return identity in self._by_type.get(kind, {})

    def of_type(self, kind: str) -> list[Resource]:
        """List the resources of a type, oldest entry first."""
        with self._lock:
            return list(self._by_type.get(kind, {}).values())

    def of_patient(self, kind: str, patient: str) -> list[Resource]:
        """List the resources of a type in one chart, oldest entry first."""
        with self._lock:
            return list(self._by_patient.get((patient, kind), {}).values())

    def types(self) -> Iterator[str]:
        """Name the types that are in use."""
        with self._lock:
            return iter(sorted(kind for kind, held in self._by_type.items() if held))

    def transact(self, changes: Callable[["Store"], list[Resource]]) -> list[Resource]:
        """Run `changes` with no other writer or reader between its steps; if it raises, nothing has happened."""
        with self._lock:
            before = (
                {kind: dict(held) for kind, held in self._by_type.items()},
                {key: dict(held) for key, held in self._by_patient.items()},
                set(self._deleted),
            )
            try:
                return changes(self)
            except BaseException:
                self._by_type, self._by_patient, self._deleted = before
                raise

    def _forget(self, resource: Resource) -> None:
        owner = patient_of(resource)
        if owner is not None:
            self._by_patient.get((owner, resource["resourceType"]), {}).pop(resource["id"], None)
