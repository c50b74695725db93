"""The routes of CDS Hooks: read, invoke, journal, answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hashlib import sha256

import orjson
from flask import Response, request
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]  # gunicorn publishes no types

from cds_hooks.catalogue import Catalogue
from cds_hooks.errors import BodyTooLarge, Fault, MalformedRequest, NotRecorded, Overloaded, WrongMediaType
from cds_hooks.invocation import Invocation, invoke
from cds_hooks.journal.audit import Caller, Journal
from cds_hooks.journal.feedback import record_feedback
from cds_hooks.journal.logs import Log, uuid_or_none
from cds_hooks.policy import Policy
from cds_hooks.protocol.discovery import discovery_json
from cds_hooks.protocol.feedback import Feedback
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.service import Service
from cds_hooks.web.access import Access
from cds_hooks.web.clients import Client
from cds_hooks.web.correlation import correlation
from cds_hooks.web.problems import problem_of
from fhir_client.client import Connections
from fhir_client.questions import Deadline
from models.assessment import Assessed, Assessment, NotApplicable, NotAssessable

JSON = "application/json"
_JSON_TYPES = frozenset({JSON, "application/fhir+json"})
# DISC-17: cacheable; a minute, so that a service that was switched off is soon off everywhere.
_DISCOVERY_CACHE = "public, max-age=60"
# What a server may add to the WSGI environment: for how long the request has waited for a thread of ours.
WAITED = "chartside.waited_seconds"
_CUT_OFF = Fault("structure", "the body is cut off, or its chunks are malformed")
_RECEIVED = b'{"status":"received"}'


@dataclass(slots=True)
class HookRoutes:
    """Discovery, call and feedback. `timer` is a stopwatch that only goes forward; `now` is the clock."""

    client: Client
    catalogue: Catalogue
    policy: Policy
    journal: Journal
    connections: Connections
    log: Log
    now: Callable[[], datetime]
    timer: Callable[[], float]
    deadline_seconds: float
    _discovery: bytes = field(init=False, repr=False)
    _etag: str = field(init=False)

    def __post_init__(self) -> None:
        """Write the answer to discovery once: it is the same for every caller."""
        self._discovery = discovery_json(self.catalogue.entries(self.policy))
        self._etag = sha256(self._discovery).hexdigest()[:32]

    @property
    def caller(self) -> Caller:
        """Give the one caller there is while authentication is off."""
        return Caller(self.client.issuer)

    def discover(self) -> Response:
        """GET /cds-services."""
        answer = Response(self._discovery, content_type=JSON, headers={"Cache-Control": _DISCOVERY_CACHE})
        answer.set_etag(self._etag)
        answer.make_conditional(request)
        return answer

    def call(self, service_id: str) -> Response:
        """POST /cds-services/{id}: nothing is answered that is not in the journal."""
        started = self.timer() - request.environ.get(WAITED, 0.0)
        service = self.catalogue.get(service_id, self.policy)
        try:
            invocation = self._invoke(service, started)
            body = invocation.response.to_json(self.client.profile)
            duration_ms = round((self.timer() - started) * 1000)
            self.journal.record(invocation, caller=self.caller, correlation=correlation(), duration_ms=duration_ms)
        except Exception as error:
            self._note_refusal(service, error)
            raise
        self._log_invocation(invocation, duration_ms)
        answer = Response(body, content_type=JSON)
        # What was sent lives as long as the answer: to free its thousands of parts takes a tenth of a call, and can
        # wait until the caller has been answered.
        answer.call_on_close(partial(_let_go, invocation))
        return answer

    def take_feedback(self, service_id: str) -> Response:
        """POST /cds-services/{id}/feedback: all of it is kept or none, and sending it again changes nothing."""
        service = self.catalogue.get(service_id, self.policy)
        entries = Feedback.from_json(_read_body(), strict=self.client.strict)
        received = record_feedback(
            self.journal,
            entries,
            service=service.id,
            caller=self.caller,
            received_at=self.now(),
            correlation=correlation(),
        )
        self.log.info(
            "feedback",
            service=service.id,
            issuer=self.client.issuer,
            correlation=correlation(),
            entries=len(entries),
            stored=received.stored,
            unclaimed=received.unclaimed,
        )
        return Response(_RECEIVED, content_type=JSON)

    def _invoke(self, service: Service, started: float) -> Invocation:
        deadline = Deadline(started + self.deadline_seconds, self.timer)
        if not deadline.remaining:
            raise Overloaded  # it waited in our own queue for as long as it may take: nobody listens any more (HTTP-11)
        hook_request = HookRequest.from_json(
            _read_body(),
            service_hooks=service.hooks,
            strict=self.client.strict,
            prefetch_keys=service.searches.keys(),
        )
        access = Access(self.client, self.connections, deadline, correlation())
        invocation = invoke(service, hook_request, connect=access.connect, now=self.now, policy=self.policy)
        # Time spent waiting for FHIR ends at the deadline and is told as a gap; time of our own is our fault (HTTP-11).
        if not deadline.remaining and not access.was_used:
            raise Overloaded
        return invocation

    def _note_refusal(self, service: Service, error: Exception) -> None:
        if isinstance(error, NotRecorded):
            return
        problem = problem_of(error)
        try:
            self.journal.refused(
                at=self.now(),
                service=service.id,
                status=problem.status,
                faults=problem.faults,
                caller=self.caller,
                correlation=correlation(),
            )
        except NotRecorded:
            self.log.alarm("unrecorded", service=service.id, correlation=correlation(), status=problem.status)

    def _log_invocation(self, invocation: Invocation, duration_ms: int) -> None:
        self.log.info(
            "invoked",
            service=invocation.service.id,
            hook=invocation.request.hook.value,
            hook_instance=uuid_or_none(invocation.request.hook_instance),
            correlation=correlation(),
            issuer=self.client.issuer,
            state=invocation.state.value,
            withheld=invocation.withheld,
            cards=len(invocation.response.cards),
            outcomes={assessment.model.id: _outcome(assessment) for assessment in invocation.assessments},
            ms=duration_ms,
        )


@dataclass(slots=True)
class HealthRoutes:
    """Whether the process lives, and whether it can do its work."""

    journal: Journal

    def live(self) -> Response:
        """GET /health/live."""
        return Response(b'{"status":"live"}', content_type=JSON)

    def ready(self) -> Response:
        """GET /health/ready: 503 names what is not ready."""
        missing = [] if self.journal.is_ready() else ["journal"]
        body = orjson.dumps({"status": "not ready" if missing else "ready", "not_ready": missing})
        return Response(body, status=503 if missing else 200, content_type=JSON)


def _let_go(_: Invocation) -> None:
    """Do nothing: to have held it until now was all."""


def _read_body() -> bytes:
    """Read the body if it is declared as plain JSON in UTF-8 and is no larger than the settings allow.

    A body of no declared type is refused, too: a browser may send one to another site without asking it first. It is
    read in one piece from the server: the framework would copy it twice, and cut it off at the limit without a word if
    its length is not declared.
    """
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if request.mimetype not in _JSON_TYPES or charset not in {"utf-8", "utf8"} or encoding != "identity":
        raise WrongMediaType
    limit, length = request.max_content_length or 0, request.content_length
    if length is None:
        # Chunks; where the server does not tell their end, nothing may be read.
        length = limit + 1 if request.environ.get("wsgi.input_terminated") else 0
    elif length > limit:
        raise BodyTooLarge
    try:
        body: bytes = request.environ["wsgi.input"].read(length)
    except (OSError, ParseException):
        raise MalformedRequest(_CUT_OFF) from None  # the server's error repeats what was sent
    if len(body) > limit:
        raise BodyTooLarge
    if request.content_length is not None and len(body) < length:
        raise MalformedRequest(_CUT_OFF)
    return body


def _outcome(assessment: Assessment) -> str:
    match assessment:
        case Assessed():
            return "assessed"
        case NotAssessable():
            return "not-assessable"
        case NotApplicable():
            return "not-applicable"
