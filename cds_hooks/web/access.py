"""Whether a call gives access to its FHIR server, and the client for it: the address is a stranger's until listed."""

from dataclasses import dataclass

from cds_hooks.access import connector
from cds_hooks.gathering import FhirAccess
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.web.clients import Client
from fhir_client.client import Connections
from fhir_client.questions import Deadline


@dataclass(slots=True)
class Access:
    """The access of one call; `was_used` tells whether a FHIR server was connected at all."""

    client: Client
    connections: Connections
    deadline: Deadline
    correlation: str
    was_used: bool = False

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
        self.was_used = self.was_used or found is not None
        return found
