"""Callers who drip cost no thread: neither the head of a request that does not end, nor a body that nobody reads."""

import time
from contextlib import suppress
from socket import create_connection, create_server, socket
from typing import Any

import pytest

from tests.cds_hooks.web.a_worker import CALL, HEALTH, a_worker, connected, counted, turn


@pytest.mark.parametrize("pieces", [1, 7, 40])
def test_a_request_costs_no_thread_until_its_head_is_there(pieces: int) -> None:
    head = HEALTH.replace(b"/health", b"/other")
    size = len(head) // pieces
    with a_worker() as (worker, _, finished), create_server(("127.0.0.1", 0)) as listener:
        worker.load_wsgi()
        with create_connection(listener.getsockname(), timeout=5) as caller:
            caller.sendall(head[:1])
            worker.accept(listener)
            for start in range(1, len(head) - 1, size):
                caller.sendall(head[start : min(start + size, len(head) - 1)])
                turn(worker)
                assert (worker._in_hand, len(worker.pending_conns)) == ({}, 1)
            caller.sendall(head[-1:])
            turn(worker)
            assert caller.recv(65_536).startswith(b"HTTP/1.1 200")
        worker.tpool.shutdown(wait=True)
        assert len(finished) == 1


def test_half_a_head_is_not_looked_at_again_until_there_is_more() -> None:
    with a_worker() as (worker, _, _), create_server(("127.0.0.1", 0)) as listener:
        with create_connection(listener.getsockname()) as caller:
            worker.accept(listener)
            caller.sendall(HEALTH[:-2])
            turn(worker)
            assert worker.poller.select(0.05) == [], "the main loop would turn without end"
        turn(worker)
        assert len(worker.pending_conns) == 0, "its caller has gone"


def test_a_head_without_an_end_is_refused() -> None:
    with a_worker() as (worker, _, _), create_server(("127.0.0.1", 0)) as listener:
        with create_connection(listener.getsockname(), timeout=5) as caller:
            worker.accept(listener)
            caller.sendall(b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 100_000)
            for _ in range(3):
                turn(worker)
            assert caller.recv(65_536).startswith(b"HTTP/1.1 431 ")
        for _ in range(3):
            turn(worker)
        assert counted(worker, "turned_away_total") == 1
        assert worker.nr_conns == 0
        assert worker._in_hand == {}


def test_who_does_not_finish_a_head_is_let_go() -> None:
    with a_worker() as (worker, _, _), create_server(("127.0.0.1", 0)) as listener:
        worker.receive_seconds = 0.0
        with create_connection(listener.getsockname(), timeout=5) as caller:
            caller.sendall(HEALTH[:-2])
            worker.accept(listener)
            worker.murder_pending()
            with suppress(ConnectionResetError):
                assert caller.recv(1) == b""
        assert worker.nr_conns == 0


def test_where_a_socket_cannot_be_asked_for_more_a_begun_request_has_a_thread() -> None:
    with a_worker() as (worker, _, _), connected(worker, HEALTH[:-2]) as (conn, caller):
        conn.sock = Unasked(conn.sock)
        worker.enqueue_req(conn)
        assert list(worker._in_hand) == [conn]
        caller.close()


class Unasked:
    """A socket of a system that knows no least size."""

    def __init__(self, sock: socket) -> None:
        self._sock = sock

    def setsockopt(self, *_: object) -> None:
        raise OSError

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def test_a_body_that_nobody_reads_is_not_waited_for() -> None:
    with a_worker() as (worker, _, finished), connected(worker, CALL) as (conn, caller):
        worker.load_wsgi()
        started = time.monotonic()
        worker.enqueue_req(conn)
        assert caller.recv(65_536).startswith(b"HTTP/1.1 200")
        worker.tpool.shutdown(wait=True)
        assert time.monotonic() - started < 2
        assert [future.result() for future in finished] == [False]
