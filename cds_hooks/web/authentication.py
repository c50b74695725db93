"""Which CDS clients we trust, and their tokens (CDS Hooks, Trusting CDS Clients; SEC-10 to SEC-28).

Cheap checks come first, and nothing is fetched before issuer and key set address are known to be a listed pair. From
outside every refusal looks alike; the cause is for the log alone.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from cds_hooks.errors import NotEntitled, NotTrusted
from cds_hooks.web.clients import ALGORITHMS, ANONYMOUS, Client
from cds_hooks.web.public_keys import LONGEST_KID, Key, KeysUnavailable
from cds_hooks.web.tokens import LONGEST_TOKEN, NotAToken, Token

LEEWAY_SECONDS = 60  # SEC-16: how far the clocks of two organisations may differ
LONGEST_LIFE_SECONDS = 3600  # SEC-16: the specification advises five minutes; some clients cannot do less than an hour
LONGEST_ID = 256  # of a jti and of a tenant: both are kept
_LATEST = 1e11  # seconds since 1970; the calendar of our dates ends in 9999, and leaves room for the leeway here
# SEC-24: key material, and where it might lie, from the mouth of whoever made the token. `crit` demands extensions, and
# there is none that we know; `b64` is one.
_NEVER = frozenset({"jwk", "x5u", "x5c", "crit", "b64"})
_TYPES = frozenset({"jwt", "application/jwt"})


class Cause(StrEnum):
    """Why a token proved nothing; fixed words, for the log and the metrics, never for the caller (SEC-27)."""

    ABSENT = "absent"
    TOO_LONG = "too-long"
    MALFORMED = "malformed"
    TYPE = "type"
    ALGORITHM = "algorithm"
    KEY_ID = "key-id"
    KEY_MATERIAL = "key-material"
    ISSUER = "issuer"
    KEY_SET_ADDRESS = "key-set-address"
    AUDIENCE = "audience"
    TIMES = "times"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    LIFETIME = "lifetime"
    TOKEN_ID = "token-id"  # noqa: S105 - the name of a claim
    UNKNOWN_KEY = "unknown-key"
    NO_KEYS = "no-keys"
    SIGNATURE = "signature"
    REPLAYED = "replayed"
    REPLAY_REPORTED = "replay-reported"  # answered all the same: the client's entry says so (SEC-18)
    TENANT = "tenant"
    SERVICE = "service"


class FirstSeen(Protocol):
    """Remembers token ids for all workers until they expire (SEC-18)."""

    def is_first(self, issuer: str, token_id: str, expires: datetime, now: datetime) -> bool:
        """Tell whether this issuer's token id comes for the first time, and remember it."""


class KeyFinder(Protocol):
    """Finds a client's key."""

    def find(self, client: Client, kid: str) -> Key | None:
        """Give the client's key of this id, None if it has none.

        Raises:
            KeysUnavailable: its key set cannot be had.
        """


@dataclass(frozen=True, slots=True)
class Trusted:
    """A caller that has proved to be a CDS client we know."""

    client: Client
    tenant: str | None = None
    token_id: str | None = None


@dataclass(frozen=True, slots=True)
class Audiences:
    """The URLs that a token for one request may be made for; which of them count is the client's setting (FB-15)."""

    service: str
    feedback: str | None = None

    def accepted(self, client: Client) -> tuple[str, ...]:
        """Give those that this client's tokens may name."""
        if self.feedback is None or client.feedback_audience == "service":
            return (self.service,)
        return (self.feedback,) if client.feedback_audience == "feedback" else (self.feedback, self.service)


def discovery_audiences(base_url: str) -> Audiences:
    """Give the audience of discovery."""
    return Audiences(f"{base_url}/cds-services")


def call_audiences(base_url: str, service_id: str) -> Audiences:
    """Give the audience of a call."""
    return Audiences(f"{base_url}/cds-services/{service_id}")


def feedback_audiences(base_url: str, service_id: str) -> Audiences:
    """Give both audiences of feedback: the URL that is called, and the service's, as some clients have it."""
    service = f"{base_url}/cds-services/{service_id}"
    return Audiences(service, f"{service}/feedback")


class _Faulty(Exception):
    """The token proves nothing, for this cause."""

    def __init__(self, cause: Cause, issuer: str | None = None) -> None:
        self.cause = cause
        self.issuer = issuer
        super().__init__(cause.value)


@dataclass(frozen=True, slots=True)
class _Claims:
    """The claims of a token that fit the request; true only once the signature is."""

    token_id: str
    expires: datetime
    tenant: str | None


