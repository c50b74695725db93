"""Our private keys for SMART Backend Services: files in one directory, made, rotated with an overlap, and retired.

The name of a file is the id of its key. A `.json` file is a private JWK whose `nbf` tells from when on it signs; a
`.pem` file is a hospital's own key, which signs at once and is published until it is taken away. A key of ours is
published before it signs, and for a day after another took over: a server that keeps the set for a while knows every
key it meets (FHIR-21).
"""

import os
import re
import stat
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

# In this order where a server takes both: the shorter signature first (FHIR-25).
ALGORITHMS = ("ES384", "RS384")
OVERLAP = timedelta(days=1)
PUBLISHED_SECONDS = 3_600  # how long others may keep the key set: well within the overlap
_KEY_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_RSA_BITS = 3_072
_LEAST_RSA_BITS = 2_048
_AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
_PUBLIC_MEMBERS = ("kty", "n", "e", "crv", "x", "y")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_LARGEST_FILE = 65_536

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey


class UnfitKeys(ValueError):
    """The directory of our keys cannot be used; `faults` names each file and what is wrong with it."""

    def __init__(self, faults: Iterable[str]) -> None:
        """Say all of it."""
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


class NoSuchKey(ValueError):
    """No key of ours fits what is asked for."""


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """One key pair of ours: its id, what it signs with, and from when on."""

    id: str
    algorithm: str
    signs_from: datetime
    private: PrivateKey

    def __repr__(self) -> str:
        return f"SigningKey({self.id})"

    def public(self) -> dict[str, str]:
        """Give the JWK that others verify with; none of its members is private (FHIR-22)."""
        whole = _jwk(self.private)
        members = {name: str(whole[name]) for name in _PUBLIC_MEMBERS if name in whole}
        return {**members, "kid": self.id, "alg": self.algorithm, "use": "sig"}


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The keys of a directory, as they were when it was read."""

    keys: tuple[SigningKey, ...] = ()

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read every key file.

        Raises:
            UnfitKeys: it names everything that is wrong, a file that others may read among it (FHIR-37).
        """
        faults: list[str] = []
        keys: dict[str, SigningKey] = {}
        for path in _files(directory):
            try:
                key = _read(path)
            except ValueError as error:
                faults.append(f"{path.name}: {error}")
                continue
            if key.id in keys:
                faults.append(f"{path.name}: another file has the same name, and so the key the same id")
            keys[key.id] = key
        if faults:
            raise UnfitKeys(faults)
        return cls(tuple(sorted(keys.values(), key=lambda key: (key.signs_from, key.id))))

    def signing(self, algorithms: Collection[str], now: datetime) -> SigningKey:
        """Give the key to sign with: of the first algorithm that is taken, the newest that signs already (FHIR-21).

        Raises:
            NoSuchKey: none of ours signs with any of these yet.
        """
        for algorithm in ALGORITHMS:
            ready = [key for key in self.keys if key.algorithm == algorithm and key.signs_from <= now]
            if ready and algorithm in algorithms:
                return ready[-1]
        raise NoSuchKey("no signing key of ours fits the algorithms that the server takes")

    def superseded_at(self, key: SigningKey) -> datetime | None:
        """Give the moment from which a newer key signs in place of this one, None while none is to."""
        place = self.keys.index(key)
        newer = [other.signs_from for other in self.keys[place + 1 :] if other.algorithm == key.algorithm]
        return newer[0] if newer else None

    def is_published(self, key: SigningKey, now: datetime) -> bool:
        """Tell whether others may still meet a signature of this key, or soon will."""
        superseded = self.superseded_at(key)
        return superseded is None or key.signs_from == _AT_ONCE or now < superseded + OVERLAP

    def published(self, now: datetime) -> dict[str, list[dict[str, str]]]:
        """Give the key set to publish."""
        return {"keys": [key.public() for key in self.keys if self.is_published(key, now)]}


def public_key_set(directory: Path, now: datetime) -> dict[str, list[dict[str, str]]]:
    """Give the public keys of a directory as a JWK set, for `/.well-known/jwks.json` (FHIR-20).

    Raises:
        UnfitKeys: the directory cannot be used.
    """
    return SigningKeys.read(directory).published(now)


