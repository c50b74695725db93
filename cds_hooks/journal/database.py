"""The journal's database: SQLite for one machine, PostgreSQL for several; brought to the newest shape under a lock."""

import os
import time
from contextlib import suppress
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from sqlite3 import OperationalError
from typing import Any

import orjson
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

BUSY_MS = 5000  # how long a writer waits for another one before the call is answered with 503
# Pages are written back into the database file, with a sync, once in so many: ten times the usual number nearly halves
# the mean cost of a call, for a log of up to 40 MB beside the file.
CHECKPOINT_PAGES = 10_000
_SWITCH_MS = 10
READING = "chartside_reading"  # marks a connection, for a while, as one that no writer need wait for
_MIGRATION_LOCK = 0x43485254  # any constant: advisory locks are named by number


def open_database(url: str) -> Engine:
    """Give an engine for the journal; nothing is touched until it is used."""
    sqlite = make_url(url).get_backend_name() == "sqlite"
    engine = create_engine(
        url,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        poolclass=NullPool,  # each thread holds its own, see Journal
    )
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def exists(url: str) -> bool:
    """Tell whether there is a journal; merely opening an SQLite database would make one."""
    parsed = make_url(url)
    return parsed.get_backend_name() != "sqlite" or Path(str(parsed.database)).is_file()


def file_of(engine: Engine) -> tuple[int, int] | None:
    """Tell which file lies at the address now; None if there is none, or the database is a server."""
    if engine.dialect.name != "sqlite":
        return None
    try:
        found = os.stat(str(engine.url.database))  # noqa: PTH116 - at every call: a Path costs as much as the question
    except OSError:
        return None
    return found.st_dev, found.st_ino


def where(url: str) -> str:
    """Say where the journal lies, without a password."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return str(Path(str(parsed.database)).resolve())
    return parsed.render_as_string(hide_password=True)


def migrate(engine: Engine) -> None:
    """Bring the tables to the newest shape; whoever else tries at the same moment waits and then finds it done."""
    with as_file(files("cds_hooks.journal") / "migrations") as scripts, engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        config = _config(scripts)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(connection: Connection) -> bool:
    """Tell whether the tables have the shape that this version writes."""
    return _revision(connection) == _revisions()[0]


def is_known(connection: Connection) -> bool:
    """Tell whether this version can bring the tables to the newest shape: they are empty, or of a shape it knows."""
    return _revision(connection) in {None, *_revisions()}


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@cache
def _revisions() -> tuple[str, ...]:
    """Every revision of the tables, newest first."""
    with as_file(files("cds_hooks.journal") / "migrations") as scripts:
        return tuple(script.revision for script in ScriptDirectory.from_config(_config(scripts)).walk_revisions())


def _config(scripts: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Python's own transaction handling begins late and, before 3.12, never around DDL; `_begin_sqlite` does it instead.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    _keep_a_log_beside(connection)
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON", f"wal_autocheckpoint={CHECKPOINT_PAGES}"):
        connection.execute(f"PRAGMA {pragma}")


def _keep_a_log_beside(connection: Any) -> None:
    """Switch to a write-ahead log. Of two that switch a new database at once SQLite refuses one without waiting."""
    for _ in range(BUSY_MS // _SWITCH_MS):
        with suppress(OperationalError):
            connection.execute("PRAGMA journal_mode=WAL")
            return
        time.sleep(_SWITCH_MS / 1000)
    connection.execute("PRAGMA journal_mode=WAL")


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE: a transaction that reads first and writes later fails at once, without waiting, if another wrote
    # in between (SQLITE_BUSY_SNAPSHOT).
    database: Any = connection.connection.dbapi_connection
    database.execute("BEGIN" if READING in connection.info else "BEGIN IMMEDIATE")
