"""Asks FHIR servers: reads, searches and their further pages, in parallel, within one deadline. Never writes."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from fhir_client.addresses import Base, BoundToken, Reach
from fhir_client.answers import Answer, missing
from fhir_client.breaker import USUAL as USUAL_PATIENCE
from fhir_client.breaker import Patience, State
from fhir_client.capabilities import Capabilities, Library
from fhir_client.dialogue import ACCEPT, Dialogue, Habits, Manners
from fhir_client.dialogue import USUAL as USUAL_MANNERS
from fhir_client.elements import Resource
from fhir_client.errors import BadResource, NotFound, Reason
from fhir_client.inquiries import Batch, Inquiry, Work
from fhir_client.questions import USUAL, Deadline, Limits, Question
from fhir_client.replies import resource_in
from fhir_client.retrying import IN_A_CALL, Retries
from fhir_client.server import REAL, Outgoing, Pace, Server
from fhir_client.transport import OnRefused, Transport

_BASES_REMEMBERED = 256  # a caller may make up bases beneath a listed server
_HABIT_SECONDS = 6 * 3_600.0
_METADATA_SECONDS = 10.0


class Connections:
    """The open connections to FHIR servers; made once, shared by all calls, which share nothing else.

    What is learned of a server (its breaker, what it takes, its capabilities) is learned by each process for itself.
    """

    def __init__(
        self,
        *,
        ca_file: Path | None = None,
        https_proxy: str | None = None,
        limits: Limits = USUAL,
        retries: Retries = IN_A_CALL,
        patience: Patience = USUAL_PATIENCE,
        pace: Pace = REAL,
        user_agent: str = "chartside",
        on_refused: OnRefused | None = None,
        transport: Transport | None = None,
        learns: bool = False,
    ) -> None:
        """Open nothing yet: a connection is made when a server is first asked.

        `on_refused` is told host and reason of every address that was refused (FHIR-80). With `learns` the metadata of
        a server that is met for the first time are read in the background, and again after hours (FHIR-11).
        """
        self._transport = transport or Transport(ca_file=ca_file, https_proxy=https_proxy, on_refused=on_refused)
        self._limits, self._retries, self._patience, self._pace = limits, retries, patience, pace
        self._headers = {"Accept": ACCEPT, "User-Agent": user_agent}
        self._servers: dict[str, Server] = {}
        self._habits: OrderedDict[str, Habits] = OrderedDict()
        self._library = Library(clock=pace.clock) if learns else None
        self._lock = Lock()

    def client(
        self,
        base: Base,
        *,
        token: str | None,
        deadline: Deadline,
        request_id: str,
        reach: Reach | None = None,
        manners: Manners = USUAL_MANNERS,
    ) -> "FhirClient":
        """Give the client of one call: `base` is trusted, the token was issued for it, both end with the call.

        `reach` is where its addresses may lead; without it, to public https servers only.
        """
        server, habits = self._met(base)
        bound = None if token is None else BoundToken(token, base)
        headers = {**self._headers, "X-Request-Id": request_id}
        outgoing = Outgoing(headers, bound, reach or Reach(), deadline)
        try:
            known = self._known(server, base, outgoing)
        except BadResource as error:
            return FhirClient(Dialogue(server, base, outgoing=outgoing, habits=habits), refused=error.reason)
        return FhirClient(Dialogue(server, base, outgoing=outgoing, habits=habits, manners=manners, capabilities=known))

    def states(self) -> Mapping[str, State]:
        """Give the state of each server's breaker in this process, by origin: for metrics."""
        with self._lock:
            return {origin: server.state for origin, server in self._servers.items()}

    def close(self) -> None:
        """Close every connection; requests under way are not waited for."""
        with self._lock:
            servers, self._servers = self._servers, {}
        for server in servers.values():
            server.close()
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _met(self, base: Base) -> tuple[Server, Habits]:
        with self._lock:
            server = self._servers.get(base.origin)
            if server is None:
                server = Server(
                    self._transport, self._limits, retries=self._retries, patience=self._patience, pace=self._pace
                )
                self._servers[base.origin] = server
            return server, self._habits_of(str(base))

    def _habits_of(self, base: str) -> Habits:
        now = self._pace.clock()
        habits = self._habits.get(base)
        if habits is None or now - habits.since > _HABIT_SECONDS:
            habits = self._habits[base] = Habits(since=now)
        self._habits.move_to_end(base)
        if len(self._habits) > _BASES_REMEMBERED:
            self._habits.popitem(last=False)
        return habits

    def _known(self, server: Server, base: Base, outgoing: Outgoing) -> Capabilities:
        if self._library is None:
            return Capabilities()

        headers, reach = outgoing.headers, outgoing.reach  # and not the token, which ends with the call

        def fetch() -> Resource:
            deadline = Deadline.after(_METADATA_SECONDS, self._pace.clock)
            alone = Outgoing(headers, None, reach, deadline)
            return resource_in(server.exchange("GET", base.url("metadata"), outgoing=alone))

        return self._library.of(str(base), fetch) or Capabilities()


