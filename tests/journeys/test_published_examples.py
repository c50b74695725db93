"""Every published example of a hook call gets an answer that the specification allows.

Captured and CRD requests go in as they are. Library examples hold a context only: they are wrapped with their hook and
a hookInstance. Where no service of ours answers a hook yet, a service declared for the test does.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_hooks.catalogue import Catalogue
from cds_hooks.protocol.hooks import Hook
from cds_hooks.web.settings import Settings
from cds_hooks.web.startup import Checked
from cds_hooks.web.wsgi import compose
from tests.cds_hooks.declared import PATIENT, RESULTS, AnAssessor, a_service
from tests.shared_data import every, require

INSTANCE = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
# What is not 200, and why that is right. A test-only service answers whatever it is asked with what it is given.
EXPECTED_ELSE: dict[str, tuple[int, str]] = {
    "cds-hooks/crd-test-kit/fancy_structure_hook_request.json": (400, "its hook is in no hook library: WrongHook"),
}
# Answers and discovery documents, not requests.
NOT_REQUESTS = {"cds-hooks/crd-ig/CRDServiceResponse.json", "cds-hooks/crd-ig/CRDServices.json"}
EXAMPLES = [path for path in every("cds-hooks", "**/*.json") if path not in NOT_REQUESTS]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    environ = {
        "CHARTSIDE_AUTHENTICATION": "off",
        "CHARTSIDE_DATABASE_URL": f"sqlite:///{tmp_path_factory.mktemp('journal')}/journal.db",
    }
    # No key is required of the test-only services: the examples bring prefetch under keys of their own.
    easy = AnAssessor(searches=(PATIENT, RESULTS), required_keys=frozenset())
    services = [a_service(f"test-{hook}", hooks=(hook,), assessors=(easy,)) for hook in Hook]
    catalogue = Catalogue([*Catalogue.found().services, *services])
    edge = compose(Checked(Settings.from_environment(environ), catalogue))
    yield edge.app.test_client()
    edge.close()


def request_of(relative: str, content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Give the hook and the body to send."""
    if "body" in content:  # captured with method, path and headers
        content = content["body"]
    if "hook" in content:
        return content["hook"], content
    hook = Path(relative).stem.rpartition("-")[0]
    return hook, {"hook": hook, "hookInstance": INSTANCE, **content}


@pytest.mark.parametrize("relative", EXAMPLES)
def test_a_published_example_is_answered(relative: str, client: FlaskClient) -> None:
    """[HOOK-6] Library examples are often invalid FHIR: all published examples run as smoke tests."""
    hook, body = request_of(relative, json.loads(require(relative).read_bytes()))
    service = f"test-{hook}" if hook in set(Hook) else "test-patient-view"
    answer = client.post(f"/cds-services/{service}", json=body)
    status, _ = EXPECTED_ELSE.get(relative, (200, ""))
    assert answer.status_code == status, answer.get_data(as_text=True)
    if status != 200:
        assert answer.get_json()["resourceType"] == "OperationOutcome"
        return
    assert [card["summary"] for card in answer.get_json()["cards"]] == ["risk is 0.25"]


@pytest.mark.parametrize(
    "relative", [path for path in EXAMPLES if "sandbox-captured" in path and "patient-view" in path]
)
def test_a_captured_call_to_a_service_whose_keys_it_lacks_names_them(relative: str, client: FlaskClient) -> None:
    """[PRE-27, PRE-17] Its prefetch has other keys than ours, and its FHIR server is on no list: 412 names the keys."""
    _, body = request_of(relative, json.loads(require(relative).read_bytes()))
    answer = client.post("/cds-services/cardiovascular-risk", json=body)
    assert answer.status_code == 412
    named = {issue["expression"][0] for issue in answer.get_json()["issue"]}
    assert "prefetch.laboratory" in named
    assert "prefetch.patient" not in named


@pytest.mark.parametrize(
    "relative", [path for path in EXAMPLES if "sandbox-captured" in path and "patient-view" in path]
)
def test_a_captured_call_under_our_keys_is_assessed(relative: str, client: FlaskClient) -> None:
    """The data that the public sandbox sends, filed under the keys of our discovery, are enough for an answer."""
    _, body = request_of(relative, json.loads(require(relative).read_bytes()))
    sent = body["prefetch"]
    body["prefetch"] = {
        "patient": sent["patient"],
        "conditions": sent["conditions"],
        "medications": sent["meds"],
        "laboratory": sent["obs"],
        "vital-signs": sent["obs"],
        "social-history": sent["obs"],
        "encounters": None,
    }
    for service in ("cardiovascular-risk", "kidney-risk", "deterioration"):
        answer = client.post(f"/cds-services/{service}", json=body)
        assert answer.status_code == 200, answer.get_data(as_text=True)
