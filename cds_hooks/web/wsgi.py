"""The composition root: settings, clock, FHIR connections, journal and services become one WSGI application.

Under another WSGI server than `chartside serve`: `gunicorn "cds_hooks.web.wsgi:application()"`.
"""

import atexit
import gc
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from cds_hooks.catalogue import Catalogue
from cds_hooks.journal.audit import Journal
from cds_hooks.journal.database import open_database
from cds_hooks.journal.logs import Log
from cds_hooks.web.app import create_app
from cds_hooks.web.settings import PREFIX, Settings
from cds_hooks.web.startup import CannotStart, Checked, check
from fhir_client.client import Connections
from fhir_client.drafting import preload
from fhir_client.medications import crosswalk


@dataclass(frozen=True, slots=True)
class Edge:
    """The application and what it holds open."""

    app: Flask
    catalogue: Catalogue
    journal: Journal
    connections: Connections
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


def compose(checked: Checked) -> Edge:
    """Put the application together; the journal is brought to its newest shape, and nothing stays open.

    Raises:
        CannotStart: the journal cannot be written.
    """
    settings = checked.settings
    warm_up()
    journal = Journal(open_database(settings.database_url))
    try:
        journal.migrate()
    except SQLAlchemyError as error:
        raise CannotStart((f"{PREFIX}DATABASE_URL: the journal cannot be written",)) from error
    connections = Connections(ca_file=settings.ca_file, https_proxy=settings.https_proxy)
    log = Log(sys.stderr, clock=wall_clock, level=settings.log_level)
    app = create_app(
        settings,
        catalogue=checked.catalogue,
        journal=journal,
        connections=connections,
        log=log,
        now=clock_of(settings),
        timer=time.monotonic,
    )
    return Edge(app, checked.catalogue, journal, connections, log)


def warm_up() -> None:
    """Load what the first calls would otherwise wait for; before a fork, so that workers share it."""
    crosswalk()
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
