"""One FHIR server as this process sees it: how many ask it at a time, when not to ask it, and when to ask again.

Kept by origin and shared by all calls. What comes back belongs to the call; none of it is kept here (FHIR-61).
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from random import SystemRandom
from threading import Event, Lock
from time import monotonic, sleep

from fhir_client.addresses import BoundToken, Reach
from fhir_client.breaker import USUAL as USUAL_PATIENCE
from fhir_client.breaker import Breaker, Patience, State
from fhir_client.errors import AddressRefused, Reason, Unreachable
from fhir_client.questions import Deadline, Limits, Parameters
from fhir_client.replies import is_transient
from fhir_client.retrying import IN_A_CALL, Retries, pause_before
from fhir_client.transport import Reply, Transport

_TIMES_THE_LONGEST = 3
_UNKNOWN_SECONDS = 0.3  # stands for the longest answer of a server that has not answered yet
_FORGETTING = 0.02
_DOWN = frozenset({502, 503, 504})  # 429 is said by a server that is up; any other 5xx may be this question's fault


@dataclass(frozen=True, slots=True)
class Pace:
    """How time passes, and chance: what tests replace."""

    clock: Callable[[], float] = monotonic
    sleep: Callable[[float], None] = sleep
    random: Callable[[], float] = SystemRandom().random


REAL = Pace()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What every request of one call has in common; it ends with the call.

    Once `stopped` is set nothing more is sent, not of pages left unread either: the token may not outlive the call.
    """

    headers: Mapping[str, str]
    token: BoundToken | None
    reach: Reach
    deadline: Deadline
    stopped: Event = field(default_factory=Event)


class Server:
    """The threads and the breaker of one origin: a server that hangs holds up its own callers only, not for long."""

    def __init__(
        self,
        transport: Transport,
        limits: Limits,
        *,
        retries: Retries = IN_A_CALL,
        patience: Patience = USUAL_PATIENCE,
        pace: Pace = REAL,
    ) -> None:
        self.limits = limits
        self._transport = transport
        self._retries = retries
        self._pace = pace
        self._breaker = Breaker(pace.clock, patience)
        self._threads = ThreadPoolExecutor(limits.concurrency, thread_name_prefix="fhir")
        self._lock = Lock()
        self._in_hand = 0
        self._moved = 0.0
        self._longest = _UNKNOWN_SECONDS
        self._calls: dict[object, None] = {}

    @property
    def state(self) -> State:
        """Give the state of the breaker, for metrics."""
        return self._breaker.state

    @contextmanager
    def waiting(self) -> Iterator[Callable[[], bool]]:
        """Be among the calls that wait for this server; what this gives tells whether to go on waiting (a bulkhead)."""
        call = object()
        with self._lock:
            self._calls[call] = None
        try:
            yield lambda: self._is_worth_waiting(call)
        finally:
            with self._lock:
                del self._calls[call]

    @property
    def patience_seconds(self) -> float:
        """Give how long it may answer nobody before it counts as stalled."""
        least, most = self.limits.stall_seconds
        return min(max(least, _TIMES_THE_LONGEST * self._longest), most)

    def submit(self, work: Callable[[], None]) -> Future[None] | None:
        """Have work done in a thread of this server; None if too much waits for one already."""
        with self._lock:
            if self._in_hand >= self.limits.concurrency + self.limits.waiting:
                return None
            try:
                future = self._threads.submit(work)
            except RuntimeError:  # the process is about to end
                return None
            if not self._in_hand:
                self._moved = self._pace.clock()
            self._in_hand += 1
        future.add_done_callback(self._done)
        return future

    def exchange(
        self,
        method: str,
        url: str,
        *,
        outgoing: Outgoing,
        form: Parameters = (),
        body: bytes | None = None,
    ) -> Reply:
        """Send one read and give the reply, whatever its status; one that fails for the moment is sent again, once.

        Only reads come here: GET, `_search` and batches of GET may be sent twice (FHIR-65).

        Raises:
            FhirError: there is no reply.
        """
        attempt = 1
        while True:
            started = self._pace.clock()
            try:
                reply = self._once(method, url, outgoing=outgoing, form=form, body=body)
            except Unreachable as error:
                if error.reason is Reason.RESTING:
                    raise
                pause = self._pause(attempt, started, outgoing.deadline)
                if pause is None:
                    raise
            else:
                pause = self._pause(attempt, started, outgoing.deadline, reply) if is_transient(reply) else None
                if pause is None:
                    return reply
            self._pace.sleep(pause)
            attempt += 1

    def close(self) -> None:
        """Let the threads end with what they do; what waits is not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _once(self, method: str, url: str, *, outgoing: Outgoing, form: Parameters, body: bytes | None) -> Reply:
        if not outgoing.deadline.remaining or outgoing.stopped.is_set():
            raise Unreachable(Reason.NO_ANSWER)  # nothing was sent: no failure of the server
        if not self._breaker.admits():
            raise Unreachable(Reason.RESTING)
        started = self._pace.clock()
        try:
            reply = self._transport.exchange(
                method,
                url,
                headers=outgoing.headers,
                token=outgoing.token,
                form=form,
                body=body,
                reach=outgoing.reach,
                limits=self.limits,
                deadline=outgoing.deadline,
            )
        except Unreachable:
            self._breaker.failed(waited=None if outgoing.deadline.remaining else self._pace.clock() - started)
            raise
        except AddressRefused:  # nothing was sent, and nothing is known of the server
            self._breaker.failed(waited=0.0)
            raise
        except BaseException:  # an answer that we cannot use: the server is there
            self._breaker.succeeded()
            raise
        if reply.status in _DOWN:
            self._breaker.failed()
        else:
            self._breaker.succeeded()
        self._moved = self._pace.clock()  # pages that follow each other are one piece of work
        took = self._moved - started
        self._longest = max(took, self._longest + (took - self._longest) * _FORGETTING)
        return reply

    def _pause(self, attempt: int, started: float, deadline: Deadline, reply: Reply | None = None) -> float | None:
        headers: Mapping[str, str] = {} if reply is None else reply.headers
        return pause_before(
            attempt,
            headers.get("Retry-After"),
            took=self._pace.clock() - started,
            deadline=deadline,
            retries=self._retries,
            random=self._pace.random,
            sent=headers.get("Date"),
        )

    def _is_worth_waiting(self, call: object) -> bool:
        with self._lock:
            is_stalled = self._in_hand > 0 and self._pace.clock() - self._moved > self.patience_seconds
            return not is_stalled or call in islice(self._calls, self.limits.calls)

    def _done(self, future: Future[None]) -> None:
        with self._lock:
            self._in_hand -= 1
            if not future.cancelled():
                self._moved = self._pace.clock()
