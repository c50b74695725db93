"""gunicorn's worker with threads: it refuses in our words, waits for no caller without end, and keeps its queue short.

Measured against gunicorn's own gthread worker (docs/operating.md, Backpressure): that one gives each new connection a
thread at once, which waits five seconds for the first byte, queues without bound, has no thread left for a health check
while calls are under way, and lets its main loop wait two seconds for a caller who has been answered to hang up.
"""

import signal
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from selectors import EVENT_READ
from typing import Any, Final
from uuid import uuid4

from gunicorn.http.body import (  # type: ignore[import-untyped]  # gunicorn publishes no types
    ChunkedReader,
    LengthReader,
)
from gunicorn.http.errors import (  # type: ignore[import-untyped]
    ExpectationFailed,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.util import write_nonblock  # type: ignore[import-untyped]
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker  # type: ignore[import-untyped]

from cds_hooks.errors import Overloaded
from cds_hooks.journal.metrics import Metrics
from cds_hooks.web.loads import LEAVE_SECONDS
from cds_hooks.web.operations import STOPPING
from cds_hooks.web.problems import Problem, body_of, problem_of, problem_of_status
from cds_hooks.web.routes import WAITED

# gunicorn waits for a slow body without end, a thread each: a few callers who send nothing would hold up all others.
# Above the time that 10 MB take within a hospital, and above any CDS client's patience.
RECEIVE_SECONDS: Final = 10.0
# Requests that may wait for each thread. A call takes 3 to 20 ms of our own, so that a full queue is worked off within
# 0.2 s; and with a slow FHIR server (a second a call) whoever waits longer than eight calls is past every deadline.
QUEUE_PER_THREAD: Final = 8
_OPERATIONS_THREADS = 2  # one may hang in a check; see Readiness
_OPERATIONS_QUEUE = 16
_OPERATIONS = (b"GET /health/", b"GET /metrics ", b"HEAD /health/")
_HEAD_BYTES = 2048
_END_OF_HEAD: Final = b"\r\n\r\n"
_LONGEST_HEAD = 65_536  # of which a thread reads at all; tokens have at most 8 KB
_SWEEP_SECONDS = 0.25
_LINGER_SECONDS = 2.0
_REST_SECONDS = 0.01
# How long a thread that computes may keep the interpreter from the others. Whoever writes to the journal gives it up at
# each statement and holds the file's turn until it has it back: at Python's own 5 ms all workers wait for that.
# Measured with two workers and eight connections on a busy machine, calls a second against the safe floor's: 0.42 at
# 5 ms, 0.60 at 1 ms, 0.66 at 0.3 ms, for 2 and 13 % more processor time a call.
SWITCH_SECONDS: Final = 0.0005
_COMPLAIN_SECONDS = 60.0  # a flood of requests must not become one of log lines
# Of the socket module, which is for those who open connections.
_PEEK, _NO_MORE_READING, _NO_MORE_WRITING, _NO_MORE = 2, 0, 1, 2
_SOCKET, _LEAST_TO_READ = 1, 18  # SOL_SOCKET and SO_RCVLOWAT, as Linux numbers them

_STATUS: tuple[tuple[type[Exception], HTTPStatus], ...] = (
    (LimitRequestLine, HTTPStatus.REQUEST_URI_TOO_LONG),
    (LimitRequestHeaders, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    (ExpectationFailed, HTTPStatus.EXPECTATION_FAILED),
    (UnsupportedTransferCoding, HTTPStatus.NOT_IMPLEMENTED),
    (InvalidResponseHeader, HTTPStatus.INTERNAL_SERVER_ERROR),  # an application's fault, and a ParseException too
    (InvalidResponseHeaderName, HTTPStatus.INTERNAL_SERVER_ERROR),
    (ParseException, HTTPStatus.BAD_REQUEST),
)


class Worker(ThreadWorker):  # type: ignore[misc]  # Any, for want of types
    """Threads, and a main loop that hands each request to one, to the lane kept free for health checks, or to nobody.

    A connection costs no thread until its caller has sent the head of a request: otherwise a few who drip would have
    them all. What has not arrived whole within `receive_seconds` is not listened to any
    longer. Health checks and metrics are answered while every thread is busy.
    """

    receive_seconds = RECEIVE_SECONDS
    rest_seconds = _REST_SECONDS
    wsgi: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Start as gunicorn does; no connection is in hand."""
        super().__init__(*args, **kwargs)
        self.slot = 0  # which of the server's workers this is
        self.longest_queue = QUEUE_PER_THREAD * self.cfg.threads
        # At gunicorn's own limit it stops accepting, and nobody is told anything; `accept` makes room instead.
        self._most_connections = self.worker_connections
        self.worker_connections += 1
        self._in_hand: dict[Any, float] = {}
        self._under_way: dict[Any, None] = {}
        self._apart: dict[Any, None] = {}
        self._leaving: deque[tuple[float, Any]] = deque()
        self._at_hand = threading.local()
        self._swept = 0.0
        self._turned_away = 0
        self._complained = 0.0
        self._metrics: Metrics = self.app.metrics

    def init_process(self) -> None:
        """Begin; gunicorn's own threads are for calls, two more for health and metrics."""
        self._operations = ThreadPoolExecutor(_OPERATIONS_THREADS, thread_name_prefix="operations")
        sys.setswitchinterval(SWITCH_SECONDS)
        super().init_process()

    def init_signals(self) -> None:
        """Listen to signals: those that came since the fork, which the master held back, come now (see `Master`)."""
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self.SIGNALS)

    def load_wsgi(self) -> None:
        """Load the application, and let it know how long each request has waited, and whether this worker stops."""
        super().load_wsgi()
        application = self.wsgi

        def with_waiting(environ: dict[str, Any], start_response: Any) -> Any:
            environ[WAITED] = self._at_hand.waited
            environ[STOPPING] = not self.alive
            return application(environ, start_response)

        self.wsgi = with_waiting

    def accept(self, listener: Any) -> None:
        """Take a connection; it waits for its first bytes in the main loop, not on a thread."""
        if self.app.loads.is_more_than_another(self.slot):
            time.sleep(LEAVE_SECONDS)
        try:
            sock, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # another worker was faster, or the caller has gone
        conn = TConn(self.cfg, sock, address, listener.getsockname())
        if self.nr_conns >= self._most_connections and not self._make_room():
            self._count_turned_away("connections")
            conn.close()
            return
        self.nr_conns += 1
        self.app.loads.tell(self.slot, self.nr_conns)
        conn.data_ready = True  # when it gets a thread: gunicorn's own wait is not wanted
        if _peeked(conn):
            self.enqueue_req(conn)
        else:
            conn.least = 1
            self._wait_for(conn)

    def enqueue_req(self, conn: Any) -> None:
        """Give a connection that has something to say to the threads; its time runs while it waits for one."""
        head = _peeked(conn)
        if _is_begun(conn, head) and _ask_for(conn, len(head) + 1):
            self._wait_for(conn)
        else:
            self._give_thread(conn, head)

    def on_pending_socket_readable(self, conn: Any, client: Any) -> None:
        """Let a caller who goes on go on, until the head of the request is there, or the end."""
        head = _peeked(conn, _LONGEST_HEAD)
        if _is_begun(conn, head) and len(head) >= conn.least and _ask_for(conn, len(head) + 1):
            return
        _ask_for(conn, 1)
        self.poller.unregister(client)
        self.pending_conns.remove(conn)
        if len(head) == _LONGEST_HEAD and _END_OF_HEAD not in head:
            self._turn_away(conn, problem_of_status(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE), "head")
        else:
            self._give_thread(conn, head)

    def _give_thread(self, conn: Any, head: bytes) -> None:
        if head.startswith(_OPERATIONS) and _is_all_there(head):
            if len(self._apart) < _OPERATIONS_QUEUE:
                self._apart[conn] = None
                self._submit(self._operations, conn)
                return
        elif len(self._in_hand) - len(self._apart) - len(self._under_way) < self.longest_queue:
            self._submit(self.tpool, conn)
            return
        self._turn_away(conn, problem_of(Overloaded()), "queue")

    def _wait_for(self, conn: Any) -> None:
        conn.timeout = time.monotonic() + self.receive_seconds
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def handle(self, conn: Any) -> Any:
        """Read and answer one request."""
        self._at_hand.waited = time.monotonic() - self._in_hand.get(conn, time.monotonic())
        if conn not in self._apart:
            self._under_way[conn] = None
        try:
            return super().handle(conn)
        finally:
            for known in (self._under_way, self._apart, self._in_hand):
                known.pop(conn, None)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Keep the connection for the next request, or see it off."""
        if not fs.cancelled() and fs.exception() is None and fs.result():
            super().finish_request(conn, fs)
        else:
            self._see_off(conn)

    def _keepalive_after(self, conn: Any, keepalive: Any) -> bool:
        """Tell whether the next request can come on this connection.

        A body that nobody read (its caller was refused) is thrown away first, as far as it has arrived. gunicorn waits
        five seconds for the rest of it, on a thread that strangers would then have. Of one that was read nothing is
        left to wait for: on a machine so busy that this thread stands still for that moment, its caller, who was told
        that the connection is kept, would find it closed.
        """
        if not keepalive:
            return False
        if _is_read(conn.parser.mesg.body):
            return True
        return bool(conn.parser.finish_body(deadline=time.monotonic() + self.rest_seconds))

    def notify(self) -> None:
        """Tell the master that this worker lives; gunicorn does so at every turn of its loop, and once a second."""
        super().notify()
        self.app.loads.tell(self.slot, self.nr_conns)
        now = time.monotonic()
        if now - self._swept >= _SWEEP_SECONDS:
            self._swept = now
            self._sweep(now)

    def handle_error(self, _req: Any, client: Any, _addr: Any, exc: Exception) -> None:
        """Answer what never reached a route: gunicorn would answer in HTML, and repeat what the caller sent."""
        status = next((status for kind, status in _STATUS if isinstance(exc, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
        if status is HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log.error("Error handling request")
        else:
            self.log.warning("Invalid request")
        try:
            write_nonblock(client, _answer(problem_of_status(status)))
        except OSError:
            self.log.debug("Failed to send error message.")

    def _cap_keepalive(self, deadline: float) -> None:
        """When the worker stops: give those who have said nothing yet no longer than those who are between calls."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)

    def _submit(self, threads: ThreadPoolExecutor, conn: Any) -> None:
        self._in_hand[conn] = time.monotonic()
        future = threads.submit(self.handle, conn)
        future.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))

    def _make_room(self) -> bool:
        """Close the connection that has been idle the longest: its caller can open another, a new caller cannot."""
        for idle in (self.pending_conns, self.keepalived_conns):
            if idle:
                conn = idle.popleft()
                self.poller.unregister(conn.sock)
                self.nr_conns -= 1
                conn.close()
                return True
        return False

    def _turn_away(self, conn: Any, problem: Problem, cause: str) -> None:
        """Say so at once, without reading what was sent."""
        self._count_turned_away(cause)
        with suppress(OSError):
            write_nonblock(conn.sock, _answer(problem))
        self._see_off(conn)

    def _see_off(self, conn: Any) -> None:
        """Close a connection when its caller has hung up, or in a while.

        To close it on bytes that nobody has read would reset it, and the caller might never see the answer.
        """
        try:
            conn.sock.settimeout(0)
            conn.sock.shutdown(_NO_MORE_WRITING)
            self.poller.register(conn.sock, EVENT_READ, partial(self._let_go_on, conn))
        except (OSError, ValueError):
            self._forget(conn)  # it has gone already
        else:
            self._leaving.append((time.monotonic() + _LINGER_SECONDS, conn))

    def _let_go_on(self, conn: Any, sock: Any) -> None:
        """Throw away what somebody who was seen off still sends; close when it ends."""
        try:
            if sock.recv(1 << 16):
                return
        except BlockingIOError:
            return
        except OSError:
            """It has gone: that is an end, too."""
        self.poller.unregister(sock)
        self._leaving = deque(entry for entry in self._leaving if entry[1] is not conn)
        self._forget(conn)

    def _forget(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()

    def _sweep(self, now: float) -> None:
        """Stop listening to who is too slow, and talking to who does not listen; say how busy this worker is."""
        for conn, since in list(self._in_hand.items()):
            if since < now - self.cfg.timeout:
                _stop(conn.sock, _NO_MORE)
            elif since < now - self.receive_seconds:
                _stop(conn.sock, _NO_MORE_READING)
        while self._leaving and self._leaving[0][0] < now:
            _, conn = self._leaving.popleft()
            self.poller.unregister(conn.sock)
            self._forget(conn)
        if self._turned_away and now - self._complained >= _COMPLAIN_SECONDS:
            self.log.warning("Turned requests away unread")
            self._turned_away, self._complained = 0, now
        in_flight = len(self._under_way) + len(self._apart)
        self._metrics.busy(in_flight=in_flight, waiting=max(0, len(self._in_hand) - in_flight))

    def _count_turned_away(self, cause: str) -> None:
        self._turned_away += 1
        self._metrics.turned_away(cause)


def _peeked(conn: Any, most: int = _HEAD_BYTES) -> bytes:
    """Give the first bytes of what a connection has to say, and leave them where they are."""
    if conn.parser is not None and (ahead := conn.parser.unreader.buf.getvalue()):
        return bytes(ahead[:most])
    conn.sock.settimeout(0)
    try:
        return bytes(conn.sock.recv(most, _PEEK))
    except OSError:
        return b""  # nothing yet; or it is broken, which whoever reads it will find


def _is_begun(conn: Any, head: bytes) -> bool:
    """Tell whether a caller has said something, and not yet the whole head of a request.

    What was read along with the request before lies with us already, where no wait for the socket would see it.
    """
    is_ahead = conn.parser is not None and bool(conn.parser.unreader.buf.getvalue())
    return not is_ahead and 0 < len(head) < _LONGEST_HEAD and _END_OF_HEAD not in head


def _is_read(body: Any) -> bool:
    """Tell whether a body was read to its end: by its length, or to the last of its chunks."""
    reader = body.reader
    return (isinstance(reader, LengthReader) and reader.length == 0) or (
        isinstance(reader, ChunkedReader) and reader.parser is None
    )


def _ask_for(conn: Any, size: int) -> bool:
    """Have the socket count as readable from so many bytes on, or at the end; whether the system can be asked that."""
    conn.least = size
    try:
        conn.sock.setsockopt(_SOCKET, _LEAST_TO_READ, size)
    except OSError:
        return False
    return True


def _is_all_there(head: bytes) -> bool:
    """Tell whether a request has arrived whole and has no body, so that nobody has to wait for more of it."""
    lines = head.lower()
    return head.endswith(_END_OF_HEAD) and b"\r\ncontent-length:" not in lines and b"\r\ntransfer-enc" not in lines


def _stop(sock: Any, how: int) -> None:
    """Let the reader find the end (an answer under way still goes out), or the writer, too."""
    try:
        sock.shutdown(how)
    except OSError:
        """The caller has already gone."""


def _answer(problem: Problem) -> bytes:
    correlation = str(uuid4())
    body = body_of(problem, correlation)
    more = "".join(f"{name}: {value}\r\n" for name, value in problem.headers.items())
    head = (
        f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\n{more}X-Request-Id: {correlation}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body
