"""The server as a process: workers that die and are replaced, a stop that drains, a queue that stays short."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from socket import create_connection, create_server
from threading import Event
from typing import Any

import orjson
import pytest

PROGRAM = Path(__file__).parent / "a_server.py"
ROOT = Path(__file__).resolve().parents[3]


@dataclass(slots=True)
class Running:
    """A server that runs, and how to talk to it."""

    process: "subprocess.Popen[bytes]"
    port: int
    events: tuple[dict[str, Any], ...] = ()

    def get(self, path: str, *, timeout: float = 20) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def stop(self, *, within: float = 60) -> float:
        """Tell it to stop; give how long that took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=within)
        self.events = tuple(orjson.loads(line) for line in err.splitlines())
        return time.monotonic() - started

    def workers(self) -> set[int]:
        """Give the processes that answer now."""
        return {int(self.get("/")[1]) for _ in range(20)}


@contextmanager
def a_server(folder: Path, *, workers: int = 1, threads: int = 2, late: float = 0) -> Iterator[Running]:
    """Start one whose private folder lies in `folder`, and wait until it answers."""
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(PROGRAM), *map(str, (port, workers, threads, late))]
    environ = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE) as process:
        running = Running(process, port)
        try:
            eventually(lambda: running.get("/")[0] == 200)
            yield running
        finally:
            if process.poll() is None:
                process.kill()


def eventually(claim: Callable[[], bool]) -> None:
    """Wait until a claim is true."""
    limit = time.monotonic() + 90  # on a shared core a start may take a while
    while time.monotonic() < limit:
        try:
            if claim():
                return
        except (OSError, HTTPException):
            """Not yet."""
        time.sleep(0.02)
    pytest.fail("it did not come true")


def metric(running: Running, name: str) -> float:
    found = re.search(rf"^chartside_{name} (\S+)$", running.get("/metrics")[1].decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_a_worker_told_to_stop_before_it_listens_to_signals_stops(tmp_path: Path) -> None:
    with a_server(tmp_path, workers=2, late=1.5) as running:
        # The first worker answers; the second is between its fork and its own signal handlers.
        running.stop()
    assert running.process.returncode == 0
    # Where the signal is lost, the master waits out the grace period and then kills: an event `server`, one `closed`.
    assert {event["event"] for event in running.events} == {"started", "watch", "closed", "stopped"}
    assert len([event for event in running.events if event["event"] == "closed"]) == 2


def test_a_killed_worker_is_replaced_and_calls_go_on(tmp_path: Path) -> None:
    with a_server(tmp_path, workers=2) as running:
        eventually(lambda: len(running.workers()) == 2)
        before = running.workers()
        for _ in range(10):
            running.get("/count")
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: victim not in running.workers() and len(running.workers()) == 2)
        for _ in range(10):
            assert running.get("/count")[0] == 200
        assert metric(running, "blocked_addresses_total") == 20, "the dead worker's counts are kept"
        assert len({path.name for path in tmp_path.glob("chartside-*/counter_*.db")}) <= 3
        running.stop()
    assert running.process.returncode == 0
    assert [event["words"] for event in running.events if event["event"] == "server"] == [
        f"Worker (pid:{victim}) was sent SIGKILL! Perhaps out of memory?"
    ]