class Authenticator:
    """Decides who calls. One a process, made before the fork; it fetches nothing until a token asks for it."""

    def __init__(
        self,
        clients: Iterable[Client],
        *,
        key_sets: KeyFinder,
        seen: FirstSeen,
        now: Callable[[], datetime],
        refused: Callable[[Cause, str | None], None],
    ) -> None:
        """Trust these clients; `refused` is told cause and issuer, the latter only where it is a listed one."""
        self._clients: Mapping[str, Client] = {
            client.issuer: client for client in clients if client.issuer != ANONYMOUS
        }
        self._key_sets = key_sets
        self._seen = seen
        self._now = now
        self._refused = refused

    def authenticate(self, authorization: str | None, audiences: Audiences) -> Trusted:
        """Give the client that the token proves.

        Raises:
            NotTrusted: it proves none; the cause has been told to `refused`.
            NotRecorded: nobody can tell whether the token has been used before.
        """
        try:
            return self._trusted(authorization, audiences)
        except _Faulty as fault:
            self._refused(fault.cause, fault.issuer)
        raise NotTrusted  # outside of the handler: no trace of the token hangs on it

    def check_entitled(self, trusted: Trusted, service_id: str | None) -> None:
        """Let a client have the services of its list, for the tenants of its list; None: discovery, for the latter.

        SEC-19: where tenants are listed, a token must name one of them; one that names none could be anybody's.

        Raises:
            NotEntitled: the tenant or the service is not among them.
        """
        client = trusted.client
        if client.tenants is not None and trusted.tenant not in client.tenants:
            cause = Cause.TENANT
        elif service_id is not None and not client.may_use(service_id):
            cause = Cause.SERVICE
        else:
            return
        self._refused(cause, client.issuer)
        raise NotEntitled

    def _trusted(self, authorization: str | None, audiences: Audiences) -> Trusted:
        token = _token(authorization)
        algorithm, kid = _algorithm_and_kid(token.header)
        client = self._client(token.claims.get("iss"))
        try:
            _check_header(token.header, algorithm, client)
            now = self._now()
            claims = _claims(token.claims, client, audiences, now)
            self._check_signature(token, client, algorithm, kid)
            self._check_first(claims, client, now)
        except _Faulty as fault:
            fault.issuer = client.issuer
            raise
        return Trusted(client, claims.tenant, claims.token_id)

    def _client(self, issuer: object) -> Client:
        client = self._clients.get(issuer) if isinstance(issuer, str) else None
        if client is None:
            raise _Faulty(Cause.ISSUER)
        return client

    def _check_signature(self, token: Token, client: Client, algorithm: str, kid: str) -> None:
        try:
            key = self._key_sets.find(client, kid)
        except KeysUnavailable:
            raise _Faulty(Cause.NO_KEYS) from None
        if key is None:
            raise _Faulty(Cause.UNKNOWN_KEY)
        if not key.verifies(algorithm, token.signed, token.signature):
            raise _Faulty(Cause.SIGNATURE)

    def _check_first(self, claims: _Claims, client: Client, now: datetime) -> None:
        """Only a token with a true signature is remembered: others would let a stranger fill the store."""
        if client.replay == "off":
            return
        # A token counts until the leeway after its end, so its id is kept as long.
        until = claims.expires + timedelta(seconds=LEEWAY_SECONDS)
        if self._seen.is_first(client.issuer, claims.token_id, until, now):
            return
        if client.replay == "enforce":
            raise _Faulty(Cause.REPLAYED)
        self._refused(Cause.REPLAY_REPORTED, client.issuer)


def _token(authorization: str | None) -> Token:
    if not authorization:
        raise _Faulty(Cause.ABSENT)
    if len(authorization) > LONGEST_TOKEN:
        raise _Faulty(Cause.TOO_LONG)
    try:
        return Token.from_authorization(authorization)
    except NotAToken:
        raise _Faulty(Cause.MALFORMED) from None


def _algorithm_and_kid(header: Mapping[str, Any]) -> tuple[str, str]:
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise _Faulty(Cause.ALGORITHM)
    if not isinstance(kid, str) or not 0 < len(kid) <= LONGEST_KID:
        raise _Faulty(Cause.KEY_ID)
    if header.keys() & _NEVER:
        raise _Faulty(Cause.KEY_MATERIAL)
    return algorithm, kid


def _check_header(header: Mapping[str, Any], algorithm: str, client: Client) -> None:
    if algorithm not in client.algorithms:
        raise _Faulty(Cause.ALGORITHM)
    if "jku" in header and (client.jwks_url is None or header["jku"] != client.jwks_url):
        raise _Faulty(Cause.KEY_SET_ADDRESS)
    kind = header.get("typ")
    # SEC-11: exactly `JWT`; some clients leave it out or write it otherwise, which a lenient entry bears. A token of
    # another kind is refused even then: it was made for something else.
    is_lenient = not client.strict and (kind is None or (isinstance(kind, str) and kind.lower() in _TYPES))
    if kind != "JWT" and not is_lenient:
        raise _Faulty(Cause.TYPE)


def _claims(claims: Mapping[str, Any], client: Client, audiences: Audiences, now: datetime) -> _Claims:
    _check_audience(claims.get("aud"), audiences.accepted(client))
    expires = _check_times(claims, now.timestamp())
    tenant = claims.get("tenant")
    return _Claims(
        _name(claims.get("jti"), Cause.TOKEN_ID),
        datetime.fromtimestamp(expires, UTC),
        None if tenant is None else _name(tenant, Cause.MALFORMED),
    )


def _check_audience(named: object, accepted: tuple[str, ...]) -> None:
    """SEC-15: one URL or a list of them; a slash at the end makes no difference."""
    audiences = named if isinstance(named, list) else [named]
    texts = [audience.removesuffix("/") for audience in audiences if isinstance(audience, str)]
    if len(texts) != len(audiences) or not any(text in accepted for text in texts):
        raise _Faulty(Cause.AUDIENCE)


def _check_times(claims: Mapping[str, Any], now: float) -> float:
    expires, issued = _instant(claims.get("exp")), _instant(claims.get("iat"))
    not_before = _instant(claims["nbf"]) if "nbf" in claims else issued
    if now >= expires + LEEWAY_SECONDS:
        raise _Faulty(Cause.EXPIRED)
    if max(issued, not_before) > now + LEEWAY_SECONDS:
        raise _Faulty(Cause.NOT_YET_VALID)
    if not 0 < expires - issued <= LONGEST_LIFE_SECONDS:
        raise _Faulty(Cause.LIFETIME)
    return expires


def _instant(value: object) -> float:
    """Seconds since 1970 as a number: a text is none, nor is a truth."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        raise _Faulty(Cause.TIMES)
    return float(value)


def _name(value: object, cause: Cause) -> str:
    """A text that may be kept: of some length, without control characters or halves of a pair."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_ID or not value.isprintable():
        raise _Faulty(cause)
    return value
