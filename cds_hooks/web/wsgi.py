"""The composition root: settings, clock, FHIR connections, journal and services become one WSGI application.

Under another WSGI server than `chartside serve`: `gunicorn "cds_hooks.web.wsgi:application()"`.
"""

import atexit
import gc
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from cds_hooks.catalogue import Catalogue
from cds_hooks.journal.audit import Journal
from cds_hooks.journal.database import open_database
from cds_hooks.journal.logs import Log
from cds_hooks.journal.metrics import Metrics
from cds_hooks.journal.replay import Seen
from cds_hooks.web.app import create_app
from cds_hooks.web.authentication import Authenticator, Cause
from cds_hooks.web.callers import Anybody, Authenticates, Callers
from cds_hooks.web.correlation import correlation
from cds_hooks.web.key_sets import PATIENCE_SECONDS, KeySets, fetching_by
from cds_hooks.web.limits import RateLimits
from cds_hooks.web.operations import OperationsRoutes, Readiness
from cds_hooks.web.settings import PREFIX, Authentication, Settings
from cds_hooks.web.startup import CannotStart, Checked, check
from fhir_client.client import Connections
from fhir_client.dialing import UnfitAuthorities
from fhir_client.drafting import preload
from fhir_client.medications import crosswalk, ingredient_names
from fhir_client.questions import USUAL
from fhir_client.strengths import strengths
from fhir_client.transport import Transport

THREADS = 4  # of each process, unless it is told otherwise


@dataclass(frozen=True, slots=True)
class Edge:
    """The application and what it holds open."""

    app: Flask
    catalogue: Catalogue
    journal: Journal
    connections: Connections
    limits: RateLimits
    metrics: Metrics
    log: Log

    def close(self) -> None:
        """Close what is open; the process is about to end."""
        self.connections.close()
        self.journal.close()


def application(environ: Mapping[str, str] = os.environ) -> Flask:
    """Make the application that the environment describes.

    Raises:
        SettingsError, CannotStart: it names everything that is wrong.
    """
    edge = compose(check(Settings.from_environment(environ)))
    atexit.register(edge.close)
    settle_memory()
    return edge.app


def compose(checked: Checked, *, metrics: Metrics | None = None, slots: int = 1, threads: int = THREADS) -> Edge:
    """Put the application together; the journal is brought to its newest shape, and nothing stays open.

    Where several processes will serve, `metrics` count for all of them, and `slots` is how many there may be. Of each
    one's `threads` a FHIR server that answers nobody may hold up half: the others serve those whom it does not concern.

    Raises:
        CannotStart: the journal cannot be written, or the hospital's certificate authorities cannot be read.
    """
    settings = checked.settings
    warm_up()
    journal = Journal(open_database(settings.database_url))
    try:
        journal.migrate()
    except SQLAlchemyError as error:
        raise CannotStart((f"{PREFIX}DATABASE_URL: the journal cannot be written",)) from error
    log = Log(sys.stderr, clock=wall_clock, level=settings.log_level)
    metrics = metrics or Metrics()
    transport = _transport(settings, log)
    connections = Connections(transport=transport, limits=replace(USUAL, calls=max(1, threads // 2)), learns=True)
    limits = RateLimits(settings.callers, slots=slots)
    callers = Callers(
        authenticates=_authenticates(settings, journal=journal, transport=transport, metrics=metrics, log=log),
        limits=limits,
        metrics=metrics,
        base_url=settings.base_url,
        is_discovery_open=settings.discovery == "open",
    )
    operations = OperationsRoutes(
        Readiness({"journal": journal.is_ready}),
        metrics,
        metrics_for_all=settings.metrics == "all",
        trusted_proxies=settings.trusted_proxies,
        warnings=metrics.warnings,
    )
    app = create_app(
        settings,
        catalogue=checked.catalogue,
        journal=journal,
        connections=connections,
        callers=callers,
        operations=operations,
        metrics=metrics,
        log=log,
        now=clock_of(settings),
        timer=time.monotonic,
    )
    return Edge(app, checked.catalogue, journal, connections, limits, metrics, log)


def _authenticates(
    settings: Settings, *, journal: Journal, transport: Transport, metrics: Metrics, log: Log
) -> Authenticates:
    if settings.authentication is Authentication.OFF:
        return Anybody(settings.anonymous)

    def refused(cause: Cause, issuer: str | None) -> None:
        metrics.not_trusted(cause.value)
        log.info("not trusted", cause=cause.value, issuer=issuer, correlation=correlation())

    def failed(issuer: str) -> None:
        log.warning("no keys", issuer=issuer)

    # Of a call's time at most half goes by waiting for the caller's keys.
    patience = min(PATIENCE_SECONDS, settings.deadline_ms / 2000)
    return Authenticator(
        settings.callers,
        key_sets=KeySets(
            settings.callers,
            fetch=fetching_by(transport, time.monotonic, patience=patience),
            timer=time.monotonic,
            patience=patience,
            failed=failed,
        ),
        seen=Seen(journal),
        now=wall_clock,
        refused=refused,
    )


def _transport(settings: Settings, log: Log) -> Transport:
    """Make the one way out, with the authorities it trusts already read: that takes a tenth of a second."""

    def refused(_host: str, why: str) -> None:
        log.warning("address refused", cause=why)

    transport = Transport(ca_file=settings.ca_file, https_proxy=settings.https_proxy, on_refused=refused)
    try:
        transport.prepare()
    except UnfitAuthorities as error:
        raise CannotStart((f"{PREFIX}CA_FILE: {error}",)) from error
    return transport


def warm_up() -> None:
    """Load what the first calls would otherwise wait for; before a fork, so that workers share it."""
    crosswalk()
    strengths()
    ingredient_names()
    preload()


def clock_of(settings: Settings) -> Callable[[], datetime]:
    """Give the clock that assessments go by: the wall's, or a fixed one for tests."""
    fixed = settings.now
    return wall_clock if fixed is None else lambda: fixed


def wall_clock() -> datetime:
    """Give the present moment, in UTC."""
    return datetime.now(UTC)


def settle_memory() -> None:
    """Keep the collector from walking, at every large body, through what start-up made and nobody will free.

    Measured on 200 KB bodies: freezing and a higher threshold nearly halve the time of the parse (design/costs.md, 1).
    Before a fork it also lets the workers share these pages.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
