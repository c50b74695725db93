"""The service and its database in the storm: started, killed without warning, started again."""

import http.client
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from cds_hooks.catalogue import Catalogue
from tools.bench_bodies import hook_request
from tools.caller_key import CallerKey
from tools.free_ports import free_ports

ISSUER = "https://ehr.chaos.example"
_TOKEN_SECONDS = 300
_READY_SECONDS = 60


class Service:
    """`chartside serve` with two workers, under a supervisor that starts it again when it has died."""

    def __init__(self, folder: Path, database_url: str) -> None:
        """Start nothing yet."""
        self.port = free_ports(1)[0]
        self.base = f"http://127.0.0.1:{self.port}"
        self.bodies: Mapping[str, bytes] = {
            service.id: orjson.dumps(hook_request(service, datetime.now(UTC))) for service in Catalogue.found().services
        }
        self._folder = folder
        self._key = CallerKey(ISSUER)
        self._environment = self._settings(database_url)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = (folder / "service.log").open("ab")

    def __enter__(self) -> Self:
        self._start()
        if self.recovery_seconds(_READY_SECONDS) is None:
            raise RuntimeError((self._folder / "service.log").read_text()[-2000:])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)
        self._log.close()

    def token(self, path: str) -> str:
        """Make a token for one address, to be used once."""
        return self._key.token(self.base + path, seconds=_TOKEN_SECONDS)

    def kill_a_worker(self, chance: random.Random) -> None:
        """Kill one worker without warning; the master replaces it."""
        workers = self._workers()
        if workers:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(workers), signal.SIGKILL)

    def kill_and_restart(self) -> None:
        """Kill master and workers at the same moment, as a power cut would, and start the service again."""
        if self._process is None:
            return
        for process in (self._process.pid, *self._workers()):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait()
        self._start()

    def recovery_seconds(self, within: float) -> float | None:
        """Tell how long it takes until the service says that it is ready; None if it does not."""
        started = time.monotonic()
        while time.monotonic() - started < within:
            with suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
                connection.request("GET", "/health/ready")
                if connection.getresponse().status == http.client.OK:
                    return time.monotonic() - started
            time.sleep(0.1)
        return None

    def verify_journal(self) -> bool:
        """Run `chartside journal verify`."""
        command = [str(Path(sys.executable).with_name("chartside")), "journal", "verify"]
        found = subprocess.run(command, env=self._environment, capture_output=True, check=False)  # noqa: S603 - ours
        if found.returncode:
            print(found.stdout.decode() + found.stderr.decode(), file=sys.stderr)
        return found.returncode == 0

    def _start(self) -> None:
        command = [str(Path(sys.executable).with_name("chartside")), "serve", "--port", str(self.port)]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, "--workers", "2", "--threads", "4"], env=self._environment, stdout=self._log, stderr=self._log
        )

    def _workers(self) -> list[int]:
        if self._process is None:
            return []
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        try:
            return [int(child) for child in children.read_text().split()]
        except OSError:
            return []

    def _settings(self, database_url: str) -> dict[str, str]:
        (self._folder / "site.toml").write_text('kidney_failure_region = "other"\n')
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHARTSIDE_")}
        return {
            **inherited,
            "CHARTSIDE_BASE_URL": self.base,
            "CHARTSIDE_CLIENTS": str(self._key.register(self._folder)),
            "CHARTSIDE_SITE": str(self._folder / "site.toml"),
            "CHARTSIDE_DATABASE_URL": database_url.format(folder=self._folder),
        }