def make(directory: Path, algorithm: str, *, signs_from: datetime, bits: int = _RSA_BITS) -> SigningKey:
    """Make a key pair and write it down, readable for its owner only.

    Raises:
        OSError: it cannot be written.
    """
    private: PrivateKey = (
        generate_private_key(SECP384R1())
        if algorithm == "ES384"
        else generate_rsa_key(public_exponent=65_537, key_size=bits)
    )
    jwk = _jwk(private)
    public = orjson.dumps({name: jwk[name] for name in _PUBLIC_MEMBERS if name in jwk}, option=orjson.OPT_SORT_KEYS)
    key_id = f"{algorithm.lower()}-{signs_from:%Y%m%d}-{sha256(public).hexdigest()[:8]}"
    whole = {**jwk, "kid": key_id, "alg": algorithm, "use": "sig", "nbf": int(signs_from.timestamp())}
    whole.pop("key_ops", None)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(directory / f"{key_id}.json", orjson.dumps(whole, option=orjson.OPT_INDENT_2))
    return SigningKey(key_id, algorithm, signs_from.replace(microsecond=0), private)


def rotate(directory: Path, *, now: datetime, overlap: timedelta = OVERLAP, bits: int = _RSA_BITS) -> list[SigningKey]:
    """Make a successor of each algorithm we have keys of; it is published now and signs after the overlap.

    Raises:
        UnfitKeys, NoSuchKey, OSError: the directory cannot be used, there is nothing to succeed, or it cannot be
            written.
    """
    newest = {key.algorithm: key.signs_from for key in SigningKeys.read(directory).keys}
    if not newest:
        raise NoSuchKey("there is no key to rotate: make one")
    return [
        # Later than the newest in any case: of two that begin together the old one might go on signing.
        make(directory, algorithm, signs_from=max(now + overlap, newest[algorithm] + timedelta(seconds=1)), bits=bits)
        for algorithm in ALGORITHMS
        if algorithm in newest
    ]


def retire(directory: Path, *, now: datetime, key_id: str | None = None) -> list[str]:
    """Delete one key, or all that are published no longer; gives the ids of what is gone.

    Raises:
        UnfitKeys, NoSuchKey, OSError: the directory cannot be used, there is no such key or it is the one that signs,
            or it cannot be deleted.
    """
    keys = SigningKeys.read(directory)
    chosen = [key for key in keys.keys if (key.id == key_id if key_id else not keys.is_published(key, now))]
    for key in chosen:
        superseded = keys.superseded_at(key)
        if key.signs_from <= now and (superseded is None or superseded > now):
            raise NoSuchKey("this key signs, and no other does in its place: rotate first")
    if key_id and not chosen:
        raise NoSuchKey("there is no key with this id")
    for key in chosen:
        for path in _files(directory):
            if path.stem == key.id:
                path.unlink()
    return [key.id for key in chosen]


def _files(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    except OSError:
        raise UnfitKeys(["the directory of the signing keys cannot be read"]) from None


def _read(path: Path) -> SigningKey:
    """Read one file, or say in fixed words what is wrong with it."""
    if not _KEY_ID.fullmatch(path.stem) or path.suffix not in (".json", ".pem"):
        raise ValueError("is not named like a key: ID.json or ID.pem")
    try:
        with path.open("rb") as file:
            mode, content = os.fstat(file.fileno()).st_mode, file.read(_LARGEST_FILE)
    except OSError:
        raise ValueError("cannot be read") from None
    if mode & _OTHERS:
        raise ValueError("others than its owner may read it: its mode must be 0600")
    return _from_jwk(path.stem, content) if path.suffix == ".json" else _from_pem(path.stem, content)


def _from_pem(key_id: str, content: bytes) -> SigningKey:
    try:
        private = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("holds no private key without a password") from None
    return _fit(key_id, _AT_ONCE, private)


def _from_jwk(key_id: str, content: bytes) -> SigningKey:
    try:
        jwk = orjson.loads(content)
        kind = ECAlgorithm if jwk["kty"] == "EC" else RSAAlgorithm
        private: Any = kind.from_jwk(jwk)
        starts = datetime.fromtimestamp(int(jwk.get("nbf", 0)), tz=UTC)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, InvalidKeyError):
        raise ValueError("holds no private JWK") from None
    if jwk.get("kid", key_id) != key_id:
        raise ValueError("holds a key with another id than its name")
    return _fit(key_id, starts, private)


def _fit(key_id: str, signs_from: datetime, private: object) -> SigningKey:
    if isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP384R1):
        return SigningKey(key_id, "ES384", signs_from, private)
    if isinstance(private, RSAPrivateKey) and private.key_size >= _LEAST_RSA_BITS:
        return SigningKey(key_id, "RS384", signs_from, private)
    raise ValueError("holds neither a P-384 nor an RSA private key of 2048 bits or more")


def _jwk(private: PrivateKey) -> Mapping[str, Any]:
    if isinstance(private, RSAPrivateKey):
        return RSAAlgorithm.to_jwk(private, as_dict=True)
    return ECAlgorithm.to_jwk(private, as_dict=True)


def _write(path: Path, content: bytes) -> None:
    """Write all or nothing, and never for a moment with other rights."""
    draft = path.with_name(f".{path.name}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
