"""A worker without a main loop, and callers at the other end of its sockets."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from selectors import DefaultSelector
from socket import socket, socketpair
from threading import Event
from types import SimpleNamespace
from typing import Any

import orjson
from gunicorn.config import Config  # type: ignore[import-untyped]  # gunicorn publishes no types
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]

from cds_hooks.journal.metrics import Metrics
from cds_hooks.web.loads import Loads
from cds_hooks.web.operations import STOPPING
from cds_hooks.web.routes import WAITED
from cds_hooks.web.worker import Worker

HERE = ("127.0.0.1", 1)
CALL = b"POST /cds-services/x HTTP/1.1\r\nHost: here\r\nContent-Length: 100000\r\n\r\n"
HEALTH = b"GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n"


class Words:
    """Stands in for gunicorn's log: keeps the patterns."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def warning(self, message: object, *_values: object) -> None:
        self.seen.append(str(message))

    error = debug = exception = access = warning


def waited(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Be an application that answers how long the request has waited, and whether the worker stops."""
    body = f"{environ[WAITED]} {environ[STOPPING]}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@contextmanager
def a_worker() -> Iterator[tuple[Worker, Words, "list[Future[bool]]"]]:
    """Give a worker with one thread and without a main loop; what it has finished is in the list."""
    words, finished = Words(), list[Future[bool]]()
    with ThreadPoolExecutor(1) as threads:
        app = SimpleNamespace(wsgi=lambda: waited, metrics=Metrics(), loads=Loads(2))
        worker = Worker(0, os.getpid(), [], app, 30, Config(), words)
        worker.tpool, worker._operations, worker.poller = threads, threads, DefaultSelector()
        connections: list[TConn] = []

        def defer(_finish: Any, conn: TConn, future: "Future[bool]") -> None:
            finished.append(future)
            connections.append(conn)

        worker.method_queue = SimpleNamespace(defer=defer)
        try:
            yield worker, words, finished
        finally:
            threads.shutdown()
            for conn in (*worker.pending_conns, *connections):
                conn.close()
            worker.poller.close()
            worker.tmp.close()


@contextmanager
def busy(worker: Worker) -> Iterator[None]:
    """Keep the worker's one thread busy."""
    go_on = Event()
    worker.tpool.submit(go_on.wait, 30)
    try:
        yield
    finally:
        go_on.set()


@contextmanager
def connected(worker: Worker, sent: bytes = b"") -> Iterator[tuple[TConn, socket]]:
    """Give a connection to the worker and its caller's end, who has sent something."""
    ours, callers = socketpair()
    with ours, callers:
        callers.settimeout(5)
        callers.sendall(sent)
        yield TConn(worker.cfg, ours, HERE, HERE), callers


def turn(worker: Worker) -> None:
    """Let the worker's main loop see what has come in."""
    worker.wait_for_and_dispatch_events(1.0)


def counted(worker: Worker, name: str) -> float:
    lines = worker.app.metrics.text().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"chartside_{name}"))


def answer_to(sent: bytes) -> tuple[int, dict[str, str], dict[str, Any], list[str]]:
    """Send a request to a worker as one caller does; give status, headers, body and what was logged."""
    ours, callers = socketpair()
    with a_worker() as (worker, words, _), ours, callers:
        callers.sendall(sent)
        worker.handle(TConn(worker.cfg, ours, HERE, HERE))
        head, _, body = callers.recv(65_536).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.split(": ") for line in lines), orjson.loads(body), words.seen
