"""The client as tests use it: searches of one patient, asked of a stub with a token and within seconds."""

import time
from collections.abc import Callable
from typing import Any

from fhir_client.addresses import Base, Reach
from fhir_client.answers import Answer
from fhir_client.client import Connections, FhirClient
from fhir_client.codes import LOINC, Code
from fhir_client.dialogue import USUAL, Manners
from fhir_client.questions import Deadline, Find
from fhir_client.search import Search
from tests.fhir_stub import FhirStub

TOKEN = "canary-token"
HBA1C = Search("hba1c", "Observation", codes=(Code(LOINC, "4548-4"),), parameters=(("_sort", "-date"),))
CONDITIONS = Search("conditions", "Condition")
PATIENT = Search("patient", "Patient")


def a_client(
    connections: Connections,
    server: FhirStub,
    *,
    seconds: float = 5.0,
    token: str | None = TOKEN,
    manners: Manners = USUAL,
    clock: Callable[[], float] = time.monotonic,
) -> FhirClient:
    """Give the client of one call."""
    return connections.client(
        Base.parse(server.base),
        token=token,
        deadline=Deadline.after(seconds, clock),
        request_id="request-1",
        reach=Reach(test_hosts=frozenset({server.origin})),
        manners=manners,
    )


def found(client: FhirClient, search: Search = HBA1C, patient_id: str = "p1") -> Answer:
    """Ask one search."""
    return client.ask({"it": Find(search, patient_id)})["it"]


def an_observation(id: str, **more: Any) -> dict[str, Any]:
    """Build a result that says nothing."""
    return {"resourceType": "Observation", "id": id, **more}


def ids(answer: Answer) -> list[str]:
    """Give the ids of what was found, in order."""
    return [resource["id"] for resource in answer.resources]
