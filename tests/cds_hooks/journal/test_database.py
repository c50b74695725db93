"""The journal's database: made from nothing, the same as its tables say, and refused when it is too new."""

import threading
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from cds_hooks.journal.database import is_current, is_known, migrate, open_database, where
from cds_hooks.journal.tables import metadata


def url_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'journal.db'}"


def test_migrations_make_exactly_the_tables_that_are_declared(tmp_path: Path) -> None:
    engine = open_database(url_in(tmp_path))
    with engine.connect() as connection:
        assert is_known(connection)
        assert not is_current(connection)
    migrate(engine)
    with engine.connect() as connection:
        assert is_current(connection)
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}
        rowids = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'cards'").scalar_one()
        assert rowids.rstrip().endswith("WITHOUT ROWID")


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
    assert told == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 5000}


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
