"""Whose rights an outbound request uses, and which addresses a start-up lets anybody name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_hooks.web.settings import Settings, SettingsError
from fhir_client.client import Connections
from fhir_client.record import Availability
from tests.builders import a_bundle
from tests.fhir_stub import FhirStub, Says, a_fhir_server, an_outcome
from tests.hook_calls import CHART, PATHS, TOKEN, a_call, access_to, gathered, holds_the_chart


@pytest.fixture
def server() -> Iterator[FhirStub]:
    with a_fhir_server() as stub:
        holds_the_chart(stub)
        yield stub


@pytest.fixture
def connections() -> Iterator[Connections]:
    with Connections() as open_connections:
        yield open_connections


@pytest.mark.parametrize("status", [401, 403])
def test_a_call_that_is_denied_does_not_go_on_with_our_own_rights(
    connections: Connections, server: FhirStub, status: int
) -> None:
    """[FHIR-1] Call token gives 403; no backend token request is seen: a user's rights are never widened."""
    server.on(
        "GET", ".well-known/smart-configuration", Says({"token_endpoint": f"{server.base}/token"}, media_type=None)
    )
    server.on("POST", "token", Says({"access_token": "ours", "token_type": "bearer", "expires_in": 300}))
    for method, path in (("GET", PATHS["patient"]), ("POST", PATHS["hba1c"]), ("POST", PATHS["conditions"])):
        server.on(method, path, Says(an_outcome("error", "forbidden"), status))
    result = gathered(a_call({}, server=server.base), access_to(connections, server))
    assert set(result.availability.values()) == {Availability.DENIED}
    assert {asked.headers.get("Authorization") for asked in server.asked} == {f"Bearer {TOKEN}"}
    assert not {"token", ".well-known/smart-configuration"} & set(server.paths())


def test_a_whole_call_only_reads(connections: Connections, server: FhirStub) -> None:
    """[FHIR-3] No PUT, PATCH, DELETE; POST only to `_search` and a batch of reads."""
    server.on("POST", PATHS["conditions"], Says({**a_bundle(next=f"{server.base}/Condition?cursor=2")}))
    server.on("GET", "Condition", Says(CHART["conditions"]))
    gathered(a_call({}, server=server.base), access_to(connections, server))
    assert {asked.method for asked in server.asked} == {"GET", "POST"}
    assert all(path.endswith("/_search") for path in server.paths("POST"))


def settings_with(folder: Path, entry: str) -> Settings:
    keys, clients = folder / "keys.json", folder / "clients.toml"
    keys.write_text('{"keys": []}', encoding="utf-8")
    clients.write_text(f'[[client]]\nissuer = "anonymous"\n{entry}\n', encoding="utf-8")
    return Settings.from_environment({"CHARTSIDE_AUTHENTICATION": "off", "CHARTSIDE_CLIENTS": str(clients)})


@pytest.mark.parametrize("listed", ["*", "https://*", "https://*/", "https://*.example/r4", "https://fhir.example/*"])
def test_no_listed_server_stands_for_all(tmp_path: Path, listed: str) -> None:
    """[FHIR-76] `*` is refused at start-up."""
    with pytest.raises(SettingsError, match="fhir_servers"):
        settings_with(tmp_path, f'fhir_servers = ["{listed}"]')


@pytest.mark.parametrize("entry", ['private_networks = ["*"]', 'test_hosts = ["http://*"]', 'test_hosts = ["*"]'])
def test_nor_does_any_other_entry(tmp_path: Path, entry: str) -> None:
    """[FHIR-76] `*` is refused at start-up."""
    with pytest.raises(SettingsError, match=entry.partition(" ")[0]):
        settings_with(tmp_path, entry)


def test_without_an_entry_no_server_is_ever_called(tmp_path: Path, connections: Connections, server: FhirStub) -> None:
    """[FHIR-76] Allow-list is empty by default in production."""
    assert Settings.from_environment({"CHARTSIDE_AUTHENTICATION": "off"}).anonymous.fhir_servers == frozenset()
    assert settings_with(tmp_path, "").anonymous.fhir_servers == frozenset()
    assert access_to(connections)(a_call({}, server=server.base)) is None
    assert server.asked == []
