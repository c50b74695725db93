"""The EHR's signing keys: made at the start, kept in a file where one is named, replaced on request."""

import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from sandbox.choices import ALGORITHMS, Algorithm

# For so long whoever fetched the key set may keep it.
KEPT: Final = timedelta(minutes=1)
# A new key is published for so long before it signs: by then nobody has a key set without it that is still fresh.
LEAD: Final = KEPT
# And a replaced one for so long after: the tokens that it signed run out before.
OVERLAP: Final = timedelta(hours=1)
_ALWAYS: Final = datetime.min.replace(tzinfo=UTC)
_RSA_BITS: Final = 3072
_PRIVATE_KEYS = (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)


class UnreadableKeys(Exception):
    """The file of keys cannot be used; the message names the file and nothing of what it holds."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key pair. `signs_from` says when it takes the place of the one before."""

    id: str
    algorithm: Algorithm
    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(repr=False)
    signs_from: datetime = _ALWAYS

    @classmethod
    def made(cls, algorithm: Algorithm, signs_from: datetime = _ALWAYS) -> "Key":
        """Make a key whose id no other key has."""
        private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
        if algorithm == "ES384":
            private = ec.generate_private_key(ec.SECP384R1())
        else:
            private = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
        return cls(f"sandbox-{secrets.token_hex(6)}", algorithm, private, signs_from)

    @classmethod
    def from_json(cls, jwk: dict[str, Any]) -> "Key":
        """Read a private JWK, or raise ValueError."""
        algorithm, identity, signs_from = jwk.get("alg"), jwk.get("kid"), jwk.get("signs_from")
        if algorithm not in ALGORITHMS or not isinstance(identity, str):
            raise ValueError("a key needs a kid and an alg of ours")
        reader = ECAlgorithm if algorithm == "ES384" else RSAAlgorithm
        try:
            private = reader.from_jwk(jwk)
        except jwt.InvalidKeyError as error:
            raise ValueError("a key is none") from error
        if not isinstance(private, _PRIVATE_KEYS):
            raise ValueError("a key is public only")  # noqa: TRY004 - as the others: the file's fault
        return cls(identity, algorithm, private, datetime.fromisoformat(signs_from) if signs_from else _ALWAYS)

    def token(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """Sign a JWT."""
        return jwt.encode(claims, self.private, self.algorithm, headers=header)

    def public(self) -> dict[str, Any]:
        """Write the part that everybody may have."""
        return {**_jwk(self.private.public_key()), "kid": self.id, "alg": self.algorithm, "use": "sig"}

    def secret(self) -> dict[str, Any]:
        """Write all of it, for the file."""
        own = {"kid": self.id, "alg": self.algorithm, "use": "sig", "signs_from": self.signs_from.isoformat()}
        return {**_jwk(self.private), **own}


def _jwk(key: Any) -> dict[str, Any]:
    is_curve = isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey)
    jwk = (ECAlgorithm if is_curve else RSAAlgorithm).to_jwk(key, as_dict=True)
    return {name: value for name, value in jwk.items() if name != "key_ops"}


class Keys:
    """The key that signs, the one that will, and those that did and are still published.

    With a `path` they outlive the process, so that a restarted EHR is known by the key it had. Without an `algorithm`
    the file's own is kept; a new key is ES384.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        path: Path | None = None,
        algorithm: Algorithm | None = None,
    ) -> None:
        self._clock = clock
        self._path = path
        self._lock = threading.Lock()
        # Newest first.
        self._keys = _kept(path) if path is not None and path.exists() else []
        if not self._keys or algorithm not in (None, self._keys[0].algorithm):
            self._add(algorithm or "ES384", clock())

    @property
    def current(self) -> Key:
        """The key that signs now."""
        now = self._clock()
        with self._lock:
            return next((key for key in self._keys if key.signs_from <= now), self._keys[-1])

    @property
    def newest(self) -> Key:
        """The key that signs now or will next."""
        with self._lock:
            return self._keys[0]

    def rotate(self) -> Key:
        """Publish a new key, which signs from a little later on; one that waits for its time is given again."""
        now = self._clock()
        with self._lock:
            if self._keys[0].signs_from <= now:
                self._add(self._keys[0].algorithm, now + LEAD)
            return self._keys[0]

    def published(self) -> dict[str, Any]:
        """Write the JWK Set: public keys only, newest first."""
        with self._lock:
            return {"keys": [key.public() for key in self._still_good()]}

    def _still_good(self) -> list[Key]:
        now = self._clock()
        old = [
            key
            for key, successor in zip(self._keys[1:], self._keys, strict=False)
            if now - successor.signs_from < OVERLAP
        ]
        return [*self._keys[:1], *old]

    def _add(self, algorithm: Algorithm, signs_from: datetime) -> None:
        self._keys = [Key.made(algorithm, signs_from), *self._still_good()]
        if self._path is not None:
            _keep(self._path, self._keys)


def _kept(path: Path) -> list[Key]:
    try:
        document = orjson.loads(path.read_bytes())
        keys = [Key.from_json(jwk) for jwk in document["keys"]]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnreadableKeys(f"{path}: is no set of private keys, each with kid and alg (ES384 or RS384)") from error
    if not keys or len({key.id for key in keys}) < len(keys):
        raise UnreadableKeys(f"{path}: must hold a key at least, and no two of one kid")
    return keys


def _keep(path: Path, keys: list[Key]) -> None:
    """Write the file whole or not at all, readable by its owner alone from the first byte."""
    content = orjson.dumps({"keys": [key.secret() for key in keys]}, option=orjson.OPT_INDENT_2)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - of a descriptor
            file.write(content)
        draft.replace(path)
    except OSError as error:
        raise UnreadableKeys(f"{path}: cannot be written") from error
