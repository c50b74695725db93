"""`chartside journal`: what an auditor is told, what an operator can do, and what never happens by accident."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson
import pytest

from cds_hooks.cli import main
from cds_hooks.errors import Fault
from cds_hooks.journal.audit import Journal
from cds_hooks.journal.database import migrate, open_database
from cds_hooks.journal.tables import invocations
from cds_hooks.policy import Policy, ReleaseState
from fhir_client.times import Interval
from models.assessment import Assessed, Gap, Input, Missing, ModelReference, NotApplicable, NotAssessable, Reading
from tests.cds_hooks.journal.journals import (
    CALLER,
    CORRELATION,
    INSTANCE,
    NOW,
    ADatabase,
    an_invocation,
    block,
    give_feedback,
    record,
    refuse,
    rows,
    some_of_each,
    tamper,
)

MODEL = ModelReference("test-model", "1.0.0")
TAKEN = Reading(80.5, Interval.parse("2024-05-01"), ("Observation/7/_history/3",), "mean of 2 readings")
WEIGHT = Input("weight_kg", "Weight", "kg", TAKEN)
AGE = Input("age_years", "Age", "", Reading(64))
ACR = Input("acr_mg_g", "ACR", "mg/g", Missing(Gap.TOO_OLD))

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(database: ADatabase, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `chartside journal`, and give its exit status and what it printed."""
    monkeypatch.setenv("CHARTSIDE_DATABASE_URL", database.url)

    def run(*words: str) -> tuple[int, str]:
        status = main(["journal", *words])
        return status, capsys.readouterr().out

    return run


def test_one_command_answers_what_we_told_whom_about_a_patient_and_why(journal: Journal, command: Command) -> None:
    said = record(journal, an_invocation(Assessed(MODEL, {"risk": 0.25}, inputs=(WEIGHT, AGE))))
    record(journal, an_invocation(patientId="p2"))
    card = said.response.cards[0].uuid
    give_feedback(journal, card, comment="known \x1b[31m to us")
    assert command("show", "--patient", "p1") == (
        0,
        f"""\
2024-06-01 12:00:00+00:00  test-service at patient-view  (call 1)
  asked by: https://ehr.example, tenant north, user Practitioner/u1
  about: patient p1
  test-model 1.0.0: assessed
    risk = 0.25
    from weight_kg 80.5 kg (2024-05-01, Observation/7/_history/3, mean of 2 readings)
    from age_years 64
  patient: complete (prefetched)
  laboratory: complete (prefetched)
  card {card}, shown, info: risk is 0.25
    overridden at 2024-06-01 12:00:00+00:00, reason tolerated, comment: known \ufffd[31m to us
  took 3 ms (gather 1.5); state live
  correlation: {CORRELATION}; hook instance {INSTANCE}; token token-1

""",
    )


def a_shadow() -> Policy:
    return Policy(ceilings={"test-service": ReleaseState.SHADOW})


@pytest.mark.parametrize(
    ("says", "lines"),
    [
        (
            NotAssessable(MODEL, missing=(ACR,), inputs=(WEIGHT, ACR)),
            ["  test-model 1.0.0: not-assessable, for want of acr_mg_g (too old)", "  no card was made"],
        ),
        (NotApplicable(MODEL, "age 29 is outside"), ["  test-model 1.0.0: not-applicable: age 29 is outside"]),
        (
            Assessed(MODEL, {}, alternatives=MappingProxyType({"female": {"risk": 0.25}})),
            ["  test-model 1.0.0: assessed", "    risk = 0.25 (female)"],
        ),
    ],
    ids=["not assessable", "not applicable", "for both sexes"],
)
def test_why_nothing_was_said_is_shown(journal: Journal, command: Command, says: Any, lines: list[str]) -> None:
    record(journal, an_invocation(says))
    printed = command("show")[1].splitlines()
    assert [line for line in printed if line in lines] == lines


def test_what_was_held_back_is_shown_with_the_reason(journal: Journal, command: Command) -> None:
    held = record(journal, an_invocation(policy=a_shadow()))
    printed = command("show")[1].splitlines()
    assert "  nothing was shown: shadow" in printed
    assert f"  card {held.held_back[0].uuid}, held back, info: risk is 0.25" in printed


def test_lists_and_parts_and_truths_are_told_in_words(journal: Journal, command: Command) -> None:
    taken = {"value": 61.5, "at": "2024-05-01", "source": "Observation/7"}
    results = {"egfr": [taken, {"value": 58}], "acr": [], "a_stage": None, "listed": False, "parts": {"pulse": 2}}
    codes = Input("icd10", "Diagnoses", "", Reading(2, rows=("I10", "I50")))
    series = Input("creatinines", "Creatinine", "mg/dL", Reading(1.5, rows=({"time": NOW, "value_mg_dl": 1.5},)))
    treated = Input("bp_treated", "Treated", "", Reading(value=True, note="by an active order"))
    record(journal, an_invocation(Assessed(MODEL, {"risk": 0.25, **results}, inputs=(codes, series, treated))))
    printed = command("show")[1]
    assert (
        printed.partition("assessed\n")[2].partition("  patient:")[0]
        == """\
    risk = 0.25
    egfr:
      61.5 (2024-05-01, Observation/7)
      58
    acr = none
    a_stage = none
    listed = no
    parts = pulse 2
    from icd10 2
      I10
      I50
    from creatinines 1.5 mg/dL
      time 2024-06-01T12:00:00+00:00, value_mg_dl 1.5
    from bp_treated yes (by an active order)
"""
    )


