"""What is written down of each call: in the journal first, or it is not answered; then in the metrics and the log."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cds_hooks.errors import NotRecorded, TooMany
from cds_hooks.invocation import Invocation
from cds_hooks.journal.audit import Caller, Journal
from cds_hooks.journal.feedback import answered_findings, record_feedback
from cds_hooks.journal.logs import Log, uuid_or_none
from cds_hooks.journal.metrics import Metrics
from cds_hooks.protocol.feedback import CardFeedback
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.service import Service
from cds_hooks.stopwatch import Stopwatch
from cds_hooks.web.access import Access
from cds_hooks.web.authentication import Trusted
from cds_hooks.web.correlation import correlation
from cds_hooks.web.problems import problem_of
from models.assessment import Assessed, Assessment, Findings, NotApplicable, NotAssessable


@dataclass(frozen=True, slots=True)
class Accounts:
    """The three places where a call leaves its traces; `now` is the clock."""

    journal: Journal
    metrics: Metrics
    log: Log
    now: Callable[[], datetime]

    def answered(self, invocation: Invocation, trusted: Trusted, watch: Stopwatch) -> None:
        """Write down a call that is about to be answered.

        Raises:
            NotRecorded: the journal cannot be written; the call must not be answered.
        """
        self.journal.record(
            invocation,
            caller=_caller(trusted),
            correlation=correlation(),
            stages=watch.stages,
            duration_ms=_milliseconds(watch),
        )
        watch.lap("journal")
        self.metrics.answered(invocation, watch.stages, watch.seconds)
        self.log.info(
            "invoked",
            service=invocation.service.id,
            hook=invocation.request.hook.value,
            hook_instance=uuid_or_none(invocation.request.hook_instance),
            correlation=correlation(),
            issuer=trusted.client.issuer,
            tenant=trusted.tenant,
            state=invocation.state.value,
            withheld=invocation.withheld,
            cards=len(invocation.response.cards),
            outcomes={assessment.model.id: _outcome(assessment) for assessment in invocation.assessments},
            ms=_milliseconds(watch),
        )

    def overridden(self, request: HookRequest, trusted: Trusted) -> frozenset[str]:
        """Give the findings that the user has answered for this patient in this encounter.

        Raises:
            NotRecorded: the journal cannot be read.
        """
        context = request.context
        if context.user is None:
            return frozenset()
        return answered_findings(
            self.journal,
            patient=context.patient_id,
            user=context.user.reference,
            encounter=context.encounter_id,
            caller=_caller(trusted),
        )

    def refused(self, error: Exception, trusted: Trusted | None, service: Service | None) -> None:
        """Write down that a call was refused or failed.

        The journal keeps those of clients we know to services that exist, except what came beyond the agreed rate:
        a flood must not fill the disk.
        """
        problem = problem_of(error)
        name = None if service is None else service.id
        self.metrics.refused(name, problem.status)
        if isinstance(error, NotRecorded):
            self.metrics.journal_failed(error.cause.name.lower())
        elif trusted is not None and service is not None and not isinstance(error, TooMany):
            try:
                self.journal.refused(
                    at=self.now(),
                    service=service.id,
                    status=problem.status,
                    faults=problem.faults,
                    caller=_caller(trusted),
                    correlation=correlation(),
                )
            except NotRecorded as failure:
                self.metrics.journal_failed(failure.cause.name.lower())
                self.log.alarm("unrecorded", service=name, correlation=correlation(), status=problem.status)

    def fetched(self, access: Access, trusted: Trusted) -> None:
        """Write down what became of a call's access to its FHIR server: failures, and an address not called (FHIR-80).

        Raises:
            NotRecorded: the journal cannot be written.
        """
        issuer = trusted.client.issuer
        if access.was_used:
            self.metrics.breaker(issuer, is_open=access.is_resting)
        for reason in access.failures:
            self.metrics.fhir_failed(issuer, reason.name)
        if access.refused is not None:
            host, why = access.refused
            self.metrics.blocked()
            self.journal.blocked(at=self.now(), issuer=issuer, host=host, why=why, correlation=correlation())
            self.log.warning("blocked", issuer=issuer, correlation=correlation(), cause=why)

    def feedback(self, entries: tuple[CardFeedback, ...], trusted: Trusted, service: Service) -> None:
        """Keep feedback, all of it or none; sending it again changes nothing.

        Raises:
            NotRecorded: the journal cannot be written.
        """
        received = record_feedback(
            self.journal,
            entries,
            service=service.id,
            caller=_caller(trusted),
            received_at=self.now(),
            correlation=correlation(),
        )
        for entry in received.new:
            reason = None if entry.override_reason is None else entry.override_reason.reason
            system, code = (None, None) if reason is None else (reason.system, reason.code)
            self.metrics.feedback(service.id, entry.outcome.value, system=system, code=code)
        self.log.info(
            "feedback",
            service=service.id,
            issuer=trusted.client.issuer,
            tenant=trusted.tenant,
            correlation=correlation(),
            entries=len(entries),
            stored=received.stored,
            unclaimed=received.unclaimed,
        )


def _caller(trusted: Trusted) -> Caller:
    return Caller(trusted.client.issuer, trusted.tenant, trusted.token_id)


def _milliseconds(watch: Stopwatch) -> int:
    return round(watch.seconds * 1000)


def _outcome(assessment: Assessment) -> str:
    match assessment:
        case Assessed():
            return "assessed"
        case NotAssessable():
            return "not-assessable"
        case NotApplicable():
            return "not-applicable"
        case Findings():
            return "checked"
