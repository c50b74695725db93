"""A hospital's authorization server on loopback, and our client for it."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event, Lock
from typing import Any

import jwt

from fhir_client.addresses import Base, Reach
from fhir_client.authorization import BackendClient, Grant, Registration
from fhir_client.questions import USUAL, Deadline
from fhir_client.scopes import Wanted
from fhir_client.signing_keys import SigningKeys
from fhir_client.transport import Reply
from tests.fhir_stub import Asked, FhirStub, Says
from tests.outside import Outside, port_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
JOB = (Wanted("Patient"), Wanted("Observation"))
SCOPE = "system/Observation.rs system/Patient.rs"
CANARY = "canary-backend-token"
PUBLISHED: Mapping[str, Any] = {
    "token_endpoint": "token",
    "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
    "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
    "grant_types_supported": ["client_credentials", "authorization_code"],
    "capabilities": ["client-confidential-asymmetric", "permission-v2"],
}
TOKEN: Mapping[str, Any] = {"access_token": CANARY, "token_type": "Bearer", "expires_in": 300, "scope": SCOPE}


class Clock:
    """The wall's clock, which stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Hospital:
    """A FHIR server with its authorization server, and our client for it."""

    def __init__(self, stub: FhirStub, keys: SigningKeys, clock: Clock) -> None:
        self.stub = stub
        self.clock = clock
        self.read_keys = lambda: keys
        address = stub.origin.removeprefix("http://")
        self.world = Outside(routes={address: port_of(stub)})
        self.transport = self.world.transport()
        self.reach = Reach(test_hosts=frozenset({stub.origin}))
        self.publishes()
        self.grants()
        stub.on("GET", "Patient/p1", Says({"resourceType": "Patient", "id": "p1"}))

    def publishes(self, **changes: Any) -> None:
        """Publish a configuration; a change to None leaves the member out."""
        document = {name: value for name, value in {**PUBLISHED, **changes}.items() if value is not None}
        self.stub.on("GET", ".well-known/smart-configuration", Says(document, media_type="application/json"))

    def grants(self, status: int = 200, headers: Mapping[str, str] | None = None, **changes: Any) -> None:
        answer = {name: value for name, value in {**TOKEN, **changes}.items() if value is not None}
        self.stub.on("POST", "token", Says(answer, status, headers or {}, media_type="application/json"))

    def client(self, **more: Any) -> BackendClient:
        registration = Registration(Base.parse(self.stub.base), "chartside-at-ehr", self.reach, **more)
        return BackendClient(self.transport, registration, keys=self.read_keys, now=self.clock)

    def asked_for_tokens(self) -> list[Asked]:
        return [asked for asked in self.stub.asked if asked.method == "POST" and asked.path == "/r4/token"]


def soon(seconds: float = 5.0) -> Deadline:
    return Deadline.after(seconds, time.monotonic)


def granted(client: BackendClient, **more: Any) -> Grant:
    return client.grant(JOB, soon(), **more)


def read(client: BackendClient, url: str) -> Reply:
    return client.exchange("GET", url, wanted=JOB, headers={}, limits=USUAL, deadline=soon())


def shown(grant: Grant) -> str:
    """Give the token that a grant would send to its own server."""
    return (grant.token.header(f"{grant.token.base}/Patient") or {})["Authorization"]


def claims_of(asked: Asked) -> tuple[dict[str, Any], dict[str, Any]]:
    written = dict(asked.form)["client_assertion"]
    return jwt.get_unverified_header(written), jwt.decode(written, options={"verify_signature": False})


class Waiting:
    """Counts the threads that have come to wait for another's renewal: that is where they look at their deadline."""

    def __init__(self, expected: int) -> None:
        self.all_wait = Event()
        self._expected = expected
        self._lock = Lock()

    def deadline(self) -> Deadline:
        def clock() -> float:
            with self._lock:
                self._expected -= 1
                if self._expected == 0:
                    self.all_wait.set()
            return 0.0

        return Deadline(10.0, clock)


def fifty_ask(hospital: Hospital, answer: Says, ask: Callable[[BackendClient, Deadline], str]) -> set[str]:
    """Let one thread ask for a token, which comes when 49 others have come to wait for it."""
    client, begun, waiting = hospital.client(), Event(), Waiting(49)
    client.configuration(soon())

    def script(_: Asked) -> Says:
        begun.set()
        waiting.all_wait.wait(10)
        return answer

    hospital.stub.on("POST", "token", script)
    with ThreadPoolExecutor(50) as threads:
        first = threads.submit(ask, client, soon(10))
        assert begun.wait(10)
        others = [threads.submit(ask, client, waiting.deadline()) for _ in range(49)]
        return {first.result(), *(other.result() for other in others)}
