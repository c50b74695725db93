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
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from cds_hooks.errors import JournalTrouble
from cds_hooks.journal.troubles import trouble_of
from cds_hooks.journal.turns import Turns

# How long a writer waits for another one before the call is answered with 503: less than any deadline, so that
# somebody still listens. Before that it waits for its turn, which comes soon unless another process hangs.
BUSY_MS = 2000
TURN_SECONDS = 0.5
CONNECT_SECONDS = 3
# Pages are written back into the database file, with a sync, once in so many. Measured: fewer make the slowest calls
# slower, more gain nothing, and the log beside the file grows, which costs each call more than to write over it.
CHECKPOINT_PAGES = 4000
_SWITCH_MS = 10
READING = "chartside_reading"  # marks a connection, for a while, as one that no writer need wait for
PRIVATE = 0o600  # the journal names patients
# Any constants: advisory locks are named by number.
_MIGRATION_LOCK = 0x43485254
_WRITING_LOCK = 0x4A4F5552
_FULL = "chartside_full"  # notes on a connection how SQLite was told to write
# A server that does not answer must not hold up a call, nor a worker that hangs the journal's lock.
_POSTGRESQL_LIMITS = {
    "lock_timeout": f"{BUSY_MS}ms",
    "statement_timeout": "10s",
    "idle_in_transaction_session_timeout": "10s",
}
_POSTGRESQL_ARGUMENTS = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}


def open_database(url: str) -> Engine:
    """Give an engine for the journal; nothing is touched until it is used."""
    parsed = make_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    engine = create_engine(
        parsed,
        # One connection writes for all threads of a process, one at a time: see Writer.
        connect_args={"check_same_thread": False} if is_sqlite else _POSTGRESQL_ARGUMENTS,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        hide_parameters=True,  # an error must not carry what was to be written
        poolclass=NullPool,  # who reads or writes holds its own, see Journal
    )
    if is_sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _prepare_postgresql)
    return engine


def begin_writing(connection: Connection, *, is_durable: bool = True) -> None:
    """Begin a transaction in which nobody else writes; durable: on disk once it is committed."""
    driver = driver_of(connection)
    if connection.dialect.name == "sqlite":
        if connection.info.get(_FULL) is not is_durable:
            driver.execute(f"PRAGMA synchronous={'FULL' if is_durable else 'NORMAL'}")
            connection.info[_FULL] = is_durable
        driver.execute("BEGIN IMMEDIATE")
        return
    driver.execute(f"SELECT pg_advisory_xact_lock({_WRITING_LOCK})")
    if not is_durable:
        driver.execute("SET LOCAL synchronous_commit = off")


def commit(connection: Connection) -> None:
    """End what `begin_writing` began."""
    if connection.in_transaction():  # SQLAlchemy has joined in, and must know that it is over
        connection.commit()
    else:
        driver_of(connection).commit()


def rollback(connection: Connection) -> None:
    """Undo what was done since `begin_writing`."""
    if connection.in_transaction():
        connection.rollback()
    else:
        driver_of(connection).rollback()


def driver_of(connection: Connection) -> Any:
    """Give the driver's own connection: a statement costs SQLAlchemy several times what it costs SQLite.

    Both drivers have `execute`, with a cursor as its answer, and the errors of the DB-API.
    """
    return connection.connection.dbapi_connection


def without_limits(connection: Connection) -> None:
    """Let this transaction take as long as it takes: it is an operator's, not a call's."""
    if connection.dialect.name == "postgresql":
        for name in _POSTGRESQL_LIMITS:
            connection.exec_driver_sql(f"SET LOCAL {name} = 0")


def see_one_moment(connection: Connection) -> None:
    """Let a transaction that just began see the same journal to its end; SQLite does so by itself."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        without_limits(connection)


def turns_at(engine: Engine) -> Turns | None:
    """Give the turns that processes take at an SQLite file; a server lets those who wait in by itself."""
    if engine.dialect.name != "sqlite":
        return None
    with suppress(OSError):
        return Turns(Path(f"{engine.url.database}.lock"), wait_seconds=TURN_SECONDS)
    return None  # a directory that cannot be written: SQLite will say so


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


def migrate(engine: Engine, *, to: str = "head") -> None:
    """Bring the tables to the newest shape; whoever else tries at the same moment waits and then finds it done.

    A revision before the newest is for tests, and for who must go back.
    """
    _make_private(engine)
    with as_file(files("cds_hooks.journal") / "migrations") as scripts, engine.begin() as connection:
        without_limits(connection)
        if engine.dialect.name == "postgresql":
            for key in (_MIGRATION_LOCK, _WRITING_LOCK):
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({key})")
        config = _config(scripts)
        config.attributes["connection"] = connection
        is_back = to != "head" and _revision(connection) not in (None, to)
        (command.downgrade if is_back else command.upgrade)(config, to)


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
    for pragma in ("synchronous=FULL", "foreign_keys=ON", f"wal_autocheckpoint={CHECKPOINT_PAGES}"):
        connection.execute(f"PRAGMA {pragma}")


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        for name, limit in _POSTGRESQL_LIMITS.items():
            cursor.execute(f"SET {name} = '{limit}'")
    connection.commit()


def _keep_a_log_beside(connection: Any) -> None:
    """Switch to a write-ahead log. Of two that switch a new database at once SQLite refuses one without waiting."""
    for _ in range(BUSY_MS // _SWITCH_MS):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except OperationalError as error:
            if trouble_of(error) is not JournalTrouble.LOCKED:
                raise
        else:
            return
        time.sleep(_SWITCH_MS / 1000)
    connection.execute("PRAGMA journal_mode=WAL")


def _make_private(engine: Engine) -> None:
    """Let nobody else read the file, new or old; SQLite gives the files beside it the same permissions."""
    if engine.dialect.name != "sqlite":
        return
    path = Path(str(engine.url.database))
    with suppress(OSError):  # SQLite itself will say what is wrong with it
        path.touch(PRIVATE)
        for each in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
            if each.exists():
                each.chmod(PRIVATE)


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE: a transaction that reads first and writes later fails at once, without waiting, if another wrote
    # in between (SQLITE_BUSY_SNAPSHOT).
    driver = driver_of(connection)
    if not driver.in_transaction:  # else `begin_writing` has begun it
        driver.execute("BEGIN" if READING in connection.info else "BEGIN IMMEDIATE")
