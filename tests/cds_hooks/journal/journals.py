"""Journals as tests meet them, on SQLite and, where a server is named, on PostgreSQL; and what is written into them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
from sqlalchemy import create_engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from cds_hooks.invocation import Invocation, invoke
from cds_hooks.journal.audit import Caller, Journal
from cds_hooks.journal.database import open_database
from cds_hooks.journal.feedback import Received, record_feedback
from cds_hooks.journal.verify import verifying
from cds_hooks.policy import Policy
from cds_hooks.protocol.feedback import CardFeedback, GivenReason, Outcome, OverrideReason
from cds_hooks.protocol.requests import HookRequest
from tests.builders import a_bundle, a_patient
from tests.cds_hooks.declared import AnAssessor, a_service

POSTGRES_URL = "CHARTSIDE_TEST_POSTGRES_URL"
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
INSTANCE = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
CORRELATION = "0b3a5a8e-3f5c-4f0a-9d4e-6f2f4b1f7c11"
CALLER = Caller("https://ehr.example", "north", "token-1")


@dataclass(frozen=True)
class ADatabase:
    """Where a journal of a test lies."""

    url: str

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    @property
    def path(self) -> Path:
        return Path(str(make_url(self.url).database))

    @contextmanager
    def journal(self, *, migrated: bool = True) -> Iterator[Journal]:
        journal = Journal(open_database(self.url))
        if migrated:
            journal.migrate()
        try:
            yield journal
        finally:
            journal.close()


@contextmanager
def a_postgresql_database(server: str) -> Iterator[ADatabase]:
    """Make an empty schema on a server, which is quicker than a database, and remove it."""
    name = f"journal_{uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    try:
        url = make_url(server).update_query_dict({"options": f"-csearch_path={name}"})
        yield ADatabase(url.render_as_string(hide_password=False))
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA {name} CASCADE")


def an_invocation(says: Any = None, *, policy: Policy | None = None, at: datetime = NOW, **context: Any) -> Invocation:
    """Make a call that shows one card; `context` replaces what the call says of itself."""
    ids = {"userId": "Practitioner/u1", "patientId": "p1", **context}
    call = {
        "hook": "patient-view",
        "hookInstance": INSTANCE,
        "context": ids,
        "prefetch": {"patient": a_patient(id=ids["patientId"]), "laboratory": a_bundle()},
    }
    service = a_service(assessors=(AnAssessor(says=says),))
    request = HookRequest.from_json(orjson.dumps(call), service_hooks=service.hooks)
    return invoke(service, request, connect=lambda _: None, now=lambda: at, policy=policy or Policy())


def record(journal: Journal, invocation: Invocation | None = None, **more: Any) -> Invocation:
    """Write a call down."""
    invocation = invocation or an_invocation()
    how = {"caller": CALLER, "correlation": CORRELATION, "duration_ms": 3, "stages": {"gather": 1500}, **more}
    journal.record(invocation, **how)
    return invocation


def refuse(journal: Journal, **more: Any) -> None:
    """Write a refusal down."""
    how = {"at": NOW, "service": "s", "status": 400, "faults": (), "caller": CALLER, "correlation": CORRELATION, **more}
    journal.refused(**how)


def block(journal: Journal, **more: Any) -> None:
    """Write down an address that was not called."""
    how = {"at": NOW, "issuer": CALLER.issuer, "host": "10.0.0.1", "why": "private", "correlation": CORRELATION, **more}
    journal.blocked(**how)


def give_feedback(journal: Journal, *cards: str, caller: Caller = CALLER, comment: str | None = None) -> Received:
    """Write down that cards were overridden."""
    why = OverrideReason(GivenReason("tolerated", "urn:test"), comment)
    entries = [CardFeedback(card, Outcome.OVERRIDDEN, (), why, NOW) for card in cards]
    return record_feedback(
        journal, entries, service="test-service", caller=caller, received_at=NOW, correlation=CORRELATION
    )


def some_of_each(journal: Journal, calls: int = 3) -> list[Invocation]:
    """Write down calls, feedback on them, a refusal, a refused address and feedback for a card of nobody."""
    made = [record(journal, an_invocation(patientId=f"p{number}")) for number in range(1, calls + 1)]
    refuse(journal)
    block(journal)
    give_feedback(journal, made[0].response.cards[0].uuid, "no card")
    return made


def rows(journal: Journal, table: Any) -> list[dict[str, Any]]:
    """Give all rows of a table."""
    return [
        {str(name): value for name, value in row.items()}
        for row in journal.read(lambda it: it.execute(select(table)).mappings().all())
    ]


def tamper(journal: Journal, *statements: str) -> None:
    """Change the database behind the journal's back."""
    with journal.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.connection.dbapi_connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.commit()


def faults(journal: Journal, expected: Any = None) -> list[str]:
    """Give what `verify` finds, one line each."""
    with verifying(journal, expected) as verification:
        return [str(finding) for finding in verification.findings()]
