"""Whose rights an outbound request uses, and which addresses a start-up lets anybody name."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_hooks.access import connector
from cds_hooks.web.settings import Settings, SettingsError
from fhir_client.client import Connections
from fhir_client.errors import Reason
from fhir_client.questions import Deadline
from fhir_client.record import Availability
from tests.builders import a_bundle
from tests.fhir_stub import FhirStub, Says, a_fhir_server, an_outcome
from tests.hook_calls import CHART, PATHS, TOKEN, a_call, access_to, gathered, holds_the_chart
from tests.outside import PUBLIC, Outside

HOSTILE = json.loads(
    (Path(__file__).parent.parent / "fhir_client" / "hostile_addresses.json").read_text(encoding="utf-8")
)


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


@pytest.mark.parametrize("server", [*HOSTILE["malformed"], *(url for url, _ in HOSTILE["barred"])])
def test_a_call_that_names_a_hostile_server_has_prefetch_only(server: str) -> None:
    """[FHIR-70, FHIR-72] `fhirServer` must match the allow-list; unknown: no call. Corpus of hostile addresses."""
    world = Outside(names={name: [[PUBLIC]] for name in ("fhir.example", "evil.example")})
    listed = ["https://fhir.example/r4", "https://other.example"]
    with Connections(transport=world.transport()) as connections:
        connect = connector(
            connections,
            servers=listed,
            test_hosts=[],
            deadline=Deadline.after(5, time.monotonic),
            request_id="request-1",
        )
        assert connect(a_call({}, server=server)) is None
    assert (world.looked_up, world.dialed) == ([], [])


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "fd00:ec2::254", "::ffff:10.0.0.5"])
def test_a_listed_server_whose_name_leads_inside_is_sent_nothing(address: str) -> None:
    """[FHIR-73] Resolve the name once, check every address: a listed name is no reason to call an inner address."""
    world = Outside(names={"fhir.example": [[PUBLIC, address]]})
    with Connections(transport=world.transport()) as connections:
        connect = connector(
            connections,
            servers=["https://fhir.example/r4"],
            test_hosts=[],
            deadline=Deadline.after(5, time.monotonic),
            request_id="request-1",
        )
        result = gathered(a_call({}, server="https://fhir.example/r4"), connect)
    assert set(result.reasons.values()) == {Reason.ADDRESS}
    assert world.dialed == []


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
