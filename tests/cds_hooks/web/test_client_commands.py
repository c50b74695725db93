"""`chartside client add` and `client test`: what they write, what they find, and what they never say."""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import ECAlgorithm

from cds_hooks.catalogue import Catalogue
from cds_hooks.cli import main
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.web.clients import read_clients
from cds_hooks.web.proving import Prover, Verdict, _synthetic_call
from fhir_client.transport import Transport
from tests.cds_hooks.web.signing import ISSUER, JKU, SigningKey, a_key, a_key_set
from tests.fhir_stub import Asked, FhirStub, Says, a_fhir_server

KEY = a_key()
OFFERED = {"id": "kidney-risk", "hook": "patient-view", "prefetch": {"patient": "Patient/{{context.patientId}}"}}
PLAIN = ["client", "add", ISSUER, "--jwks-url", JKU]


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHARTSIDE_CLIENTS", raising=False)
    monkeypatch.delenv("CHARTSIDE_BASE_URL", raising=False)


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("CHARTSIDE_CLIENTS", str(tmp_path / "clients.toml"))
    return tmp_path / "clients.toml"


def test_a_client_is_added_with_all_that_was_agreed(clients: Path) -> None:
    more = ["--fhir-server", "https://fhir.ehr.example/r4", "--fhir-server", "https://fhir.ehr.example/b"]
    more += ["--specification", "3.0", "--mode", "strict", "--algorithm", "ES384", "--replay", "report"]
    more += ["--tenant", "north", "--service", "kidney-risk", "--origin", "https://ehr.example", "--rate-limit", "50"]
    more += ["--private-network", "10.20.0.0/16", "--feature", "system-actions", "--client-id", 'a "quoted" id']
    assert main([*PLAIN, *more]) == 0
    faults: list[str] = []
    (client,) = read_clients(clients, name="clients", faults=faults)
    assert faults == []
    assert (client.issuer, client.jwks_url, client.strict, client.rate_limit) == (ISSUER, JKU, True, 50)
    assert client.fhir_servers == {"https://fhir.ehr.example/r4", "https://fhir.ehr.example/b"}
    assert (client.algorithms, client.replay, client.client_id) == (("ES384",), "report", 'a "quoted" id')
    assert client.tenants == frozenset({"north"})
    assert client.services == frozenset({"kidney-risk"})


