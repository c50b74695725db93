"""The ledger: nothing in the journal can be changed, removed, added, put elsewhere or cut off without being found."""

import tracemalloc
from collections.abc import Callable

import pytest
from sqlalchemy import select

from cds_hooks.journal import stored, verify
from cds_hooks.journal.audit import Journal
from cds_hooks.journal.ledger import BEGINNING, Book, Head, Kind, digest_of, hash_of
from cds_hooks.journal.tables import ledger
from cds_hooks.journal.verify import verifying
from tests.cds_hooks.journal.journals import ADatabase, faults, record, refuse, rows, some_of_each, tamper


def head(journal: Journal) -> Head:
    with verifying(journal) as verification:
        assert list(verification.findings()) == []
        return verification.head


def test_a_journal_that_nobody_touched_is_whole(journal: Journal) -> None:
    assert faults(journal) == []
    some_of_each(journal)
    assert [(row["number"], row["kind"], row["row"]) for row in rows(journal, ledger)] == [
        (1, "call", 1),
        (2, "call", 2),
        (3, "call", 3),
        (4, "refusal", 4),
        (5, "blocked", 5),
        (6, "feedback", 6),
        (7, "unclaimed", 7),
    ]
    assert head(journal).number == 7


def test_each_entry_covers_the_one_before(journal: Journal) -> None:
    some_of_each(journal)
    previous = BEGINNING
    for row in rows(journal, ledger):
        assert row["hash"] == hash_of(previous, row["number"], row["kind"], row["row"], row["digest"])
        previous = row["hash"]


def test_a_digest_leaves_out_what_is_absent_and_orders_what_has_no_order() -> None:
    one, two = {"uuid": "1", "detail": None}, {"uuid": "2", "detail": "d"}
    assert digest_of({"a": 1, "b": None}, [one, two]) == digest_of({"a": 1}, [two, one])
    assert digest_of({"a": 1}) != digest_of({"a": 2})


ALTERED = [
    ("UPDATE invocations SET patient = 'p9' WHERE number = 2", "call 2: altered"),
    ("UPDATE invocations SET outcome = '{}' WHERE number = 2", "call 2: altered"),
    ("UPDATE invocations SET at = '2024-06-01 12:00:01' WHERE number = 2", "call 2: altered"),
    ("UPDATE invocations SET tenant = NULL WHERE number = 2", "call 2: altered"),
    ("UPDATE cards SET summary = 'all is well' WHERE invocation = 2", "call 2: altered"),
    ("DELETE FROM cards WHERE invocation = 2", "call 2: altered"),
    ("UPDATE refusals SET status = 500", "refusal 4: altered"),
    ("UPDATE blocked SET host = 'example.org'", "blocked 5: altered"),
    ("UPDATE feedback SET outcome = 'accepted'", "feedback 6: altered"),
    ("UPDATE unclaimed_feedback SET cause = 'another'", "unclaimed 7: altered"),
    ("UPDATE ledger SET kind = 'nothing' WHERE number = 7", "ledger 7: altered, or an entry before it was"),
    ("UPDATE ledger SET hash = digest WHERE number = 7", "ledger 7: altered, or an entry before it was"),
]


@pytest.mark.parametrize(("statement", "found"), ALTERED, ids=[statement for statement, _ in ALTERED])
def test_what_was_altered_is_found(journal: Journal, statement: str, found: str) -> None:
    some_of_each(journal)
    tamper(journal, statement)
    assert found in faults(journal)


def test_what_cannot_even_be_read_is_altered(journal: Journal) -> None:
    some_of_each(journal)
    if journal.engine.dialect.name == "sqlite":
        tamper(journal, "UPDATE invocations SET at = 'never' WHERE number = 2")
        assert faults(journal) == ["call 2: altered"]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DELETE FROM refusals", ["refusal 4: missing"]),
        ("DELETE FROM feedback", ["feedback 6: missing"]),
        ("DELETE FROM ledger WHERE number = 1", ["ledger 2: " + verify.NO_BEGINNING, "call 1: " + verify.ADDED]),
        ("DELETE FROM ledger WHERE number = 4", ["ledger 4: missing", "refusal 4: " + verify.ADDED]),
        (
            "DELETE FROM ledger WHERE number IN (4, 5)",
            ["ledger 4: missing, with all up to 5", "refusal 4: " + verify.ADDED, "blocked 5: " + verify.ADDED],
        ),
    ],
)
def test_what_is_missing_is_found(journal: Journal, statement: str, found: list[str]) -> None:
    some_of_each(journal)
    tamper(journal, statement)
    assert faults(journal) == found


def test_a_missing_call_is_found_though_its_cards_are_there(journal: Journal) -> None:
    some_of_each(journal)
    if journal.engine.dialect.name == "postgresql":
        tamper(journal, "ALTER TABLE cards DROP CONSTRAINT fk_cards_invocation")
    tamper(journal, "DELETE FROM invocations WHERE number = 2")
    assert faults(journal) == ["call 2: missing", "call 2: missing, though it has cards"]


