from collections.abc import Iterator

import pytest

from fhir_client.client import Connections
from tests.fhir_stub import FhirStub, a_fhir_server


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
