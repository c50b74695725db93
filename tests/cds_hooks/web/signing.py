"""A CDS client as tests play it: keys made on the spot, tokens as it would sign them, and tokens as nobody should."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePrivateKey,
)
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm, get_default_algorithms

from cds_hooks.web.authentication import Audiences, Authenticator, Cause, Trusted, call_audiences
from cds_hooks.web.clients import Client
from cds_hooks.web.key_sets import KeySets
from cds_hooks.web.public_keys import KeysUnavailable

BASE = "https://cds.example"
SERVICE = "test-service"
AUDIENCE = f"{BASE}/cds-services/{SERVICE}"
ISSUER = "https://ehr.example/cds"
JKU = "https://ehr.example/keys.json"
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
CLIENT = Client(ISSUER, jwks_url=JKU)

_CURVES: dict[str, type[EllipticCurve]] = {"ES256": SECP256R1, "ES384": SECP384R1, "ES512": SECP521R1}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key of the client, with the id under which its public half is known."""

    kid: str
    algorithm: str
    private: EllipticCurvePrivateKey | RSAPrivateKey = field(repr=False)

    @property
    def jwk(self) -> dict[str, Any]:
        """Give the public half as the key set shows it."""
        return self.bare_jwk | {"kid": self.kid, "use": "sig", "alg": self.algorithm}

    @property
    def bare_jwk(self) -> dict[str, Any]:
        """Give the public half without what says how it is used."""
        public = self.private.public_key()
        if isinstance(public, RSAPublicKey):
            return dict(RSAAlgorithm.to_jwk(public, as_dict=True))
        return dict(ECAlgorithm.to_jwk(public, as_dict=True))

    @property
    def pem(self) -> bytes:
        """Give the public half as a PEM file: what an attacker knows of it."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, signed: bytes, algorithm: str | None = None) -> bytes:
        """Sign these bytes."""
        return get_default_algorithms()[algorithm or self.algorithm].sign(signed, self.private)


@lru_cache(maxsize=32)
def a_key(algorithm: str = "ES384", kid: str = "key-1", bits: int = 2048) -> SigningKey:
    """Make a key; the same one for the same arguments, since RSA keys take their time."""
    curve = _CURVES.get(algorithm)
    private = generate_rsa(65537, bits) if curve is None else generate_ec(curve())
    return SigningKey(kid, algorithm, private)


def a_header(key: SigningKey | None = None, **changes: Any) -> dict[str, Any]:
    """Give a token's header; members set to ... are left out."""
    key = key or a_key()
    return _changed({"alg": key.algorithm, "kid": key.kid, "typ": "JWT"}, changes)


def some_claims(**changes: Any) -> dict[str, Any]:
    """Give a token's claims; members set to ... are left out."""
    usual = {"iss": ISSUER, "aud": AUDIENCE, "exp": SECONDS + 300, "iat": SECONDS, "jti": str(uuid4())}
    return _changed(usual, changes)


def a_token(
    claims: Mapping[str, Any] | bytes | None = None,
    header: Mapping[str, Any] | bytes | None = None,
    key: SigningKey | None = None,
    algorithm: str | None = None,
) -> str:
    """Sign a token; header and claims may be given as bytes that are no JSON at all."""
    head, body = a_header(key) if header is None else header, some_claims() if claims is None else claims
    signed = f"{encoded(_bytes(head))}.{encoded(_bytes(body))}"
    signature = (key or a_key()).sign(signed.encode(), algorithm)
    return f"{signed}.{encoded(signature)}"


def bearer(token: str) -> str:
    """Give the value of the Authorization header."""
    return f"Bearer {token}"


def encoded(raw: bytes) -> str:
    """Write as base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def a_key_set(*keys: SigningKey | Mapping[str, Any]) -> bytes:
    """Write a key set."""
    return json.dumps({"keys": [key.jwk if isinstance(key, SigningKey) else dict(key) for key in keys]}).encode()


@dataclass(slots=True)
class KeyServer:
    """Stands for the client's web server: gives its key set, or nothing, and counts who asks."""

    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __call__(self, url: str, client: Client) -> tuple[bytes, Mapping[str, str]]:
        assert url == client.jwks_url
        self.asked.append(url)
        if self.body is None:
            raise KeysUnavailable("down")
        return self.body, self.headers


@dataclass(slots=True)
class Memory:
    """Stands for the replay store of one process."""

    known: set[tuple[str, str]] = field(default_factory=set)
    lifetimes: list[timedelta] = field(default_factory=list)

    def is_first(self, issuer: str, token_id: str, expires: datetime, now: datetime) -> bool:
        self.lifetimes.append(expires - now)
        is_first = (issuer, token_id) not in self.known
        self.known.add((issuer, token_id))
        return is_first


@dataclass(slots=True)
class Door:
    """An authenticator with its surroundings: a clock, a key server, a memory, and the causes it told."""

    clients: tuple[Client, ...] = (CLIENT,)
    server: KeyServer = field(default_factory=lambda: KeyServer(a_key_set(a_key())))
    memory: Memory = field(default_factory=Memory)
    now: datetime = NOW
    timer: float = 0.0
    told: list[tuple[Cause, str | None]] = field(default_factory=list)
    authenticator: Authenticator = field(init=False)

    def __post_init__(self) -> None:
        key_sets = KeySets(self.clients, fetch=self.server, timer=lambda: self.timer)
        self.authenticator = Authenticator(
            self.clients,
            key_sets=key_sets,
            seen=self.memory,
            now=lambda: self.now,
            refused=lambda cause, issuer: self.told.append((cause, issuer)),
        )

    def enter(self, authorization: str | None, audiences: Audiences | None = None) -> Trusted:
        """Knock with this header."""
        return self.authenticator.authenticate(authorization, audiences or call_audiences(BASE, SERVICE))


def _changed(usual: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**usual, **changes}.items() if value is not ...}


def _bytes(part: Mapping[str, Any] | bytes) -> bytes:
    return part if isinstance(part, bytes) else json.dumps(part).encode()
