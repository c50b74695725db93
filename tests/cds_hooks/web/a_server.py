"""A server as `chartside serve` runs it, around an application that does what its path says; a program for tests.

Arguments: port, workers, threads, and seconds for which each worker sleeps between its fork and its first own step.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from threading import Event
from types import SimpleNamespace
from typing import Any

from cds_hooks.errors import TooMany
from cds_hooks.journal.logs import Log
from cds_hooks.journal.metrics import Metrics
from cds_hooks.web.clients import Client
from cds_hooks.web.limits import RateLimits
from cds_hooks.web.server import Server
from cds_hooks.web.settings import Settings
from cds_hooks.web.sharing import Sharing

EHR = "https://ehr.example/cds"


def application_over(metrics: Metrics, limits: RateLimits) -> Callable[..., Iterable[bytes]]:
    """Give the application."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """`/sleep/0.5` sleeps; `/limited` is limited; `/metrics` tells the metrics; all tell which process answers."""
        status, body = "200 OK", str(os.getpid()).encode()
        path = environ["PATH_INFO"]
        if path.startswith("/sleep/"):
            time.sleep(float(path.removeprefix("/sleep/")))
        elif path == "/limited":
            try:
                limits.admit(EHR)
            except TooMany:
                status = "429 Too Many Requests"
        elif path == "/metrics":
            body = metrics.text()
        elif path == "/warnings":
            body = ", ".join(metrics.warnings()).encode()
        elif path == "/count":
            metrics.blocked()
        start_response(status, [("Content-Length", str(len(body)))])
        return [body]

    return application


def main(port: int, workers: int, threads: int, late: float) -> None:
    """Serve until told to stop."""
    sharing = Sharing(workers)
    metrics = Metrics(sharing.folder)
    log = Log(clock=lambda: datetime.now(UTC), strict=True)
    limits = RateLimits([Client(EHR, rate_limit=20)], slots=sharing.slots)

    def watch(stop: Event) -> None:
        log.info("watch", pid=os.getpid())
        metrics.watched("test-service", silent=True, flooding=False, slow=False)
        stop.wait()
        log.info("watch", found="usual", pid=os.getpid())

    edge = SimpleNamespace(
        app=application_over(metrics, limits),
        catalogue=SimpleNamespace(services=()),
        limits=limits,
        metrics=metrics,
        log=log,
        close=lambda: log.info("closed", pid=os.getpid()),
    )
    server = Server(
        edge,  # type: ignore[arg-type]  # as much of an Edge as a server needs
        Settings(deadline_ms=1000),
        sharing=sharing,
        host="127.0.0.1",
        port=port,
        workers=workers,
        threads=threads,
        watch=SimpleNamespace(run=watch),  # type: ignore[arg-type]  # as much of a Watch as a server needs
    )
    if late:
        take_slot = server.cfg.post_fork

        def be_late(arbiter: Any, worker: Any) -> None:
            take_slot(arbiter, worker)
            time.sleep(late if worker.age > 1 else 0)

        server.cfg.set("post_fork", be_late)
    server.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
