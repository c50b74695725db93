"""The service as it starts, besieged: its settings, keys and journal are real, and its outside world is ours.

The resolver and the connector of the machine are replaced beneath the code under test, so that nothing leaves even when
that code fails; whatever it tried to reach, and had no business to, is in `World.escapes`.
"""

import _socket
import logging
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from cds_hooks.catalogue import Catalogue
from cds_hooks.journal.tables import metadata
from cds_hooks.web.settings import Settings
from cds_hooks.web.startup import check
from cds_hooks.web.wsgi import Edge, compose
from fhir_client.signing_keys import make
from tests.attack.echoing import CARELESS, MINDFUL
from tests.builders import a_bundle, a_condition, a_patient, an_observation
from tests.cds_hooks.web.edge import a_call
from tests.cds_hooks.web.signing import (
    BASE,
    ISSUER,
    JKU,
    NOW,
    SigningKey,
    a_key,
    a_key_set,
    a_token,
    bearer,
    some_claims,
)
from tests.fhir_stub import Asked, FhirStub, Says, Script, a_fhir_server
from tests.outside import OTHER_PUBLIC, PUBLIC, Authority, over_tls, port_of
from tests.privacy.markers import MARKER, shows_no_patient

FHIR = "https://fhir.example/r4"
EVIL = "https://evil.example"
# A name and a client for each hostile behaviour: what is learned of one, as to leave it alone, tells on no other.
NAMES = tuple(f"fhir-{number}.example" for number in range(60))
FHIR_TOKEN = "canary-fhir-5d1e9a"
SUBJECT = "canary-subject-8c2f"
OTHER_ISSUER = "https://other.example/cds"
OTHER_KEY = a_key(kid="other-1")
SERVICE = "kidney-risk"
OPEN = ("/keys.json", "/r4/metadata")
DEADLINE_SECONDS = 0.6
CATALOGUE = Catalogue((*Catalogue.found().services, MINDFUL, CARELESS))
# As they are before anything is replaced.
_CONNECT, _LOOK_UP = socket.socket.connect, _socket.getaddrinfo
_CLIENTS = """
[[client]]
issuer = "{issuer}"
jwks_url = "{jku}"
fhir_servers = [{servers}]

[[client]]
issuer = "{other}"
jwks_file = "other-keys.json"
fhir_servers = ["https://fhir.other.example/r4", {bases}]
test_hosts = [{hosts}]
"""
# Where another client's test servers may listen: plain http, for what speaks no HTTP at all.
TEST_HOSTS = tuple(f"http://127.0.0.{number}:8090" for number in range(2, 12))
_MORE_CLIENTS = """
[[client]]
issuer = "https://{name}/cds"
jwks_url = "https://{name}/{name}.json"
fhir_servers = ["https://{name}/r4"]
"""


class Escape(OSError):
    """The code under test tried to reach what it had no business to."""


@dataclass
class World:
    """All names and addresses there are; the answers of a name are given one after another, the last one for ever."""

    names: dict[str, list[list[str]]] = field(default_factory=dict)
    routes: dict[str, int] = field(default_factory=dict)
    looked_up: list[str] = field(default_factory=list)
    dialed: list[str] = field(default_factory=list)
    escapes: list[str] = field(default_factory=list)

    @contextmanager
    def replacing_the_real_one(self) -> Iterator[None]:
        """Answer every lookup and every connect of this process."""
        assert socket.socket.connect is _CONNECT, "another world stands already"

        def instead(ours: socket.socket, address: Any) -> None:
            _CONNECT(ours, ("127.0.0.1", self._port(address)))

        def found(host: Any, port: Any, *arguments: Any, **more: Any) -> Any:
            addresses = self._addresses(str(host))
            return [each for address in addresses for each in _LOOK_UP(address, port, 0, socket.SOCK_STREAM)]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket.socket, "connect", instead)
            patch.setattr(socket.socket, "connect_ex", instead)
            patch.setattr(_socket, "getaddrinfo", found)  # beneath `socket`, whose functions others hold by name
            yield

    def _addresses(self, host: str) -> Sequence[str]:
        self.looked_up.append(host)
        answers = self.names.get(host)
        if not answers:
            self.escapes.append(f"lookup of {host}")
            raise socket.gaierror
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def _port(self, address: Any) -> int:
        target = f"{address[0]}:{address[1]}"
        self.dialed.append(target)
        if target not in self.routes:
            self.escapes.append(f"connection to {target}")
            raise Escape
        return self.routes[target]


