"""What gunicorn refuses before a route is reached, and callers who do not send what they announce."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from selectors import DefaultSelector
from socket import create_connection, create_server, socket, socketpair
from threading import Event
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from gunicorn.config import Config  # type: ignore[import-untyped]  # gunicorn publishes no types
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]

from cds_hooks.journal.metrics import Metrics
from cds_hooks.web.operations import STOPPING
from cds_hooks.web.routes import WAITED
from cds_hooks.web.worker import QUEUE_PER_THREAD, Worker

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
        app = SimpleNamespace(wsgi=lambda: waited, metrics=Metrics())
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
    with a_worker() as (worker, _, finished), ours, callers:
        worker.app.wsgi = lambda: reads
        worker.load_wsgi()
        callers.sendall(CALL)
        worker.enqueue_req(TConn(worker.cfg, ours, HERE, HERE))
        worker.notify()
        assert finished == []
        worker.receive_seconds, worker._swept = 0, 0.0
        worker.notify()
        worker.tpool.shutdown(wait=True)
        assert len(finished) == 1, "its thread waits on"


def reads(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Be an application that reads the body, as the service does with those it knows."""
    environ["wsgi.input"].read()
    return waited(environ, start_response)


def test_the_application_learns_how_long_a_request_waited_for_a_thread() -> None:
    ours, callers = socketpair()
    with a_worker() as (worker, _, finished), ours, callers:
        worker.load_wsgi()
        callers.settimeout(5)
        callers.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        with busy(worker):
            worker.enqueue_req(TConn(worker.cfg, ours, HERE, HERE))
            time.sleep(0.05)
        worker.tpool.shutdown(wait=True)
        assert len(finished) == 1
        seconds, stops = callers.recv(65_536).rpartition(b"\r\n\r\n")[2].split()
        assert 0.05 <= float(seconds) < 5
        assert stops == b"False"


def test_the_application_learns_that_the_worker_stops() -> None:
    with a_worker() as (worker, _, _), connected(worker, HEALTH) as (conn, caller):
        worker.load_wsgi()
        worker.alive = False
        worker.handle(conn)
        head, _, body = caller.recv(65_536).partition(b"\r\n\r\n")
        assert body.endswith(b"True")
        assert b"Connection: close" in head


def test_who_does_not_take_the_answer_is_not_waited_for_without_end() -> None:
    with a_worker() as (worker, _, _), connected(worker) as (conn, _):
        worker._in_hand[conn] = time.monotonic() - worker.cfg.timeout - 1
        conn.sock.settimeout(10)
        writing = worker.tpool.submit(conn.sock.sendall, b"x" * 10_000_000)
        time.sleep(0.05)
        assert not writing.done()
        worker.notify()
        with pytest.raises(BrokenPipeError):
            writing.result(timeout=5)


def test_a_full_queue_is_answered_at_once_and_unread() -> None:
    with a_worker() as (worker, _, _), connected(worker, CALL) as (conn, caller), busy(worker):
        worker.nr_conns, worker.longest_queue = 1, 0
        worker.enqueue_req(conn)
        head, _, body = caller.recv(65_536).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1\r\n" in head
        assert b"\r\nConnection: close\r\n" in head
        assert orjson.loads(body)["issue"][0]["code"] == "timeout"
        assert counted(worker, "turned_away_total") == 1
        caller.sendall(b"x" * 100_000)  # it is still sending: no reset
        turn(worker)
        assert worker.nr_conns == 1
        caller.close()
        for _ in range(3):
            turn(worker)
        assert (worker.nr_conns, len(worker._leaving)) == (0, 0)


def test_who_is_turned_away_and_does_not_hang_up_is_not_waited_for() -> None:
    with a_worker() as (worker, _, _), connected(worker, CALL) as (conn, _):
        worker.nr_conns, worker.longest_queue = 1, 0
        worker.enqueue_req(conn)
        worker._leaving[0] = (0.0, conn)
        worker.notify()
        assert (worker.nr_conns, len(worker._leaving)) == (0, 0)


def test_the_main_loop_does_not_wait_for_an_answered_caller_to_hang_up() -> None:
    with a_worker() as (worker, _, _), connected(worker, HEALTH) as (conn, caller):
        worker.nr_conns = 1
        done = Future[bool]()
        done.set_result(False)
        started = time.monotonic()
        worker.finish_request(conn, done)
        assert time.monotonic() - started < 1
        assert worker.nr_conns == 1
        assert caller.recv(1) == b""
        caller.close()
        turn(worker)
        turn(worker)
        assert worker.nr_conns == 0


