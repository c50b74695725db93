"""The roles of deploy/postgres, on a real PostgreSQL: `make test-postgres`."""

import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import NullPool

from cds_hooks.journal.audit import Journal
from cds_hooks.journal.database import open_database
from cds_hooks.journal.replay import Seen
from cds_hooks.journal.tables import metadata
from tests.cds_hooks.journal.journals import POSTGRES_URL, some_of_each
from tests.deploy.reading import DEPLOY

SERVER = os.environ.get(POSTGRES_URL)
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(SERVER is None, reason="runs over a real server: make test-postgres"),
]
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ROLES = ("chartside", "chartside_owner", "chartside_auditor")


def _psql(url: URL, script: str, *more: str) -> None:
    where = [f"--host={url.query['host']}", f"--username={url.username}", f"--dbname={url.database}"]
    subprocess.run(["psql", "--no-psqlrc", "--quiet", *where, *more, f"--file={DEPLOY / script}"], check=True)


@pytest.fixture(scope="module")
def address() -> Iterator[Callable[[str], str]]:
    """Give a journal with the roles as deploy/ makes it, by the name of the role that opens it."""
    server = make_url(str(SERVER))
    database = server.set(database="chartside_roles")
    _run(server, "CREATE DATABASE chartside_roles")

    def of(role: str) -> str:
        return database.set(username=role).render_as_string(hide_password=False)

    _psql(database, "postgres/roles.sql", "--set=service_password=s", "--set=owner_password=o")
    journal = Journal(open_database(of("chartside_owner")))
    journal.migrate()
    journal.close()
    for _ in range(2):  # as after every later migration
        _psql(database.set(username="chartside_owner"), "postgres/grants.sql")
    # Auditors have logins of their own; here the group itself logs in.
    _run(database, "ALTER ROLE chartside_auditor LOGIN")
    yield of
    _run(server, "DROP DATABASE chartside_roles WITH (FORCE)", *(f"DROP ROLE {role}" for role in ROLES))


@pytest.fixture
def journal(address: Callable[[str], str]) -> Iterator[Journal]:
    journal = Journal(open_database(address("chartside")))
    yield journal
    journal.close()


def _run(url: str | URL, *statements: str) -> object:
    """Run each statement for itself; give the first value of the last."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        results = [connection.execute(text(statement)) for statement in statements]
        return results[-1].scalar() if results[-1].returns_rows else None


def _refused(url: str, statement: str) -> None:
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
        _run(url, statement)


def test_the_service_finds_the_journal_ready_and_writes(journal: Journal) -> None:
    journal.migrate()
    assert journal.is_ready()
    some_of_each(journal)
    assert journal.is_ready()


def test_the_service_forgets_tokens_that_have_expired(journal: Journal) -> None:
    seen = Seen(journal)
    later = NOW + timedelta(minutes=5)
    assert seen.is_first("https://ehr.example", "roles", later, NOW)
    assert not seen.is_first("https://ehr.example", "roles", later, NOW)
    assert seen.is_first("https://ehr.example", "roles", later + timedelta(hours=1), NOW + timedelta(minutes=10))


@pytest.mark.parametrize("table", sorted(set(metadata.tables) - {"seen_tokens"}))
def test_the_service_adds_and_alters_nothing(address: Callable[[str], str], table: str) -> None:
    column = next(iter(metadata.tables[table].columns)).name
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET {column} = {column}", f"TRUNCATE {table}"):
        _refused(address("chartside"), statement)


@pytest.mark.parametrize("statement", ["CREATE TABLE x (i int)", "DROP TABLE ledger", "DELETE FROM alembic_version"])
def test_the_service_changes_no_table(address: Callable[[str], str], statement: str) -> None:
    _refused(address("chartside"), statement)


def test_an_auditor_reads_and_adds_nothing(address: Callable[[str], str]) -> None:
    auditor = address("chartside_auditor")
    assert isinstance(_run(auditor, "SELECT count(*) FROM ledger"), int)
    for table in sorted(metadata.tables):
        _refused(auditor, f"DELETE FROM {table}")
        _refused(auditor, f"INSERT INTO {table} SELECT * FROM {table}")
