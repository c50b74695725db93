"""What those who run the service ask it: whether it lives, whether it can work, and what it has counted."""

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, Final

import orjson
from flask import Response, abort, request

from cds_hooks.errors import NotRecorded
from cds_hooks.journal.metrics import CONTENT_TYPE, Metrics
from cds_hooks.web.clients import Network
from cds_hooks.web.forwarded import whence
from cds_hooks.web.settings import is_loopback

JSON = "application/json"
# What a server may add to the WSGI environment: that it will take no more calls.
STOPPING: Final = "chartside.stopping"
# However often probes ask, the database is asked once a second; a check that hangs counts as failed after five.
FRESH_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 5.0

_PORT_DIGITS = "0123456789"

Check = Callable[[], bool]


class Readiness:
    """Whether this process can do its work: named checks, asked by one thread at a time, and remembered for a second.

    A thread that finds another one asking does not wait for it: a database that hangs must not use up the threads that
    say so.
    """

    def __init__(self, checks: Mapping[str, Check], *, timer: Callable[[], float] = time.monotonic) -> None:
        """Take checks, each true if its part is ready; none is asked before somebody wants to know."""
        self._checks = dict(checks)
        self._timer = timer
        self._asking = Lock()
        self._under_way = ""
        self._found: tuple[str, ...] = tuple(checks)
        self._found_at: float | None = None

    def missing(self) -> tuple[str, ...]:
        """Name what is not ready."""
        if self._age() <= FRESH_SECONDS:
            return self._found
        if self._asking.acquire(blocking=False):
            try:
                self._found = tuple(name for name, check in self._checks.items() if not self._passes(name, check))
                self._found_at = self._timer()
            finally:
                self._under_way = ""
                self._asking.release()
        elif self._age() > PATIENCE_SECONDS:
            return tuple({name: None for name in (*self._found, self._under_way) if name})
        return self._found

    def _age(self) -> float:
        return PATIENCE_SECONDS * 2 if self._found_at is None else self._timer() - self._found_at

    def _passes(self, name: str, check: Check) -> bool:
        self._under_way = name
        try:
            return check()
        except (NotRecorded, OSError):
            return False


class OperationsRoutes:
    """Health and metrics."""

    def __init__(
        self,
        readiness: Readiness,
        metrics: Metrics,
        *,
        metrics_for_all: bool = False,
        trusted_proxies: Sequence[Network] = (),
        warnings: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """Take what to tell, and to whom; `warnings` need attention, but do not make the service unready."""
        self._readiness = readiness
        self._metrics = metrics
        self._metrics_for_all = metrics_for_all
        self._trusted_proxies = trusted_proxies
        self._warnings = warnings

    def live(self) -> Response:
        """GET /health/live: whoever can answer this lives."""
        return Response(b'{"status":"live"}', content_type=JSON)

    def ready(self) -> Response:
        """GET /health/ready: 503 names what is not ready; what only needs attention is a warning."""
        missing = ("stopping",) if request.environ.get(STOPPING) else self._readiness.missing()
        told: dict[str, Any] = {"status": "not ready" if missing else "ready", "not_ready": missing}
        warnings = () if missing else self._warnings()
        if warnings:
            told["warnings"] = warnings
        return Response(orjson.dumps(told), status=503 if missing else 200, content_type=JSON)

    def metrics(self) -> Response:
        """GET /metrics: for this machine alone, unless the settings say otherwise."""
        if not (self._metrics_for_all or self._is_from_here()):
            abort(403)
        return Response(self._metrics.text(), content_type=CONTENT_TYPE)

    def _is_from_here(self) -> bool:
        # A foreign Host is a page in a browser on this machine whose name was bound anew to this address.
        host = request.environ.get("HTTP_HOST", "localhost").rstrip(_PORT_DIGITS).removesuffix(":")
        return is_loopback(host) and whence(request.environ, self._trusted_proxies).is_loopback
