"""Marker words of a made-up patient appear in no log line, no metric, no error body, no page and no search's address.

Nor do they anywhere else in a whole test run: every edge of a test is searched when it closes (`tests/cds_hooks/web/
edge.py`), and every log line that a test lets out (`tests/conftest.py`).
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from cds_hooks.catalogue import Catalogue
from cds_hooks.protocol.hooks import Hook
from tests.builders import a_bundle, a_patient, an_observation
from tests.cds_hooks.declared import a_service
from tests.cds_hooks.web.edge import AnEdge, a_call, an_edge, an_override
from tests.fhir_stub import Says, a_fhir_server
from tests.privacy.markers import MARKER
from tests.spec.test_calls_with_access import trusting

ROOT = Path(__file__).parent.parent.parent
TOKEN = {
    "access_token": f"{MARKER}-token",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/*.read",
    "subject": MARKER,
}


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[AnEdge]:
    def fail(*_: Any) -> Any:
        raise ValueError(MARKER)

    with an_edge(tmp_path, *Catalogue.found().services, a_service(), a_service("failing", present=fail)) as edge:
        yield edge


def a_marked_context(hook: Hook) -> dict[str, Any]:
    """Build the context of a hook with every word of the patient's or the order's marked."""
    ids = {"userId": f"Practitioner/{MARKER}", "patientId": f"{MARKER}-1", "encounterId": MARKER}
    patient = {"reference": f"Patient/{MARKER}-1"}
    draft = {
        "resourceType": "MedicationRequest",
        "id": MARKER,
        "status": "draft",
        "intent": "order",
        "subject": patient,
        "medicationCodeableConcept": {"text": MARKER, "coding": [{"system": MARKER, "code": MARKER}]},
        "dosageInstruction": [{"text": MARKER}],
    }
    allergy = {"resourceType": "AllergyIntolerance", "id": MARKER, "patient": patient, "code": {"text": MARKER}}
    orders = {"draftOrders": a_bundle(draft)}
    more: dict[Hook, dict[str, Any]] = {
        Hook.ORDER_SELECT: {**orders, "selections": [f"MedicationRequest/{MARKER}"]},
        Hook.ORDER_SIGN: orders,
        Hook.ALLERGYINTOLERANCE_CREATE: {"allergyIntolerance": allergy},
    }
    return {**ids, **more.get(hook, {})}


def a_marked_call(at: Hook = Hook.PATIENT_VIEW, /, **members: Any) -> dict[str, Any]:
    """Build a call in which everything that can be a patient's is marked."""
    patient = a_patient(id=f"{MARKER}-1", name=[{"family": MARKER, "given": [MARKER]}])
    result = an_observation("2160-0", 1.1, "mg/dL", patient=f"{MARKER}-1", note=[{"text": MARKER}])
    return a_call(
        **{
            "hookInstance": f"{MARKER}-instance",
            "fhirServer": f"https://{MARKER}.example/r4",
            "fhirAuthorization": TOKEN,
            "hook": at.value,
            "context": a_marked_context(at),
            "prefetch": {"patient": patient, "laboratory": a_bundle(result), MARKER: {"a": MARKER}},
            "extension": {MARKER: MARKER},
            **members,
        }
    )


FAULTY: list[dict[str, Any]] = [
    {"hook": MARKER},
    {"hook": "order-sign"},
    {"hookInstance": [MARKER]},
    {"context": MARKER},
    {"context": {"userId": [MARKER], "patientId": {MARKER: MARKER}}},
    {"prefetch": MARKER},
    {"prefetch": {MARKER: MARKER}},
    {"prefetch": {"patient": a_patient(id=f"{MARKER}-2")}},
    {"prefetch": {}},
    {"fhirAuthorization": {**TOKEN, "patient": f"{MARKER}-2"}},
]


def is_clean(edge: AnEdge) -> bool:
    return MARKER.lower() not in edge.stream.getvalue().lower()


def test_calls_leave_no_marker_in_the_log(edge: AnEdge) -> None:
    for service in (*Catalogue.found().services, a_service()):
        assert edge.call(a_marked_call(service.hooks[0]), service=service.id).status_code in {200, 412}
    assert edge.events
    assert is_clean(edge)


@pytest.mark.parametrize("members", FAULTY, ids=lambda members: next(iter(members)))
def test_refusals_leave_no_marker_in_the_answer_or_the_log(edge: AnEdge, members: dict[str, Any]) -> None:
    answer = edge.call(a_marked_call(**members))
    assert answer.status_code in {400, 412}
    assert MARKER.lower() not in answer.text.lower()
    assert MARKER.lower() not in str(answer.headers).lower()
    assert is_clean(edge)


def test_failures_leave_no_marker_in_the_answer_or_the_log(edge: AnEdge) -> None:
    answer = edge.call(a_marked_call(), service="failing")
    assert answer.status_code == 500
    assert MARKER not in answer.text
    assert is_clean(edge)


