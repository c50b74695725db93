"""The clients file: every key of an entry is read, and every fault stops the start."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from cds_hooks.protocol.cards import ClientProfile
from cds_hooks.web.clients import Client
from cds_hooks.web.settings import Settings
from tests.cds_hooks.web.test_settings import OFF, faults_of, written

CLIENTS = """
[[client]]
issuer = "https://ehr.example/cds"
jwks_file = "ehr-keys.json"
specification = "3.0"
fhir_servers = ["https://fhir.ehr.example/r4", "http://127.0.0.1:8090/fhir"]
mode = "strict"
algorithms = ["ES384"]
replay = "report"
feedback_audience = "service"
legacy_delete = true
client_id = "chartside-at-ehr"
token_endpoint = "https://ehr.example/token"
tenants = ["north", "south"]
services = ["cardiovascular-risk"]
origins = ["https://ehr.example"]
private_networks = ["10.20.0.0/16"]
test_hosts = ["http://127.0.0.1:8090"]
rate_limit = 100
features = ["system-actions"]

[[client]]
issuer = "anonymous"
fhir_servers = ["https://fhir.ehr.example/r4"]
"""


def test_every_key_of_a_client_is_read(tmp_path: Path) -> None:
    keys = written(tmp_path, "ehr-keys.json", "{}")
    settings = Settings.from_environment({"CHARTSIDE_CLIENTS": written(tmp_path, "clients.toml", CLIENTS)})
    assert settings.clients[0] == Client(
        issuer="https://ehr.example/cds",
        profile=ClientProfile("3.0", legacy_delete=True, features=frozenset({"system-actions"})),
        strict=True,
        jwks_file=Path(keys),
        fhir_servers=frozenset({"https://fhir.ehr.example/r4", "http://127.0.0.1:8090/fhir"}),
        algorithms=("ES384",),
        replay="report",
        feedback_audience="service",
        client_id="chartside-at-ehr",
        token_endpoint="https://ehr.example/token",
        tenants=frozenset({"north", "south"}),
        services=frozenset({"cardiovascular-risk"}),
        origins=frozenset({"https://ehr.example"}),
        private_networks=(ip_network("10.20.0.0/16"),),
        test_hosts=frozenset({"http://127.0.0.1:8090"}),
        rate_limit=100,
    )
    assert settings.anonymous.fhir_servers == {"https://fhir.ehr.example/r4"}


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("", "jwks_file"),
        ("jwks_file = 'none.json'", "jwks_file"),
        ("jwks_url = 'http://ehr.example/jwks'", "jwks_url"),
        ("jwks_file = 'k.json'\njwks_url = 'https://ehr.example/jwks'", "jwks_file"),
        ("jwks_url = 'https://0x7f.1/jwks'", "jwks_url"),
        ("jwks_url = 'https://ehr.example:6379/jwks'", "jwks_url"),
        ("jwks_url = 'https://me:secret@ehr.example/jwks'", "jwks_url"),
        ("jwks_file = 'k.json'\nspecification = '4.0'", "specification"),
        ("jwks_file = 'k.json'\nspecification = 2.0", "specification"),
        ("jwks_file = 'k.json'\nfhir_servers = 'https://fhir.example'", "fhir_servers"),
        ("jwks_file = 'k.json'\nfhir_servers = ['http://fhir.example']", "fhir_servers"),
        ("jwks_file = 'k.json'\nfhir_servers = ['https://fhir.example?x']", "fhir_servers"),
        ("jwks_file = 'k.json'\nalgorithms = ['HS256']", "algorithms"),
        ("jwks_file = 'k.json'\nalgorithms = []", "algorithms"),
        ("jwks_file = 'k.json'\nreplay = 'maybe'", "replay"),
        ("jwks_file = 'k.json'\nfeedback_audience = 'all'", "feedback_audience"),
        ("jwks_file = 'k.json'\ntoken_endpoint = 'ehr.example'", "token_endpoint"),
        ("jwks_file = 'k.json'\ntenants = [1]", "tenants"),
        ("jwks_file = 'k.json'\norigins = ['https://ehr.example/path']", "origins"),
        ("jwks_file = 'k.json'\norigins = ['*']", "origins"),
        ("jwks_file = 'k.json'\norigins = ['https://ehr.example:443']", "origins"),
        ("jwks_file = 'k.json'\nprivate_networks = ['10.20.0.0/33']", "private_networks"),
        ("jwks_file = 'k.json'\ntest_hosts = ['127.0.0.1:8090']", "test_hosts"),
        ("jwks_file = 'k.json'\ntest_hosts = ['http://127.0.0.1:22']", "test_hosts"),
        ("jwks_file = 'k.json'\ntoken_endpoint = 'https://ehr.example:22/token'", "token_endpoint"),
        ("jwks_file = 'k.json'\nrate_limit = 0", "rate_limit"),
        ("jwks_file = 'k.json'\nlegacy_delete = 'no'", "legacy_delete"),
        ("jwks_file = 'k.json'\nmodus = 'strict'", "modus"),
    ],
)
def test_what_is_wrong_with_a_client_stops_the_start(tmp_path: Path, line: str, key: str) -> None:
    written(tmp_path, "k.json", "{}")
    text = f"[[client]]\nissuer = 'https://ehr.example'\n{line}\n"
    faults = faults_of({"CHARTSIDE_CLIENTS": written(tmp_path, "clients.toml", text)})
    assert f"CHARTSIDE_CLIENTS: client[0]: {key}: " in " ".join(faults)


@pytest.mark.parametrize(
    "line",
    [
        "fhir_servers = ['*']",
        "fhir_servers = ['https://*.ehr.example/r4']",
        "services = ['*']",
        "tenants = ['*']",
        "origins = ['https://*.ehr.example']",
        "test_hosts = ['*']",
        "algorithms = ['*']",
        "features = ['*']",
        "private_networks = ['*']",
        "private_networks = ['0.0.0.0/0']",
        "private_networks = ['::/0']",
    ],
)
def test_no_list_of_a_client_has_wildcards(tmp_path: Path, line: str) -> None:
    """[FHIR-76] Allow-list is empty by default in production; `*` is refused at start-up."""
    written(tmp_path, "k.json", "{}")
    text = f"[[client]]\nissuer = 'https://ehr.example'\njwks_file = 'k.json'\n{line}\n"
    faults = faults_of({"CHARTSIDE_CLIENTS": written(tmp_path, "clients.toml", text)})
    key = line.partition(" ")[0]
    assert f"CHARTSIDE_CLIENTS: client[0]: {key}: must name each one: there are no wildcards" in faults
    assert Client("https://ehr.example").fhir_servers == frozenset()


def test_who_may_call_depends_on_whether_callers_must_prove_who_they_are(tmp_path: Path) -> None:
    written(tmp_path, "k.json", "{}")
    text = "[[client]]\nissuer = 'https://ehr.example'\njwks_file = 'k.json'\n[[client]]\nissuer = 'anonymous'\n"
    clients = {"CHARTSIDE_CLIENTS": written(tmp_path, "clients.toml", text)}
    assert [client.issuer for client in Settings.from_environment(clients).callers] == ["https://ehr.example"]
    assert [client.issuer for client in Settings.from_environment({**OFF, **clients}).callers] == ["anonymous"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[client]]\nissuer = 'anonymous'\njwks_url = 'https://a.example/k'", "jwks_url: the anonymous client"),
        ("[[client]]\nissuer = 'anonymous'\n[[client]]\nissuer = 'anonymous'", "client[1]: issuer: is named twice"),
        ("[[client]]\nmode = 'strict'", "client[0]: issuer: is required"),
        ("[client]\nissuer = 'anonymous'", "client: must be written as [[client]]"),
        ("[[klient]]\nissuer = 'anonymous'", "klient: there is no such key"),
    ],
)
def test_a_file_of_clients_is_read_as_a_whole(tmp_path: Path, text: str, words: str) -> None:
    assert words in " ".join(faults_of({"CHARTSIDE_CLIENTS": written(tmp_path, "clients.toml", text)}))
