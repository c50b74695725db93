"""Connections that read: one a thread, for opening one costs more than the reading itself."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from weakref import WeakSet

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from cds_hooks.errors import NotRecorded
from cds_hooks.journal.database import READING, driver_of, file_of
from cds_hooks.journal.troubles import is_broken, trouble_of

_T = TypeVar("_T")


class Readers:
    """Gives each thread its own connection, as long as it is good."""

    def __init__(self, engine: Engine) -> None:
        """Open nothing yet."""
        self._engine = engine
        self._held = threading.local()
        self._open: WeakSet[Connection] = WeakSet()

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """Read; once more on a new connection if the server was restarted.

        Raises:
            NotRecorded: the journal cannot be read.
        """

        def reading() -> _T:
            with self.reading() as connection:
                return work(connection)

        return _twice(reading)

    def look_up(self, sql: str, parameters: Any) -> list[tuple[Any, ...]]:
        """Give what one statement finds, asked in the driver's own words; once more if the server was restarted.

        On the way of a call: to begin and end a transaction of SQLAlchemy's costs several times as much as the answer.

        Raises:
            NotRecorded: the journal cannot be read.
        """
        return _twice(lambda: self._look_up(sql, parameters))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read; no writer waits for it.

        Raises:
            NotRecorded: the journal cannot be read.
        """
        try:
            connection = self._connection()
            connection.begin()
            try:
                yield connection
            finally:
                connection.rollback()
        except (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error) as error:
            raise self._told(error) from error

    def close(self) -> None:
        """Close what any thread still holds."""
        for connection in list(self._open):
            connection.close()
        self._held = threading.local()

    def _look_up(self, sql: str, parameters: Any) -> list[tuple[Any, ...]]:
        try:
            driver = driver_of(self._connection())
            try:
                found: list[tuple[Any, ...]] = driver.execute(sql, parameters).fetchall()
                return found
            finally:
                driver.rollback()  # PostgreSQL has begun a transaction; SQLite needs none
        except (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error) as error:
            raise self._told(error) from error

    def _told(self, error: Exception) -> NotRecorded:
        self._let_go()
        return NotRecorded(cause=trouble_of(error))

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._held, "connection", None)
        if connection is not None and self._held.file == file_of(self._engine):
            return connection
        self._let_go()  # none yet, or its file is gone, or another
        connection = self._engine.connect()
        connection.info[READING] = True
        self._held.connection, self._held.file = connection, file_of(self._engine)
        self._open.add(connection)
        return connection

    def _let_go(self) -> None:
        connection = getattr(self._held, "connection", None)
        self._held.__dict__.clear()
        if connection is not None:
            connection.invalidate()
            connection.close()


def _twice(reading: Callable[[], _T]) -> _T:
    """Read; once more if the connection was lost: the next one is new."""
    try:
        return reading()
    except NotRecorded as error:
        if error.__cause__ is None or not is_broken(error.__cause__):
            raise
    return reading()