@pytest.mark.parametrize("number", [0, 2, 9], ids=["before", "between", "after"])
def test_what_was_added_is_found(journal: Journal, number: int) -> None:
    some_of_each(journal)
    tamper(
        journal,
        "INSERT INTO refusals (id, at, correlation, issuer, service, status, faults) "
        f"SELECT {number}, at, correlation, issuer, service, status, faults FROM refusals",
    )
    assert faults(journal) == [f"refusal {number}: added: the ledger knows nothing of it"]


def test_an_added_card_is_found(journal: Journal) -> None:
    some_of_each(journal)
    columns = "place, indicator, summary, shown, suggestions"
    tamper(
        journal,
        f"INSERT INTO cards (uuid, invocation, {columns}) SELECT 'x', 2, {columns} FROM cards WHERE invocation = 1",
    )
    assert faults(journal) == ["call 2: altered"]


def test_what_was_put_in_another_order_is_found(journal: Journal) -> None:
    some_of_each(journal)
    tamper(journal, *swapped("ledger", "number", 1, 2))
    assert faults(journal) == [
        "ledger 1: " + verify.NO_BEGINNING,
        "ledger 2: altered, or an entry before it was",
        "call 1: out of order",
        "ledger 3: altered, or an entry before it was",
    ]


def test_rows_that_changed_places_are_found(journal: Journal) -> None:
    some_of_each(journal)
    if journal.engine.dialect.name == "postgresql":
        tamper(journal, "ALTER TABLE cards DROP CONSTRAINT fk_cards_invocation")
    tamper(journal, *swapped("invocations", "number", 1, 2))
    assert faults(journal) == ["call 1: altered", "call 2: altered"]


def swapped(table: str, key: str, one: int, two: int) -> list[str]:
    steps = [(one, -1), (two, one), (-1, two)]
    return [f"UPDATE {table} SET {key} = {after} WHERE {key} = {before}" for before, after in steps]


def cut_off(journal: Journal) -> None:
    tamper(journal, "DELETE FROM ledger WHERE number > 5", "DELETE FROM feedback", "DELETE FROM unclaimed_feedback")


def write_anew(journal: Journal) -> None:
    """Do what only somebody can who may write everything: change a row, and all entries after it."""
    tamper(journal, "DELETE FROM ledger")

    def write(book: Book) -> None:
        for kind in Kind:
            for row in stored.stored_rows(book.connection, kind):
                assert row.digest is not None
                book.enter(kind, row.digest, row=row.number)

    tamper(journal, "UPDATE refusals SET status = 200")
    journal.write(write)


@pytest.mark.parametrize(
    ("change", "found"),
    [(cut_off, "ledger 5: " + verify.CUT_OFF), (write_anew, "ledger 7: " + verify.OTHER)],
    ids=["cut off", "written anew"],
)
def test_what_the_chain_alone_cannot_show_is_found_by_its_expected_end(
    journal: Journal, change: Callable[[Journal], None], found: str
) -> None:
    some_of_each(journal)
    end = head(journal)
    record(journal)
    assert faults(journal, end) == []
    tamper(journal, "DELETE FROM cards WHERE invocation = 8", "DELETE FROM invocations WHERE number = 8")
    tamper(journal, "DELETE FROM ledger WHERE number = 8")
    assert faults(journal, end) == []
    change(journal)
    assert faults(journal) == []
    assert faults(journal, end) == [found]


def test_nothing_depends_on_how_many_rows_are_read_at_once(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    some_of_each(journal, calls=5)
    tamper(journal, "UPDATE invocations SET patient = 'p9' WHERE number = 2")
    for name in (stored, verify):
        monkeypatch.setattr(name, "AT_ONCE", 1)
    assert faults(journal) == ["call 2: altered"]


def test_more_added_rows_than_can_be_held_are_all_found(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    some_of_each(journal)
    monkeypatch.setattr(verify, "MOST_HELD", 1)
    insert = "INSERT INTO refusals (id, at, correlation, issuer, service, status, faults) SELECT "
    for number in (-3, -2, -1):
        tamper(
            journal, f"{insert}{number}, at, correlation, issuer, service, status, faults FROM refusals WHERE id = 4"
        )
    assert sorted(faults(journal)) == [f"refusal {number}: {verify.ADDED}" for number in (-1, -2, -3)]


def test_a_head_is_read_as_it_is_written(journal: Journal) -> None:
    some_of_each(journal)
    end = head(journal)
    assert Head.parse(str(end)) == end
    assert [Head.parse(text) for text in ("", "7", "7:abc", f"x:{BEGINNING}")] == [None] * 4


def test_while_it_is_verified_others_write(journal: Journal) -> None:
    some_of_each(journal)
    with verifying(journal) as verification:
        findings = verification.findings()
        assert next(findings, None) is None
        record(journal)
        assert verification.entries == 7
    assert len(journal.read(lambda it: it.execute(select(ledger)).all())) == 8


def test_verifying_takes_no_more_memory_for_more_rows(sqlite: ADatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (stored, verify):
        monkeypatch.setattr(name, "AT_ONCE", 20)
    with sqlite.journal() as journal:
        peaks = []
        for _ in range(2):
            for _ in range(300):
                refuse(journal)
            faults(journal)  # what is remembered once for all is there
            tracemalloc.start()
            assert faults(journal) == []
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.2
