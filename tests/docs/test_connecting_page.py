"""docs/connecting.md says what has to be agreed with an EHR before the first call."""

import re
from pathlib import Path

from cds_hooks.catalogue import Catalogue
from cds_hooks.protocol.requests import FhirAccess
from cds_hooks.web.clients import read_clients

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "connecting.md").read_text(encoding="utf-8")
CHECKLIST = PAGE[PAGE.index("## 7. Agree with each client") :]
SCOPES = dict(re.findall(r"^\| `(user/\w+\.rs?)` \| (.+?) \|$", CHECKLIST, re.MULTILINE))
SERVICES = Catalogue.found().services


AGREED = """
[[client]]
issuer = "https://ehr.example/cds"
jwks_file = "ehr-keys.json"
client_id = "chartside-at-ehr"
fhir_servers = ["https://fhir.ehr.example/r4"]
specification = "3.0"
mode = "strict"
features = ["system-actions"]
services = ["kidney-risk"]
"""


def test_what_is_agreed_with_a_client_is_kept_with_it(tmp_path: Path) -> None:
    """[ACC-13] Onboarding checklist stores client id, scopes, FHIR base per client."""
    assert "before any data are prefetched or any token is used" in " ".join(CHECKLIST.split())
    cells = re.findall(r"^\| .+? \| (.*?) \| .+? \|$", CHECKLIST, re.MULTILINE)
    keys = {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}
    assert keys == set(re.findall(r"^(\w+) =", AGREED, re.MULTILINE)) - {"issuer", "jwks_file"}
    (tmp_path / "ehr-keys.json").write_text("{}", encoding="utf-8")
    (tmp_path / "clients.toml").write_text(AGREED, encoding="utf-8")
    faults: list[str] = []
    (client,) = read_clients(tmp_path / "clients.toml", name="clients", faults=faults)
    assert faults == []
    assert client.client_id == "chartside-at-ehr"
    assert set(client.fhir_servers) == {"https://fhir.ehr.example/r4"}


def test_the_scopes_are_those_that_the_services_need_and_no_more() -> None:
    """[ACC-13] Service is pre-registered with the EHR's authorisation server, with the scopes it uses."""
    needed: dict[str, set[str]] = {"user/Medication.r": set()}
    for service in SERVICES:
        for search in service.searches.values():
            scope = f"user/{search.resource_type}.{'r' if search.is_read else 'rs'}"
            needed.setdefault(scope, set()).add(service.id)
    assert SCOPES.keys() == needed.keys()
    for scope, services in needed.items():
        if scope == "user/Medication.r":
            continue
        named = set(re.findall(r"`([a-z-]+)`", SCOPES[scope])) or {service.id for service in SERVICES}
        assert named >= services, scope
        assert len(services) > 1 or named == services, scope


def test_the_scopes_are_read_as_they_are_written() -> None:
    access = FhirAccess("x", "Bearer", 300, " ".join(SCOPES), "chartside")
    assert all(access.allows(scope[5:].split(".")[0], "r") for scope in SCOPES)
    assert access.allows("Observation", "s")
    assert not access.allows("Medication", "s")


def test_the_hooks_that_safety_depends_on_are_agreed() -> None:
    """[LIFE-4] Hooks needed for patient safety are agreed with each client: onboarding checklist."""
    rows = [row for row in CHECKLIST.splitlines() if row.startswith("|")]
    assert any("hooks that the EHR fires for each service" in row for row in rows)
    assert any("patient safety depends on" in row and "a missing card is no all-clear" in row for row in rows)