@pytest.mark.parametrize(
    "path", [f"/cds-services/{MARKER}", f"/cds-services/{MARKER}/feedback", f"/{MARKER}?patient={MARKER}"]
)
def test_addresses_leave_no_marker(edge: AnEdge, path: str) -> None:
    answer = edge.http.post(
        path, data=b"{}", content_type=f"application/json; boundary={MARKER}", headers={"X-Request-Id": MARKER}
    )
    assert answer.status_code == 404
    assert MARKER not in answer.text + str(answer.headers)
    assert is_clean(edge)


def test_feedback_leaves_no_marker_in_the_log(edge: AnEdge) -> None:
    card = orjson.loads(edge.call(a_marked_call()).data)["cards"][0]["uuid"]
    reason = {"reason": {"code": MARKER, "system": "urn:x"}, "userComment": MARKER}
    assert edge.feedback(an_override(card, overrideReason=reason)).status_code == 200
    assert edge.feedback(an_override(MARKER, overrideReason=reason)).status_code == 200
    answer = edge.feedback(an_override(MARKER, outcome=MARKER, outcomeTimestamp=MARKER))
    assert answer.status_code == 400
    assert MARKER not in answer.text
    assert is_clean(edge)


def test_pages_and_discovery_show_nothing_of_a_call(edge: AnEdge) -> None:
    edge.call(a_marked_call())
    for path in ("/", "/services/test-service", "/cds-services", "/health/ready", "/health/live", "/metrics"):
        answer = edge.http.get(path)
        assert answer.status_code == 200
        assert MARKER.lower() not in answer.text.lower()


def test_the_log_of_a_journal_that_cannot_be_written_has_no_marker(tmp_path: Path) -> None:
    with an_edge(tmp_path, migrated=False) as edge:
        answer = edge.call(a_marked_call())
        assert answer.status_code == 503
        assert MARKER not in answer.text
        assert is_clean(edge)


def test_the_journal_keeps_no_token(edge: AnEdge, tmp_path: Path) -> None:
    """[ACC-9] The token is transient: not stored, not logged."""
    edge.call(a_marked_call())
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("journal.db*"))
    assert b"Zzmarker-1" in stored
    assert b"Zzmarker-token" not in stored


def test_patients_rest_in_the_journal_alone(edge: AnEdge, tmp_path: Path) -> None:
    """Of all files that the service has, the database's own hold the patient."""
    edge.call(a_marked_call())
    holding = {path.name for path in tmp_path.rglob("*") if path.is_file() and MARKER.encode() in path.read_bytes()}
    assert holding
    assert all(name.startswith("journal.db") for name in holding)


def test_searches_name_the_patient_in_their_bodies(tmp_path: Path) -> None:
    """[FHIR-47] Identifiers stay out of access logs: a search is posted, and its address holds nothing of the patient.

    The read of the Patient names the id in its address, of necessity: FHIR has no other way to read one resource.
    """
    patient = f"{MARKER}-1"
    with a_fhir_server() as server, an_edge(tmp_path, *Catalogue.found().services, settings=trusting(server)) as edge:
        server.on("GET", f"Patient/{patient}", Says(a_patient(id=patient)))
        for kind in {search.resource_type for each in Catalogue.found().services for search in each.searches.values()}:
            server.on("POST", f"{kind}/_search", Says(a_bundle()))
        for service in Catalogue.found().services:
            body = a_marked_call(service.hooks[0], fhirServer=server.base, prefetch={})
            assert edge.call(body, service=service.id).status_code in {200, 412}
    assert {asked.raw for asked in server.asked if MARKER in asked.raw} == {f"/r4/Patient/{patient}"}
    assert any(MARKER in asked.body for asked in server.asked)
    others = [{**asked.headers, "Authorization": ""} for asked in server.asked]
    assert MARKER not in str(others)


@pytest.mark.parametrize("where", ["log", "metrics", "error"])
def test_a_word_that_is_planted_is_found(tmp_path: Path, where: str) -> None:
    def plant(edge: AnEdge) -> None:
        if where == "log":
            edge.stream.write(f'{{"event": "{MARKER.upper()}"}}')
        elif where == "metrics":
            edge.metrics.refused(f"{MARKER}-service", 400)
        else:
            edge.http.application.after_request(lambda answer: answer.set_data(MARKER) or answer)
            edge.call(b"{")

    with pytest.raises(AssertionError, match="a patient's word is in"), an_edge(tmp_path) as edge:
        plant(edge)


PLANTING = """
import logging, sys
def test_a_log_line_of_ours(): print('{"at":"now","event":"MARKER"}', file=sys.stderr)
def test_a_librarys(): logging.getLogger("x").warning("MARKER")
def test_what_a_command_shows(): print("MARKER")
"""


def test_a_word_that_any_test_lets_into_a_log_fails_it(tmp_path: Path) -> None:
    (tmp_path / "test_planted.py").write_text(PLANTING.replace("MARKER", MARKER), encoding="utf-8")
    plugin = ["-p", "tests.conftest", "-c", os.devnull, "--rootdir", str(tmp_path)]
    command = [sys.executable, "-m", "pytest", *plugin, "test_planted.py"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, check=False)
    said = ran.stdout.decode()
    assert "2 failed, 1 passed" in said
    assert "a patient's word is in captured stderr call" in said
    assert "a patient's word is in captured log call" in said