class FhirClient:
    """One server, asked within one call, with that call's token and deadline."""

    def __init__(self, dialogue: Dialogue, *, refused: Reason | None = None) -> None:
        """Use `Connections.client`."""
        self._dialogue = dialogue
        self._refused = refused

    def __repr__(self) -> str:
        return f"FhirClient(token={'given' if self._dialogue.has_token else 'none'})"

    @property
    def state(self) -> State:
        """Give the state of the server's breaker in this process, for metrics."""
        return self._dialogue.server.state

    def ask(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        """Ask all at once and answer all by the deadline, with whatever has come by then (FHIR-5)."""
        if self._refused is not None:
            return dict.fromkeys(questions, missing(self._refused))
        dialogue = self._dialogue.afresh()
        inquiries = {key: Inquiry(dialogue, question) for key, question in questions.items()}
        try:
            self._answer_all(dialogue, list(inquiries.values()))
        finally:
            dialogue.stop()
        return {key: inquiry.answer for key, inquiry in inquiries.items()}

    def local(self, reference: str) -> str | None:
        """Give `Type/id` of a reference that this server resolves, None of one that leads elsewhere (FHIR-35)."""
        target = self._dialogue.base.reference(reference)
        return None if target is None else "/".join(target)

    def read(self, reference: str) -> Resource:
        """Read one resource by its reference.

        Raises:
            FhirError: the server has no such resource, or it cannot be had.
        """
        if self._refused is not None:
            raise BadResource(self._refused)
        target = self._dialogue.base.reference(reference)
        if target is None:
            raise NotFound(Reason.ABSENT)
        return self._dialogue.read(*target)

    def _answer_all(self, dialogue: Dialogue, inquiries: Sequence[Inquiry]) -> None:
        if dialogue.prefers_batch(len(inquiries)):
            batch = Batch(dialogue, inquiries)
            self._together([batch, *batch.others])
            inquiries = [inquiry for inquiry in batch.members if not inquiry.is_done]
        self._together(inquiries)

    def _together(self, works: Sequence[Work]) -> None:
        """Do them side by side until the deadline, or until it is not worth to wait for this server."""
        server, futures = self._dialogue.server, dict[Future[None], Work]()
        with server.waiting() as is_worth_waiting:
            for work in works if self._dialogue.remaining else ():
                future = server.submit(work.run) if is_worth_waiting() else None
                if future is None:
                    work.give_up(Reason.RESTING)
                else:
                    futures[future] = work
            while futures:
                seconds = min(self._dialogue.remaining, server.patience_seconds / 2)
                done, late = wait(futures, timeout=seconds)
                for future in done:
                    if not future.cancelled():  # as the process ends
                        future.result()  # raises errors of ours; those of the server are answers
                futures = {future: futures[future] for future in late}
                if not self._dialogue.remaining or not is_worth_waiting():
                    break
        for future, work in futures.items():
            future.cancel()
            if self._dialogue.remaining:
                work.give_up(Reason.RESTING)