def test_what_the_ehr_has_to_enter_is_printed(
    clients: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTSIDE_BASE_URL", "https://cds.example")
    monkeypatch.setenv("CHARTSIDE_SIGNING_KEYS", str(clients.parent))
    assert main([*PLAIN, "--tenant", "north", "--feedback-audience", "service"]) == 0
    said = capsys.readouterr().out
    assert f"added to {clients}: {ISSUER}" in said
    for words in (
        "discovery  https://cds.example/cds-services\n",
        "for feedback https://cds.example/cds-services/{id}\n",
        f"alg ES384 or RS384, kid of the key, jku {JKU} or none",
        "tenant     one of north",
        "our keys   https://cds.example/.well-known/jwks.json",
        f"chartside client test {ISSUER}",
    ):
        assert words in said
    assert "Set CHARTSIDE_BASE_URL" not in said


def test_without_a_base_url_it_is_asked_for(clients: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(PLAIN) == 0
    assert clients.exists()
    said = capsys.readouterr().out
    assert "Set CHARTSIDE_BASE_URL" in said
    assert "our keys" not in said


@pytest.mark.parametrize("end", ["\n", ""])
def test_what_stands_in_the_file_stays_comments_too(clients: Path, end: str) -> None:
    old = "# Agreed on 2 May\n[[client]]\nissuer = 'anonymous'  # the test bench" + end
    clients.write_text(old, encoding="utf-8")
    clients.chmod(0o640)
    assert main(PLAIN) == 0
    text = clients.read_text(encoding="utf-8")
    assert text.startswith(old)
    assert [entry["issuer"] for entry in tomllib.loads(text)["client"]] == ["anonymous", ISSUER]
    assert clients.stat().st_mode & 0o777 == 0o640
    assert list(clients.parent.iterdir()) == [clients]


def test_a_key_file_is_named_relative_to_the_clients_file(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "ehr.json").write_bytes(a_key_set(KEY))
    assert main(["client", "add", ISSUER, "--jwks-file", "ehr.json", "--file", "etc/clients.toml"]) == 0
    assert 'jwks_file = "../ehr.json"' in (tmp_path / "etc" / "clients.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fhir-server", "*"], "fhir_servers: must name each one"),
        (["--fhir-server", "http://fhir.ehr.example"], "fhir_servers: must be https"),
        (["--mode", "loose"], "mode: must be one of lenient, strict"),
        (["--algorithm", "HS256"], "algorithms: must be some of"),
        (["--rate-limit", "0"], "rate_limit: must be from 1"),
        (["--client-id", ""], "client_id: must not be empty"),
    ],
)
def test_what_the_service_would_refuse_is_not_added(
    clients: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    clients.write_text("# mine\n", encoding="utf-8")
    assert main([*PLAIN, *arguments]) == 1
    said = capsys.readouterr()
    assert f"clients.toml: client[0]: {words}" in said.err
    assert said.out == ""
    assert clients.read_text(encoding="utf-8") == "# mine\n"
    assert list(clients.parent.iterdir()) == [clients]


def test_no_client_is_added_twice(clients: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(PLAIN) == 0
    before = clients.read_bytes()
    assert main(PLAIN) == 1
    assert "issuer: is named twice" in capsys.readouterr().err
    assert clients.read_bytes() == before


@pytest.mark.parametrize("content", [b"{}", b'{"keys": []}', a_key_set(a_key("RS256")), b"-----BEGIN"])
def test_a_key_file_of_no_use_is_not_added(
    clients: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "k.json").write_bytes(content)
    assert main(["client", "add", ISSUER, "--jwks-file", "k.json"]) == 1
    assert "clients.toml: client[0]: jwks_file: " in capsys.readouterr().err
    assert not clients.exists()


def test_a_file_that_cannot_be_used_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(PLAIN) == 2
    assert "name the clients file" in capsys.readouterr().err
    assert main([*PLAIN, "--file", str(tmp_path / "nowhere" / "clients.toml")]) == 1
    assert "the file cannot be written" in capsys.readouterr().err
    (tmp_path / "bad.toml").write_bytes(b"\xff")
    assert main([*PLAIN, "--file", "bad.toml"]) == 1
    assert "the file cannot be read" in capsys.readouterr().err
    (tmp_path / "link.toml").symlink_to(tmp_path / "bad.toml")
    assert main([*PLAIN, "--file", "link.toml"]) == 1
    assert "is a link" in capsys.readouterr().err


@dataclass(slots=True)
class Partner:
    """An EHR on loopback with a key set and a FHIR server, and our own service beside it, as a stub."""

    stub: FhirStub
    tokens: list[dict[str, Any]] = field(default_factory=list)

    def call(self, asked: Asked) -> Says:
        """Answer as the service does: with cards to who has a good token."""
        token = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token:
            return Says({}, 401)
        audience = self.stub.origin + asked.path
        self.tokens.append(jwt.decode(token, KEY.pem, ["ES384"], audience=audience))
        return Says({"cards": []})


@pytest.fixture
def partner(clients: Path) -> Iterator[Partner]:
    with a_fhir_server() as stub:
        partner = Partner(stub)
        stub.on("GET", "keys", Says(a_key_set(KEY)))
        stub.on("GET", "metadata", Says({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}))
        stub.on("GET", "cds-services", Says({"services": [{"id": "other", "hook": "order-sign"}, OFFERED]}))
        stub.on("POST", "cds-services/kidney-risk", partner.call)
        stub.on("GET", "broken/metadata", Says(b"<html>canary</html>", media_type="text/html"))
        added = [ISSUER, "--jwks-url", f"{stub.base}/keys", "--test-host", stub.origin, "--fhir-server", stub.base]
        assert main(["client", "add", *added]) == 0
        yield partner


def found(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_connection_that_works_is_proved(partner: Partner, capsys: pytest.CaptureFixture[str]) -> None:
    """[FHIR-75] Key set and FHIR server are reached over the checked way out alone."""
    assert main(["client", "test", ISSUER]) == 0
    lines = found(capsys)
    assert lines[0] == "ok     keys: key-1: ES384"
    assert f"ok     FHIR: {partner.stub.base}: speaks FHIR 4.0.1" in lines
    assert [line for line in lines if not line.startswith("ok ")] == []
    assert partner.stub.paths() == ["keys", "metadata"]


def test_the_door_is_tried_with_a_key_of_the_clients_test_system(
    partner: Partner, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    private = KEY.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(private)
    discovery = f"{partner.stub.base}/cds-services"
    assert main(["client", "test", ISSUER, "--discovery", discovery, "--key", "key.pem", "--kid", "key-1"]) == 0
    lines = found(capsys)
    assert "ok     service: discovery without a token is answered 200" in lines
    assert "ok     service: discovery signed is answered 200" in lines
    assert "ok     service: a call without a token is answered 401" in lines
    assert "ok     service: a signed call is answered 200" in lines
    (claims,) = partner.tokens
    assert (claims["iss"], claims["exp"] - claims["iat"]) == (ISSUER, 300)
    assert not any(private.decode()[30:60] in line for line in lines)


def test_a_key_of_a_set_is_chosen_by_its_id(
    partner: Partner, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    own = _private_jwk(KEY)
    keys = [{**own, "kid": "key-1"}, {**own, "kid": "key-2"}]
    (tmp_path / "one.json").write_text(json.dumps({"keys": keys[:1]}), encoding="utf-8")
    (tmp_path / "two.json").write_text(json.dumps({"keys": keys}), encoding="utf-8")
    door = ["client", "test", ISSUER, "--discovery", f"{partner.stub.base}/cds-services"]
    assert main([*door, "--key", "one.json"]) == 0
    assert main([*door, "--key", "two.json", "--kid", "key-2"]) == 0
    capsys.readouterr()
    for more in ([], ["--kid", "key-3"]):
        assert main([*door, "--key", "two.json", *more]) == 2
        assert "must hold one key" in capsys.readouterr().err


def test_the_call_that_is_tried_is_about_nobody_and_is_valid() -> None:
    for service in Catalogue.found().services:
        entry = {"prefetch": dict(service.prefetch)}
        request = HookRequest.from_json(
            orjson.dumps(_synthetic_call(entry)),
            service_hooks=(Hook.PATIENT_VIEW,),
            strict=True,
            prefetch_keys=service.searches.keys(),
        )
        prefetched = dict(request.prefetch)
        assert (prefetched.pop("patient") or {})["id"] == "synthetic"
        assert set(prefetched.values()) == {None}


def test_a_service_that_lets_anybody_in_fails_the_test(partner: Partner, capsys: pytest.CaptureFixture[str]) -> None:
    partner.stub.on("POST", "cds-services/kidney-risk", Says({"cards": []}))
    assert main(["client", "test", ISSUER, "--discovery", f"{partner.stub.base}/cds-services"]) == 1
    assert "failed service: a call without a token is answered 200, not 401" in found(capsys)


@pytest.mark.parametrize(
    ("path", "says", "words"),
    [
        ("keys", Says({}, 500), "failed keys: the key set was not given: the server failed (5xx)"),
        ("keys", Says({}, 404), "the key set was not given: the server has no such resource (404 or 410)"),
        ("keys", Says(resets=True), "failed keys: the key set could not be fetched: the server gave no answer"),
        ("keys", Says(b"<html>canary</html>"), "failed keys: the key set is not a JSON object"),
        ("keys", Says(a_key_set(a_key("RS256"))), "failed keys: none for ES384, RS384"),
        ("metadata", Says({}, 503), "/metadata is answered 503"),
        ("metadata", Says({"fhirVersion": "3.0.2"}), "speaks FHIR 3.0.2, not R4"),
        ("metadata", Says({"fhirVersion": "canary 4.0"}), "/metadata is no capability statement"),
        ("metadata", Says(b"canary"), "/metadata is no capability statement"),
        ("metadata", Says({}, 302, {"Location": "http://169.254.169.254/"}), "/metadata is answered 302"),
    ],
)
def test_what_does_not_work_is_named_and_nothing_is_repeated(
    partner: Partner, capsys: pytest.CaptureFixture[str], path: str, says: Says, words: str
) -> None:
    partner.stub.on("GET", path, says)
    assert main(["client", "test", ISSUER]) == 1
    lines = found(capsys)
    assert any(line.startswith("failed ") and words in line for line in lines)
    assert not any("canary" in line for line in lines)


@pytest.mark.parametrize(("seconds", "verdict"), [(50, Verdict.OK), (-50, Verdict.OK), (90, Verdict.FAILED)])
def test_a_clock_that_is_off_is_told(partner: Partner, clients: Path, seconds: int, verdict: Verdict) -> None:
    (client,) = read_clients(clients, name="clients", faults=[])
    with Transport() as transport:
        prover = Prover(client, transport, lambda: datetime.now(UTC) - timedelta(seconds=seconds))
        findings = [*prover.keys(), *prover.fhir_servers()]
    clocks = [finding for finding in findings if "its clock is" in finding.words]
    assert [finding.verdict for finding in clocks] == [verdict] * 2
    told = [int(finding.words.partition("clock is ")[2].split()[0]) for finding in clocks]
    assert told == [pytest.approx(seconds, abs=3)] * 2


def test_a_test_needs_a_client_that_is_listed_and_a_key_that_fits(
    partner: Partner, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["client", "test", "https://nobody.example"]) == 2
    assert "has no such issuer" in capsys.readouterr().err
    keys: dict[str, tuple[bytes, str]] = {
        "none.pem": (b"nothing", "holds no private key"),
        "other.pem": (_pem(a_key("ES256")), "fits none of the client's algorithms"),
        "own.pem": (_pem(KEY), "give it with --kid"),
        "public.json": (json.dumps(KEY.jwk).encode(), "neither RSA nor on an elliptic curve"),
    }
    for name, (content, words) in keys.items():
        (tmp_path / name).write_bytes(content)
        more = [] if name == "own.pem" else ["--kid", "key-1"]
        assert main(["client", "test", ISSUER, "--key", name, *more]) == 2
        assert words in capsys.readouterr().err
    assert main(["client", "test", ISSUER, "--key", "absent.pem"]) == 2
    assert "cannot be read" in capsys.readouterr().err


def _pem(key: SigningKey) -> bytes:
    return key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _private_jwk(key: SigningKey) -> dict[str, Any]:
    assert isinstance(key.private, EllipticCurvePrivateKey)
    return dict(ECAlgorithm.to_jwk(key.private, as_dict=True))