def test_a_flood_of_requests_is_one_line_a_minute_in_the_log() -> None:
    with a_worker() as (worker, words, _):
        for _ in range(3):
            worker._count_turned_away("queue")
            worker._swept = 0.0
            worker.notify()
        assert words.seen == ["Turned requests away unread"]


def test_so_many_wait_and_no_more() -> None:
    with ExitStack() as callers, a_worker() as (worker, _, finished), busy(worker):
        for _ in range(QUEUE_PER_THREAD + 1):
            conn, _caller = callers.enter_context(connected(worker, HEALTH.replace(b"/health", b"/other")))
            worker.enqueue_req(conn)
        assert counted(worker, "turned_away_total") == 1
        worker.notify()
        assert counted(worker, "waiting") == QUEUE_PER_THREAD
    assert len(finished) == QUEUE_PER_THREAD


@pytest.mark.parametrize("sent", [HEALTH, b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n"])
def test_health_and_metrics_are_answered_while_every_thread_is_busy(sent: bytes) -> None:
    with (
        a_worker() as (worker, _, _),
        ThreadPoolExecutor(1) as lane,
        busy(worker),
        connected(worker, sent) as (conn, caller),
    ):
        worker.load_wsgi()
        worker._operations, worker.longest_queue = lane, 0
        worker.enqueue_req(conn)
        assert caller.recv(65_536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent",
    [
        HEALTH.replace(b"Host", b"Content-Length: 5\r\nHost"),
        HEALTH.replace(b"Host", b"Transfer-Encoding: chunked\r\nHost"),
        HEALTH + b"more",
        b"GET /healthy HTTP/1.1\r\nHost: here\r\n\r\n",
        b"POST /health/live HTTP/1.1\r\nHost: here\r\n\r\n",
    ],
)
def test_nobody_holds_up_health_by_sending_its_request_slowly(sent: bytes) -> None:
    with a_worker() as (worker, _, _), connected(worker, sent) as (conn, caller):
        worker.longest_queue = 0
        worker.enqueue_req(conn)
        assert caller.recv(65_536).startswith(b"HTTP/1.1 503")


def test_a_connection_costs_no_thread_until_its_caller_says_something() -> None:
    with a_worker() as (worker, _, finished), create_server(("127.0.0.1", 0)) as listener:
        worker.load_wsgi()
        with create_connection(listener.getsockname()) as caller:
            caller.settimeout(5)
            worker.accept(listener)
            assert (worker.nr_conns, len(worker.pending_conns), worker._in_hand) == (1, 1, {})
            caller.sendall(HEALTH)
            turn(worker)
            assert caller.recv(65_536).startswith(b"HTTP/1.1 200")
            assert len(worker.pending_conns) == 0
        worker.tpool.shutdown(wait=True)
        assert len(finished) == 1


def test_a_new_caller_takes_the_place_of_the_one_that_has_been_idle_the_longest() -> None:
    with a_worker() as (worker, _, _), create_server(("127.0.0.1", 0)) as listener:
        worker._most_connections = 2
        callers = []
        for _ in range(3):
            callers.append(create_connection(listener.getsockname()))
            worker.accept(listener)
        callers[0].settimeout(5)
        assert callers[0].recv(1) == b""
        assert (worker.nr_conns, len(worker.pending_conns)) == (2, 2)
        for caller in callers:
            caller.close()


def test_beyond_the_cap_a_connection_is_closed_if_none_is_idle() -> None:
    with a_worker() as (worker, _, _), create_server(("127.0.0.1", 0)) as listener:
        worker.nr_conns = worker._most_connections
        with create_connection(listener.getsockname(), timeout=5) as caller:
            worker.accept(listener)
            assert caller.recv(1) == b""
        assert worker.nr_conns == worker._most_connections
        assert counted(worker, "turned_away_total") == 1


def test_a_worker_that_stops_waits_for_silent_callers_no_longer_than_for_others() -> None:
    with (
        a_worker() as (worker, _, _),
        create_server(("127.0.0.1", 0)) as listener,
        create_connection(listener.getsockname()),
    ):
        worker.accept(listener)
        worker._cap_keepalive(time.monotonic() + 2)
        assert worker.pending_conns[0].timeout <= time.monotonic() + 2
