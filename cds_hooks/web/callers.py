"""Who calls: the client that a request's token proves, within the rate agreed with it, for what it is entitled to."""

from dataclasses import dataclass
from typing import Protocol

from flask import g, request

from cds_hooks.errors import NotEntitled, TooMany
from cds_hooks.journal.metrics import Metrics
from cds_hooks.web.authentication import (
    Audiences,
    Trusted,
    call_audiences,
    discovery_audiences,
    feedback_audiences,
)
from cds_hooks.web.clients import Client
from cds_hooks.web.limits import RateLimits

_AUTHORIZATION = "HTTP_AUTHORIZATION"  # as WSGI names it


class Authenticates(Protocol):
    """Decides which CDS client a request comes from, and what it may use."""

    def authenticate(self, authorization: str | None, audiences: Audiences) -> Trusted:
        """Give the client that the token proves."""

    def check_entitled(self, trusted: Trusted, service_id: str | None) -> None:
        """Let a client have the services of its list, for the tenants of its list; None: discovery."""


@dataclass(frozen=True, slots=True)
class Anybody:
    """Takes every caller for the anonymous client: authentication is off."""

    client: Client

    def authenticate(self, authorization: str | None, audiences: Audiences) -> Trusted:
        """Look at nothing."""
        del authorization, audiences
        return Trusted(self.client)

    def check_entitled(self, trusted: Trusted, service_id: str | None) -> None:
        """Let the anonymous client have the services of its entry; it has no tenants.

        Raises:
            NotEntitled: this one is not among them.
        """
        if service_id is not None and not trusted.client.may_use(service_id):
            raise NotEntitled


@dataclass(frozen=True, slots=True)
class Callers:
    """Lets callers in, before anything of what they sent is read (SEC-28)."""

    authenticates: Authenticates
    limits: RateLimits
    metrics: Metrics
    base_url: str
    is_discovery_open: bool

    def of_discovery(self) -> None:
        """Check a token that was sent; where discovery is protected there must be one (DISC-16)."""
        if not self.is_discovery_open or _AUTHORIZATION in request.environ:
            self.authenticates.check_entitled(self._let_in(discovery_audiences(self.base_url)), None)

    def of_call(self, service_id: str) -> Trusted:
        """Give who calls a service.

        Raises:
            NotTrusted, TooMany, NotRecorded: the caller is not let in.
        """
        return self._let_in(call_audiences(self.base_url, service_id))

    def of_feedback(self, service_id: str) -> Trusted:
        """Give who sends feedback to a service; its token may name one of two addresses (FB-15).

        Raises:
            NotTrusted, TooMany, NotRecorded: the caller is not let in.
        """
        return self._let_in(feedback_audiences(self.base_url, service_id))

    def check_entitled(self, trusted: Trusted, service_id: str) -> None:
        """Let a client have the services of its list, for the tenants of its list.

        Raises:
            NotEntitled: the tenant or the service is not among them.
        """
        self.authenticates.check_entitled(trusted, service_id)

    def _let_in(self, audiences: Audiences) -> Trusted:
        trusted = self.authenticates.authenticate(request.environ.get(_AUTHORIZATION), audiences)
        g.client = trusted.client
        issuer = trusted.client.issuer
        try:
            self.limits.admit(issuer)
        except TooMany:
            self.metrics.throttled(issuer)
            raise
        return trusted


def client_at_hand() -> Client | None:
    """Give the client that this request has proved to come from, if it has."""
    found: Client | None = g.get("client")
    return found
