"""Whether a call gives access to its FHIR server, and the client for it: the address is a stranger's until listed."""

from collections.abc import Mapping
from dataclasses import dataclass

from cds_hooks.access import connector
from cds_hooks.gathering import FhirAccess
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.web.clients import Client
from fhir_client.answers import Answer
from fhir_client.client import Connections
from fhir_client.questions import Deadline, Question


@dataclass(slots=True)
class Access:
    """The access of one call: whether a FHIR server was connected at all, and how long the call waited for it."""

    client: Client
    connections: Connections
    deadline: Deadline
    correlation: str
    was_used: bool = False
    waited_seconds: float = 0.0

    def connect(self, request: HookRequest) -> FhirAccess | None:
        """Give a FHIR client for the request's server, or None where only prefetched data may be used."""
        found = connector(
            self.connections,
            servers=self.client.fhir_servers,
            test_hosts=self.client.test_hosts,
            private_networks=self.client.private_networks,
            deadline=self.deadline,
            request_id=self.correlation,
        )(request)
        if found is None:
            return None
        self.was_used = True
        return _Timed(found, self)


@dataclass(frozen=True, slots=True)
class _Timed:
    """The same access, with an eye on the clock."""

    access: FhirAccess
    call: Access

    def ask(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        clock = self.call.deadline.clock
        asked = clock()
        try:
            return self.access.ask(questions)
        finally:
            self.call.waited_seconds += clock() - asked

    def local(self, reference: str) -> str | None:
        return self.access.local(reference)
