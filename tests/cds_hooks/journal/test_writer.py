"""Writing together: what several threads write is committed at once, nothing that was acknowledged is lost."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from cds_hooks.errors import JournalTrouble, NotRecorded
from cds_hooks.journal import writer
from cds_hooks.journal.audit import Journal
from cds_hooks.journal.database import commit
from cds_hooks.journal.ledger import Book, Kind
from cds_hooks.journal.tables import cards, invocations, ledger
from tests.cds_hooks.journal.journals import ADatabase, an_invocation, faults, record, rows

ROOT = Path(__file__).parents[3]


def count(journal: Journal, table: Any = invocations) -> int:
    return int(journal.read(lambda it: it.execute(select(func.count()).select_from(table)).scalar_one()))


COUNT = "SELECT count(*) FROM invocations"


def record_many(journal: Journal) -> None:
    for _ in range(100):
        record(journal)


def together(*works: Callable[[], Any]) -> list[Any]:
    """Do all at once, each in a thread; give what each gave, or its error."""
    results: list[Any] = [None] * len(works)

    def run(place: int) -> None:
        try:
            results[place] = works[place]()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            results[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def behind_a_slow_one(journal: Journal, *works: Callable[[Book], Any]) -> list[Any]:
    """Let works gather in the queue while the first one writes, and give what became of them."""
    has_begun, may_end = threading.Event(), threading.Event()

    def slow(_: Book) -> None:
        has_begun.set()
        may_end.wait(10)

    def let_it_end() -> None:
        has_begun.wait(10)
        until(lambda: len(journal._writer._queue) == len(works))
        may_end.set()

    def after(work: Callable[[Book], Any]) -> Any:
        has_begun.wait(10)
        return journal.write(work)

    first, _, *others = together(
        lambda: journal.write(slow), let_it_end, *(lambda work=work: after(work) for work in works)
    )
    assert first is None
    return others


def until(claim: Callable[[], bool]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + 10
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry for each transaction that was committed."""
    found: list[None] = []

    def counted(connection: Any) -> None:
        commit(connection)
        found.append(None)

    monkeypatch.setattr(writer, "commit", counted)
    return found


def test_what_gathers_while_another_writes_is_committed_at_once(journal: Journal, commits: list[None]) -> None:
    assert behind_a_slow_one(journal, *(lambda book, n=n: (book.next_number, n) for n in range(5))) is not None
    assert len(commits) == 2


def test_a_lone_writer_waits_for_nobody(journal: Journal, commits: list[None]) -> None:
    for _ in range(3):
        record(journal)
    assert len(commits) == 3
    assert threading.active_count() == 1


def test_each_gets_its_own_answer(journal: Journal) -> None:
    assert sorted(behind_a_slow_one(journal, *(lambda _, n=n: n for n in range(5)))) == [0, 1, 2, 3, 4]


def test_one_bad_writing_fails_alone(journal: Journal) -> None:
    twice = record(journal)

    def good(book: Book) -> str:
        book.enter(Kind.CALL, "d" * 64)
        return "written"

    def bad(book: Book) -> None:
        card = twice.response.cards[0].uuid
        book.driver.execute(f"INSERT INTO cards SELECT * FROM cards WHERE uuid = '{card}'")

    def wrong(_: Book) -> None:
        raise ZeroDivisionError

    answers = behind_a_slow_one(journal, good, bad, good, wrong, good)
    assert [answer for answer in answers if answer == "written"] == ["written"] * 3
    assert {type(answer) for answer in answers if answer != "written"} == {NotRecorded, ZeroDivisionError}
    assert count(journal, ledger) == 4
    assert count(journal, cards) == 1
    record(journal)
    assert journal.trouble is None


def test_a_failure_of_the_database_is_everyones(journal: Journal) -> None:
    def fail(_: Book) -> None:
        error = sqlite3.OperationalError()
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise OperationalError("", {}, error)

    answers = behind_a_slow_one(journal, fail, lambda _: None)
    assert [answer.cause for answer in answers] == [JournalTrouble.FULL] * 2
    assert journal.trouble is JournalTrouble.FULL


def test_a_thread_that_is_ended_leaves_nobody_waiting(journal: Journal) -> None:
    class Ended(BaseException):
        """What ends a thread or a worker."""

    def end(_: Book) -> None:
        raise Ended

    with pytest.raises(Ended):
        journal.write(end)
    record(journal)
    assert count(journal) == 1


@pytest.mark.parametrize("arrives", [True, False], ids=["the commit arrived", "the commit did not arrive"])
@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
def test_a_connection_lost_at_the_commit_writes_once(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, arrives: bool
) -> None:
    record(journal)
    losses = [True]

    def lost(connection: Any) -> None:
        if not losses:
            commit(connection)
            return
        losses.pop()
        if arrives:
            commit(connection)
        backend = connection.connection.dbapi_connection.info.backend_pid
        with journal.engine.connect() as other:
            other.exec_driver_sql(f"SELECT pg_terminate_backend({backend}, 5000)")
        commit(connection)
        connection.exec_driver_sql("SELECT 1")

    monkeypatch.setattr(writer, "commit", lost)
    record(journal)
    assert losses == []
    assert count(journal) == 2
    assert faults(journal) == []


def test_a_look_up_sees_what_was_written_since_the_last_one(journal: Journal) -> None:
    for written in range(3):
        assert journal.look_up(COUNT, ()) == [(written,)]
        record(journal)


