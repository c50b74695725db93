"""Each test of the journal runs over SQLite, and over PostgreSQL where the environment names a server."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_hooks.journal.audit import Journal
from tests.cds_hooks.journal.journals import POSTGRES_URL, ADatabase, a_postgresql_database

WHY = f"runs over the server that {POSTGRES_URL} names: make test-postgres"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ADatabase]:
    if request.param == "sqlite":
        yield ADatabase(f"sqlite:///{tmp_path / 'journal.db'}")
        return
    server = os.environ.get(POSTGRES_URL)
    if server is None:
        pytest.skip(WHY)
    with a_postgresql_database(server) as database:
        yield database


@pytest.fixture
def sqlite(tmp_path: Path) -> ADatabase:
    return ADatabase(f"sqlite:///{tmp_path / 'journal.db'}")


@pytest.fixture
def journal(database: ADatabase) -> Iterator[Journal]:
    with database.journal() as journal:
        yield journal
