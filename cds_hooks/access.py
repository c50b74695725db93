"""Which FHIR server a call may read: the address is a stranger's until it is on the caller's list."""

from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network

from cds_hooks.gathering import Connect, FhirAccess
from cds_hooks.protocol.requests import HookRequest
from fhir_client.addresses import Reach, admitted, is_test_host
from fhir_client.client import Connections
from fhir_client.dialogue import USUAL, Manners
from fhir_client.questions import Deadline


def connector(
    connections: Connections,
    *,
    servers: Collection[str],
    test_hosts: Collection[str],
    private_networks: Collection[IPv4Network | IPv6Network] = (),
    deadline: Deadline,
    request_id: str,
    manners: Manners = USUAL,
) -> Connect:
    """Give the access of one call by one CDS client, to the FHIR servers on that client's list (FHIR-70).

    `private_networks` are where their names may lead beyond public addresses (FHIR-73), `manners` how they want to be
    spoken to, where that differs from what the specification says.
    A server without a token is asked only where it is a listed test host (ACC-7). A token is used until it expires.
    """
    reach = Reach(private_networks=tuple(private_networks), test_hosts=frozenset(test_hosts))

    def connect(request: HookRequest) -> FhirAccess | None:
        base = admitted(request.fhir_server or "", servers=servers, test_hosts=test_hosts)
        access = request.fhir_access
        if base is None or (access is None and not is_test_host(base, test_hosts)):
            return None
        token = None if access is None else access.access_token
        until = deadline if access is None else deadline.within(access.expires_in)
        return connections.client(
            base, token=token, deadline=until, request_id=request_id, reach=reach, manners=manners
        )

    return connect
