"""What gunicorn refuses before a route is reached, and callers who do not send what they announce."""

import sys
import time
from socket import socketpair
from typing import Any

import pytest
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from cds_hooks.web.worker import SWITCH_SECONDS
from tests.cds_hooks.web.a_worker import CALL, HEALTH, HERE, a_worker, answer_to, busy, connected, waited


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


_TO = b"POST /cds-services/x HTTP/1.1\r\nHost: here\r\n"
WHOLE = _TO + b"Content-Length: 5\r\n\r\n[1,2]"
IN_CHUNKS = _TO + b"Transfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n3\r\n,2]\r\n0\r\n\r\n"


@pytest.mark.parametrize("sent", [WHOLE, IN_CHUNKS, HEALTH])
def test_a_connection_that_was_promised_is_kept_however_slow_the_machine(sent: bytes) -> None:
    with a_worker() as (worker, _, _), connected(worker, sent) as (conn, caller):
        worker.app.wsgi = lambda: reads
        worker.load_wsgi()
        worker.rest_seconds = -1  # as if the thread had stood still while a rest of the body might come
        assert worker.handle(conn) is True
        assert b"Connection: keep-alive" in caller.recv(65_536)


def test_no_connection_is_kept_whose_body_is_still_to_come() -> None:
    with a_worker() as (worker, _, _), connected(worker, CALL) as (conn, _):
        worker.load_wsgi()
        assert worker.handle(conn) is False


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


def test_threads_of_a_worker_take_short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sys.getswitchinterval()
    monkeypatch.setattr(ThreadWorker, "init_process", lambda _: None)
    try:
        with a_worker() as (worker, _, _):
            worker.init_process()
            worker._operations.shutdown()
            assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
    finally:
        sys.setswitchinterval(before)
    assert before > SWITCH_SECONDS
