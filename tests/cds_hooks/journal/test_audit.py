"""The audit: what is in the journal before a call is answered, and that nothing is answered without it."""

import multiprocessing
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from cds_hooks.errors import NotRecorded
from cds_hooks.invocation import Invocation, invoke
from cds_hooks.journal.audit import Caller, Journal
from cds_hooks.journal.database import open_database
from cds_hooks.journal.tables import cards, invocations
from cds_hooks.policy import Policy, ReleaseState
from cds_hooks.protocol.requests import HookRequest
from fhir_client.times import Interval
from models.assessment import Assessed, Gap, Input, Missing, ModelReference, NotApplicable, NotAssessable, Reading
from tests.cds_hooks.declared import AnAssessor, a_service
from tests.cds_hooks.web.edge import CORRELATION, INSTANCE, NOW, a_call, an_edge

CALLER = Caller("https://ehr.example", "north")
MODEL = ModelReference("test-model", "1.0.0")
WEIGHT = Input("weight_kg", "Weight", "kg", Reading(80.5, Interval(NOW, NOW)))
ACR = Input("acr_mg_g", "ACR", "mg/g", Missing(Gap.TOO_OLD))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = a_journal(tmp_path)
    journal.migrate()
    yield journal
    journal.close()


def a_journal(folder: Path) -> Journal:
    return Journal(open_database(f"sqlite:///{folder / 'journal.db'}"))


def an_invocation(says: Any = None, policy: Policy | None = None) -> Invocation:
    service = a_service(assessors=(AnAssessor(says=says),))
    request = HookRequest.from_json(orjson.dumps(a_call()), service_hooks=service.hooks)
    return invoke(service, request, connect=lambda _: None, now=lambda: NOW, policy=policy or Policy())


def record(journal: Journal, invocation: Invocation) -> None:
    journal.record(invocation, caller=CALLER, correlation=CORRELATION, duration_ms=3)


def rows(journal: Journal, table: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in journal.read(lambda it: it.execute(select(table)).mappings().all())]


def test_a_call_is_kept_with_who_what_and_when(journal: Journal) -> None:
    invocation = an_invocation()
    record(journal, invocation)
    [row] = rows(journal, invocations)
    outcome = row.pop("outcome")
    assert row == {
        "number": 1,
        "id": invocation.id,
        "at": NOW,
        "correlation": CORRELATION,
        "issuer": "https://ehr.example",
        "tenant": "north",
        "user": "Practitioner/u1",
        "hook": "patient-view",
        "hook_instance": INSTANCE,
        "service": "test-service",
        "state": "live",
        "withheld": None,
        "patient": "p1",
        "encounter": None,
        "duration_ms": 3,
    }
    assert outcome["availability"] == {"patient": "complete", "laboratory": "complete"}
    assert outcome["dropped"] == {"other_patient": 0, "unreadable": 0}


@pytest.mark.parametrize(
    ("says", "kept"),
    [
        (
            Assessed(MODEL, {"risk": 0.25}, inputs=(WEIGHT, ACR)),
            {"outcome": "assessed", "results": {"risk": 0.25}, "inputs": {"weight_kg": 80.5}},
        ),
        (
            NotAssessable(MODEL, missing=(ACR,), inputs=(WEIGHT, ACR)),
            {"outcome": "not-assessable", "missing": {"acr_mg_g": "too old"}, "inputs": {"weight_kg": 80.5}},
        ),
        (NotApplicable(MODEL, "age 29 is outside"), {"outcome": "not-applicable", "reason": "age 29 is outside"}),
        (
            Assessed(
                MODEL,
                MappingProxyType({}),
                alternatives=MappingProxyType({"female": MappingProxyType({"risk": 0.25})}),
            ),
            {"outcome": "assessed", "results": {}, "alternatives": {"female": {"risk": 0.25}}, "inputs": {}},
        ),
    ],
    ids=["assessed", "not assessable", "not applicable", "assessed for both sexes"],
)
def test_an_assessment_is_kept_with_its_inputs_and_outcome(journal: Journal, says: Any, kept: Any) -> None:
    record(journal, an_invocation(says))
    assert rows(journal, invocations)[0]["outcome"]["assessments"] == [
        {"model": "test-model", "version": "1.0.0", **kept}
    ]


