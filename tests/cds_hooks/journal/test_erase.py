"""Erasing: what a patient or the retention period asks for is gone, bytes and all, and the ledger still holds."""

from datetime import timedelta

import pytest

from cds_hooks.journal import erase
from cds_hooks.journal.audit import Caller, Journal
from cds_hooks.journal.erase import Before, OfPatient, count, wipe
from cds_hooks.journal.tables import answered, cards, erasures, feedback, invocations, refusals, unclaimed_feedback
from tests.cds_hooks.journal.journals import (
    CALLER,
    NOW,
    ADatabase,
    an_invocation,
    block,
    faults,
    give_feedback,
    record,
    refuse,
    rows,
    some_of_each,
    tamper,
)

OTHER = Caller("https://other.example")
LATER = NOW + timedelta(days=400)


def test_all_about_a_patient_is_erased_and_the_chain_holds(journal: Journal) -> None:
    made = some_of_each(journal)
    give_feedback(journal, made[0].response.cards[0].uuid, caller=OTHER)
    record(journal, an_invocation(patientId="p2", userId="Patient/p1"))
    counted = count(journal, OfPatient("p1"))
    assert counted == {"call": 2, "card": 1, "feedback": 1, "unclaimed": 1}
    assert erase.erase(journal, OfPatient("p1"), at=LATER) == counted
    assert [row["patient"] for row in rows(journal, invocations)] == ["p2", "p3"]
    assert (len(rows(journal, cards)), len(rows(journal, feedback)), len(rows(journal, unclaimed_feedback))) == (
        2,
        0,
        1,
    )
    assert faults(journal) == []
    record(journal)
    assert faults(journal) == []


def test_the_record_of_an_erasure_names_nobody(journal: Journal) -> None:
    some_of_each(journal)
    erase.erase(journal, OfPatient("p1"), at=LATER)
    assert rows(journal, erasures) == [
        {
            "id": 8,
            "at": LATER,
            "why": "patient",
            "counts": {"call": 1, "card": 1, "feedback": 1},
            "entries": [[1, 1], [6, 6]],
        }
    ]


@pytest.mark.parametrize("what", [OfPatient("p1"), Before(LATER)])
def test_what_a_user_answered_is_erased_with_the_call(journal: Journal, what: OfPatient | Before) -> None:
    made = record(journal, an_invocation(encounterId="e1"))
    give_feedback(journal, made.response.cards[0].uuid)
    assert [row["patient"] for row in rows(journal, answered)] == ["p1"]
    erase.erase(journal, what, at=LATER)
    assert rows(journal, answered) == []


def test_a_patient_of_another_client_stays(journal: Journal) -> None:
    record(journal, an_invocation(patientId="p1"))
    record(journal, an_invocation(patientId="p1"), caller=OTHER)
    assert erase.erase(journal, OfPatient("p1", OTHER.issuer), at=LATER)["call"] == 1
    assert [row["issuer"] for row in rows(journal, invocations)] == [CALLER.issuer]


def test_what_is_older_is_erased_in_steps(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erase, "AT_ONCE", 2)
    made = some_of_each(journal)
    new = record(journal, an_invocation(at=LATER))
    refuse(journal, at=LATER)
    block(journal, at=LATER)
    give_feedback(journal, made[1].response.cards[0].uuid)
    what = Before(NOW + timedelta(days=1))
    counted = count(journal, what)
    assert counted == {"call": 3, "card": 3, "feedback": 2, "unclaimed": 1, "refusal": 1, "blocked": 1}
    assert erase.erase(journal, what, at=LATER) == counted
    assert [row["id"] for row in rows(journal, invocations)] == [new.id]
    assert [row["at"] for row in rows(journal, refusals)] == [LATER]
    assert len(rows(journal, erasures)) == 5
    assert faults(journal) == []
    assert erase.erase(journal, what, at=LATER) == {}
    assert count(journal, what) == dict.fromkeys(counted, 0)


def test_an_erasure_that_was_made_up_excuses_nothing(journal: Journal) -> None:
    some_of_each(journal)
    tamper(
        journal,
        "DELETE FROM refusals",
        f"INSERT INTO erasures (id, at, why, counts, entries) VALUES (8, '{NOW}', 'patient', '{{}}', '[[4, 4]]')",
    )
    assert faults(journal) == ["refusal 4: missing", "erasure 8: added: the ledger knows nothing of it"]


def test_an_erasure_that_was_altered_excuses_nothing(journal: Journal) -> None:
    some_of_each(journal)
    erase.erase(journal, OfPatient("p1"), at=LATER)
    tamper(journal, "DELETE FROM refusals", "UPDATE erasures SET entries = '[[1, 6]]'")
    found = faults(journal)
    assert "refusal 4: missing" in found
    assert "erasure 8: altered" in found


def test_what_was_erased_and_is_there_again_is_found(journal: Journal) -> None:
    some_of_each(journal)
    [kept] = rows(journal, refusals)
    erase.erase(journal, Before(NOW + timedelta(days=1)), at=LATER)
    refusals_again = (
        "INSERT INTO refusals (id, at, correlation, issuer, service, status, faults) "
        f"VALUES (4, '{kept['at']}', 'c', 'i', 's', 400, '[]')"
    )
    tamper(journal, refusals_again)
    assert "refusal 4: was erased and is there again" in faults(journal)


def test_no_byte_of_what_was_erased_remains(sqlite: ADatabase) -> None:
    with sqlite.journal() as journal:
        # As other builds of SQLite have it: Debian's overwrites what is deleted.
        journal.write(lambda book: book.driver.execute("PRAGMA secure_delete=OFF"))
        for number in range(50):
            record(journal, an_invocation(patientId=f"MARKER-PATIENT-{number % 2}"))
        card = record(journal, an_invocation(patientId="MARKER-PATIENT-0")).response.cards[0].uuid
        give_feedback(journal, card, comment="MARKER-COMMENT")
        assert b"MARKER-COMMENT" in on_disk(sqlite)
        erase.erase(journal, OfPatient("MARKER-PATIENT-0"), at=LATER)
        assert wipe(journal.engine)
        assert b"MARKER-PATIENT-0" not in on_disk(sqlite)
        assert b"MARKER-COMMENT" not in on_disk(sqlite)
        assert b"MARKER-PATIENT-1" in on_disk(sqlite)
        assert faults(journal) == []


def test_a_server_is_told_to_free_the_space(journal: Journal) -> None:
    some_of_each(journal)
    erase.erase(journal, OfPatient("p1"), at=LATER)
    assert wipe(journal.engine)
    record(journal)
    assert faults(journal) == []


def test_what_others_keep_busy_is_not_said_to_be_gone(sqlite: ADatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erase, "_TRIES", 1)
    with sqlite.journal() as journal, sqlite.journal(migrated=False) as other:
        some_of_each(journal)
        with other.read_steadily() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM invocations")
            erase.erase(journal, OfPatient("p1"), at=LATER)
            assert not wipe(journal.engine)
        assert wipe(journal.engine)


def on_disk(database: ADatabase) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(database.path.parent.glob("journal.db*")))
