"""Public keys of CDS clients: which keys of a key set may be used, and for what (SEC-11 to SEC-13)."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWTError
from jwt.algorithms import Algorithm, ECAlgorithm, RSAAlgorithm, get_default_algorithms

from cds_hooks.web.clients import ALGORITHMS
from cds_hooks.web.tokens import NotAToken, strict_object

LARGEST_KEY_SET = 256 * 1024  # some servers add certificate chains to each key
MOST_KEYS = 100
LONGEST_KID = 256
SMALLEST_MODULUS = 2048
LARGEST_MODULUS = 8192  # beyond it one signature takes many times as long to check
LARGEST_EXPONENT = 1 << 32

_ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType(
    {name: algorithm for name, algorithm in get_default_algorithms().items() if name in ALGORITHMS}
)
_KINDS: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {
        "ES256": ("EC", "P-256"),
        "ES384": ("EC", "P-384"),
        "RS256": ("RSA", None),
        "RS384": ("RSA", None),
        "PS256": ("RSA", None),
        "PS384": ("RSA", None),
    }
)
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class KeysUnavailable(Exception):
    """The key set could not be read: no answer, too large, a redirect, or no key set at all. Fixed words only."""


@dataclass(frozen=True, slots=True)
class Key:
    """One public key, ready to check signatures with the algorithms that fit its type."""

    kid: str
    algorithms: frozenset[str]
    public: RSAPublicKey | EllipticCurvePublicKey = field(repr=False)

    def verifies(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Tell whether the signature is this key's, over exactly these bytes."""
        return algorithm in self.algorithms and _ALGORITHMS[algorithm].verify(signed, self.public, signature)


def usable_keys(body: bytes) -> Mapping[str, Key]:
    """Read the keys of a key set that may be used, by id.

    Left out: private and symmetric keys, weak ones, those for other uses, and every key whose id another has, too
    (SEC-11).

    Raises:
        KeysUnavailable: it is no key set.
    """
    if len(body) > LARGEST_KEY_SET:
        raise KeysUnavailable("the key set is too large")
    try:
        listed = strict_object(body).get("keys")
    except NotAToken:
        raise KeysUnavailable("the key set is not a JSON object") from None
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise KeysUnavailable("the key set has no list of keys, or too long a one")
    entries = [entry for entry in listed if isinstance(entry, dict)]
    named = Counter(kid for entry in entries if isinstance(kid := entry.get("kid"), str))
    found = (_key(entry) for entry in entries if isinstance(kid := entry.get("kid"), str) and named[kid] == 1)
    return {key.kid: key for key in found if key is not None}


def _key(entry: dict[str, Any]) -> Key | None:
    kid, use, uses = entry["kid"], entry.get("use", "sig"), entry.get("key_ops", ["verify"])
    if not 0 < len(kid) <= LONGEST_KID or use != "sig" or not (isinstance(uses, list) and "verify" in uses):
        return None
    if entry.keys() & _PRIVATE:
        return None  # whoever publishes a private key has lost it
    kind, curve = entry.get("kty"), entry.get("crv") if entry.get("kty") == "EC" else None
    fitting = {name for name, fits in _KINDS.items() if fits == (kind, curve)}
    if "alg" in entry:
        fitting = {name for name in fitting if name == entry["alg"]}
    public = _public(entry) if fitting else None
    return None if public is None else Key(kid, frozenset(fitting), public)


def _public(entry: dict[str, Any]) -> RSAPublicKey | EllipticCurvePublicKey | None:
    members = ("kty", "n", "e") if entry["kty"] == "RSA" else ("kty", "crv", "x", "y")
    given = {name: entry.get(name) for name in members}
    if not all(isinstance(value, str) for value in given.values()):
        return None
    try:
        public = (RSAAlgorithm if entry["kty"] == "RSA" else ECAlgorithm).from_jwk(given)
    except (PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if isinstance(public, RSAPublicKey):
        is_sound = SMALLEST_MODULUS <= public.key_size <= LARGEST_MODULUS
        return public if is_sound and public.public_numbers().e < LARGEST_EXPONENT else None
    return public if isinstance(public, EllipticCurvePublicKey) else None
