"""The routes of CDS Hooks: let in, read, invoke, journal, answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hashlib import sha256

from flask import Response, request

from cds_hooks.catalogue import Catalogue
from cds_hooks.errors import Overloaded
from cds_hooks.invocation import Invocation, invoke
from cds_hooks.policy import Policy
from cds_hooks.protocol.discovery import discovery_json
from cds_hooks.protocol.feedback import Feedback
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.service import Service
from cds_hooks.stopwatch import Stopwatch
from cds_hooks.web.access import Access
from cds_hooks.web.accounts import Accounts
from cds_hooks.web.authentication import Trusted
from cds_hooks.web.bodies import read_body
from cds_hooks.web.callers import Callers
from cds_hooks.web.correlation import correlation
from fhir_client.client import Connections
from fhir_client.questions import Deadline

JSON = "application/json"
# DISC-17: cacheable; a minute, so that a service that was switched off is soon off everywhere.
_OPEN_CACHE = "public, max-age=60"
_PROTECTED_CACHE = "private, max-age=60"
# What a server may add to the WSGI environment: for how long the request has waited for a thread of ours.
WAITED = "chartside.waited_seconds"
_RECEIVED = b'{"status":"received"}'


@dataclass(slots=True)
class HookRoutes:
    """Discovery, call and feedback. `timer` is a stopwatch that only goes forward; `now` is the clock."""

    callers: Callers
    accounts: Accounts
    catalogue: Catalogue
    policy: Policy
    connections: Connections
    now: Callable[[], datetime]
    timer: Callable[[], float]
    deadline_seconds: float
    _discovery: bytes = field(init=False, repr=False)
    _etag: str = field(init=False)

    def __post_init__(self) -> None:
        """Write the answer to discovery once: it is the same for every caller."""
        self._discovery = discovery_json(self.catalogue.entries(self.policy))
        self._etag = sha256(self._discovery).hexdigest()[:32]

    def discover(self) -> Response:
        """GET /cds-services."""
        self.callers.of_discovery()
        answer = Response(self._discovery, content_type=JSON)
        answer.headers["Cache-Control"] = _OPEN_CACHE if self.callers.is_discovery_open else _PROTECTED_CACHE
        answer.set_etag(self._etag)
        answer.make_conditional(request)
        return answer

    def call(self, service_id: str) -> Response:
        """POST /cds-services/{id}: nothing is answered that is not in the journal."""
        watch = Stopwatch(self.timer, started=self.timer() - request.environ.get(WAITED, 0.0))
        deadline = Deadline(watch.started + self.deadline_seconds, self.timer)
        trusted, service = None, None
        try:
            trusted = self.callers.of_call(service_id)
            watch.lap("authenticate")
            service = self.catalogue.get(service_id, self.policy)
            self.callers.check_entitled(trusted, service.id)
            invocation = self._invoke(service, trusted, deadline, watch)
            body = invocation.response.to_json(trusted.client.profile)
            watch.lap("write")
            self.accounts.answered(invocation, trusted, watch)
        except Exception as error:
            self.accounts.refused(error, trusted, service)
            raise
        answer = Response(body, content_type=JSON)
        # What was sent lives as long as the answer: to free its thousands of parts takes a tenth of a call, and can
        # wait until the caller has been answered.
        answer.call_on_close(partial(_let_go, invocation))
        return answer

    def take_feedback(self, service_id: str) -> Response:
        """POST /cds-services/{id}/feedback: all of it is kept or none, and sending it again changes nothing."""
        trusted, service = None, None
        try:
            trusted = self.callers.of_feedback(service_id)
            service = self.catalogue.get(service_id, self.policy)
            self.callers.check_entitled(trusted, service.id)
            entries = Feedback.from_json(read_body(), strict=trusted.client.strict)
            self.accounts.feedback(entries, trusted, service)
        except Exception as error:
            self.accounts.refused(error, trusted, service)
            raise
        return Response(_RECEIVED, content_type=JSON)

    def _invoke(self, service: Service, trusted: Trusted, deadline: Deadline, watch: Stopwatch) -> Invocation:
        if not deadline.remaining:
            raise Overloaded  # it waited in our own queue for as long as it may take: nobody listens any more (HTTP-11)
        body = read_body()
        watch.lap("read")
        hook_request = HookRequest.from_json(
            body, service_hooks=service.hooks, strict=trusted.client.strict, prefetch_keys=service.searches.keys()
        )
        watch.lap("parse")
        access = Access(trusted.client, self.connections, deadline, correlation())
        try:
            invocation = invoke(
                service,
                hook_request,
                connect=access.connect,
                now=self.now,
                policy=self.policy,
                overridden=partial(self.accounts.overridden, hook_request, trusted),
                lap=watch.lap,
            )
        finally:
            self.accounts.fetched(access, trusted)
        if access.waited_seconds:
            watch.move(access.waited_seconds, out_of="gather", into="fetch")
        # Time spent waiting for FHIR ends at the deadline and is told as a gap; time of our own is our fault (HTTP-11).
        if not deadline.remaining and not access.was_used:
            raise Overloaded
        return invocation


def _let_go(_: Invocation) -> None:
    """Do nothing: to have held it until now was all."""
