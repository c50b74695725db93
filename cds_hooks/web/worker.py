"""gunicorn's worker with threads: it refuses in our words, and waits for no caller without end."""

import threading
import time
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from gunicorn.http.errors import (  # type: ignore[import-untyped]  # gunicorn publishes no types
    ExpectationFailed,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.util import write_nonblock  # type: ignore[import-untyped]
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from cds_hooks.web.problems import body_of, problem_of_status
from cds_hooks.web.routes import WAITED

# gunicorn waits for a slow body without end, a thread each: a few callers who send nothing would hold up all others.
# Above the time that 10 MB take within a hospital, and above any CDS client's patience.
RECEIVE_SECONDS = 10.0
_NO_MORE_READING = 0  # socket.SHUT_RD: the module itself is for those who open connections

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
    """Threads that stop listening to a caller who has not sent a whole request within `receive_seconds`."""

    receive_seconds = RECEIVE_SECONDS
    wsgi: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Start as gunicorn does; no connection is in hand."""
        super().__init__(*args, **kwargs)
        self._in_hand: dict[Any, float] = {}
        self._at_hand = threading.local()

    def load_wsgi(self) -> None:
        """Load the application, and let it know how long each request has waited."""
        super().load_wsgi()
        application = self.wsgi

        def with_waiting(environ: dict[str, Any], start_response: Any) -> Any:
            environ[WAITED] = self._at_hand.waited
            return application(environ, start_response)

        self.wsgi = with_waiting

    def enqueue_req(self, conn: Any) -> None:
        """Give a connection that has something to say to the threads; its time runs while it waits for one."""
        self._in_hand[conn] = time.monotonic()
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:
        """Read and answer one request."""
        self._at_hand.waited = time.monotonic() - self._in_hand.get(conn, time.monotonic())
        try:
            return super().handle(conn)
        finally:
            self._in_hand.pop(conn, None)

    def notify(self) -> None:
        """Tell the master that this worker lives; gunicorn does so every second."""
        super().notify()
        latest = time.monotonic() - self.receive_seconds
        for conn, since in list(self._in_hand.items()):
            if since < latest:
                _stop_listening(conn.sock)

    def handle_error(self, _req: Any, client: Any, _addr: Any, exc: Exception) -> None:
        """Answer what never reached a route: gunicorn would answer in HTML, and repeat what the caller sent."""
        status = next((status for kind, status in _STATUS if isinstance(exc, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
        if status is HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log.error("Error handling request")
        else:
            self.log.warning("Invalid request")
        try:
            write_nonblock(client, _answer(status))
        except OSError:
            self.log.debug("Failed to send error message.")


def _stop_listening(sock: Any) -> None:
    """Let the reader find the end: an answer under way still goes out."""
    try:
        sock.shutdown(_NO_MORE_READING)
    except OSError:
        """The caller has already gone."""


def _answer(status: HTTPStatus) -> bytes:
    correlation = str(uuid4())
    body = body_of(problem_of_status(status), correlation)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"X-Request-Id: {correlation}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body
