"""Two workers, many callers, and what fails under them: every answer that was given is on record, and none is wrong."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from socket import create_server
from typing import Any
from uuid import uuid4

import orjson
import pytest

from cds_hooks.journal.tables import cards, feedback, invocations
from tests.builders import a_bundle, a_patient, an_observation
from tests.cds_hooks.journal.journals import ADatabase, faults, rows
from tests.cds_hooks.web.edge import a_call, an_override

ROOT = Path(__file__).parents[3]
CALLERS = 8
SERVICE = "/cds-services/kidney-risk"


def a_body() -> bytes:
    results = [an_observation("2160-0", 1.9, "mg/dL", on=f"2024-0{month}-01") for month in range(1, 6)]
    return orjson.dumps(a_call(prefetch={"patient": a_patient(), "laboratory": a_bundle(*results)}))


@dataclass
class Answers:
    """What callers were told: the correlation ids of calls, and the cards that feedback was taken for."""

    calls: list[str] = field(default_factory=list)
    cards: list[str] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    lost: int = 0
    wrong: list[Any] = field(default_factory=list)

    def note(self, status: int) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1


def post(port: int, path: str, body: bytes, correlation: str) -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        headers = {"Content-Type": "application/json", "X-Request-Id": correlation}
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, orjson.loads(answer.read())
    finally:
        connection.close()


def one_after_another(port: int, answers: Answers, until: threading.Event, least: int) -> None:
    body, expected = a_body(), None
    done = 0
    while done < least or not until.is_set():
        correlation = str(uuid4())
        try:
            status, said = post(port, SERVICE, body, correlation)
            answers.note(status)
            if status == 200:
                answers.calls.append(correlation)
                summaries = [card["summary"] for card in said["cards"]]
                expected = expected or summaries
                if summaries != expected or not summaries:
                    answers.wrong.append(summaries)
                card = said["cards"][0]["uuid"]
                entry = orjson.dumps({"feedback": [an_override(card)]})
                status, _ = post(port, f"{SERVICE}/feedback", entry, correlation)
                answers.note(status)
                if status == 200:
                    answers.cards.append(card)
        except (OSError, HTTPException):
            answers.lost += 1  # its worker was killed: the caller got no answer
            time.sleep(0.05)
        done += 1


@contextmanager
def serving(database: ADatabase) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run two workers over a journal that does not yet exist."""
    with create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHARTSIDE_")}
    environment = {**kept, "CHARTSIDE_DATABASE_URL": database.url, "CHARTSIDE_AUTHENTICATION": "off"}
    command = [sys.executable, "-m", "cds_hooks.cli", "serve", "--port", str(port), "--workers", "2", "--threads", "4"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not is_up(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield port, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def is_up(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def kill_a_worker(process: subprocess.Popen[bytes], _: ADatabase) -> None:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)


def restart_the_database(_: subprocess.Popen[bytes], database: ADatabase) -> None:
    """End every connection of the service, whatever it is doing; SQLite has none to end."""
    if database.is_sqlite:
        return
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    with database.journal(migrated=False) as journal:
        journal.read(lambda it: it.exec_driver_sql(f"{others} AND pid <> pg_backend_pid()").all())


@pytest.mark.parametrize("disturb", [None, kill_a_worker, restart_the_database])
def test_every_answer_of_two_workers_is_on_record(database: ADatabase, disturb: Any) -> None:
    answers, enough = Answers(), threading.Event()
    with serving(database) as (port, process):
        callers = [threading.Thread(target=one_after_another, args=(port, answers, enough, 5)) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        for _ in range(3 if disturb else 0):
            time.sleep(1)
            disturb(process, database)
        time.sleep(0 if disturb is None else 1)
        enough.set()
        for caller in callers:
            caller.join(120)
        assert post(port, SERVICE, a_body(), str(uuid4()))[0] == 200
    assert answers.wrong == []
    assert set(answers.statuses) <= {200, 503}
    assert answers.statuses[200] >= CALLERS * 2
    assert disturb is kill_a_worker or answers.lost == 0
    with database.journal() as journal:
        assert set(answers.calls) <= {row["correlation"] for row in rows(journal, invocations)}
        assert set(answers.cards) <= {row["card"] for row in rows(journal, feedback)}
        assert set(answers.cards) <= {row["uuid"] for row in rows(journal, cards)}
        assert faults(journal) == []