def test_cards_are_kept_whether_shown_or_held_back(journal: Journal) -> None:
    shown, shadow = an_invocation(), an_invocation(policy=Policy(ceilings={"test-service": ReleaseState.SHADOW}))
    for each in (shown, shadow):
        record(journal, each)
    kept = {row["uuid"]: row["shown"] for row in rows(journal, cards)}
    assert kept == {shown.response.cards[0].uuid: True, shadow.held_back[0].uuid: False}
    assert rows(journal, invocations)[1]["withheld"] == "shadow"


def test_a_time_comes_back_in_utc_whatever_zone_it_had(journal: Journal) -> None:
    eastern = datetime.fromisoformat("2024-06-01T07:00:00-05:00")
    journal.refused(at=eastern, service="s", status=400, faults=(), caller=CALLER, correlation=CORRELATION)
    stored = journal.read(lambda it: it.exec_driver_sql("SELECT at FROM refusals").scalar_one())
    assert stored.startswith("2024-06-01 12:00:00")
    assert rows(journal, invocations.metadata.tables["refusals"])[0]["at"] == datetime(2024, 6, 1, 12, tzinfo=UTC)


def test_nothing_is_answered_that_cannot_be_written(tmp_path: Path) -> None:
    with an_edge(tmp_path, migrated=False) as edge:
        answer = edge.call()
        assert answer.status_code == 503
        assert b"cards" not in answer.data
        assert orjson.loads(answer.data)["issue"][0]["code"] == "no-store"
        assert edge.http.get("/health/ready").status_code == 503
        edge.journal.migrate()
        assert edge.call().status_code == 200
        assert edge.http.get("/health/ready").status_code == 200


def test_half_a_call_is_never_kept(journal: Journal) -> None:
    invocation = an_invocation()
    record(journal, invocation)
    with pytest.raises(NotRecorded):
        record(journal, invocation)  # its card is there already
    assert len(rows(journal, invocations)) == 1
    record(journal, an_invocation())
    assert len(rows(journal, invocations)) == 2


def test_a_reader_does_not_wait_for_a_writer(journal: Journal, tmp_path: Path) -> None:
    record(journal, an_invocation())
    writer = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    try:
        assert len(rows(journal, invocations)) == 1
    finally:
        writer.close()


def test_several_threads_write_at_once(journal: Journal) -> None:
    made = [[an_invocation() for _ in range(20)] for _ in range(4)]

    def write(mine: list[Invocation]) -> None:
        for each in mine:
            record(journal, each)

    threads = [threading.Thread(target=write, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rows(journal, invocations)) == 80


def write_some(folder: str) -> None:
    journal = a_journal(Path(folder))
    journal.migrate()
    for _ in range(20):
        record(journal, an_invocation())
    journal.close()


def test_several_processes_start_and_write_at_once(tmp_path: Path) -> None:
    processes = [multiprocessing.get_context("spawn").Process(target=write_some, args=(str(tmp_path),)) for _ in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    journal = a_journal(tmp_path)
    assert len(rows(journal, invocations)) == 40
    journal.close()


def test_what_would_go_into_a_removed_file_is_not_recorded(journal: Journal, tmp_path: Path) -> None:
    record(journal, an_invocation())
    kept = tmp_path / "kept"
    kept.mkdir()
    for file in tmp_path.glob("journal.db*"):
        file.rename(kept / file.name)
    assert not journal.is_ready()
    with pytest.raises(NotRecorded):
        record(journal, an_invocation())
    for file in kept.iterdir():
        file.rename(tmp_path / file.name)
    assert journal.is_ready()
    record(journal, an_invocation())
    assert len(rows(journal, invocations)) == 2


def test_a_connection_does_not_survive_a_fork(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    parents = journal.read(lambda connection: connection)
    assert journal.read(lambda connection: connection) is parents
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert journal.read(lambda connection: connection) is not parents
