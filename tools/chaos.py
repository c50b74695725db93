"""`make chaos`: workers, database and the whole service are killed at random moments while calls and feedback go on.

What it holds the service to: every call that was answered is on record with its cards, every feedback that was answered
200 is in the journal, no answer is wrong, the chain of the journal is whole, and the service recovers by itself. The
whole process is started again as systemd would; nothing else is helped.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import select

from cds_hooks.journal.audit import Journal
from cds_hooks.journal.database import open_database
from cds_hooks.journal.tables import cards, feedback, invocations
from tools.chaos_client import Client, Told
from tools.chaos_database import Database, Postgres, Sqlite
from tools.chaos_service import Service

CALLS_A_SECOND = 50
CLIENTS = 16
SECONDS = 120
SECONDS_BETWEEN_KILLS = (3.0, 8.0)
RECOVERY_SECONDS = 30
DATABASES: dict[str, tuple[type[Sqlite] | type[Postgres], ...]] = {
    "sqlite": (Sqlite,),
    "postgres": (Postgres,),
    "both": (Sqlite, Postgres),
}


def main(arguments: Sequence[str]) -> int:
    """Run over each database that is here; 1 if anything was lost, wrong, or stayed down."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--seed", type=int, default=None, help="makes the moments of the kills the same again")
    parser.add_argument("--database", choices=sorted(DATABASES), default="both")
    chosen = parser.parse_args(arguments)
    seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(1_000_000)
    worst = 0
    for kind in DATABASES[chosen.database]:
        database: Database = kind()
        print(f"{database.name}: {chosen.seconds} s, {CALLS_A_SECOND} calls a second, seed {seed}", flush=True)
        with tempfile.TemporaryDirectory() as folder, database:
            worst |= _storm(Path(folder), database, chosen.seconds, random.Random(seed))  # noqa: S311 - moments, not secrets
    return worst


def _storm(folder: Path, database: Database, seconds: int, chance: random.Random) -> int:
    with Service(folder, database.url(folder)) as service:
        clients = [Client(service, number) for number in range(CLIENTS)]
        clients[0].learn_the_right_answers()
        stop = threading.Event()
        threads = [threading.Thread(target=_call_on, args=(client, stop)) for client in clients]
        for thread in threads:
            thread.start()
        killed = _kill_now_and_then(service, database, seconds, chance)
        stop.set()
        for thread in threads:
            thread.join()
        recovered = service.recovery_seconds(RECOVERY_SECONDS)
        told = Told.of_all(client.told for client in clients)
        _print_what_happened(told, killed, recovered)
        losses = _losses(database.url(folder), told)
        is_whole = service.verify_journal()
    for words, count in losses.items():
        print(f"  {words}: {count}", flush=True)
    print(f"  the journal's chain is {'whole' if is_whole else 'BROKEN'}", flush=True)
    return int(any(losses.values()) or bool(told.wrong) or recovered is None or not is_whole)


def _call_on(client: Client, stop: threading.Event) -> None:
    """Call in step with the others, so that all together make the rate that was promised."""
    pause = CLIENTS / CALLS_A_SECOND
    due = time.monotonic() + pause * client.number / CLIENTS
    while not stop.is_set():
        time.sleep(max(0.0, due - time.monotonic()))
        client.call_and_answer()
        due = max(due + pause, time.monotonic() - pause)


def _kill_now_and_then(service: Service, database: Database, seconds: int, chance: random.Random) -> Counter[str]:
    """Kill something every few seconds; the last kill leaves time to recover under load."""
    targets: list[tuple[str, Callable[[], None]]] = [
        ("a worker", lambda: service.kill_a_worker(chance)),
        ("the whole service", service.kill_and_restart),
    ]
    if database.can_die:
        targets.append(("the database", database.kill_and_restart))
    killed: Counter[str] = Counter()
    ends = time.monotonic() + seconds
    while (wait := chance.uniform(*SECONDS_BETWEEN_KILLS)) < ends - time.monotonic() - SECONDS_BETWEEN_KILLS[1]:
        time.sleep(wait)
        name, kill = chance.choice(targets)
        kill()
        killed[name] += 1
    time.sleep(max(0.0, ends - time.monotonic()))
    return killed


def _losses(url: str, told: Told) -> dict[str, int]:
    """Count what was answered and is not in the journal."""
    journal = Journal(open_database(url))
    try:
        correlations = set(journal.read(lambda open_: open_.scalars(select(invocations.c.correlation)).all()))
        uuids = set(journal.read(lambda open_: open_.scalars(select(cards.c.uuid)).all()))
        answers = set(journal.read(lambda open_: open_.execute(select(feedback.c.card, feedback.c.outcome)).all()))
    finally:
        journal.close()
    return {
        "answered calls that are not on record": len(told.answered - correlations),
        "cards that are not on record": len(told.cards - uuids),
        "feedback that was answered 200 and is not on record": len(told.feedback - {tuple(row) for row in answers}),
    }


def _print_what_happened(told: Told, killed: Counter[str], recovered: float | None) -> None:
    print(f"  killed: {', '.join(f'{name} {count} times' for name, count in sorted(killed.items()))}")
    print(f"  calls: {told.calls}, by status: {dict(sorted(told.statuses.items()))}")
    print(f"  answered 200: {len(told.answered)} calls with {len(told.cards)} cards, {len(told.feedback)} feedbacks")
    print(f"  wrong answers: {len(told.wrong)} {sorted(set(told.wrong))[:3] or ''}")
    print(f"  the longest time without any 200: {told.longest_silence:.1f} s")
    print("  NOT ready again" if recovered is None else f"  ready again {recovered:.1f} s after the end", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
