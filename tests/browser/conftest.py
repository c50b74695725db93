"""The demonstration as `make demo` starts it, and a browser before it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.launching import free_ports
from tests.browser.chromium import Chromium


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the sandbox's page is; service and sandbox run until the last test is done."""
    command = str(Path(sys.executable).parent / "chartside")
    service, ehr = free_ports(2)
    ports = ["--port", str(service), "--ehr-port", str(ehr)]
    with subprocess.Popen(
        [command, "demo", *ports],
        cwd=tmp_path_factory.mktemp("demo"),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        opened = next((line.split()[1] for line in process.stdout if line.startswith("Open ")), None)
        assert opened is not None, "the demonstration ended before it was ready"
        yield opened
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    with Chromium(tmp_path / "profile") as chromium:
        yield chromium
        assert chromium.complaints == []
