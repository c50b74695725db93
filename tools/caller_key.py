"""The key of a CDS client that benchmark and storm play: what is registered of it, and the tokens it signs."""

import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

_KEY_ID: Final = "tools"


@dataclass(frozen=True, slots=True)
class CallerKey:
    """An ES384 key, made anew for each run, and its issuer."""

    issuer: str
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))

    @property
    def public(self) -> dict[str, Any]:
        """Give the public key as a JWK."""
        found: dict[str, Any] = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return found | {"kid": _KEY_ID}

    def register(self, folder: Path) -> Path:
        """Write the clients file that trusts this key; give its path."""
        (folder / "keys.json").write_bytes(orjson.dumps({"keys": [self.public]}))
        clients = folder / "clients.toml"
        clients.write_text(f'[[client]]\nissuer = "{self.issuer}"\njwks_file = "keys.json"\n')
        return clients

    def token(self, url: str, *, seconds: int) -> str:
        """Sign a token for one address, to be used once within so many seconds."""
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": url, "iat": now, "exp": now + seconds, "jti": str(uuid.uuid4())}
        return jwt.encode(claims, self.private, algorithm="ES384", headers={"kid": _KEY_ID, "typ": "JWT"})
