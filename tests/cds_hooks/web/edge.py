"""The edge as tests meet it: the application with declared services, a fixed clock, its own journal and its own log."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from cds_hooks.catalogue import Catalogue
from cds_hooks.journal.audit import Journal
from cds_hooks.journal.database import open_database
from cds_hooks.journal.logs import Log
from cds_hooks.journal.metrics import Metrics
from cds_hooks.journal.tables import metadata
from cds_hooks.service import Service
from cds_hooks.web.app import create_app
from cds_hooks.web.callers import Anybody, Authenticates, Callers
from cds_hooks.web.limits import RateLimits
from cds_hooks.web.operations import OperationsRoutes, Readiness
from cds_hooks.web.settings import Authentication, Settings
from fhir_client.client import Connections
from tests.builders import a_bundle, a_patient
from tests.cds_hooks.declared import a_service
from tests.privacy.markers import MARKER, shows_no_patient

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
INSTANCE = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
CORRELATION = "0b3a5a8e-3f5c-4f0a-9d4e-6f2f4b1f7c11"


@dataclass(slots=True)
class Stopwatch:
    """A timer that goes on by `step` seconds each time somebody looks."""

    seconds: float = 0.0
    step: float = 0.001

    def __call__(self) -> float:
        self.seconds += self.step
        return self.seconds


@dataclass(slots=True)
class AnEdge:
    """What a test asks, and what it looks into afterwards."""

    http: FlaskClient
    journal: Journal
    stream: StringIO
    timer: Stopwatch
    metrics: Metrics

    def call(self, body: Any = None, *, service: str = "test-service", **more: Any) -> TestResponse:
        """Post a hook call; a body of bytes goes out as it is."""
        raw = body if isinstance(body, bytes) else json.dumps(a_call() if body is None else body)
        path = f"/cds-services/{service}"
        return _checked(self.http.post(path, data=raw, **{"content_type": "application/json", **more}))

    def feedback(self, *entries: Any, service: str = "test-service", **more: Any) -> TestResponse:
        """Post a feedback message."""
        raw = json.dumps({"feedback": list(entries)})
        path = f"/cds-services/{service}/feedback"
        return _checked(self.http.post(path, data=raw, **{"content_type": "application/json", **more}))

    def a_card(self) -> dict[str, Any]:
        """Call the service and give the card it shows."""
        card: dict[str, Any] = self.call().json["cards"][0]  # type: ignore[index]
        return card

    @property
    def events(self) -> list[dict[str, Any]]:
        """Give what was logged."""
        return [orjson.loads(line) for line in self.stream.getvalue().splitlines()]

    def count(self, table: str) -> int:
        """Count the rows of a table of the journal."""
        query = select(func.count()).select_from(metadata.tables[table])
        return int(self.journal.read(lambda connection: connection.execute(query).scalar_one()))


def _checked(answer: TestResponse) -> TestResponse:
    """Give an answer; a refusal repeats nothing of a patient."""
    if answer.status_code >= 400:
        shows_no_patient(answer.text, str(answer.headers), where="an error")
    return answer


def a_call(**members: Any) -> dict[str, Any]:
    """Build a patient-view call with everything prefetched; members set to ... are left out.

    Its patient carries the word that must be seen nowhere but on cards and in the journal.
    """
    body = {
        "hook": "patient-view",
        "hookInstance": INSTANCE,
        "context": {"userId": "Practitioner/u1", "patientId": "p1"},
        "prefetch": {"patient": a_patient(name=[{"family": MARKER}]), "laboratory": a_bundle()},
        **members,
    }
    return {name: value for name, value in body.items() if value is not ...}


def an_override(card: str, **more: Any) -> dict[str, Any]:
    """Build a feedback entry that overrides a card."""
    return {"card": card, "outcome": "overridden", "outcomeTimestamp": "2024-06-01T12:01:00Z", **more}


@contextmanager
def an_edge(
    folder: Path,
    *services: Service,
    settings: Settings | None = None,
    migrated: bool = True,
    timer: Callable[[], float] | None = None,
    authenticates: Authenticates | None = None,
    catalogue: Catalogue | None = None,
) -> Iterator[AnEdge]:
    """Open the application over a journal in a folder; without services it has one declared for tests.

    Deadlines go by a stopwatch, unless a test waits in earnest and brings a timer.
    """
    journal = Journal(open_database(f"sqlite:///{folder / 'journal.db'}"))
    if migrated:
        journal.migrate()
    stream, stopwatch, connections, metrics = StringIO(), Stopwatch(), Connections(), Metrics()
    settings = settings or Settings(authentication=Authentication.OFF)
    app = create_app(
        settings,
        catalogue=catalogue or Catalogue(services or (a_service(),)),
        journal=journal,
        connections=connections,
        callers=Callers(
            authenticates=authenticates or Anybody(settings.anonymous),
            limits=RateLimits(settings.callers),
            metrics=metrics,
            base_url=settings.base_url,
            is_discovery_open=settings.discovery == "open",
        ),
        operations=OperationsRoutes(Readiness({"journal": journal.is_ready}), metrics),
        metrics=metrics,
        log=Log(stream, clock=lambda: NOW, strict=True),
        now=lambda: NOW,
        timer=timer or stopwatch,
    )
    try:
        yield AnEdge(app.test_client(), journal, stream, stopwatch, metrics)
        shows_no_patient(stream.getvalue(), where="the log")
        shows_no_patient(metrics.text().decode(), where="the metrics")
    finally:
        connections.close()
        journal.close()
