"""Hook calls for tests of gathering: three searches, a chart that answers them, and access to a stub that has it."""

import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from cds_hooks.access import connector
from cds_hooks.gathering import Connect, Gathered, gather
from cds_hooks.protocol.hooks import Hook, PatientViewContext
from cds_hooks.protocol.requests import FhirAccess, HookRequest
from fhir_client.client import Connections
from fhir_client.codes import LOINC, Code, CodeSet
from fhir_client.questions import Deadline
from fhir_client.search import Search
from tests.builders import a_bundle, a_condition, a_patient, an_observation
from tests.fhir_stub import FhirStub, Says

AS_OF = datetime(2024, 6, 1, tzinfo=UTC)
TOKEN = "canary-token"
HBA1C = CodeSet("hba1c", "HbA1c", frozenset({Code(LOINC, "4548-4")}))
SEARCHES = {
    "patient": Search("patient", "Patient"),
    "hba1c": Search("hba1c", "Observation", codes=(Code(LOINC, "4548-4"),)),
    "conditions": Search("conditions", "Condition"),
}
PATHS = {"patient": "Patient/p1", "hba1c": "Observation/_search", "conditions": "Condition/_search"}
CHART: Mapping[str, Any] = {
    "patient": a_patient(),
    "hba1c": a_bundle(an_observation(HBA1C, 6.1, "%"), an_observation(HBA1C, 5.9, "%", on="2023-02-01")),
    "conditions": a_bundle(a_condition("E11.9")),
}


def a_call(
    prefetch: Mapping[str, Any],
    *,
    server: str | None = None,
    token: str | None = TOKEN,
    encounter: str | None = None,
    expires_in: int = 300,
) -> HookRequest:
    """Build a patient-view call; with a server comes a token, unless that is None."""
    access = FhirAccess(token, "Bearer", expires_in, "patient/*.rs", "chartside") if server and token else None
    context = PatientViewContext(None, "p1", encounter)
    return HookRequest(
        Hook.PATIENT_VIEW,
        "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        context,
        fhir_server=server,
        fhir_access=access,
        prefetch=prefetch,
    )


def no_access(_: HookRequest) -> None:
    """Stand for a call without a FHIR server."""


def access_to(
    connections: Connections, *servers: FhirStub, seconds: float = 5.0, test_hosts: Collection[str] | None = None
) -> Connect:
    """Give the access of one call by a client whose list holds these stubs."""
    return connector(
        connections,
        servers=[server.base for server in servers],
        test_hosts=[server.origin for server in servers] if test_hosts is None else test_hosts,
        deadline=Deadline.after(seconds, time.monotonic),
        request_id="request-1",
    )


def gathered(request: HookRequest, connect: Connect = no_access, *, required: Collection[str] = ()) -> Gathered:
    """Gather the three searches."""
    return gather(SEARCHES, request, required=required, connect=connect, as_of=AS_OF)


def holds_the_chart(server: FhirStub) -> None:
    """Let the stub answer the three searches with the chart."""
    server.on("GET", PATHS["patient"], Says(CHART["patient"]))
    for key in ("hba1c", "conditions"):
        server.on("POST", PATHS[key], Says(CHART[key]))


def facts(result: Gathered) -> tuple[Any, ...]:
    """Give what the record says, to compare whole."""
    record = result.record
    return record.patient, record.observations(HBA1C), record.conditions