@dataclass
class Siege:
    """The service, who besieges it, and everything that it says to anybody."""

    folder: Path
    world: World
    edge: Edge
    http: FlaskClient
    log: StringIO
    traces: StringIO
    ehr: FhirStub
    evil: FhirStub
    said: list[str] = field(default_factory=list)

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> TestResponse:
        """Post to the service, and keep what it says."""
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        answer = self.http.post(path, data=raw, content_type="application/json", headers=dict(headers or {}))
        self.said.append(f"{answer.headers}\n{answer.text}")
        return answer

    def call(
        self, body: Any = None, *, service: str = SERVICE, key: SigningKey | None = None, **claims: Any
    ) -> TestResponse:
        """Call a service with a new and valid token."""
        headers = signed(service, key, **claims)
        return self.post(f"/cds-services/{service}", a_bare_call() if body is None else body, headers)

    def get(self, path: str) -> TestResponse:
        """Look at something that is open."""
        answer = self.http.get(path)
        self.said.append(f"{answer.headers}\n{answer.text}")
        return answer

    def count(self, table: str) -> int:
        """Count the rows of a table of the journal."""
        query = select(func.count()).select_from(metadata.tables[table])
        return int(self.edge.journal.read(lambda connection: connection.execute(query).scalar_one()))

    def metrics(self) -> str:
        """Give what the service counts."""
        return self.edge.metrics.text().decode()

    def metric(self, name: str) -> float:
        """Give the sum of a metric over its labels."""
        lines = self.metrics().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(f"chartside_{name}"))

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Give the rows of a table of the journal."""
        query = select(metadata.tables[table])
        found = self.edge.journal.read(lambda connection: connection.execute(query).mappings().all())
        return [{str(name): value for name, value in row.items()} for row in found]

    def acquaint(self) -> None:
        """Let the service fetch whatever it fetches once: keys, and what the server can do."""
        limit = time.monotonic() + 10
        while not {"/keys.json", "/r4/metadata"} <= {asked.path for asked in self.ehr.asked}:
            assert time.monotonic() < limit
            self.call()

    def heard_since(self, heard: int) -> list[Asked]:
        """Give what the EHR was asked for since then, but for what anybody may: keys, and what its server can do."""
        return [asked for asked in self.ehr.asked[heard:] if asked.path not in OPEN]

    def events(self) -> list[dict[str, Any]]:
        """Give what was logged: every line is one event."""
        return [orjson.loads(line) for line in self.log.getvalue().splitlines()]

    def everything_told(self) -> str:
        """Give all that left the service but for requests to FHIR servers: answers, log, metrics, traces."""
        return "\n".join((*self.said, self.log.getvalue(), self.traces.getvalue(), self.metrics()))

    def kept(self) -> bytes:
        """Give the bytes of the journal."""
        return b"".join(path.read_bytes() for path in sorted(self.folder.glob("journal.db*")))


def signed(service: str = SERVICE, key: SigningKey | None = None, *, path: str = "", **claims: Any) -> dict[str, str]:
    """Give the headers of a signed request; a new token each time."""
    audience = {"aud": f"{BASE}/cds-services/{service}{path}"}
    return {"Authorization": bearer(a_token(some_claims(**{**audience, **claims}), key=key or a_key()))}


def a_bare_call(server: str | None = FHIR, *, token: str | None = FHIR_TOKEN, **members: Any) -> dict[str, Any]:
    """Build a call with ids and FHIR access, and no data."""
    access = {"access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs", "subject": "x"}
    return a_call(
        **{
            "prefetch": ...,
            "fhirServer": ... if server is None else server,
            "fhirAuthorization": ... if server is None or token is None else access,
            **members,
        }
    )


def a_sufficient_call(server: str | None = FHIR, **members: Any) -> dict[str, Any]:
    """Build the same with what is required prefetched: what would be read is only more."""
    return a_bare_call(server, **{"prefetch": {"patient": a_patient(), "laboratory": some_results()}, **members})


def some_results() -> dict[str, Any]:
    """Give the results of somebody whose kidneys are ill."""
    taken = ("2024-05-20", "2024-01-10")
    return a_bundle(*(an_observation("2160-0", 2.0, "mg/dL", on=on) for on in taken))


def serve(stub: FhirStub, method: str, path: str, script: Script) -> None:
    """Answer at a path that is not beneath the base."""
    stub._scripts[method, path] = script


def holds_a_chart(stub: FhirStub) -> None:
    """Let a stub have one patient, whose kidneys are ill."""
    stub.on("GET", "Patient/p1", Says(a_patient(name=[{"family": MARKER}])))
    stub.on("POST", "Observation/_search", Says(some_results()))
    stub.on("POST", "Condition/_search", Says(a_bundle(a_condition("I10"))))
    for other in ("MedicationRequest", "Encounter", "ServiceRequest", "AllergyIntolerance", "DiagnosticReport"):
        stub.on("POST", f"{other}/_search", Says(a_bundle()))


@contextmanager
def a_siege(folder: Path, *, deadline_ms: int = 4000) -> Iterator[Siege]:
    """Start the service, with a clock that stands still; at the end nothing has tried to get out.

    One at a time in a process: they would have each other's connections.
    """
    authority = Authority(folder)
    world = World(
        {name: [[PUBLIC]] for name in ("ehr.example", "fhir.example", *NAMES)} | {"evil.example": [[OTHER_PUBLIC]]}
    )
    with a_fhir_server() as ehr, a_fhir_server() as evil, world.replacing_the_real_one():
        world.routes = {f"{PUBLIC}:443": port_of(ehr), f"{OTHER_PUBLIC}:443": port_of(evil)}
        over_tls(ehr, authority.server_context("ehr.example", "fhir.example", *NAMES))
        over_tls(evil, authority.server_context("evil.example"))
        ehr.on("GET", "metadata", Says({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}))
        serve(ehr, "GET", "/keys.json", Says(a_key_set(a_key()), media_type="application/json"))
        holds_a_chart(ehr)
        settings = Settings.from_environment(_environ(folder, authority, deadline_ms))
        log, traces = StringIO(), StringIO()
        with (
            redirect_stderr(log),
            _tracing(traces),
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr("cds_hooks.web.wsgi.datetime", SimpleNamespace(now=lambda _: NOW))
            edge = compose(check(settings, catalogue=CATALOGUE))
            try:
                siege = Siege(folder, world, edge, edge.app.test_client(), log, traces, ehr, evil)
                yield siege
                shows_no_patient(log.getvalue(), traces.getvalue(), siege.metrics(), where="the log or the metrics")
            finally:
                edge.close()
        assert world.escapes == []
        assert evil.asked == []


def _environ(folder: Path, authority: Authority, deadline_ms: int) -> dict[str, str]:
    make(folder / "keys", "ES384", signs_from=NOW)
    (folder / "other-keys.json").write_bytes(a_key_set(OTHER_KEY))
    servers = ", ".join(f'"https://{name}/r4"' for name in ("fhir.example", *NAMES))
    bases = ", ".join(f'"{origin}/r4"' for origin in TEST_HOSTS)
    hosts = ", ".join(f'"{origin}"' for origin in TEST_HOSTS)
    clients = _CLIENTS.format(issuer=ISSUER, jku=JKU, servers=servers, other=OTHER_ISSUER, bases=bases, hosts=hosts)
    more = "".join(_MORE_CLIENTS.format(name=name) for name in NAMES)
    (folder / "clients.toml").write_text(clients + more, encoding="utf-8")
    (folder / "site.toml").write_text('kidney_failure_region = "other"\n', encoding="utf-8")
    return {
        "CHARTSIDE_BASE_URL": BASE,
        "CHARTSIDE_CLIENTS": str(folder / "clients.toml"),
        "CHARTSIDE_SITE": str(folder / "site.toml"),
        "CHARTSIDE_DATABASE_URL": f"sqlite:///{folder / 'journal.db'}",
        "CHARTSIDE_SIGNING_KEYS": str(folder / "keys"),
        "CHARTSIDE_CA_FILE": str(authority.file),
        "CHARTSIDE_DEADLINE_MS": str(deadline_ms),
        "CHARTSIDE_LOG_LEVEL": "debug",
    }


@contextmanager
def _tracing(stream: StringIO) -> Iterator[None]:
    """Keep what any library logs, at every level, with its traces."""
    handler, root = logging.StreamHandler(stream), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
