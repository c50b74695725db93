"""`chartside serve` as a process, with real sockets, real workers and the guard in each of them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from socket import create_connection
from typing import Any

import orjson

from tests.attack.siege import OTHER_ISSUER, OTHER_KEY
from tests.cds_hooks.web.signing import ISSUER, SigningKey, a_key, a_key_set, a_token, bearer, some_claims
from tests.fhir_stub import FhirStub
from tests.privacy.markers import shows_no_patient
from tools.free_ports import free_ports

GUARD = Path(__file__).parent / "in_every_process"
DEADLINE_SECONDS = 1.0
_CLIENT = """
[[client]]
issuer = "{issuer}"
jwks_file = "{keys}"
fhir_servers = [{bases}]
test_hosts = [{origins}]
"""


def guarded(folder: Path) -> dict[str, str]:
    """Give an environment in which no Python process connects beyond this machine."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHARTSIDE_")}
    return {**inherited, "PYTHONPATH": str(GUARD), "OUTBOUND": str(folder / "outbound")}


@dataclass(frozen=True)
class Running:
    """The service under way; `log` is what it writes on standard error."""

    folder: Path
    port: int
    log: Path

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def signed(self, path: str, *, key: SigningKey | None = None, **claims: Any) -> dict[str, str]:
        """Give the headers of a signed request; a new token each time."""
        now = int(time.time())
        usual = {"aud": f"{self.base}{path}", "iat": now, "exp": now + 300}
        return {"Authorization": bearer(a_token(some_claims(**{**usual, **claims}), key=key or a_key()))}

    def post(self, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Post on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            raw = body if isinstance(body, bytes) else orjson.dumps(body)
            connection.request("POST", path, raw, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, bytes]:
        """Look at something that is open."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def say(self, raw: bytes, *, seconds: float = 3.0) -> bytes:
        """Say these bytes, and give what comes back until nothing more does."""
        heard = b""
        with create_connection(("127.0.0.1", self.port), timeout=seconds) as connection, suppress(OSError):
            connection.sendall(raw)
            connection.shutdown(1)
            while piece := connection.recv(65_536):
                heard += piece
        return heard


@contextmanager
def a_running_service(folder: Path, *servers: FhirStub) -> Iterator[Running]:
    """Start two workers, and stop them; meanwhile none of them tried to leave the machine."""
    [port] = free_ports(1)
    log = folder / "log"
    command = [str(Path(sys.executable).with_name("chartside")), "serve", "--port", str(port), "--workers", "2"]
    with log.open("wb") as out:
        process = subprocess.Popen([*command, "--threads", "4"], env=_environ(folder, port, servers), stderr=out)
        running = Running(folder, port, log)
        try:
            _wait_for(running)
            yield running
        finally:
            process.terminate()
            process.wait(timeout=60)
    assert process.returncode == 0
    shows_no_patient(log.read_text(encoding="utf-8"), where="the log")
    assert not (folder / "outbound").exists(), "something tried to leave the machine"


def _environ(folder: Path, port: int, servers: tuple[FhirStub, ...]) -> dict[str, str]:
    bases, origins = (", ".join(f'"{text}"' for text in texts) for texts in _addresses(servers))
    entries = [_CLIENT.format(issuer=ISSUER, keys="keys.json", bases=bases, origins=origins)]
    entries.append(_CLIENT.format(issuer=OTHER_ISSUER, keys="other.json", bases="", origins=""))
    (folder / "clients.toml").write_text("\n".join(entries), encoding="utf-8")
    (folder / "keys.json").write_bytes(a_key_set(a_key()))
    (folder / "other.json").write_bytes(a_key_set(OTHER_KEY))
    (folder / "temporary").mkdir()
    return {
        **guarded(folder),
        "TMPDIR": str(folder / "temporary"),
        "CHARTSIDE_BASE_URL": f"http://127.0.0.1:{port}",
        "CHARTSIDE_CLIENTS": str(folder / "clients.toml"),
        "CHARTSIDE_DATABASE_URL": f"sqlite:///{folder / 'journal.db'}",
        "CHARTSIDE_DEADLINE_MS": str(round(DEADLINE_SECONDS * 1000)),
    }


def _addresses(servers: tuple[FhirStub, ...]) -> tuple[list[str], list[str]]:
    return [server.base for server in servers], [server.origin for server in servers]


def _wait_for(running: Running) -> None:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        with suppress(OSError, HTTPException):
            if running.get("/health/ready")[0] == 200:
                return
        time.sleep(0.05)
    raise AssertionError(running.log.read_text(encoding="utf-8")[-2000:])
