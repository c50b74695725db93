"""The audit: what is in the journal before a call is answered, and that nothing is answered without it."""

import multiprocessing
import os
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson
import pytest

from cds_hooks.errors import Fault, JournalTrouble, NotRecorded
from cds_hooks.invocation import Invocation, invoke
from cds_hooks.journal.audit import LEFT_OUT, Caller, Journal
from cds_hooks.journal.rationing import A_MINUTE
from cds_hooks.journal.reading import newest_calls
from cds_hooks.journal.showing import call_text
from cds_hooks.journal.tables import blocked, cards, invocations, refusals
from cds_hooks.policy import Policy, ReleaseState
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.services.kidney_risk import SERVICE
from fhir_client.times import Interval
from models.assessment import Assessed, Gap, Input, Missing, ModelReference, NotApplicable, NotAssessable, Reading
from tests.builders import a_bundle, a_patient, an_observation
from tests.cds_hooks.journal.journals import (
    CALLER,
    CORRELATION,
    INSTANCE,
    NOW,
    ADatabase,
    an_invocation,
    block,
    record,
    refuse,
    rows,
)
from tests.cds_hooks.web.edge import a_call, an_edge

MODEL = ModelReference("test-model", "1.0.0")
TAKEN = Interval.parse("2024-05-01")
WEIGHT = Input("weight_kg", "Weight", "kg", Reading(80.5, TAKEN, ("Observation/7/_history/3",), "mean of 2 readings"))
ACR = Input("acr_mg_g", "ACR", "mg/g", Missing(Gap.TOO_OLD))
CREATININES = Input("creatinines", "Creatinine", "", Reading(2, rows=({"time": NOW, "value_mg_dl": 1.4},)))
KEPT_WEIGHT = {
    "value": 80.5,
    "unit": "kg",
    "at": "2024-05-01",
    "sources": ["Observation/7/_history/3"],
    "note": "mean of 2 readings",
}


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
        "token": "token-1",
        "user": "Practitioner/u1",
        "hook": "patient-view",
        "hook_instance": INSTANCE,
        "service": "test-service",
        "state": "live",
        "withheld": None,
        "patient": "p1",
        "encounter": None,
        "duration_ms": 3,
        "stages": {"gather": 1500},
        "details": None,
    }
    assert outcome["availability"] == {"patient": "complete", "laboratory": "complete"}
    assert outcome["origins"] == {"patient": "prefetched", "laboratory": "prefetched"}
    assert outcome["reasons"] == {}
    assert outcome["dropped"] == {"other_patient": 0, "unreadable": 0}
    assert outcome["unresolved_drugs"] == 0


