"""Access to a call's FHIR server: listed servers only, and without a token test servers only."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.web.access import Access
from cds_hooks.web.clients import Client
from fhir_client.client import Connections
from fhir_client.questions import Deadline
from tests.cds_hooks.web.edge import CORRELATION, Stopwatch, a_call

LISTED = "https://fhir.example/r4"
TEST = "http://127.0.0.1:8090/fhir"
CLIENT = Client("anonymous", fhir_servers=frozenset({LISTED, TEST}), test_hosts=frozenset({"http://127.0.0.1:8090"}))
TOKEN = {
    "access_token": "made-up",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "user/*.rs",
    "subject": "chartside",
}


@pytest.fixture
def connections() -> Iterator[Connections]:
    with Connections() as connections:
        yield connections


def is_connected(connections: Connections, client: Client, **members: Any) -> bool:
    access = Access(client, connections, Deadline.after(4, Stopwatch()), CORRELATION)
    request = HookRequest.from_json(orjson.dumps(a_call(**members)), service_hooks=[Hook.PATIENT_VIEW])
    connected = access.connect(request) is not None
    assert access.was_used is connected
    return connected


@pytest.mark.parametrize(
    ("server", "with_token", "expected"),
    [
        (LISTED, True, True),
        (f"{LISTED}/", True, True),
        (LISTED, False, False),
        (TEST, True, True),
        (TEST, False, True),
        ("https://fhir.example/other", True, False),
        ("https://fhir.example.evil.example/r4", True, False),
        ("http://fhir.example/r4", True, False),
        ("https://evil.example/?https://fhir.example/r4", True, False),
        (..., True, False),
    ],
)
def test_a_listed_server_is_connected(
    connections: Connections, server: Any, *, with_token: bool, expected: bool
) -> None:
    """[ACC-7] Only fhirServer: no call with a token; open test servers only if listed."""
    members = {"fhirServer": server, "fhirAuthorization": TOKEN if with_token else ...}
    if server is ...:
        members = {"fhirServer": ..., "fhirAuthorization": ...}
    assert is_connected(connections, CLIENT, **members) is expected


def test_a_client_without_servers_has_prefetch_only(connections: Connections) -> None:
    assert not is_connected(connections, Client("anonymous"), fhirServer=LISTED, fhirAuthorization=TOKEN)
