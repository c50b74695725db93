"""Whatever JSON a server sends where a page, a batch, an outcome or a statement is due: it is read, or a FhirError."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_client.answers import page_of, prefetched
from fhir_client.batching import entries_in
from fhir_client.capabilities import read_capabilities
from fhir_client.errors import FhirError
from fhir_client.outcomes import effect_of, reason_of
from fhir_client.replies import first_page_in, is_transient, one_in, resource_in
from fhir_client.transport import Headers, Reply
from tests.builders import Resource, a_bundle, a_patient, an_observation
from tests.fhir_client.any_json import JSON, paths, replaced

OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
PAGE = a_bundle(an_observation("29463-7", 70, "kg"), OUTCOME) | {
    "link": [{"relation": "self", "url": "https://fhir.example/r4/Observation?patient=p1"}]
}
BATCH = {
    "resourceType": "Bundle",
    "type": "batch-response",
    "entry": [
        {"resource": a_patient(), "response": {"status": "200 OK", "etag": 'W/"1"'}},
        {"response": {"status": "404 Not Found", "outcome": OUTCOME}},
    ],
}
PARAMETER = {"name": "visit", "definition": "http://hl7.org/fhir/SearchParameter/clinical-encounter"}
STATEMENT = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "rest": [
        {
            "mode": "server",
            "interaction": [{"code": "batch"}],
            "resource": [{"type": "Observation", "searchParam": [PARAMETER]}],
        }
    ],
}
ASKED = (("patient", "p1"), ("code", "x"))


def _entries(bundle: Resource) -> None:
    for entry in entries_in(bundle, 2):
        with suppress(FhirError):
            one_in(entry.found, "Patient", "p1", etag=entry.etag)


READERS: tuple[tuple[Resource, Callable[[Any], object]], ...] = (
    (PAGE, lambda value: first_page_in(value, "Observation", ASKED)),
    (PAGE, lambda value: page_of(value, ASKED)),
    (PAGE, lambda value: prefetched(value, "Observation")),
    (BATCH, _entries),
    (OUTCOME, lambda value: (reason_of([value]), effect_of([value]), prefetched(value, "Observation"))),
    (STATEMENT, read_capabilities),
    (a_patient(meta={"versionId": "1"}), lambda value: one_in(value, "Patient", "p1", etag='W/"2"')),
)


@settings(max_examples=150)
@given(st.data())
def test_any_json_in_place_of_any_element_of_a_reply_is_read_or_refused(data: st.DataObject) -> None:
    whole, read = data.draw(st.sampled_from(READERS))
    inner = [path for path in paths(whole) if path]
    broken = replaced(whole, data.draw(st.sampled_from(inner)), data.draw(JSON))
    with suppress(FhirError):
        resource = resource_in(a_reply(broken))
        read(resource)


@given(st.binary(max_size=40) | JSON.map(lambda value: orjson.dumps(_sendable(value))), st.sampled_from([200, 500]))
def test_any_body_is_read_or_refused(body: bytes, status: int) -> None:
    reply = Reply(status, Headers([("Content-Type", "application/fhir+json")]), body)
    is_transient(reply)
    with suppress(FhirError):
        resource_in(reply)


def a_reply(value: Any) -> Reply:
    # Numbers that JSON does not have become null, as any sender's library has it.
    return Reply(200, Headers([("Content-Type", "application/json")]), orjson.dumps(_sendable(value)))


def _sendable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sendable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_sendable(item) for item in value]
    return value if not isinstance(value, int) or -(2**63) <= value < 2**63 else None