@pytest.mark.parametrize(
    ("altered", "status"),
    [("at = 'yesterday'", 1), ("outcome = '{'", 1), ("outcome = '{}'", 0), ("outcome = '[1]'", 0)],
)
def test_a_call_that_was_made_unreadable_hides_no_other(
    journal: Journal, command: Command, altered: str, status: int
) -> None:
    if journal.engine.dialect.name != "sqlite" and status:
        pytest.skip("PostgreSQL lets nobody write what is no time or no JSON")
    record(journal)
    record(journal)
    tamper(journal, f"UPDATE invocations SET {altered} WHERE number = 2")
    found, printed = command("show")
    assert found == status
    assert printed.startswith(
        "call 2 cannot be read: chartside journal verify says whether it was altered\n\n2024-06-01"
    )
    assert "(call 1)" in printed
    assert len(command("show", "--json")[1].splitlines()) == 2


def test_what_was_left_unread_and_tolerated_is_told(journal: Journal, command: Command) -> None:
    record(journal)
    outcome = {
        "assessments": [],
        "availability": {},
        "dropped": {"other_patient": 0, "unreadable": 0},
        "unresolved_drugs": 3,
        "warnings": [{"code": "value", "text": "must be a UUID", "expression": "hookInstance", "severity": "warning"}],
    }
    tamper(journal, f"UPDATE invocations SET outcome = '{orjson.dumps(outcome).decode()}'")
    printed = command("show")[1].splitlines()
    assert "  active drugs without a known ingredient: 3" in printed
    assert "  tolerated: hookInstance: must be a UUID" in printed


