"""The replay: every document through every service of the hooks that it fires."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from cds_hooks.invocation import invoke
from cds_hooks.policy import Policy, ReleaseState
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.replaying.calls import drafts_of, occasions, request_of, sent_request
from cds_hooks.replaying.files import Document
from cds_hooks.replaying.sampling import Sample
from cds_hooks.replaying.tally import Tally
from cds_hooks.service import Service
from fhir_client.history import Chart, charts_in

NOT_READABLE = "not readable"
NO_CHART = "no patient"


@dataclass(frozen=True, slots=True)
class Replay:
    """What documents are run through: services under a policy, as of a moment, without a FHIR server or a journal.

    Without `as_of` a chart is replayed up to the last moment of which it knows something, and a request as of `now`.
    """

    services: Sequence[Service]
    policy: Policy
    now: Callable[[], datetime]
    as_of: datetime | None = None
    tally: Tally = field(default_factory=Tally)
    sample: Sample = field(default_factory=lambda: Sample(0))

    def run(self, documents: Iterable[Document]) -> None:
        """Replay one document after the other."""
        for document in documents:
            self.tally.documents += 1
            self._document(document)

    def _document(self, document: Document) -> None:
        value = document.value
        if not isinstance(value, dict):
            self.tally.unreadable(document.place, NOT_READABLE)
        elif "hook" in value:
            self.tally.requests += 1
            self._sent(document.place, value)
        else:
            charts = charts_in(value)
            if not charts:
                self.tally.unreadable(document.place, NO_CHART)
            for chart in charts:
                self._chart(document.place, chart)

    def _sent(self, place: int, body: dict[str, Any]) -> None:
        found = self._answering(body.get("hook"))
        if not found:
            self.tally.unreadable(place, "no service of its hook")
        for service in found:
            at = self.as_of or self.now()
            request = partial(sent_request, service, body)
            self._call(place, service, Hook(body["hook"]), at, drafts_of(body), request)

    def _chart(self, place: int, chart: Chart) -> None:
        self.tally.charts += 1
        for occasion in occasions(chart, self.as_of or chart.last or self.now()):
            for service in self._answering(occasion.hook):
                request = partial(request_of, service, chart, occasion)
                self._call(place, service, occasion.hook, occasion.at, occasion.orders, request)

    def _answering(self, hook: object) -> list[Service]:
        """Give the services that a CDS client would find for the hook."""
        return [s for s in self.services if hook in s.hooks and self.policy.release(s).state is not ReleaseState.OFF]

    def _call(
        self,
        place: int,
        service: Service,
        hook: Hook,
        at: datetime,
        orders: int,
        request: Callable[[], HookRequest],
    ) -> None:
        try:
            invocation = invoke(service, request(), connect=lambda _: None, now=lambda: at, policy=self.policy)
        except Exception as error:  # noqa: BLE001 - a replay counts what fails, by class alone, and goes on
            self.tally.failed(place, service.id, hook, error)
        else:
            self.tally.answered(invocation, orders)
            self.sample.take(place, invocation)
