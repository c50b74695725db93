"""Starts the CDS service in a process of its own, as a stranger would: by its command, its files and its port."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import requests

from sandbox.serving import PortInUse
from sandbox.signing import Registration
from sandbox.stopping import Stopped

_READY_SECONDS: Final = 60
# Longer than the service lets its own calls take to end.
_STOP_SECONDS: Final = 25
_POLL_SECONDS: Final = 0.1
_LOG_LINES: Final = 15
_PORTS: Final = range(20_000, 32_000)
_RUN: Final = "import sys; from cds_hooks.cli import main; sys.exit(main())"
# Chosen for the demonstration only: a hospital states its own region, there is no default.
_SITE: Final = 'kidney_failure_region = "other"\n'


class ServiceFailed(Exception):
    """The CDS service did not start; the message ends with what its log says."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Where the service of a demonstration lives, whom it trusts, and whose charts it may read.

    Its callers sign. Without a `registration` nobody has to: a service whose clock is fixed runs no other way.
    """

    folder: Path
    port: int
    fhir_server: str
    database: Path
    registration: Registration | None = None
    now: str | None = None

    @property
    def base(self) -> str:
        """The address that clients use."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """Where the service's log lines go."""
        return self.folder / "service.log"

    def write_files(self) -> None:
        """Write the site file and the clients file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "clients.toml").write_text("\n".join(self._client()) + "\n", "utf-8")
        (self.folder / "site.toml").write_text(_SITE, "utf-8")

    def _client(self) -> list[str]:
        """Write the entry of the one EHR; plain http is allowed for exactly the origins that need it."""
        known = self.registration
        fetched = [self.fhir_server] if known is None else [self.fhir_server, known.jwks_url]
        plain = sorted({_origin_of(url) for url in fetched if urlsplit(url).scheme != "https"})
        entry: dict[str, Any] = {"issuer": "anonymous"}
        if known is not None:
            entry = {"issuer": known.issuer, "jwks_url": known.jwks_url}
        entry |= {"fhir_servers": [self.fhir_server]} | ({"test_hosts": plain} if plain else {})
        # A string, or a list of strings, is the same in JSON and in TOML.
        return ["[[client]]", *(f"{name} = {json.dumps(value)}" for name, value in entry.items())]

    def environment(self) -> dict[str, str]:
        """Give the service its settings and none that happen to be set here."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHARTSIDE_")}
        settings = {
            "CHARTSIDE_AUTHENTICATION": "required" if self.registration else "off",
            "CHARTSIDE_BASE_URL": self.base,
            "CHARTSIDE_CLIENTS": str((self.folder / "clients.toml").resolve()),
            "CHARTSIDE_SITE": str((self.folder / "site.toml").resolve()),
            "CHARTSIDE_DATABASE_URL": f"sqlite:///{self.database.resolve()}",
        }
        return inherited | settings | ({"CHARTSIDE_NOW": self.now} if self.now else {})


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _pause(seconds: float) -> bool:
    time.sleep(seconds)
    return False


class ServiceProcess:
    """The CDS service while the block runs: ready when it begins, gone when it ends.

    `wait` passes the time of the start-up, and ends it with Stopped when it returns true.
    """

    def __init__(self, setting: Setting, *, wait: Callable[[float], bool] = _pause) -> None:
        self.setting = setting
        self._wait = wait
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the service and wait until it says that it is ready."""
        require_free(self.setting.port)
        self.setting.write_files()
        command = [sys.executable, "-c", _RUN, "serve", "--port", str(self.setting.port)]
        with self.setting.log.open("wb") as log:
            # A session of its own: Ctrl-C reaches us alone, and we end the service in order.
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own command
                command,
                env=self.setting.environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ask the service to end, and wait for it."""
        self._stop()

    def has_ended(self) -> bool:
        """Say whether the service has stopped by itself."""
        return self._process is None or self._process.poll() is not None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if self.has_ended():
                break
            if _is_ready(self.setting.base):
                return
            if self._wait(_POLL_SECONDS):
                raise Stopped
        # The log of a headless run goes with its folder: what it says is told now. It holds no patient's data.
        lines = self.setting.log.read_text("utf-8", "replace").splitlines()[-_LOG_LINES:]
        raise ServiceFailed("\n  ".join(["the service did not start; its log ends:", *lines]))

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # The whole session: workers whose master is gone would keep the port.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _is_ready(base: str) -> bool:
    try:
        return requests.get(f"{base}/health/ready", timeout=2).ok
    except requests.RequestException:
        return False


def require_free(port: int) -> None:
    """Raise PortInUse when something listens on the port."""
    with socket.socket() as probe:
        # A port whose last connections are still closing is free, for us as for the server to come.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortInUse(port) from error


def free_port() -> int:
    """Find a port that nothing listens on."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Find ports that nothing listens on, no two alike.

    They lie below those that systems hand out by themselves (Linux from 32768, others from 49152): between this probe
    and their use no outgoing connection and no server on port 0 is given one of them.
    """
    found: list[int] = []
    with ExitStack() as stack:
        for port in secrets.SystemRandom().sample(_PORTS, len(_PORTS)):
            if len(found) == count:
                break
            probe = stack.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
    return found
