"""Signs tokens as a CDS client would, with a key of its test system: for `chartside client test --key`."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from cds_hooks.web.clients import Client
from cds_hooks.web.proving import Sign

LIFE_SECONDS = 300  # what the specification advises

PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey


class NoKey(Exception):
    """The file holds no private key that can sign for this client. Fixed words only."""


def signer(path: Path, client: Client, *, kid: str | None, now: Callable[[], datetime]) -> Sign:
    """Give what signs a token for one URL; the key is a PEM file, a JWK or one of a JWK set.

    A JWK's own id counts unless another is given; of several keys in a set the id chooses one.

    Raises:
        NoKey: it cannot.
    """
    key, own_kid = _read(path, kid)
    found_kid = kid or own_kid
    if found_kid is None:
        raise NoKey("the key has no id of its own: give it with --kid")
    algorithm = _algorithm(key, client)

    def sign(audience: str) -> str:
        issued = int(now().timestamp())
        claims: dict[str, Any] = {
            "iss": client.issuer,
            "aud": audience,
            "iat": issued,
            "exp": issued + LIFE_SECONDS,
            "jti": str(uuid4()),
        }
        if client.tenants:
            claims["tenant"] = min(client.tenants)
        return jwt.encode(claims, key, algorithm, headers={"kid": found_kid})

    return sign


def _read(path: Path, kid: str | None) -> tuple[PrivateKey, str | None]:
    try:
        raw = path.read_bytes()
        is_jwk = raw.lstrip().startswith(b"{")
        key, own_kid = _from_jwk(raw, kid) if is_jwk else (load_pem_private_key(raw, None), None)
    except OSError:
        raise NoKey("the key file cannot be read") from None
    except (ValueError, TypeError, UnsupportedAlgorithm, jwt.PyJWTError):
        raise NoKey("the file holds no private key as PEM without a password, or as a JWK or a set of them") from None
    if not isinstance(key, EllipticCurvePrivateKey | RSAPrivateKey):
        raise NoKey("the key is neither RSA nor on an elliptic curve")
    return key, own_kid


def _from_jwk(raw: bytes, wanted: str | None) -> tuple[object, str | None]:
    entry = orjson.loads(raw)
    if isinstance(listed := entry.get("keys"), list):  # as `chartside sandbox serve --keys` keeps its own
        chosen = [each for each in listed if isinstance(each, dict) and wanted in (None, each.get("kid"))]
        if len(chosen) != 1:
            raise NoKey("the key set must hold one key, or one of the id given with --kid")
        entry = chosen[0]
    kind = RSAAlgorithm if entry.get("kty") == "RSA" else ECAlgorithm
    kid = entry.get("kid")
    return kind.from_jwk(entry), kid if isinstance(kid, str) else None


def _algorithm(key: PrivateKey, client: Client) -> str:
    fitting = {"secp384r1": "ES384", "secp256r1": "ES256"}.get(
        key.curve.name if isinstance(key, EllipticCurvePrivateKey) else "", "RS PS"
    )
    found = [name for name in client.algorithms if name == fitting or name[:2] in fitting.split()]
    if not found:
        raise NoKey("the key fits none of the client's algorithms")
    return found[0]
