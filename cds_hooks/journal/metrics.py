"""What is counted and timed: a fixed list of names, labels from our own vocabularies, no patient's data.

docs/metrics.md says what each means; a test holds page and code together. No label is ever a stranger's text:
services, hooks, models and features are ours, issuers are those of the clients file. A family that grew beyond
`MOST_CHILDREN` all the same would count the rest as `other`: a metric must not be able to eat the memory.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from cds_hooks.invocation import Invocation
from cds_hooks.presentation import OVERRIDE_REASONS
from fhir_client.record import Availability
from models.assessment import Assessed, Assessment, Findings, NotApplicable, NotAssessable

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
MOST_CHILDREN: Final = 2000
UNKNOWN: Final = "unknown"  # the hook of a call that was refused, and its service if there is none of that id
# Around what a clinician's screen waits for: CDS Hooks asks for half a second (HTTP-11), the deadline is usually four.
CALL_SECONDS: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
STAGE_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0)

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own name for it
_OUR_REASONS = frozenset((reason.system, reason.code) for reason in OVERRIDE_REASONS)
_MICROSECOND = 1e-6


def share(folder: Path, slot: Callable[[], str]) -> None:
    """Keep what is counted from now on in files of a folder, so that any worker can tell the totals of all.

    For the whole process, before `Metrics` is made and before the workers fork. `slot` names the process that asks; a
    worker that takes a dead one's slot goes on counting in its files, so that there are never more files than slots.
    """
    os.environ[_FOLDER] = str(folder)
    values.ValueClass = values.MultiProcessValue(process_identifier=slot)  # type: ignore[no-untyped-call]


def forget_dead(slot: str) -> None:
    """Drop the states (not the counts) of a worker that has ended: nothing is in flight there any more."""
    mark_process_dead(slot)  # type: ignore[no-untyped-call]


class _Family:
    """One metric with its children by label: finding a child costs half as much here as in the library."""

    __slots__ = ("_children", "_metric", "_width")

    def __init__(self, metric: Any, width: int) -> None:
        self._metric = metric
        self._width = width
        self._children: dict[tuple[str, ...], Any] = {} if width else {(): metric}

    def __call__(self, *labels: str) -> Any:
        child = self._children.get(labels)
        if child is None:
            if len(self._children) >= MOST_CHILDREN:
                labels = ("other",) * self._width
            child = self._children[labels] = self._metric.labels(*labels)
        return child


class Metrics:
    """All that is counted; one a process, made before the workers fork. Each method is one event."""

    def __init__(self, folder: Path | None = None) -> None:
        """Count in memory, or in the folder that `share` was given: then `text` tells the totals of all workers."""
        self._folder = folder
        self._registry = CollectorRegistry()
        self._calls = self._counter("calls", "Calls by outcome", "service", "hook", "status")
        self._call_seconds = self._histogram("call_seconds", "Time of answered calls", CALL_SECONDS, "service")
        self._stage_seconds = self._histogram("stage_seconds", "Time of a stage", STAGE_SECONDS, "stage")
        self._cards = self._counter("cards", "Cards shown", "service", "indicator")
        self._fired = self._counter("calls_with_cards", "Answered calls that showed a card", "service")
        self._held_back = self._counter(
            "held_back", "Findings held back by the quiet rules: overridden, mitigated, or too many", "service", "cause"
        )
        self._withheld = self._counter("withheld", "Answered calls whose cards were withheld", "service", "cause")
        self._assessments = self._counter("assessments", "Assessments by outcome", "model", "outcome")
        self._missing = self._counter("missing_inputs", "Required inputs that were missing", "model", "feature")
        self._gaps = self._counter("incomplete_searches", "Searches not answered completely", "service", "availability")
        self._fhir = self._counter("fhir_failures", "Requests to FHIR servers that failed", "issuer", "reason")
        self._breaker = self._gauge("fhir_breaker_open", "1: a worker does not call the server", "livemax", "issuer")
        self._not_trusted = self._counter("not_trusted", "Callers refused for want of trust", "cause")
        self._throttled = self._counter("throttled", "Calls beyond the agreed rate", "issuer")
        self._blocked = self._counter("blocked_addresses", "Outbound addresses refused")
        self._feedback = self._counter("feedback", "Feedback entries stored", "service", "outcome", "reason")
        self._drugs = self._counter("unresolved_medications", "Drugs without a known ingredient", "service")
        self._journal = self._counter("journal_failures", "Writes that the journal failed to do", "cause")
        self._turned_away = self._counter("turned_away", "Requests refused unread, for want of room", "cause")
        self._in_flight = self._gauge("in_flight", "Requests that have a thread", "livesum")
        self._waiting = self._gauge("waiting", "Requests that wait for a thread", "livesum")
        self._silent = self._gauge("service_silent", "1: cards far rarer than usual", "mostrecent", "service")
        self._flooding = self._gauge("service_flooding", "1: cards far commoner than usual", "mostrecent", "service")
        self._slow = self._gauge("service_slow", "1: answers far slower than usual", "mostrecent", "service")

    def answered(self, invocation: Invocation, stages: Mapping[str, int], seconds: float) -> None:
        """A call was answered; `stages` maps each stage to its microseconds."""
        service = invocation.service.id
        self._calls(service, invocation.request.hook.value, "2xx").inc()
        self._call_seconds(service).observe(seconds)
        for stage, taken in stages.items():
            self._stage_seconds(stage).observe(taken * _MICROSECOND)
        cards = invocation.response.cards
        if cards:
            self._fired(service).inc()
            for card in cards:
                self._cards(service, card.indicator.value).inc()
        if invocation.withheld is not None:
            self._withheld(service, invocation.withheld).inc()
        for held_back in invocation.quieted:
            self._held_back(service, held_back.why).inc()
        for assessment in invocation.assessments:
            self._assessed(assessment)
        for availability in invocation.availability.values():
            if availability is not Availability.COMPLETE:
                self._gaps(service, availability.value).inc()
        if invocation.unresolved_drugs:
            self._drugs(service).inc(invocation.unresolved_drugs)

    def refused(self, service: str | None, status: int) -> None:
        """A call was refused or failed; the service only if there is one of that id, the hook is a stranger's word."""
        self._calls(service or UNKNOWN, UNKNOWN, f"{status // 100}xx").inc()

    def not_trusted(self, cause: str) -> None:
        """A caller was refused; the cause in a fixed word of ours."""
        self._not_trusted(cause).inc()

    def throttled(self, issuer: str) -> None:
        """A known client called more often than agreed."""
        self._throttled(issuer).inc()

    def blocked(self) -> None:
        """An outbound request was refused because of where it led."""
        self._blocked().inc()

    def fhir_failed(self, issuer: str, reason: str) -> None:
        """A request to a known client's FHIR server gave nothing; the reason's fixed name, as `NO_ANSWER`."""
        self._fhir(issuer, reason.lower()).inc()

    def breaker(self, issuer: str, *, is_open: bool) -> None:
        """This worker stopped calling a known client's FHIR server, or calls it again."""
        self._breaker(issuer).set(float(is_open))

    def feedback(self, service: str, outcome: str, *, system: str | None = None, code: str | None = None) -> None:
        """One entry of feedback was stored; of an override reason only the code that we offered is a label."""
        reason = "none" if code is None else code if (system, code) in _OUR_REASONS else "other"
        self._feedback(service, outcome, reason).inc()

    def journal_failed(self, cause: str) -> None:
        """The journal could not be written; the cause in a fixed word of ours."""
        self._journal(cause).inc()

    def turned_away(self, cause: str) -> None:
        """A request was refused before it was read: `queue`, `connections` or `head`."""
        self._turned_away(cause).inc()

    def busy(self, *, in_flight: int, waiting: int) -> None:
        """Of this worker's requests so many have a thread and so many wait for one."""
        self._in_flight().set(in_flight)
        self._waiting().set(waiting)

    def watched(self, service: str, *, silent: bool, flooding: bool, slow: bool) -> None:
        """What the watch found of a service."""
        self._silent(service).set(float(silent))
        self._flooding(service).set(float(flooding))
        self._slow(service).set(float(slow))

    def warnings(self) -> list[str]:
        """Name each service of which the watch, in whichever worker it runs, found something: `kidney-risk: silent`."""
        prefix = "chartside_service_"
        return sorted(
            f"{sample.labels['service']}: {sample.name.removeprefix(prefix)}"
            for family in self._readable().collect()
            for sample in family.samples
            if sample.name.startswith(prefix) and sample.value
        )

    def text(self) -> bytes:
        """Give all of it, in Prometheus's text format."""
        return generate_latest(self._readable())

    def _readable(self) -> CollectorRegistry:
        if self._folder is None:
            return self._registry
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
        return registry

    def held_back(self, service: str) -> Mapping[str, int]:
        """Tell how many findings of a service were held back since the start, by why, in all workers."""
        return {
            sample.labels["cause"]: int(sample.value)
            for family in self._readable().collect()
            for sample in family.samples
            if sample.name == "chartside_held_back_total" and sample.labels["service"] == service and sample.value
        }

    def _assessed(self, assessment: Assessment) -> None:
        model = assessment.model.id
        match assessment:
            case Assessed():
                self._assessments(model, "assessed").inc()
            case NotApplicable():
                self._assessments(model, "not-applicable").inc()
            case NotAssessable():
                self._assessments(model, "not-assessable").inc()
                for item in assessment.missing:
                    self._missing(model, item.name).inc()
            case Findings():
                self._assessments(model, "checked").inc()
                for unchecked in assessment.unchecked:
                    for item in unchecked.missing:
                        self._missing(model, item.name).inc()

    def _counter(self, name: str, words: str, *labels: str) -> _Family:
        return _Family(Counter(f"chartside_{name}", words, labels, registry=self._registry), len(labels))

    def _gauge(self, name: str, words: str, over_workers: Any, *labels: str) -> _Family:
        gauge = Gauge(f"chartside_{name}", words, labels, registry=self._registry, multiprocess_mode=over_workers)
        return _Family(gauge, len(labels))

    def _histogram(self, name: str, words: str, bounds: Sequence[float], *labels: str) -> _Family:
        histogram = Histogram(f"chartside_{name}", words, labels, registry=self._registry, buckets=bounds)
        return _Family(histogram, len(labels))