@pytest.mark.parametrize(
    ("says", "kept"),
    [
        (
            Assessed(MODEL, {"risk": 0.25}, inputs=(WEIGHT, ACR)),
            {"outcome": "assessed", "results": {"risk": 0.25}, "inputs": {"weight_kg": KEPT_WEIGHT}},
        ),
        (
            NotAssessable(MODEL, missing=(ACR,), inputs=(WEIGHT, ACR)),
            {"outcome": "not-assessable", "missing": {"acr_mg_g": "too old"}, "inputs": {"weight_kg": KEPT_WEIGHT}},
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
        (
            Assessed(MODEL, {"stage": 1}, inputs=(CREATININES,)),
            {
                "outcome": "assessed",
                "results": {"stage": 1},
                "inputs": {"creatinines": {"value": 2, "rows": [{"time": NOW.isoformat(), "value_mg_dl": 1.4}]}},
            },
        ),
    ],
    ids=["assessed", "not assessable", "not applicable", "assessed for both sexes", "assessed from a list"],
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
    refuse(journal, at=eastern)
    [row] = rows(journal, refusals)
    assert (row["at"], row["at"].tzinfo) == (datetime(2024, 6, 1, 12, tzinfo=UTC), UTC)


def test_nothing_is_answered_that_cannot_be_written(tmp_path: Path) -> None:
    with an_edge(tmp_path, migrated=False) as edge:
        answer = edge.call()
        assert answer.status_code == 503
        assert b"cards" not in answer.data
        assert orjson.loads(answer.data)["issue"][0]["code"] == "no-store"
        assert edge.http.get("/health/ready").status_code == 503
        edge.journal.migrate()
        assert edge.call().status_code == 200
        assert edge.journal.is_ready()


def test_half_a_call_is_never_kept(journal: Journal) -> None:
    invocation = an_invocation()
    record(journal, invocation)
    with pytest.raises(NotRecorded):
        record(journal, invocation)  # its card is there already
    assert len(rows(journal, invocations)) == 1
    record(journal, an_invocation())
    assert len(rows(journal, invocations)) == 2
    assert [row["uuid"] for row in rows(journal, cards)] != []


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


def write_some(database: ADatabase) -> None:
    with database.journal() as journal:
        for _ in range(20):
            record(journal)


def test_several_processes_start_and_write_at_once(database: ADatabase) -> None:
    processes = [multiprocessing.get_context("spawn").Process(target=write_some, args=(database,)) for _ in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    with database.journal() as journal:
        assert sorted(row["number"] for row in rows(journal, invocations)) == list(range(1, 41))


def test_a_reader_does_not_wait_for_a_writer(sqlite: ADatabase) -> None:
    with sqlite.journal() as journal:
        record(journal)
        writer = sqlite3.connect(sqlite.path, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        try:
            assert len(rows(journal, invocations)) == 1
        finally:
            writer.close()


def test_what_would_go_into_a_removed_file_is_not_recorded(sqlite: ADatabase, tmp_path: Path) -> None:
    with sqlite.journal() as journal:
        record(journal)
        kept = tmp_path / "kept"
        kept.mkdir()
        for file in tmp_path.glob("journal.db*"):
            file.rename(kept / file.name)
        assert not journal.is_ready()
        with pytest.raises(NotRecorded):
            record(journal)
        for file in kept.iterdir():
            file.rename(tmp_path / file.name)
        assert journal.is_ready()
        record(journal)
        assert len(rows(journal, invocations)) == 2


def test_no_connection_survives_a_fork(journal: Journal) -> None:
    record(journal)

    def connections() -> set[int]:
        return {journal.read(id), journal.write(lambda book: id(book.connection))}

    parents = connections()
    child = os.fork()
    if child == 0:
        try:
            record(journal)
            is_apart = parents.isdisjoint(connections())
            os._exit(0 if is_apart and len(rows(journal, invocations)) == 2 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    record(journal)
    assert len(rows(journal, invocations)) == 3


def test_a_refusal_is_kept_with_who_and_why(journal: Journal) -> None:
    refuse(journal, status=412, faults=[Fault("incomplete", "the data are missing", "prefetch.patient")])
    [row] = rows(journal, refusals)
    assert (row["issuer"], row["tenant"], row["token"], row["status"]) == (CALLER.issuer, "north", "token-1", 412)
    assert row["faults"] == [
        {
            "code": "incomplete",
            "text": "the data are missing",
            "expression": "prefetch.patient",
            "severity": "error",
        }
    ]


def test_a_long_id_of_a_token_is_kept_as_its_digest(journal: Journal) -> None:
    record(journal, caller=Caller("i", None, "x" * 10_000))
    token = rows(journal, invocations)[0]["token"]
    assert token.startswith("sha256:")
    assert len(token) == 71


def test_a_refused_address_is_kept_and_a_flood_of_them_is_counted(database: ADatabase) -> None:
    """[FHIR-80] Blocked attempts are audited with issuer and host, and rate-limited."""
    with database.journal() as journal:
        for _ in range(A_MINUTE + 5):
            block(journal, host="169.254.169.254", why="link-local")
        block(journal, issuer="https://other.example")
        kept = [row for row in rows(journal, blocked) if row["issuer"] == CALLER.issuer]
        assert [(row["host"], row["why"], row["more"]) for row in kept] == [
            ("169.254.169.254", "link-local", 0)
        ] * A_MINUTE
        assert len(rows(journal, blocked)) == A_MINUTE + 1
        block(journal, at=NOW.replace(minute=1))
        assert rows(journal, blocked)[-1]["more"] == 5
        for _ in range(A_MINUTE):
            block(journal, at=NOW.replace(minute=1))
    with database.journal() as journal:
        last = rows(journal, blocked)[-1]
    assert (last["host"], last["why"], last["more"]) == ("", LEFT_OUT, 1)


def test_text_that_one_database_cannot_hold_is_kept_without_it(journal: Journal) -> None:
    record(journal, caller=Caller("i", "a\0b"))
    assert rows(journal, invocations)[0]["tenant"] == "a\ufffdb"


def test_a_journal_that_failed_is_ready_once_it_takes_what_is_written(sqlite: ADatabase) -> None:
    with sqlite.journal() as journal:
        writer = sqlite3.connect(sqlite.path, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(NotRecorded) as caught:
            record(journal)
        assert caught.value.cause is JournalTrouble.LOCKED
        assert journal.trouble is JournalTrouble.LOCKED
        writer.close()
        assert journal.is_ready()
        assert journal.trouble is None


def test_the_versions_of_the_facts_used_and_the_texts_of_cards_are_kept(journal: Journal) -> None:
    """[FHIR-62] `meta.versionId` is kept with the data as provenance: the audit has the versions used."""
    creatinine = an_observation("2160-0", 1.1, "mg/dL", on="2024-05-01", id="7", meta={"versionId": "3"})
    call = a_call(prefetch={"patient": a_patient(meta={"versionId": "2"}), "laboratory": a_bundle(creatinine)})
    request = HookRequest.from_object(call, service_hooks=SERVICE.hooks)
    invocation = invoke(SERVICE, request, connect=lambda _: None, now=lambda: NOW, policy=Policy())
    record(journal, invocation)
    shown = invocation.response.cards
    assert rows(journal, invocations)[0]["details"] == {card.uuid: card.detail for card in shown}
    [call] = newest_calls(journal, limit=1)
    assert [card["detail"] for card in call["cards"]] == [card.detail for card in shown]
    for line in (shown[0].detail or "").splitlines():
        assert f"    | {line}" in call_text(call).splitlines()
    assessments = rows(journal, invocations)[0]["outcome"]["assessments"]
    inputs = {name: used for assessment in assessments for name, used in assessment.get("inputs", {}).items()}
    assert inputs["egfr_ml_min_1_73m2"]["sources"] == ["Observation/7/_history/3"]
    assert inputs["sex"]["sources"] == ["Patient/p1/_history/2"]
