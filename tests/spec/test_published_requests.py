"""CDS Hooks requests that others published or really sent."""

import json

import orjson
import pytest

from cds_hooks.errors import WrongHook
from cds_hooks.protocol.requests import HookRequest
from tests.shared_data import every, require
from tests.spec.messages import EVERY_HOOK, INSTANCE, read

pytestmark = pytest.mark.shared_data


def from_json(body: bytes) -> HookRequest:
    return HookRequest.from_json(body, service_hooks=EVERY_HOOK)


@pytest.mark.parametrize("relative", every("cds-hooks/sandbox-captured", "*.json"))
def test_what_the_public_sandbox_really_sends_is_read(relative: str) -> None:
    body = json.loads(require(relative).read_bytes())["body"]
    request = from_json(orjson.dumps(body))
    assert request.warnings == ()
    assert set(request.prefetch) <= {"patient", "conditions", "obs", "meds"}


@pytest.mark.parametrize("relative", every("cds-hooks/library", "*.json"))
def test_every_example_of_the_hook_library_is_read(relative: str) -> None:
    """[HOOK-3, HOOK-6] Run all published examples as smoke tests; library examples omit `type`."""
    path = require(relative)
    hook = path.stem.rpartition("-")[0]
    message = json.loads(path.read_bytes()) | {"hook": hook, "hookInstance": INSTANCE}
    assert read(message).context.patient_id == "1288992"


@pytest.mark.parametrize("relative", ["crd-ig/CRDServiceRequest.json", "crd-ig/CRDServiceRequest4.json"])
def test_the_requests_of_the_crd_guide_are_read(relative: str) -> None:
    request = from_json(require(f"cds-hooks/{relative}").read_bytes())
    assert request.warnings == ()
    assert request.fhir_access is not None
    assert request.context.drafts


def test_the_requests_of_the_crd_test_kit_are_read_or_name_a_hook_of_nobodys() -> None:
    folder = require("cds-hooks/crd-test-kit")
    request = from_json((folder / "encounter_discharge_hook_request.json").read_bytes())
    assert request.context.encounter_id == "example"
    with pytest.raises(WrongHook):
        from_json((folder / "fancy_structure_hook_request.json").read_bytes())