def test_that_nothing_is_on_record_is_said(
    journal: Journal, database: ADatabase, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    record(journal)
    monkeypatch.setenv("CHARTSIDE_DATABASE_URL", database.url)
    assert main(["journal", "show", "--patient", "p9"]) == 0
    assert capsys.readouterr() == ("", "nothing is on record of that\n")


def test_a_call_of_the_first_shape_is_shown_too(journal: Journal, command: Command) -> None:
    record(journal)
    outcome = {
        "assessments": [
            {"model": "m", "version": "1", "outcome": "assessed", "results": {"r": 1}, "inputs": {"age_years": 64}}
        ],
        "availability": {"patient": "complete"},
        "dropped": {"other_patient": 2, "unreadable": 1},
        "warnings": [],
    }
    tamper(journal, f"UPDATE invocations SET stages = NULL, token = NULL, outcome = '{orjson.dumps(outcome).decode()}'")
    printed = command("show")[1].splitlines()
    assert "    from age_years 64" in printed
    assert "  patient: complete" in printed
    assert "  left out: 2 of another patient, 1 unreadable" in printed
    assert "  took 3 ms; state live" in printed


def test_calls_are_chosen_by_what_is_known_of_them(journal: Journal, command: Command) -> None:
    later = NOW + timedelta(days=1)
    first = record(journal, correlation="11111111-1111-4111-8111-111111111111")
    second = record(journal, an_invocation(at=later, patientId="p2"))

    def ids(*words: str) -> list[str]:
        status, printed = command("show", "--json", *words)
        assert status == 0
        return [orjson.loads(line)["id"] for line in printed.splitlines()]

    assert ids() == [second.id, first.id]
    assert ids("--limit", "1") == [second.id]
    assert ids("--patient", "p1") == [first.id]
    assert ids("--patient", "p1", "--issuer", "https://other.example") == []
    assert ids("--issuer", CALLER.issuer, "--patient", "p2") == [second.id]
    assert ids("--card", second.response.cards[0].uuid) == [second.id]
    assert ids("--correlation", "11111111-1111-4111-8111-111111111111") == [first.id]
    assert ids("--since", later.isoformat()) == [second.id]
    give_feedback(journal, first.response.cards[0].uuid)
    assert ids("--correlation", CORRELATION) == [second.id, first.id]


def test_a_refused_request_is_found_by_its_correlation(journal: Journal, command: Command) -> None:
    refuse(journal, status=412, faults=[Fault("incomplete", "the data are missing", "prefetch.patient")])
    block(journal, host="169.254.169.254", why="link-local")
    assert command("show", "--correlation", CORRELATION) == (
        0,
        f"""\
2024-06-01 12:00:00+00:00  s: refused with 412
  why: prefetch.patient: the data are missing
  asked by: https://ehr.example, tenant north
  correlation: {CORRELATION}

2024-06-01 12:00:00+00:00  an address was not called: 169.254.169.254
  why: link-local
  asked by: https://ehr.example
  correlation: {CORRELATION}

""",
    )
    printed = command("show", "--json", "--correlation", CORRELATION)[1].splitlines()
    assert [orjson.loads(line)["kind"] for line in printed] == ["refusal", "blocked"]


def test_verify_prints_the_end_that_it_later_expects(journal: Journal, command: Command) -> None:
    some_of_each(journal)
    status, printed = command("verify")
    assert status == 0
    assert printed.startswith("7 entries, 0 of them erased: nothing is wrong\nthe ledger ends with 7:")
    end = printed.split("ends with ")[1].split(";")[0]
    record(journal)
    assert command("verify", "--expect", end)[0] == 0
    tamper(journal, "UPDATE refusals SET status = 200")
    status, printed = command("verify", "--expect", end)
    assert (status, printed.splitlines()[0]) == (1, "refusal 4: altered")
    assert "8 entries, 0 of them erased: 1 fault\n" in printed
    assert "keep this" not in printed


@pytest.mark.parametrize("words", ["7", "7:abc", "x"])
def test_what_is_no_end_is_wrong_usage(command: Command, words: str) -> None:
    with pytest.raises(SystemExit) as caught:
        command("verify", "--expect", words)
    assert caught.value.code == 2


def test_nothing_is_erased_without_a_yes(journal: Journal, command: Command) -> None:
    some_of_each(journal)
    assert command("erase", "--patient", "p1") == (
        0,
        "call: 1, card: 1, feedback: 1 would be erased; nothing was changed (--yes erases)\n",
    )
    assert len(rows(journal, invocations)) == 3
    assert command("erase", "--patient", "p1", "--yes") == (0, "call: 1, card: 1, feedback: 1 erased\n")
    assert len(rows(journal, invocations)) == 2
    assert command("erase", "--patient", "p1", "--yes") == (0, "nothing erased\n")
    assert command("verify")[1].startswith("8 entries, 2 of them erased: nothing is wrong")


def test_what_is_older_than_so_many_days_is_erased(journal: Journal, command: Command) -> None:
    old = datetime.now(UTC) - timedelta(days=31)
    record(journal, an_invocation(at=old))
    record(journal, an_invocation(at=old + timedelta(days=2)))
    assert command("erase", "--older-than", "30", "--yes") == (0, "call: 1, card: 1 erased\n")
    assert len(rows(journal, invocations)) == 1


@pytest.mark.parametrize("words", [[], ["--older-than", "0"], ["--patient", "p1", "--older-than", "3"]])
def test_an_erasure_needs_exactly_one_reason(command: Command, words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command("erase", "--yes", *words)
    assert caught.value.code == 2


def test_migrate_brings_an_old_journal_to_the_newest_shape(
    database: ADatabase, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    migrate(open_database(database.url), to="0001")
    assert command("verify") == (1, "")
    status, printed = command("migrate")
    assert status == 0
    assert printed.startswith("the journal is in its newest shape: ")
    assert command("verify")[0] == 0


def test_a_journal_of_another_shape_is_said_to_be(
    database: ADatabase, command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del command
    migrate(open_database(database.url), to="0001")
    assert main(["journal", "show"]) == 1
    assert capsys.readouterr().err == (
        "chartside journal show: the journal is not in the shape of this version: chartside journal migrate\n"
    )


@pytest.mark.parametrize("words", [["show"], ["verify"], ["erase", "--patient", "p1", "--yes"]])
def test_to_look_at_a_journal_makes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.setenv("CHARTSIDE_DATABASE_URL", f"sqlite:///{tmp_path / 'journal.db'}")
    assert main(["journal", *words]) == 0
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == "there is no journal yet\n"


def test_an_end_is_not_expected_of_no_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTSIDE_DATABASE_URL", f"sqlite:///{tmp_path / 'journal.db'}")
    assert main(["journal", "verify", "--expect", f"1:{'0' * 64}"]) == 1


def test_a_directory_that_is_not_there_cannot_hold_a_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHARTSIDE_DATABASE_URL", f"sqlite:///{tmp_path / 'none' / 'journal.db'}")
    assert main(["journal", "migrate"]) == 1
    assert capsys.readouterr().err == "chartside journal migrate: the journal's database cannot be reached\n"


def test_what_was_erased_and_may_remain_in_files_is_said(
    sqlite: ADatabase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHARTSIDE_DATABASE_URL", sqlite.url)
    monkeypatch.setattr("cds_hooks.journal.erase._TRIES", 1)
    with sqlite.journal() as journal:
        some_of_each(journal)
        with journal.read_steadily() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM invocations")
            assert main(["journal", "erase", "--patient", "p1", "--yes"]) == 1
    assert "may still be in its files" in capsys.readouterr().err
