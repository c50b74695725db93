from collections.abc import Iterator
from socket import socket
from typing import Any

import pytest

from fhir_client.client import Connections
from fhir_client.signing_keys import SigningKeys, make
from tests.backend import NOW, Clock, Hospital
from tests.fhir_stub import FhirStub, a_fhir_server
from tests.outside import Authority


@pytest.fixture
def server() -> Iterator[FhirStub]:
    """Run a scripted FHIR server."""
    with a_fhir_server() as stub:
        yield stub


@pytest.fixture
def connections() -> Iterator[Connections]:
    """Open connections as a process does that is set up as usual."""
    with Connections() as open_connections:
        yield open_connections


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make a certificate authority."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def nothing_leaves_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no connection out, even where the code under test goes round the connector it was given."""
    connect = socket.connect

    def only_here(self: socket, address: Any) -> None:
        assert address[0] == "127.0.0.1", "a connection left the machine"
        connect(self, address)

    monkeypatch.setattr(socket, "connect", only_here)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SigningKeys:
    """Make a signing key of each algorithm."""
    folder = tmp_path_factory.mktemp("signing") / "keys"
    for algorithm in ("ES384", "RS384"):
        make(folder, algorithm, signs_from=NOW, bits=2048)
    return SigningKeys.read(folder)


@pytest.fixture
def clock() -> Clock:
    """Stop the clock."""
    return Clock()


@pytest.fixture
def hospital(keys: SigningKeys, clock: Clock) -> Iterator[Hospital]:
    """Run a FHIR server with an authorization server, and be registered there."""
    with a_fhir_server() as stub:
        hospital = Hospital(stub, keys, clock)
        yield hospital
        hospital.transport.close()
