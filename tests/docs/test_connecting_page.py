"""docs/connecting.md says what has to be agreed with an EHR before the first call."""

import json
import re
import shlex
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cds_hooks.catalogue import Catalogue
from cds_hooks.cli import main
from cds_hooks.protocol.requests import FhirAccess
from cds_hooks.web.authentication import LEEWAY_SECONDS, LONGEST_ID, LONGEST_LIFE_SECONDS, Cause, call_audiences
from cds_hooks.web.clients import Client, read_clients
from cds_hooks.web.key_sets import INTERVAL_SECONDS, KEPT_SECONDS, LONGEST_FRESH_SECONDS, SHORTEST_FRESH_SECONDS
from cds_hooks.web.tokens import LONGEST_TOKEN
from tests.cds_hooks.web.signing import Door, a_token, bearer

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "connecting.md").read_text(encoding="utf-8")
CHECKLIST = PAGE[PAGE.index("## 11. Agree with each client") : PAGE.index("## Rehearse")]
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


BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _shown(language: str, words: str) -> str:
    shown: list[tuple[str, str]] = BLOCK.findall(PAGE)
    return next(text for kind, text in shown if kind == language and words in text)


def test_the_command_that_is_shown_writes_the_entry_that_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTSIDE_CLIENTS", str(tmp_path / "clients.toml"))
    command = shlex.split(_shown("sh", "client add").replace("\\\n", " "))
    assert command[0] == "chartside"
    assert main(command[1:]) == 0
    written = tomllib.loads((tmp_path / "clients.toml").read_text(encoding="utf-8"))
    assert written == tomllib.loads(_shown("toml", "client_id"))


def test_the_token_that_is_shown_is_accepted() -> None:
    header, claims = (json.loads(_shown("json", word)) for word in ('"kid"', '"iss"'))
    client = Client(claims["iss"], jwks_url=header["jku"], tenants=frozenset({"north"}), strict=True)
    door = Door(clients=(client,), now=datetime.fromtimestamp(claims["iat"], UTC))
    base, service = claims["aud"].split("/cds-services/")
    trusted = door.enter(bearer(a_token(claims, header)), call_audiences(base, service))
    assert trusted.tenant == "north"
    assert claims["exp"] - claims["iat"] == 300


def test_every_cause_of_a_refusal_is_explained() -> None:
    causes = PAGE[PAGE.index("## 9. When a call is refused") : PAGE.index("## 10.")]
    assert re.findall(r"^\| `([a-z-]+)` \|", causes, re.MULTILINE) == [cause.value for cause in Cause]


def test_the_figures_on_the_page_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())
    assert "at most every 30 seconds" in text
    assert INTERVAL_SECONDS == 30
    assert "between a minute and an hour" in text
    assert (SHORTEST_FRESH_SECONDS, LONGEST_FRESH_SECONDS) == (60, 3600)
    assert "eight hours at most" in text
    assert KEPT_SECONDS == 8 * 3600
    assert "a header of more than 8 KB" in text
    assert LONGEST_TOKEN == 8 * 1024
    assert "an hour at most" in text
    assert (LONGEST_LIFE_SECONDS, LEEWAY_SECONDS, LONGEST_ID) == (3600, 60, 256)


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
    searches = {search for service in SERVICES for search in service.searches.values()}
    needed = {f"user/{search.resource_type}.{'r' if search.is_read else 'rs'}" for search in searches}
    assert SCOPES.keys() == needed | {"user/Medication.r"}


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
