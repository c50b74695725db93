"""What gunicorn refuses before a route is reached, and callers who do not send what they announce."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from socket import socketpair
from threading import Event
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from gunicorn.config import Config  # type: ignore[import-untyped]  # gunicorn publishes no types
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]

from cds_hooks.web.routes import WAITED
from cds_hooks.web.worker import Worker

HERE = ("127.0.0.1", 1)


class Words:
    """Stands in for gunicorn's log: keeps the patterns."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def warning(self, message: object, *_values: object) -> None:
        self.seen.append(str(message))

    error = debug = exception = access = warning


def waited(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Be an application that answers how long the request has waited."""
    body = str(environ[WAITED]).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@contextmanager
def a_worker() -> Iterator[tuple[Worker, Words, "list[Future[bool]]"]]:
    """Give a worker with one thread and without a main loop; what it has finished is in the list."""
    words, finished = Words(), list[Future[bool]]()
    with ThreadPoolExecutor(1) as threads:
        worker = Worker(0, os.getpid(), [], SimpleNamespace(wsgi=lambda: waited), 30, Config(), words)
        worker.tpool = threads
        worker.method_queue = SimpleNamespace(defer=lambda _finish, _conn, future: finished.append(future))
        yield worker, words, finished
        worker.tmp.close()


def answer_to(sent: bytes) -> tuple[int, dict[str, str], dict[str, Any], list[str]]:
    """Send a request to a worker as one caller does; give status, headers, body and what was logged."""
    ours, callers = socketpair()
    with a_worker() as (worker, words, _), ours, callers:
        callers.sendall(sent)
        worker.handle(TConn(worker.cfg, ours, HERE, HERE))
        head, _, body = callers.recv(65_536).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.split(": ") for line in lines), orjson.loads(body), words.seen


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"post /MARKER HTTP/1.1\r\n\r\n", 400, "invalid"),
        (b"POST / HTTP/3.9\r\nHost: MARKER\r\n\r\n", 400, "invalid"),
        (b"POST / HTTP/1.1\r\nContent-Length: MARKER\r\n\r\n", 400, "invalid"),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "invalid"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: MARKER\r\n\r\n", 501, "not-supported"),
        (b"POST / HTTP/1.1\r\nExpect: MARKER\r\n\r\n", 417, "not-supported"),
        (b"POST /" + b"MARKER" * 1000 + b" HTTP/1.1\r\n\r\n", 414, "too-long"),
        (b"POST / HTTP/1.1\r\nX: " + b"MARKER" * 2000 + b"\r\n\r\n", 431, "too-long"),
    ],
)
def test_what_no_route_sees_is_refused_in_our_words(sent: bytes, status: int, code: str) -> None:
    found, headers, body, words = answer_to(sent)
    assert (found, headers["Content-Type"], headers["Connection"]) == (status, "application/json", "close")
    assert body["resourceType"] == "OperationOutcome"
    assert [issue["code"] for issue in body["issue"]] == [code]
    assert body["id"] == headers["X-Request-Id"]
    assert "MARKER" not in str((headers, body, words))
    assert words == ["Invalid request"]


def test_a_worker_stops_listening_to_who_does_not_go_on() -> None:
    ours, callers = socketpair()
    with a_worker() as (worker, words, finished), ours, callers:
        callers.sendall(b"POST / HTTP/1.1\r\nHost: here\r\n")
        worker.enqueue_req(TConn(worker.cfg, ours, HERE, HERE))
        worker.notify()
        assert finished == []
        worker.receive_seconds = 0
        worker.notify()
        worker.tpool.shutdown(wait=True)
        assert [future.result() for future in finished] == [False]
        assert words.seen == ["Ignored premature client disconnection. %s"]


def test_the_application_learns_how_long_a_request_waited_for_a_thread() -> None:
    ours, callers = socketpair()
    with a_worker() as (worker, _, finished), ours, callers:
        worker.load_wsgi()
        callers.settimeout(5)
        callers.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        busy = Event()
        worker.tpool.submit(busy.wait)
        worker.enqueue_req(TConn(worker.cfg, ours, HERE, HERE))
        time.sleep(0.05)
        busy.set()
        worker.tpool.shutdown(wait=True)
        assert len(finished) == 1
        assert 0.05 <= float(callers.recv(65_536).rpartition(b"\r\n\r\n")[2]) < 5
