"""The public keys of the CDS clients: read from a file or fetched, kept for a while, and never believed blindly.

SEC-11 to SEC-13 say which keys count, SEC-20 to SEC-23 where they come from and how often anybody is asked for them.
"""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWTError
from jwt.algorithms import Algorithm, ECAlgorithm, RSAAlgorithm, get_default_algorithms

from cds_hooks.web.clients import ALGORITHMS, ANONYMOUS, Client
from cds_hooks.web.tokens import NotAToken, strict_object

LARGEST_KEY_SET = 256 * 1024  # some servers add certificate chains to each key
MOST_KEYS = 100
LONGEST_KID = 256
SMALLEST_MODULUS = 2048
LARGEST_MODULUS = 8192  # beyond it one signature takes many times as long to check
LARGEST_EXPONENT = 1 << 32

# How long a key set counts as fresh: what its server says, within these bounds. A key that was withdrawn is trusted
# for an hour at most.
SHORTEST_FRESH_SECONDS = 60.0
USUAL_FRESH_SECONDS = 600.0
LONGEST_FRESH_SECONDS = 3600.0
# A key set that can no longer be fetched is used for the length of a night shift, then nobody is trusted by it.
KEPT_SECONDS = 8 * 3600.0
# Whatever the reason, one client's keys are asked for no more often: unknown key ids cost a stranger nothing to invent.
INTERVAL_SECONDS = 30.0
# How long a call waits for another one's fetch of the same keys.
WAIT_SECONDS = 2.5

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
_MAX_AGE = re.compile(r"max-age=\"?(\d{1,9})\"?")
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class KeysUnavailable(Exception):
    """The key set could not be read: no answer, too large, a redirect, or no key set at all. Fixed words only."""


class Fetch(Protocol):
    """Reads a client's key set from its URL within limits of time and size; follows no redirect."""

    def __call__(self, url: str, client: Client) -> tuple[bytes, Mapping[str, str]]:
        """Give body and headers of a 200.

        Raises:
            KeysUnavailable: there is none.
        """


@dataclass(frozen=True, slots=True)
class Key:
    """One public key, ready to check signatures with the algorithms that fit its type."""

    kid: str
    algorithms: frozenset[str]
    public: RSAPublicKey | EllipticCurvePublicKey = field(repr=False)

    def verifies(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Tell whether the signature is this key's, over exactly these bytes."""
        if algorithm not in self.algorithms:
            return False
        try:
            return bool(_ALGORITHMS[algorithm].verify(signed, self.public, signature))
        except (ValueError, UnsupportedAlgorithm):
            return False


@dataclass(slots=True)
class _State:
    """What is known of one client's keys. `lock` is held by whoever asks for them."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: Mapping[str, Key] = field(default_factory=dict)
    fresh_until: float = float("-inf")
    kept_until: float = float("-inf")
    next_attempt: float = float("-inf")
    attempts: int = 0


class KeySets:
    """The key sets of all clients, for all threads of a process. Made before a fork; fetches nothing until then."""

    def __init__(
        self,
        clients: Iterable[Client],
        *,
        fetch: Fetch,
        timer: Callable[[], float],
        failed: Callable[[str], None] = lambda _issuer: None,
    ) -> None:
        """Go by a stopwatch; `failed` is told the issuer whose keys could not be read."""
        self._states = {client.issuer: _State() for client in clients if client.issuer != ANONYMOUS}
        self._fetch = fetch
        self._timer = timer
        self._failed = failed

    def find(self, client: Client, kid: str) -> Key | None:
        """Give the client's key of this id, None if it has none; its keys are asked for where that may help.

        Raises:
            KeysUnavailable: no key set of this client is at hand.
        """
        state = self._states[client.issuer]
        now = self._timer()
        key = state.keys.get(kid)
        if now >= state.fresh_until or key is None:
            self._refresh(client, state, may_wait=key is None or now >= state.kept_until)
            now, key = self._timer(), state.keys.get(kid)
        if now >= state.kept_until:
            raise KeysUnavailable("no key set of this client is at hand")
        return key

    def is_ready(self, client: Client) -> bool:
        """Tell whether a key set of this client is at hand; nothing is fetched to find out."""
        return self._timer() < self._states[client.issuer].kept_until

    def _refresh(self, client: Client, state: _State, *, may_wait: bool) -> None:
        """Ask for the keys, if nobody has within the interval; one thread asks, those who need the answer wait for it.

        A call whose key is known but no longer fresh does not wait for another's fetch: it goes on with what is kept.
        """
        if self._timer() < state.next_attempt and not state.lock.locked():
            return
        if not state.lock.acquire(timeout=WAIT_SECONDS if may_wait else 0):
            return
        try:
            now = self._timer()
            if now >= state.next_attempt:
                state.next_attempt = now + INTERVAL_SECONDS
                state.attempts += 1
                self._ask(client, state)
        finally:
            state.lock.release()

    def _ask(self, client: Client, state: _State) -> None:
        try:
            body, headers = self._read(client)
            keys = usable_keys(body)
        except KeysUnavailable:
            self._failed(client.issuer)
            return
        now = self._timer()
        state.keys = keys
        state.fresh_until = now + freshness(headers)
        state.kept_until = now + KEPT_SECONDS

    def _read(self, client: Client) -> tuple[bytes, Mapping[str, str]]:
        if client.jwks_file is not None:
            return read_key_file(client), {"Cache-Control": f"max-age={SHORTEST_FRESH_SECONDS:.0f}"}
        if client.jwks_url is not None:
            return self._fetch(client.jwks_url, client)
        raise KeysUnavailable("the client has neither a key file nor the address of one")


def read_key_file(client: Client) -> bytes:
    """Read the key set that was exchanged out of band (SEC-21); it may be replaced while the service runs.

    Raises:
        KeysUnavailable: the file cannot be read.
    """
    if client.jwks_file is None:
        raise KeysUnavailable("the client has no key file")
    try:
        with client.jwks_file.open("rb") as file:
            return file.read(LARGEST_KEY_SET + 1)
    except OSError:
        raise KeysUnavailable("the key file cannot be read") from None


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


def freshness(headers: Mapping[str, str]) -> float:
    """Give for how many seconds a key set is fresh: its server's word, within our bounds (SEC-23)."""
    given = {name.lower(): value for name, value in headers.items()}
    control = given.get("cache-control", "").lower()
    if "no-store" in control or "no-cache" in control:
        return SHORTEST_FRESH_SECONDS
    age = given.get("age", "").strip()
    if match := _MAX_AGE.search(control):
        seconds = float(match[1]) - (float(age[:9]) if age.isascii() and age.isdigit() else 0.0)
    else:
        seconds = _until_expiry(given)
    return min(max(seconds, SHORTEST_FRESH_SECONDS), LONGEST_FRESH_SECONDS)


def _until_expiry(headers: Mapping[str, str]) -> float:
    """Both times are the server's, so that our clock plays no part."""
    try:
        lasts = parsedate_to_datetime(headers["expires"]) - parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError, TypeError):
        return USUAL_FRESH_SECONDS
    return lasts.total_seconds()


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
