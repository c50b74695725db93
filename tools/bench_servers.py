"""Floor and service under the same gunicorn settings, and the tokens that both ask for."""

import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from tools.caller_key import CallerKey
from tools.free_ports import free_ports

ROOT = Path(__file__).resolve().parent.parent
ISSUER = "https://ehr.bench.example"
_TOKEN_SECONDS = 3000  # tokens are made before the clock runs, for a whole round


@dataclass(frozen=True, slots=True)
class Servers:
    """Where floor and service listen, and the key that both trust."""

    floor_port: int
    service_port: int
    key: CallerKey

    def tokens(self, port: int, path: str, count: int) -> list[str]:
        """Make so many tokens for one address, each to be used once."""
        url = f"http://127.0.0.1:{port}{path}"
        return [self.key.token(url, seconds=_TOKEN_SECONDS) for _ in range(count)]


@contextmanager
def running_servers(*, workers: int) -> Iterator[Servers]:
    """Run both, with so many processes of four threads each."""
    floor_port, service_port = free_ports(2)
    servers = Servers(floor_port, service_port, CallerKey(ISSUER))
    with tempfile.TemporaryDirectory() as folder:
        environment = _environment(Path(folder), servers)
        settings = ["--workers", str(workers), "--threads", "4"]
        floor = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{servers.floor_port}", "--log-level", "error"]
        service = str(Path(sys.executable).with_name("chartside"))
        commands = [
            [
                *floor,
                "--worker-class",
                "gthread",
                "--keep-alive",
                "30",
                *settings,
                "--preload",
                "tools.bench_floor:app",
            ],
            [service, "serve", "--port", str(servers.service_port), *settings],
        ]
        log = (Path(folder) / "servers.log").open("wb")
        processes = [
            subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)  # noqa: S603 - our servers
            for command in commands
        ]
        try:
            for port, path in ((servers.floor_port, "/floor"), (servers.service_port, "/health/ready")):
                _wait_for(port, path)
            yield servers
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(timeout=30)
            log.close()


def _environment(folder: Path, servers: Servers) -> dict[str, str]:
    (folder / "site.toml").write_text('kidney_failure_region = "other"\n')
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHARTSIDE_")}
    return {
        **inherited,
        "BENCH_FLOOR_DATABASE": str(folder / "floor.db"),
        "BENCH_FLOOR_KEY": orjson.dumps(servers.key.public).decode(),
        "CHARTSIDE_BASE_URL": f"http://127.0.0.1:{servers.service_port}",
        "CHARTSIDE_CLIENTS": str(servers.key.register(folder)),
        "CHARTSIDE_DATABASE_URL": f"sqlite:///{folder}/bench.db",
        "CHARTSIDE_SITE": str(folder / "site.toml"),
    }


def _wait_for(port: int, path: str) -> None:
    """Wait until the server answers at all, at most 30 seconds."""
    for _ in range(300):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", path)
            connection.getresponse().read()
        except OSError:
            time.sleep(0.1)
        else:
            return
    message = f"nothing answers on port {port}"
    raise RuntimeError(message)
