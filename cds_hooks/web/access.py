"""Whether a call gives access to its FHIR server, and the client for it: the address is a stranger's until listed."""

from dataclasses import dataclass

from cds_hooks.protocol.requests import HookRequest
from cds_hooks.web.clients import Client
from fhir_client.addresses import admitted, is_test_host
from fhir_client.client import Connections, FhirClient
from fhir_client.questions import Deadline


@dataclass(slots=True)
class Access:
    """The access of one call; `was_used` tells whether a FHIR server was connected at all."""

    client: Client
    connections: Connections
    deadline: Deadline
    correlation: str
    was_used: bool = False

    def connect(self, request: HookRequest) -> FhirClient | None:
        """Give a FHIR client for the request's server, or None where only prefetched data may be used."""
        if request.fhir_server is None:
            return None
        base = admitted(request.fhir_server, servers=self.client.fhir_servers, test_hosts=self.client.test_hosts)
        token = None if request.fhir_access is None else request.fhir_access.access_token
        # ACC-7: without a token only a listed test server is asked.
        if base is None or (token is None and not is_test_host(base, self.client.test_hosts)):
            return None
        self.was_used = True
        return self.connections.client(base, token=token, deadline=self.deadline, request_id=self.correlation)
