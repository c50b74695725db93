"""Combined commits: what several threads write at the same moment goes to disk together.

There is no thread that only writes: it would cost a lone caller half as much again. The first thread that comes leads;
those who come while it commits leave their work in the queue, and one of them does all of it when the leader is done.
"""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from cds_hooks.errors import JournalTrouble, NotRecorded
from cds_hooks.journal import ledger
from cds_hooks.journal.database import begin_writing, commit, driver_of, file_of, rollback, turns_at
from cds_hooks.journal.ledger import Book, Head
from cds_hooks.journal.troubles import is_broken, is_from_a_database, is_of_the_database, trouble_of
from cds_hooks.journal.turns import Turns

_T = TypeVar("_T")

MOST_TOGETHER: Final = 64  # beyond that a transaction would keep its first callers waiting for the sake of its last
_TRIES: Final = 2


class _Work:
    """One thread's writing: what it is, and what became of it."""

    __slots__ = ("error", "is_done", "is_durable", "result", "run", "signal")

    def __init__(self, run: Callable[[Book], Any], *, is_durable: bool) -> None:
        self.run = run
        self.is_durable = is_durable
        self.is_done = False
        self.result: Any = None
        self.error: Exception | None = None
        self.signal = threading.Lock()
        self.signal.acquire()


class Writer:
    """The one connection of a process that writes; any thread may use it."""

    def __init__(self, engine: Engine, *, most_together: int = MOST_TOGETHER) -> None:
        """Open nothing yet."""
        self._engine = engine
        self._most_together = most_together
        self._add = ledger.add_to(engine)
        self._guard = threading.Lock()
        self._queue: deque[_Work] = deque()
        self._is_led = False
        self._connection: Connection | None = None
        self._file: tuple[int, int] | None = None
        self._turns: Turns | None = None
        self.trouble: JournalTrouble | None = None  # why the last writing failed, if it did

    def write(self, run: Callable[[Book], _T], *, is_durable: bool = True) -> _T:
        """Do some writing in one transaction, with that of other threads; durable: it is on disk when this returns.

        Raises:
            NotRecorded: nothing of it was written.
        """
        work = _Work(run, is_durable=is_durable)
        with self._guard:
            self._queue.append(work)
            leads = not self._is_led
            self._is_led = True
        if not leads:
            work.signal.acquire()
        if not work.is_done:
            self._lead()
        if work.error is not None:
            raise work.error
        result: _T = work.result
        return result

    def close(self) -> None:
        """Close the connection; the next writing opens another."""
        with self._guard:
            self._let_go()

    def _lead(self) -> None:
        """Do what has gathered, which begins with this thread's own, and let the next one lead."""
        with self._guard:
            together = [self._queue.popleft() for _ in range(min(len(self._queue), self._most_together))]
        try:
            self._do(together)
        finally:
            for work in together:
                if not work.is_done:  # this thread is being ended; the others must not wait for it
                    work.error, work.is_done = NotRecorded(), True
            with self._guard:
                successor = self._queue[0] if self._queue else None
                self._is_led = successor is not None
            for work in together[1:]:
                work.signal.release()
            if successor is not None:
                successor.signal.release()

    def _do(self, together: list[_Work]) -> None:
        try:
            results = self._commit(together)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever asked for this writing
            self._fail(together, error)
            return
        self.trouble = None
        for work, result in zip(together, results, strict=True):
            work.result, work.is_done = result, True

    def _fail(self, together: list[_Work], error: Exception) -> None:
        """Let one bad writing fail alone; where the database fails, all do."""
        if len(together) > 1 and not is_of_the_database(error):
            for work in together:
                self._do([work])
            return
        if is_of_the_database(error):
            self.trouble = trouble_of(error)
        for work in together:
            work.error, work.is_done = _as_told(error), True

    def _commit(self, together: list[_Work]) -> list[Any]:
        """Do all of it in one transaction; once more on a new connection if the connection is lost."""
        is_durable = any(work.is_durable for work in together)
        done: tuple[Head, list[Any]] | None = None
        for left in reversed(range(_TRIES)):
            try:
                connection = self._held_connection()
                with self._turn():
                    begin_writing(connection, is_durable=is_durable)
                    if done is not None and ledger.has(driver_of(connection), done[0]):
                        rollback(connection)  # the commit had arrived before the connection was lost
                        return done[1]
                    book = Book(connection, self._add)
                    results = [work.run(book) for work in together]
                    done = (book.head, results) if book.is_written else None
                    commit(connection)
                    return results
            except BaseException as error:
                self._undo(error)
                if not left or not is_broken(error):
                    raise
        raise NotRecorded  # never reached: the last try returns or raises

    def _held_connection(self) -> Connection:
        if self._connection is not None and self._file != file_of(self._engine):
            # Its file is gone, or another: SQLite would go on writing where nobody will ever read.
            self._let_go()
        if self._connection is None:
            self._connection = self._engine.connect()
            self._file = file_of(self._engine)
            self._turns = turns_at(self._engine)
        return self._connection

    def _turn(self) -> AbstractContextManager[None]:
        return nullcontext() if self._turns is None else self._turns.turn()

    def _undo(self, error: BaseException) -> None:
        """Roll back what failed by itself; after a failure of the database or of this thread, start afresh."""
        if self._connection is not None and isinstance(error, Exception) and not is_of_the_database(error):
            with suppress(SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error):
                rollback(self._connection)
                return
        self._let_go()

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        turns, self._turns = self._turns, None
        if connection is not None:
            connection.invalidate()
            connection.close()
        if turns is not None:
            turns.close()


def _as_told(error: Exception) -> Exception:
    """Give the error that the caller is to see: our own words for the database's, any other as it is."""
    if not is_from_a_database(error):
        return error
    told = NotRecorded(cause=trouble_of(error))
    told.__cause__ = error
    return told
