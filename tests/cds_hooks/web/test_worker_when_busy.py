"""A worker whose threads are all busy: who waits, who is turned away, and who is answered all the same."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from socket import create_connection, create_server

import orjson
import pytest

from cds_hooks.web.worker import QUEUE_PER_THREAD
from tests.cds_hooks.web.a_worker import CALL, HEALTH, a_worker, busy, connected, counted, turn


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