def test_a_look_up_that_fails_says_so_and_spoils_none_after_it(journal: Journal) -> None:
    record(journal)
    with pytest.raises(NotRecorded):
        journal.look_up("SELECT no FROM such_table", ())
    assert journal.look_up(COUNT, ()) == [(1,)]
    assert count(journal) == 1


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
def test_a_restarted_server_is_found_again(journal: Journal) -> None:
    record(journal)
    assert count(journal) == 1
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    with journal.engine.connect() as connection:
        connection.exec_driver_sql(f"{others} AND pid <> pg_backend_pid()")
    record(journal)
    assert count(journal) == 2
    with journal.engine.connect() as connection:
        connection.exec_driver_sql(f"{others} AND pid <> pg_backend_pid()")
    assert journal.look_up(COUNT, ()) == [(2,)]


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
def test_a_server_that_is_gone_is_said_to_be(database: ADatabase) -> None:
    gone = ADatabase("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with gone.journal(migrated=False) as journal, pytest.raises(NotRecorded) as caught:
        record(journal)
    assert caught.value.cause is JournalTrouble.UNREACHABLE


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
def test_a_server_that_only_reads_is_said_to(journal: Journal) -> None:
    record(journal)

    def only_read(book: Book) -> None:
        book.driver.execute("SET default_transaction_read_only = on")

    journal.write(only_read)
    with pytest.raises(NotRecorded) as caught:
        record(journal)
    assert caught.value.cause is JournalTrouble.READ_ONLY


def test_threads_of_several_kinds_leave_a_whole_ledger(journal: Journal) -> None:
    made = [[an_invocation() for _ in range(10)] for _ in range(8)]
    together(*(lambda mine=mine: [record(journal, each) for each in mine] for mine in made))
    assert count(journal) == 80
    assert faults(journal) == []


def test_a_full_disk_is_said_to_be(sqlite: ADatabase) -> None:
    with sqlite.journal() as journal:
        record(journal)

        def no_more(book: Book) -> None:
            book.driver.execute("PRAGMA max_page_count = 1")

        journal.write(no_more)
        with pytest.raises(NotRecorded) as caught:
            record_many(journal)
        assert caught.value.cause is JournalTrouble.FULL
        assert caught.value.faults[0].text == "the call could not be recorded"
        kept = count(journal)
        record(journal)  # on a new connection there is room again
        assert count(journal) == kept + 1
        assert faults(journal) == []


def as_a_user_without_rights(work: Callable[[], int]) -> int:
    """Do something in a child that may not write what it does not own: root may write everything."""
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            os._exit(work())
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_read_only_disk_is_said_to_be_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = Path("/tmp") / f"chartside-read-only-{os.getpid()}"  # noqa: S108 - one that another user may enter
    folder.mkdir(mode=0o755)
    database = ADatabase(f"sqlite:///{folder / 'journal.db'}")
    try:
        with database.journal() as journal:
            record(journal)
        for file in folder.iterdir():
            file.chmod(0o444)
        folder.chmod(0o555)

        def work() -> int:
            started = time.monotonic()
            with database.journal(migrated=False) as journal:
                try:
                    record(journal)
                except NotRecorded as error:
                    readable = error.cause in (JournalTrouble.READ_ONLY, JournalTrouble.UNREACHABLE)
                    return 0 if readable and time.monotonic() - started < 1 else 1
            return 2

        assert as_a_user_without_rights(work) == 0
    finally:
        folder.chmod(0o755)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def test_a_disk_that_takes_no_more_bytes_ends_no_process(sqlite: ADatabase) -> None:
    """The limit is the system's own: a file that may not grow further fails like a broken disk."""
    script = (
        "import resource, signal, sys\n"
        "from cds_hooks.errors import NotRecorded\n"
        "from tests.cds_hooks.journal.journals import ADatabase, record\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "with ADatabase(sys.argv[1]).journal() as journal:\n"
        "    record(journal)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))\n"
        "    written = 1\n"
        "    try:\n"
        "        for _ in range(1000):\n"
        "            record(journal)\n"
        "            written += 1\n"
        "    except NotRecorded as error:\n"
        "        print(written, error.cause, sep=':')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, sqlite.url], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    written, _, cause = done.stdout.strip().partition(":")
    assert cause in set(JournalTrouble)
    with sqlite.journal() as journal:
        assert count(journal) == int(written)
        assert faults(journal) == []


KILLED = """
import sys, threading
from tests.cds_hooks.journal.journals import ADatabase, record
with ADatabase(sys.argv[1]).journal() as journal:
    def write():
        while True:
            done = record(journal)
            sys.stdout.write(done.id + "\\n")
            sys.stdout.flush()
    threads = [threading.Thread(target=write, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    threads[0].join()
"""


def test_what_was_acknowledged_is_there_after_a_kill(database: ADatabase) -> None:
    with database.journal():
        """The tables are made."""
    acknowledged: set[str] = set()
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, database.url], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(40)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.read().splitlines(keepends=True)
        process.wait(30)
        process.stdout.close()
        acknowledged |= {line.strip() for line in lines if line.endswith("\n")}
    with database.journal() as journal:
        kept = {row["id"] for row in rows(journal, invocations)}
        assert acknowledged <= kept
        assert len(acknowledged) >= 80
        assert faults(journal) == []
