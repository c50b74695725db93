"""create_app: everything the edge needs comes in as arguments."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache

from flask import Flask, Response, abort, request

from cds_hooks.catalogue import Catalogue
from cds_hooks.errors import NotTrusted
from cds_hooks.journal.audit import Journal
from cds_hooks.journal.logs import Log
from cds_hooks.journal.metrics import Metrics
from cds_hooks.web import correlation, own_keys
from cds_hooks.web.accounts import Accounts
from cds_hooks.web.callers import Callers, client_at_hand
from cds_hooks.web.clients import Network
from cds_hooks.web.cors import Cors
from cds_hooks.web.forwarded import whence
from cds_hooks.web.operations import OperationsRoutes
from cds_hooks.web.pages import Pages
from cds_hooks.web.problems import body_of, place_of, problem_of
from cds_hooks.web.routes import JSON, HookRoutes
from cds_hooks.web.settings import Settings, is_loopback
from fhir_client.client import Connections

_HOOKS = "/cds-services"
_PORT = re.compile(r":\d+$")


def create_app(
    settings: Settings,
    *,
    catalogue: Catalogue,
    journal: Journal,
    connections: Connections,
    callers: Callers,
    operations: OperationsRoutes,
    metrics: Metrics,
    log: Log,
    now: Callable[[], datetime],
    timer: Callable[[], float],
) -> Flask:
    """Make the WSGI application; nothing is opened or written by making it."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    policy = settings.policy
    hooks = HookRoutes(
        callers=callers,
        accounts=Accounts(journal, metrics, log, now),
        catalogue=catalogue,
        policy=policy,
        connections=connections,
        now=now,
        timer=timer,
        deadline_seconds=settings.deadline_ms / 1000,
    )
    _add_routes(app, hooks, operations, Pages(catalogue, policy, settings.authentication, metrics.held_back))
    app.add_url_rule(own_keys.PATH, "keys", own_keys.OwnKeys(settings.signing_keys, now=now).key_set, methods=["GET"])
    _answer_errors(app, log)
    app.before_request(correlation.begin)
    if settings.loopback_only:
        app.before_request(_refusing_strangers(settings.trusted_proxies))
    app.after_request(_finish)
    app.after_request(_for_browsers(Cors(settings.callers)))
    return app


def _add_routes(app: Flask, hooks: HookRoutes, operations: OperationsRoutes, pages: Pages) -> None:
    app.add_url_rule("/cds-services", "discovery", hooks.discover, methods=["GET"])
    app.add_url_rule("/cds-services/<service_id>", "call", hooks.call, methods=["POST"])
    app.add_url_rule("/cds-services/<service_id>/feedback", "feedback", hooks.take_feedback, methods=["POST"])
    app.add_url_rule("/health/live", "live", operations.live, methods=["GET"])
    app.add_url_rule("/health/ready", "ready", operations.ready, methods=["GET"])
    app.add_url_rule("/metrics", "metrics", operations.metrics, methods=["GET"])
    app.add_url_rule("/", "services", pages.services, methods=["GET"])
    app.add_url_rule("/services/<service_id>", "service", pages.service, methods=["GET"])


def _answer_errors(app: Flask, log: Log) -> None:
    def answer(error: Exception) -> Response:
        problem = problem_of(error)
        found = correlation.correlation()
        codes = sorted({fault.code for fault in problem.faults})
        if problem.is_ours:
            cause = error.__cause__ or error
            log.alarm(
                "failed",
                correlation=found,
                status=problem.status,
                codes=codes,
                error=type(cause).__qualname__,
                place=place_of(error),
            )
        elif not isinstance(error, NotTrusted):  # the cause of that has been logged, and the answer tells none
            log.info("refused", correlation=found, status=problem.status, codes=codes)
        return Response(
            body_of(problem, found), status=problem.status, content_type=JSON, headers=dict(problem.headers)
        )

    app.register_error_handler(Exception, answer)


def _refusing_strangers(trusted_proxies: Sequence[Network]) -> Callable[[], None]:
    """Serve this machine alone, whatever the server was bound to; a foreign Host is a page that rebinds its name."""

    def refuse() -> None:
        host = _PORT.sub("", request.environ.get("HTTP_HOST", "localhost"))
        if not (_is_here(host) and whence(request.environ, trusted_proxies).is_loopback):
            abort(403)

    return refuse


@lru_cache(maxsize=64)
def _is_here(host: str) -> bool:
    return is_loopback(host)


def _finish(response: Response) -> Response:
    headers = response.headers
    # Added, not set: nobody else gives these two, and to set one compares its name with every other header's.
    headers.add(correlation.HEADER, correlation.correlation())
    headers.add("X-Content-Type-Options", "nosniff")
    if not headers.getlist("Cache-Control"):
        headers.add("Cache-Control", "no-store")  # RESP-8, and whatever else nobody said may be kept
    return response


def _for_browsers(cors: Cors) -> Callable[[Response], Response]:
    """Let pages of listed origins read what CDS Hooks answers them; of everything else no page needs to read."""

    def finish(response: Response) -> Response:
        if request.path.startswith(_HOOKS):
            if request.method == "OPTIONS":
                response.headers.extend(cors.preflight(dict(request.headers)))
            else:
                response.headers.extend(cors.headers_for(request.environ.get("HTTP_ORIGIN"), client_at_hand()))
        return response

    return finish
