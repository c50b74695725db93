"""Connections that read: one a thread, for opening one costs more than the reading itself."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from weakref import WeakSet

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from cds_hooks.errors import NotRecorded
from cds_hooks.journal.database import READING, file_of
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
        try:
            with self.reading() as connection:
                return work(connection)
        except NotRecorded as error:
            if error.__cause__ is None or not is_broken(error.__cause__):
                raise
        with self.reading() as connection:
            return work(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read; no writer waits for it.

        Raises:
            NotRecorded: the journal cannot be read.
        """
        try:
            connection = self._connection()
            try:
                yield connection
            finally:
                connection.rollback()
        except (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error) as error:
            self._let_go()
            raise NotRecorded(cause=trouble_of(error)) from error

    def close(self) -> None:
        """Close what any thread still holds."""
        for connection in list(self._open):
            connection.close()
        self._held = threading.local()

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._held, "connection", None)
        if connection is not None and self._held.file == file_of(self._engine):
            connection.begin()
            return connection
        self._let_go()  # none yet, or its file is gone, or another
        connection = self._engine.connect()
        connection.info[READING] = True
        self._held.connection, self._held.file = connection, file_of(self._engine)
        self._open.add(connection)
        connection.begin()
        return connection

    def _let_go(self) -> None:
        connection = getattr(self._held, "connection", None)
        self._held.__dict__.clear()
        if connection is not None:
            connection.invalidate()
            connection.close()
