"""Whether a call gives access to its FHIR server, and the client for it: the address is a stranger's until listed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cds_hooks.access import connector
from cds_hooks.gathering import FhirAccess
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.web.clients import Client
from fhir_client.addresses import admitted
from fhir_client.answers import Answer
from fhir_client.client import Connections
from fhir_client.errors import Reason
from fhir_client.questions import Deadline, Question

NOT_LISTED = "not listed"
NOT_OPEN = "leads to an address that is not open to this client"
_NO_FAILURE = frozenset({None, Reason.ABSENT})  # the server looked, and nothing is there


@dataclass(slots=True)
class Access:
    """The access of one call, and what became of it.

    `was_used` tells whether a FHIR server was connected at all, `waited_seconds` how long the call waited for it,
    `failures` why it gave no answer, or not a whole one; `refused` are host and reason of an address not called.
    """

    client: Client
    connections: Connections
    deadline: Deadline
    correlation: str
    was_used: bool = False
    waited_seconds: float = 0.0
    failures: list[Reason] = field(default_factory=list)
    refused: tuple[str, str] | None = None

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
        server = request.fhir_server
        if found is None:
            if server is not None and not self._is_listed(server):
                self.refused = (_host(server), NOT_LISTED)
            return None
        self.was_used = True
        return _Watched(found, self, _host(server or ""))

    @property
    def is_resting(self) -> bool:
        """Tell whether this process leaves the call's FHIR server alone for a while, because it is down."""
        return Reason.RESTING in self.failures

    def _is_listed(self, server: str) -> bool:
        client = self.client
        return admitted(server, servers=client.fhir_servers, test_hosts=client.test_hosts) is not None


@dataclass(frozen=True, slots=True)
class _Watched:
    """The same access, with an eye on the clock and on what fails."""

    access: FhirAccess
    call: Access
    host: str

    def ask(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        clock = self.call.deadline.clock
        asked = clock()
        try:
            answers = self.access.ask(questions)
        finally:
            self.call.waited_seconds += clock() - asked
        self.call.failures += [
            answer.reason
            for answer in answers.values()
            if answer.reason is not None and answer.reason not in _NO_FAILURE
        ]
        if Reason.ADDRESS in self.call.failures:
            self.call.refused = (self.host, NOT_OPEN)
        return answers

    def local(self, reference: str) -> str | None:
        return self.access.local(reference)


def _host(address: str) -> str:
    """Give the host that a stranger's URL names, if it is a plain one: the rest of it may hold anything."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        host = ""
    return host if host.isascii() and host.isprintable() else ""
