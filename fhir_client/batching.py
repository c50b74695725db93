"""Many reads in one request: a Bundle of GETs, and each entry of the answer by itself (FHIR-55 to FHIR-58)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from fhir_client.elements import Resource, mapping, text_of
from fhir_client.errors import BadResource, Reason, error_of
from fhir_client.replies import checked, error_in

UNSUPPORTED: Final = frozenset({400, 403, 404, 405, 415, 501})
"""A batch is refused as such by these: its reads go out one by one, and from then on always do (FHIR-59).

403 is among them: a token may read and still not post to the base.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """The answer to one read of a batch: 200 for the batch proves nothing of it (FHIR-56)."""

    status: int
    etag: str | None
    resource: Any

    @property
    def found(self) -> Resource:
        """Give its resource.

        Raises:
            FhirError: there is none, or an OperationOutcome stands in its place.
        """
        error = error_of(self.status)
        if error is not None:
            raise error
        resource = checked(self.resource)
        if resource["resourceType"] == "OperationOutcome":
            raise error_in(resource)
        return resource


def batch_of(urls: Sequence[str]) -> bytes:
    """Build the batch that reads these, relative to the base; never a transaction."""
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    return orjson.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries})


def entries_in(bundle: Resource, count: int) -> list[Entry]:
    """Read the answer: as many entries as were asked for, in their order.

    Raises:
        BadResource: it is no answer to this batch.
    """
    entries = bundle.get("entry")
    is_answer = bundle.get("resourceType") == "Bundle" and bundle.get("type") == "batch-response"
    if not is_answer or not isinstance(entries, list) or len(entries) != count:
        raise BadResource(Reason.NOT_ASKED_FOR)
    return [_entry(mapping(entry)) for entry in entries]


def _entry(entry: Resource) -> Entry:
    response = mapping(entry.get("response"))
    status = (text_of(response.get("status")) or "")[:3]
    resource = entry.get("resource")
    return Entry(
        # Without a status nothing is known, whatever the resource says.
        status=int(status) if status.isascii() and status.isdigit() else 0,
        etag=text_of(response.get("etag")),
        resource=mapping(response.get("outcome")) or None if resource is None else resource,
    )
