"""The journal's database: made from nothing, the same as its tables say, and refused when it is too new."""

import stat
import threading
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from cds_hooks.journal.database import is_current, is_known, migrate, open_database, where
from cds_hooks.journal.erase import OfPatient, erase
from cds_hooks.journal.reading import newest_calls
from cds_hooks.journal.tables import invocations, ledger, metadata
from tests.cds_hooks.journal.journals import NOW, ADatabase, faults, record, rows, tamper


def url_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'journal.db'}"


def test_migrations_make_exactly_the_tables_that_are_declared(database: ADatabase) -> None:
    engine = open_database(database.url)
    with engine.connect() as connection:
        assert is_known(connection)
        assert not is_current(connection)
    migrate(engine)
    with engine.connect() as connection:
        assert is_current(connection)
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_cards_are_kept_in_the_order_of_their_uuids(tmp_path: Path) -> None:
    engine = open_database(url_in(tmp_path))
    migrate(engine)
    with engine.connect() as connection:
        made = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'cards'").scalar_one()
    assert made.rstrip().endswith("WITHOUT ROWID")


def test_the_journal_and_the_files_beside_it_are_their_owners_alone(sqlite: ADatabase) -> None:
    sqlite.path.touch(0o644)
    with sqlite.journal() as journal:
        record(journal)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in sqlite.path.parent.glob("journal.db*")}
    assert modes == dict.fromkeys(("journal.db", "journal.db-wal", "journal.db-shm", "journal.db.lock"), 0o600)


AN_OLD_CALL = """
INSERT INTO invocations (number, id, at, correlation, issuer, tenant, "user", hook, hook_instance, service, state,
    patient, duration_ms, outcome)
VALUES ({number}, 'id-{number}', '2024-06-01 12:00:00.000000', 'c', 'anonymous', NULL, 'Practitioner/u1',
    'patient-view', 'h', 's', 'live', 'p{number}', 3, '{{"assessments":[],"availability":{{}}}}')
"""
AN_OLD_CARD = """
INSERT INTO cards (uuid, invocation, indicator, summary, shown, suggestions)
VALUES ('card-{uuid}', {call}, 'info', 'a summary', true, '{{"s":"a label"}}')
"""
OLD_FEEDBACK = """
INSERT INTO feedback (id, digest, card, outcome, accepted_suggestions, comment, outcome_at, received_at, correlation,
    flags)
VALUES (1, 'd', 'card-1', 'overridden', '[]', 'a comment', '2024-06-01 12:00:00', '2024-06-01 12:00:00', 'c', '[]')
"""
OLD_REFUSAL = """
INSERT INTO refusals (id, at, correlation, issuer, service, status, faults)
VALUES ({id}, '2024-06-01 12:00:00.500000', 'c', 'anonymous', 's', 400, '[]')
"""
OLD_UNCLAIMED = """
INSERT INTO unclaimed_feedback (id, digest, card, service, issuer, cause, received_at, correlation)
VALUES (1, 'd', 'x', 's', 'anonymous', 'unknown card', '2024-06-01 12:00:00', 'c')
"""


def an_old_journal(database: ADatabase, *statements: str) -> None:
    """Make a journal of the first shape, with rows."""
    engine = open_database(database.url)
    migrate(engine, to="0001")
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_rows_of_the_first_shape_are_entered_in_the_ledger(database: ADatabase) -> None:
    an_old_journal(
        database,
        *(AN_OLD_CALL.format(number=number) for number in (1, 2, 7)),
        *(AN_OLD_CARD.format(uuid=uuid, call=call) for uuid, call in ((1, 1), (2, 7), (3, 7))),
        OLD_FEEDBACK,
        OLD_REFUSAL.format(id=1),
        OLD_UNCLAIMED,
    )
    with database.journal() as journal:
        assert faults(journal) == []
        entries = [(row["number"], row["kind"], row["row"]) for row in rows(journal, ledger)]
        assert entries == [
            (2, "call", 1),
            (3, "call", 2),
            (4, "call", 7),
            (5, "refusal", 1),
            (6, "feedback", 1),
            (7, "unclaimed", 1),
        ]
        record(journal)
        assert rows(journal, invocations)[-1]["number"] == 8
        assert faults(journal) == []
        [old] = [call for call in newest_calls(journal, limit=9) if call["patient"] == "p7"]
        assert [card["uuid"] for card in old["cards"]] == ["card-2", "card-3"]
        assert erase(journal, OfPatient("p1"), at=NOW)["call"] == 2  # the new call is about p1, too
        assert faults(journal) == []
        tamper(journal, "UPDATE cards SET summary = 'another' WHERE uuid = 'card-2'")
        assert faults(journal) == ["call 7: altered"]


def test_the_first_shape_without_rows_begins_the_ledger_at_one(database: ADatabase) -> None:
    an_old_journal(database)
    with database.journal() as journal:
        record(journal)
        assert [row["number"] for row in rows(journal, ledger)] == [1]


def test_more_old_rows_than_are_read_at_once_are_all_entered(sqlite: ADatabase) -> None:
    an_old_journal(sqlite, *(OLD_REFUSAL.format(id=number) for number in range(1, 1102)))
    with sqlite.journal() as journal:
        assert [row["number"] for row in rows(journal, ledger)] == list(range(1, 1102))
        assert faults(journal) == []


def test_the_way_back_keeps_what_the_first_shape_held(database: ADatabase) -> None:
    engine = open_database(database.url)
    with database.journal() as journal:
        record(journal)
    migrate(engine, to="0001")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM cards")).scalar_one() == 1
        assert not is_current(connection)
        assert is_known(connection)


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    engine = open_database(url_in(tmp_path))
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO refusals (at, correlation, issuer, service, status, faults) "
                "VALUES ('2024-06-01', 'c', 'i', 's', 400, '[]')"
            )
        )
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM refusals")).scalar_one() == 1


def test_those_who_migrate_at_once_wait_for_each_other(tmp_path: Path) -> None:
    failures: list[BaseException] = []
    together = threading.Barrier(6)

    def start() -> None:
        together.wait()
        try:
            migrate(open_database(url_in(tmp_path)))
        except BaseException as error:  # noqa: BLE001 - it is what the test looks for
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_journal_of_a_newer_version_is_not_known(tmp_path: Path) -> None:
    engine = open_database(url_in(tmp_path))
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with engine.connect() as connection:
        assert not is_known(connection)
        assert not is_current(connection)


def test_sqlite_is_told_how_to_write(tmp_path: Path) -> None:
    with open_database(url_in(tmp_path)).connect() as connection:
        told = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert told == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 2000}


def test_the_journal_says_where_it_lies_without_a_password(tmp_path: Path) -> None:
    assert where(url_in(tmp_path)) == str((tmp_path / "journal.db").resolve())
    assert (
        where("postgresql+psycopg://me:secret@db.example/journal") == "postgresql+psycopg://me:***@db.example/journal"
    )


def test_every_table_can_be_made_on_postgresql() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    statements = [str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables]
    assert all("TIMESTAMP WITH TIME ZONE" in each for each in statements if "_at " in each)
    assert len(statements) == len(metadata.tables)