def test_what_workers_share_is_private_and_gone_when_the_service_has_ended(tmp_path: Path) -> None:
    with a_server(tmp_path, workers=2) as running:
        [folder] = tmp_path.glob("chartside-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        running.stop()
    assert list(tmp_path.glob("chartside-*")) == []


def test_a_rate_holds_over_all_workers(tmp_path: Path) -> None:
    with a_server(tmp_path, workers=2) as running:
        eventually(lambda: len(running.workers()) == 2)
        started = time.monotonic()
        statuses = [running.get("/limited")[0] for _ in range(100)]
        seconds = time.monotonic() - started
        running.stop()
    admitted = statuses.count(200)
    assert 20 <= admitted <= 20 * (seconds + 1) + 2
    assert set(statuses) == {200, 429}


def test_a_call_under_way_at_the_stop_is_answered_and_new_ones_are_not_taken(tmp_path: Path) -> None:
    with a_server(tmp_path, workers=2) as running, ThreadPoolExecutor(1) as caller:
        under_way = caller.submit(running.get, "/sleep/1.5")
        eventually(lambda: metric(running, "in_flight") >= 1)
        running.process.send_signal(signal.SIGTERM)
        eventually(lambda: is_refused(running))
        assert running.process.poll() is None
        assert under_way.result()[0] == 200
        running.stop()
    assert running.process.returncode == 0
    assert [event["event"] for event in running.events].count("closed") == 2
    assert running.events[-1]["event"] == "stopped"


def is_refused(running: Running) -> bool:
    try:
        create_connection(("127.0.0.1", running.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_callers_who_say_nothing_hold_up_neither_calls_nor_the_stop(tmp_path: Path) -> None:
    with a_server(tmp_path, threads=2) as running:
        silent = [create_connection(("127.0.0.1", running.port)) for _ in range(20)]
        time.sleep(0.2)
        started = time.monotonic()
        assert running.get("/")[0] == 200
        assert time.monotonic() - started < 4, "silent connections have the threads, five seconds each"
        assert running.stop() < 11, "it waited out the grace period"
        for connection in silent:
            connection.close()
    assert running.process.returncode == 0


def test_a_full_queue_is_answered_503_at_once_and_health_in_spite_of_it(tmp_path: Path) -> None:
    with a_server(tmp_path, threads=2) as running, ThreadPoolExecutor(40) as callers:
        calls = [callers.submit(running.get, "/sleep/0.5") for _ in range(40)]
        eventually(lambda: any(call.done() for call in calls))
        started = time.monotonic()
        health = running.get("/health/live")[0]
        waited = time.monotonic() - started
        answers = [call.result() for call in calls]
        turned_away = metric(running, 'turned_away_total{cause="queue"}')
        running.stop()
    statuses = [status for status, _ in answers]
    # Two have a thread and sixteen wait; while they come in, some may have been answered already.
    assert 18 <= statuses.count(200) < 40
    assert statuses.count(503) == 40 - statuses.count(200) == turned_away
    assert orjson.loads(next(body for status, body in answers if status == 503))["resourceType"] == "OperationOutcome"
    assert health == 200
    assert waited < 3, "it waited in the queue"


def test_hanging_up_gives_the_workers_a_new_life_without_a_call_lost(tmp_path: Path) -> None:
    with a_server(tmp_path, workers=2) as running, ThreadPoolExecutor(2) as callers:
        eventually(lambda: len(running.workers()) == 2)
        before, statuses, goes_on = running.workers(), list[int](), Event()
        goes_on.set()

        def call() -> None:
            while goes_on.is_set():
                statuses.append(running.get("/sleep/0.05")[0])

        calling = [callers.submit(call) for _ in range(2)]
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: not before & running.workers())
        goes_on.clear()
        for each in calling:
            each.result()
        running.stop()
    assert set(statuses) == {200}
    assert running.process.returncode == 0
    assert [event for event in running.events if event["event"] == "server"] == []


def test_one_worker_watches_and_all_know_what_it_found(tmp_path: Path) -> None:
    with a_server(tmp_path, workers=3) as running:
        eventually(lambda: len(running.workers()) == 3)
        assert {running.get("/warnings")[1] for _ in range(20)} == {b"test-service: silent"}
        running.stop()
    watching = [event for event in running.events if event["event"] == "watch"]
    assert len(watching) == 2, "one begins and ends"
    assert len({event["pid"] for event in watching}) == 1
    assert watching[1]["found"] == "usual"


def test_another_worker_watches_when_the_one_that_did_is_killed(tmp_path: Path) -> None:
    with a_server(tmp_path, workers=2) as running:
        eventually(lambda: len(running.workers()) == 2)
        before = running.workers()
        time.sleep(0.5)  # a worker answers as soon as it watches, and its line may be on the way
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        eventually(lambda: len(running.workers() - before) == 2)
        time.sleep(0.5)
        running.stop()
    began = [event["pid"] for event in running.events if event["event"] == "watch" and "found" not in event]
    assert len(began) == 2
    assert began[0] in before
    assert began[1] not in before
