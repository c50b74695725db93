"""Tokens that were used: every worker knows them, until they expire."""

import multiprocessing
import threading
from datetime import timedelta

import pytest

from cds_hooks.errors import NotRecorded
from cds_hooks.journal.audit import Journal
from cds_hooks.journal.replay import SWEEP_EVERY, Seen
from cds_hooks.journal.tables import seen_tokens
from tests.cds_hooks.journal.journals import NOW, ADatabase, faults, rows

EXPIRES = NOW + timedelta(minutes=5)


def test_a_token_is_first_once(journal: Journal) -> None:
    seen = Seen(journal)
    assert seen.is_first("i", "t", EXPIRES, NOW)
    assert not seen.is_first("i", "t", EXPIRES, NOW)
    assert not Seen(journal).is_first("i", "t", EXPIRES, NOW)


@pytest.mark.parametrize(("issuer", "token"), [("j", "t"), ("i", "u"), ("it", ""), ("", "it"), ("i", "t" * 100_000)])
def test_another_issuer_or_another_id_is_another_token(journal: Journal, issuer: str, token: str) -> None:
    seen = Seen(journal)
    assert seen.is_first("i", "t", EXPIRES, NOW)
    assert seen.is_first(issuer, token, EXPIRES, NOW)
    assert {len(row["key"]) for row in rows(journal, seen_tokens)} == {64}


def test_an_id_that_is_no_text_for_a_database_is_kept_too(journal: Journal) -> None:
    seen = Seen(journal)
    assert seen.is_first("i", "\ud800\0", EXPIRES, NOW)
    assert not seen.is_first("i", "\ud800\0", EXPIRES, NOW)


def use(database: ADatabase, uses: "multiprocessing.Queue[bool]") -> None:
    with database.journal(migrated=False) as journal:
        seen = Seen(journal)
        for number in range(20):
            uses.put(seen.is_first("i", f"t{number}", EXPIRES, NOW))


def test_of_several_workers_one_is_first(database: ADatabase) -> None:
    """[SEC-18] The replay store is shared by all workers, keyed by (iss, jti), kept until `exp`."""
    with database.journal():
        """The tables are made."""
    context = multiprocessing.get_context("spawn")
    uses = context.Queue()
    workers = [context.Process(target=use, args=(database, uses)) for _ in range(2)]
    for worker in workers:
        worker.start()
    found = [uses.get(timeout=60) for _ in range(40)]
    for worker in workers:
        worker.join(60)
    assert sorted(found) == [False] * 20 + [True] * 20


def test_of_several_threads_one_is_first(journal: Journal) -> None:
    seen, found = Seen(journal), []
    together = threading.Barrier(8)

    def run() -> None:
        together.wait()
        found.append(seen.is_first("i", "t", EXPIRES, NOW))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False] * 7 + [True]


def test_expired_tokens_are_swept_now_and_then(journal: Journal) -> None:
    seen = Seen(journal)
    seen.is_first("i", "old", NOW + timedelta(seconds=1), NOW)
    seen.is_first("i", "new", EXPIRES, NOW)
    assert len(rows(journal, seen_tokens)) == 2
    seen.is_first("i", "next", EXPIRES, NOW + SWEEP_EVERY)
    assert len(rows(journal, seen_tokens)) == 2
    assert not seen.is_first("i", "new", EXPIRES, NOW + SWEEP_EVERY)


def test_a_token_that_cannot_be_looked_up_is_not_first(sqlite: ADatabase) -> None:
    with sqlite.journal(migrated=False) as journal, pytest.raises(NotRecorded):
        Seen(journal).is_first("i", "t", EXPIRES, NOW)


def test_tokens_are_not_in_the_ledger(journal: Journal) -> None:
    Seen(journal).is_first("i", "t", EXPIRES, NOW)
    assert faults(journal) == []
