"""What is written down of a call: journal, metrics, log."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from cds_hooks.journal.tables import blocked, invocations
from cds_hooks.web.clients import Client
from cds_hooks.web.settings import Authentication, Settings
from tests.cds_hooks.web.edge import CORRELATION, AnEdge, a_call, an_edge, an_override

TOKEN = {
    "access_token": "made-up",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "user/*.rs",
    "subject": "chartside",
}
OFF = Settings(authentication=Authentication.OFF)
HEADERS = {"X-Request-Id": CORRELATION}


def rows(edge: AnEdge, table: Any) -> list[dict[str, Any]]:
    query = select(table)
    found = edge.journal.read(lambda connection: connection.execute(query).mappings().all())
    return [dict(row) for row in found]


def ask_for(server: str) -> dict[str, Any]:
    """Build a call that leaves something to fetch."""
    return a_call(prefetch=..., fhirServer=server, fhirAuthorization=TOKEN)


def test_an_address_that_is_not_listed_is_on_record(tmp_path: Path) -> None:
    """[FHIR-80] Blocked attempts are audited with issuer and host, and counted."""
    with an_edge(tmp_path) as edge:
        answer = edge.call(ask_for("https://evil.example/r4"), headers=HEADERS)
        assert answer.status_code == 412
        (row,) = rows(edge, blocked)
        events = [event for event in edge.events if event["event"] == "blocked"]
        metrics = edge.http.get("/metrics").text
    assert (row["issuer"], row["host"], row["why"], row["correlation"]) == (
        "anonymous",
        "evil.example",
        "not listed",
        CORRELATION,
    )
    assert [(event["issuer"], event["cause"]) for event in events] == [("anonymous", "not listed")]
    assert "chartside_blocked_addresses_total 1.0" in metrics


def test_a_listed_name_that_leads_inside_is_on_record(tmp_path: Path) -> None:
    """[FHIR-73, FHIR-80] A listed server whose address may not be called is not called, and on record."""
    client = Client("anonymous", fhir_servers=frozenset({"https://169.254.169.254/r4"}))
    with an_edge(tmp_path, settings=replace(OFF, clients=(client,))) as edge:
        edge.call(ask_for("https://169.254.169.254/r4"))
        found = rows(edge, blocked)
    why = "leads to an address that is not open to this client"
    assert [(row["host"], row["issuer"], row["why"]) for row in found] == [("169.254.169.254", "anonymous", why)]


def test_where_the_time_went_is_on_record_and_counted(tmp_path: Path) -> None:
    with an_edge(tmp_path) as edge:
        assert edge.call().status_code == 200
        (call,) = rows(edge, invocations)
        metrics = edge.http.get("/metrics").text
    stages = call["stages"]
    assert set(stages) == {"authenticate", "read", "parse", "gather", "assess", "present", "write"}
    assert stages["authenticate"] > 0
    assert 'chartside_stage_seconds_count{stage="journal"} 1.0' in metrics
    assert 'chartside_calls_total{hook="patient-view",service="test-service",status="2xx"} 1.0' in metrics


def test_a_refusal_is_counted_by_service_only_where_there_is_one(tmp_path: Path) -> None:
    with an_edge(tmp_path) as edge:
        edge.call(b"{")
        edge.call(service="no-such-service")
        metrics = edge.http.get("/metrics").text
    assert 'chartside_calls_total{hook="unknown",service="test-service",status="4xx"} 1.0' in metrics
    assert 'chartside_calls_total{hook="unknown",service="unknown",status="4xx"} 1.0' in metrics
    assert "no-such-service" not in metrics


def test_feedback_is_counted_once_however_often_it_is_sent(tmp_path: Path) -> None:
    """[FB-14] Identical entries are idempotent, in the counts as in the journal."""
    with an_edge(tmp_path) as edge:
        entry = an_override(edge.a_card()["uuid"])
        for _ in range(2):
            assert edge.feedback(entry).status_code == 200
        metrics = edge.http.get("/metrics").text
    assert 'chartside_feedback_total{outcome="overridden",reason="none",service="test-service"} 1.0' in metrics
