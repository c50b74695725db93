"""Health and metrics: what is not ready is named, probes cannot load the database, metrics stay on this machine."""

import time
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from threading import Event, Thread
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from cds_hooks.errors import NotRecorded
from cds_hooks.journal.metrics import Metrics
from cds_hooks.web.operations import STOPPING, Check, OperationsRoutes, Readiness
from tests.cds_hooks.web.edge import Stopwatch

PROXY = {"REMOTE_ADDR": "10.0.0.1"}


def asked(
    path: str,
    checks: Mapping[str, Check] | None = None,
    *,
    environ: Mapping[str, Any] | None = None,
    warnings: Sequence[str] = (),
    **more: Any,
) -> TestResponse:
    """Ask one of the routes, as if from this machine."""
    app, found = Flask(__name__), Metrics()
    found.throttled("ehr")
    routes = OperationsRoutes(Readiness(checks or {}), found, warnings=lambda: warnings, **more)
    for rule, view in (("/live", routes.live), ("/ready", routes.ready), ("/metrics", routes.metrics)):
        app.add_url_rule(rule, rule, view)
    return app.test_client().get(path, environ_overrides={"REMOTE_ADDR": "127.0.0.1", **(environ or {})})


def fails() -> bool:
    raise NotRecorded


def test_whoever_answers_lives() -> None:
    answer = asked("/live", {"journal": fails})
    assert (answer.status_code, answer.json) == (200, {"status": "live"})


def test_a_service_whose_checks_pass_is_ready() -> None:
    answer = asked("/ready", {"journal": lambda: True})
    assert (answer.status_code, answer.json) == (200, {"status": "ready", "not_ready": []})


def test_what_is_not_ready_is_named() -> None:
    answer = asked("/ready", {"journal": fails, "keys": lambda: False, "services": lambda: True})
    assert (answer.status_code, answer.json) == (503, {"status": "not ready", "not_ready": ["journal", "keys"]})


def test_a_service_that_stops_is_not_ready() -> None:
    answer = asked("/ready", {"journal": lambda: True}, environ={STOPPING: True})
    assert (answer.status_code, answer.json) == (503, {"status": "not ready", "not_ready": ["stopping"]})


def test_what_the_watch_found_is_a_warning_and_not_unreadiness() -> None:
    answer = asked("/ready", {"journal": lambda: True}, warnings=["kidney-risk: silent"])
    assert answer.status_code == 200
    assert answer.json == {"status": "ready", "not_ready": [], "warnings": ["kidney-risk: silent"]}


def test_however_often_probes_ask_the_database_is_asked_once_a_second() -> None:
    clock, answers = Stopwatch(step=0), [True, True, True]
    readiness = Readiness({"journal": answers.pop}, timer=clock)
    for _ in range(50):
        assert readiness.missing() == ()
    assert len(answers) == 2
    clock.seconds = 1.5
    readiness.missing()
    assert len(answers) == 1


def test_what_is_mended_is_ready_within_a_second() -> None:
    clock, answers = Stopwatch(step=0), [False, True]
    readiness = Readiness({"journal": lambda: answers.pop(0)}, timer=clock)
    assert readiness.missing() == ("journal",)
    clock.seconds = 1.5
    assert readiness.missing() == ()


def test_a_check_that_hangs_holds_up_one_thread_and_is_named_after_a_while() -> None:
    clock, hangs, goes_on = Stopwatch(step=0), Event(), Event()

    def hang() -> bool:
        hangs.set()
        return goes_on.wait(30)

    answers: list[Check] = [hang, lambda: True]

    def check() -> bool:
        return answers.pop()()

    readiness = Readiness({"journal": check}, timer=clock)
    assert readiness.missing() == ()
    clock.seconds = 2
    thread = Thread(target=readiness.missing)
    thread.start()
    assert hangs.wait(30)
    started = time.monotonic()
    assert readiness.missing() == ()  # what was true two seconds ago
    assert time.monotonic() - started < 2
    clock.seconds = 6
    assert readiness.missing() == ("journal",)
    goes_on.set()
    thread.join()
    assert readiness.missing() == ()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000"])
def test_this_machine_reads_the_metrics(host: str) -> None:
    answer = asked("/metrics", environ={"HTTP_HOST": host})
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    assert 'chartside_throttled_total{issuer="ehr"} 1.0' in answer.text


@pytest.mark.parametrize(
    "environ",
    [
        {"REMOTE_ADDR": "10.0.0.7"},
        {"REMOTE_ADDR": ""},
        {"HTTP_HOST": "attacker.example"},
        {"HTTP_HOST": "127.0.0.1.attacker.example:8000"},
        # A proxy on this machine that is not one of CHARTSIDE_TRUSTED_PROXIES speaks for somebody else.
        {"HTTP_X_FORWARDED_FOR": "10.0.0.7"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_FORWARDED": "for=127.0.0.1"},
        {"HTTP_X_REAL_IP": "127.0.0.1"},
        {**PROXY, "HTTP_X_FORWARDED_FOR": "10.0.0.7"},
        {**PROXY, "HTTP_X_FORWARDED_FOR": "127.0.0.1, 10.0.0.7"},
    ],
    ids=str,
)
def test_nobody_else_reads_the_metrics(environ: Mapping[str, str]) -> None:
    assert asked("/metrics", environ=environ, trusted_proxies=[ip_network("10.0.0.1/32")]).status_code == 403


def test_a_trusted_proxy_may_speak_for_this_machine() -> None:
    environ = {**PROXY, "HTTP_X_FORWARDED_FOR": "127.0.0.1"}
    assert asked("/metrics", environ=environ, trusted_proxies=[ip_network("10.0.0.1/32")]).status_code == 200


def test_everybody_reads_the_metrics_if_the_settings_say_so() -> None:
    assert asked("/metrics", environ={"REMOTE_ADDR": "10.0.0.7"}, metrics_for_all=True).status_code == 200
