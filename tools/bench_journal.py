"""What the journal costs: `python -m tools.bench_journal`. Every figure is a ratio against its floor, interleaved."""

import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from cds_hooks.invocation import Invocation, invoke
from cds_hooks.journal.audit import Caller, Journal
from cds_hooks.journal.database import open_database
from cds_hooks.journal.ledger import Kind
from cds_hooks.journal.stored import stored_rows
from cds_hooks.journal.verify import verifying
from cds_hooks.policy import Policy
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.services.kidney_risk import SERVICE
from cds_hooks.web.worker import SWITCH_SECONDS

THREADS = 8
_CALLER = Caller("https://ehr.example", "north")
_CORRELATION = "0b3a5a8e-3f5c-4f0a-9d4e-6f2f4b1f7c11"
_STAGES = {"read": 300, "gather": 400, "assess": 200, "present": 100}
_ROW = "x" * 2000


@dataclass(frozen=True, slots=True)
class Ratio:
    """What was measured, and against what; `goal` is the ratio that is asked for."""

    name: str
    measured: float
    floor: float
    goal: str

    def __str__(self) -> str:
        """Write it as one line."""
        return f"{self.name}: {self.measured / self.floor:.2f} times the floor ({self.goal})"


def combined(*, seconds: float = 0.5, rounds: int = 5) -> Ratio:
    """Rows a second of eight threads that write together, against one commit a row at the same durability."""
    with _a_journal(most_together=1) as alone, _a_journal() as together:
        pairs = [(_rows_a_second(together, seconds), _rows_a_second(alone, seconds)) for _ in range(rounds)]
    measured, floor = sorted(pairs, key=lambda pair: pair[0] / pair[1])[rounds // 2]
    return Ratio(f"commits of {THREADS} threads together", measured, floor, "at least 2")


def lone(*, calls: int = 400) -> Ratio:
    """The middle time of one recorded call with its card and its entry, against one bare durable commit of a row."""
    with _a_journal() as journal, tempfile.TemporaryDirectory() as folder:
        bare = sqlite3.connect(Path(folder) / "bare.db", isolation_level=None)
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "CREATE TABLE t (n INTEGER, v TEXT)"):
            bare.execute(statement)
        made = iter(_invocations(calls))

        def commit() -> None:
            bare.execute("BEGIN IMMEDIATE")
            bare.execute("INSERT INTO t VALUES (1, ?)", (_ROW,))
            bare.execute("COMMIT")

        times = [(_timed(lambda: _record(journal, next(made))), _timed(commit)) for _ in range(calls)]
        bare.close()
    measured, floor = (statistics.median(each) * 1e6 for each in zip(*times, strict=True))
    return Ratio("one call on record", measured, floor, "about 1.5")


def verified(*, rows: int = 5000) -> Ratio:
    """The time that `verify` takes for an entry, against reading the rows and their digests without a ledger."""
    with _a_journal() as journal:
        for _ in range(rows // 1000):
            _in_threads(lambda mine: _record_all(journal, mine), _shares(_invocations(1000)))
        with verifying(journal) as verification:
            measured = _timed(lambda: list(verification.findings()))
        with journal.read_steadily() as connection:
            floor = _timed(lambda: [list(stored_rows(connection, kind)) for kind in Kind])
    return Ratio("verify, for an entry", measured / rows * 1e6, floor / rows * 1e6, "no goal")


def _rows_a_second(journal: Journal, seconds: float) -> float:
    made = [_invocations(int(2000 * seconds)) for _ in range(THREADS)]
    started = time.perf_counter()

    def write(mine: list[Invocation]) -> int:
        written = 0
        while mine and time.perf_counter() - started < seconds:
            _record(journal, mine.pop())
            written += 1
        return written

    counts = _in_threads(write, made)
    return sum(counts) / (time.perf_counter() - started)


def _in_threads(work: Callable[[Any], int], arguments: list[Any]) -> list[int]:
    results: list[int] = []
    threads = [threading.Thread(target=lambda each=each: results.append(work(each))) for each in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def _shares(made: list[Invocation]) -> list[list[Invocation]]:
    return [made[place::THREADS] for place in range(THREADS)]


def _record(journal: Journal, invocation: Invocation) -> None:
    journal.record(invocation, caller=_CALLER, correlation=_CORRELATION, duration_ms=3, stages=_STAGES)


def _record_all(journal: Journal, made: list[Invocation]) -> int:
    for each in made:
        _record(journal, each)
    return len(made)


def _timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@contextmanager
def _a_journal(**how: int) -> Iterator[Journal]:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(open_database(f"sqlite:///{Path(folder) / 'journal.db'}"), **how)
        journal.migrate()
        try:
            yield journal
        finally:
            journal.close()


def _invocations(number: int) -> list[Invocation]:
    """Make calls about a patient whose kidneys are known, each with cards of its own."""
    patient = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1960-06-02"}
    coding = {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]}
    amount = {"value": 1.4, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"}
    about = {"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/p1"}, "code": coding}
    results = [
        {**about, "id": f"o{month}", "effectiveDateTime": f"2024-0{month}-01", "valueQuantity": amount}
        for month in range(1, 6)
    ]
    laboratory = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in results]}
    body = orjson.dumps(
        {
            "hook": "patient-view",
            "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
            "context": {"userId": "Practitioner/u1", "patientId": "p1"},
            "prefetch": {"patient": patient, "laboratory": laboratory},
        }
    )
    request = HookRequest.from_json(body, service_hooks=SERVICE.hooks)
    now = datetime(2024, 6, 1, 12, tzinfo=UTC)
    made = invoke(SERVICE, request, connect=lambda _: None, now=lambda: now, policy=Policy())
    return [_another(made) for _ in range(number)]


def _another(made: Invocation) -> Invocation:
    """Give the same call with cards of its own, as another of the same patient would make them."""
    cards = tuple(replace(card, uuid=str(uuid4())) for card in made.response.cards)
    return replace(made, id=str(uuid4()), response=replace(made.response, cards=cards))


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_SECONDS)  # as in a worker, where the threads of a service write
    for measure in (lone, combined, verified):
        print(measure())
