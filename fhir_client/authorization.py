"""SMART Backend Services: our own token from a FHIR server's authorization server, for jobs outside any call.

A hook call never comes here: it has its user's token or none, and ours would widen what that user may see (FHIR-1).
"""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any
from uuid import uuid4

import jwt

from fhir_client.addresses import Base, BoundToken, Reach
from fhir_client.errors import BadResource, FhirError, Reason, Refused, Unreachable, error_of
from fhir_client.questions import Deadline, Limits, Parameters
from fhir_client.scopes import Wanted, asked, missing
from fhir_client.signing_keys import NoSuchKey, SigningKey, SigningKeys
from fhir_client.smart_configuration import Configuration, NotSmart, object_of, read_configuration
from fhir_client.transport import Reply, Transport

_ASSERTION_LIVES = timedelta(minutes=4)
_UNSAID_LIFETIME = 60
_LONGEST_LIFETIME = 86_400
_EARLY = timedelta(seconds=30)
_DISCOVERED_FOR = timedelta(hours=1)
_KEYS_READ_FOR = timedelta(minutes=1)
_SKEW_TO_REPORT = timedelta(seconds=60)
_DOCUMENTS = Limits(page_bytes=262_144)
_JSON = {"Accept": "application/json", "User-Agent": "chartside"}
_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_UNAUTHORIZED = 401
# RFC 6749 5.2, and no other word of the answer: a description may repeat what we sent (FHIR-36).
_CODES = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "temporarily_unavailable",
        "server_error",
    }
)


class NotAuthorized(FhirError):
    """The authorization server refused us; `code` is OAuth's word for it, `is_clock_wrong` a likely reason."""

    def __init__(self, code: str, *, is_clock_wrong: bool) -> None:
        """Keep the code: neither its description nor what we sent."""
        super().__init__(Reason.NOT_AUTHORIZED)
        self.code = code
        self.is_clock_wrong = is_clock_wrong


class FewerScopes(FhirError):
    """A token was granted that does not reach all that the job reads; `lacks` are the resource types."""

    def __init__(self, lacks: Collection[str]) -> None:
        """Name all of them."""
        super().__init__(Reason.FEWER_SCOPES)
        self.lacks = tuple(lacks)


@dataclass(frozen=True, slots=True)
class Registration:
    """How one FHIR server's authorization server knows us.

    `token_endpoint` counts where the server publishes none; `jku` is the address of our key set, if that is registered.
    """

    base: Base
    client_id: str
    reach: Reach = Reach()  # noqa: RUF009 - frozen
    token_endpoint: str | None = None
    jku: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A token of ours, until when it is used, what it does not cover, and how far the server's clock is from ours."""

    token: BoundToken
    until: datetime
    lacks: tuple[str, ...]
    clock_skew: timedelta

    @property
    def is_clock_wrong(self) -> bool:
        """Tell whether the two clocks differ so much that assertions will be refused some day (FHIR-37)."""
        return abs(self.clock_skew) > _SKEW_TO_REPORT


# What a token is kept by (FHIR-33): token endpoint, client id, scope, key id.
_Key = tuple[str, str, str, str]


class BackendClient:
    """Asks one FHIR server in our own name; one a server and process, shared by all its threads."""

    def __init__(
        self,
        transport: Transport,
        registration: Registration,
        *,
        keys: Callable[[], SigningKeys],
        now: Callable[[], datetime],
    ) -> None:
        """Ask for nothing yet; `keys` is asked again after a minute, so that a rotation needs no restart."""
        self._transport = transport
        self._registration = registration
        self._read_keys = keys
        self._keys: tuple[SigningKeys, datetime] | None = None
        self._now = now
        self._lock = Lock()
        self._grants: dict[_Key, Future[Grant]] = {}
        self._configuration: tuple[Configuration, datetime] | None = None

    def __repr__(self) -> str:
        return "BackendClient()"

    def exchange(
        self,
        method: str,
        url: str,
        *,
        wanted: Collection[Wanted],
        headers: Mapping[str, str],
        form: Parameters = (),
        limits: Limits,
        deadline: Deadline,
    ) -> Reply:
        """Send one request with our token; a 401 drops the token, and is asked once more with a new one (FHIR-34).

        Raises:
            FhirError: no token could be had, or no answer.
        """

        def send(grant: Grant) -> Reply:
            reach = self._registration.reach
            return self._transport.exchange(
                method,
                url,
                headers=headers,
                token=grant.token,
                form=form,
                reach=reach,
                limits=limits,
                deadline=deadline,
            )

        grant = self.grant(wanted, deadline)
        reply = send(grant)
        if reply.status != _UNAUTHORIZED:
            return reply
        self._drop(grant)
        return send(self.grant(wanted, deadline))

    def grant(self, wanted: Collection[Wanted], deadline: Deadline, *, whole: bool = True) -> Grant:
        """Give a token for what is wanted: a kept one, or a new one, asked for once however many threads wait.

        Raises:
            FewerScopes: less was granted; with `whole` false the grant is given all the same, and says what it lacks.
            NotSmart, NotAuthorized: the server cannot be used so, or does not know us.
            FhirError: it gave no answer that we can use.
        """
        configuration = self.configuration(deadline)
        try:
            key = self._present_keys().signing(configuration.algorithms, self._now())
        except NoSuchKey:
            raise Refused(Reason.NO_KEY) from None
        scope = asked(wanted, version_2=configuration.version_2)
        place = (configuration.token_endpoint, self._registration.client_id, scope, key.id)
        grant = self._granted(place, lambda: self._ask(configuration, key, scope, wanted, deadline), deadline)
        if whole and grant.lacks:
            raise FewerScopes(grant.lacks)
        return grant

    def configuration(self, deadline: Deadline) -> Configuration:
        """Give what the server publishes about itself, asked for once an hour (FHIR-23, FHIR-24).

        Raises:
            NotSmart: it lacks something that we need; all of it is named.
            FhirError: it gave no answer that we can use.
        """
        with self._lock:
            known = self._configuration
        if known is not None and self._now() < known[1]:
            return known[0]
        found = self._discovered(deadline)
        with self._lock:
            self._configuration = found, self._now() + _DISCOVERED_FOR
        return found

    def _present_keys(self) -> SigningKeys:
        with self._lock:  # reading an RSA key is checking it, which takes longer than signing with it
            if self._keys is None or self._now() >= self._keys[1]:
                self._keys = self._read_keys(), self._now() + _KEYS_READ_FOR
            return self._keys[0]

    def _discovered(self, deadline: Deadline) -> Configuration:
        base, configured = self._registration.base, self._registration.token_endpoint
        url = base.url(".well-known/smart-configuration")
        reply = self._transport.exchange(
            "GET", url, headers=_JSON, reach=self._registration.reach, limits=_DOCUMENTS, deadline=deadline
        )
        if reply.status in (404, 410) and configured is not None:
            return Configuration(configured, version_2=False)
        error = error_of(reply.status)
        if error is not None:
            raise NotSmart(["the document itself"]) if reply.status in (404, 410) else error
        return read_configuration(object_of(reply), base, configured)

    def _granted(self, place: _Key, ask: Callable[[], Grant], deadline: Deadline) -> Grant:
        """Give the kept grant, join the renewal that is under way, or begin one (FHIR-33)."""
        with self._lock:
            kept = self._grants.get(place)
            if kept is not None and kept.done() and (kept.exception() or kept.result().until <= self._now()):
                kept = None
            is_ours = kept is None
            future: Future[Grant] = Future() if kept is None else kept
            self._grants[place] = future
        if is_ours:
            try:
                future.set_result(ask())
            except BaseException as error:
                future.set_exception(error)
                raise
        try:
            return future.result(timeout=deadline.remaining)
        except TimeoutError:
            raise Unreachable(Reason.NO_ANSWER) from None

    def _drop(self, grant: Grant) -> None:
        """Forget this grant, and not the one that another thread may have renewed it by."""
        with self._lock:
            for place, kept in list(self._grants.items()):
                if kept.done() and kept.exception() is None and kept.result() is grant:
                    del self._grants[place]

    def _ask(
        self,
        configuration: Configuration,
        key: SigningKey,
        scope: str,
        wanted: Collection[Wanted],
        deadline: Deadline,
    ) -> Grant:
        endpoint, now = configuration.token_endpoint, self._now()
        form = (
            ("grant_type", "client_credentials"),
            ("scope", scope),
            ("client_assertion_type", _BEARER),
            ("client_assertion", assertion(self._registration, endpoint, key, now)),
        )
        reply = self._transport.exchange(
            "POST",
            endpoint,
            headers=_JSON,
            form=form,
            reach=self._registration.reach,
            limits=_DOCUMENTS,
            deadline=deadline,
        )
        skew = _clock_skew(reply, now)
        if error_of(reply.status) is not None:
            raise _refusal(reply, is_clock_wrong=abs(skew) > _SKEW_TO_REPORT)
        return _grant(object_of(reply), self._registration.base, scope, wanted, now=now, skew=skew)


def assertion(registration: Registration, endpoint: str, key: SigningKey, now: datetime) -> str:
    """Sign that we are this client, to this endpoint, now and once (FHIR-26, FHIR-27)."""
    claims = {
        "iss": registration.client_id,
        "sub": registration.client_id,
        "aud": endpoint,
        "iat": int(now.timestamp()),
        "exp": int((now + _ASSERTION_LIVES).timestamp()),
        "jti": str(uuid4()),
    }
    headers = {"kid": key.id, "typ": "JWT"} | ({} if registration.jku is None else {"jku": registration.jku})
    return jwt.encode(claims, key.private, algorithm=key.algorithm, headers=headers)


def _grant(
    answer: Mapping[str, Any],
    base: Base,
    scope: str,
    wanted: Collection[Wanted],
    *,
    now: datetime,
    skew: timedelta,
) -> Grant:
    """Read a token answer (FHIR-32); a refresh token in it is not kept."""
    token, kind, granted = answer.get("access_token"), answer.get("token_type"), answer.get("scope", scope)
    seconds = answer.get("expires_in", _UNSAID_LIFETIME)
    if not isinstance(kind, str) or kind.lower() != "bearer" or not isinstance(granted, str):
        raise BadResource(Reason.NOT_AUTHORIZED)
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
        raise BadResource(Reason.NOT_AUTHORIZED)
    lifetime = timedelta(seconds=min(seconds, _LONGEST_LIFETIME))
    try:
        bound = BoundToken(token if isinstance(token, str) else "", base)
    except ValueError:
        raise BadResource(Reason.NOT_AUTHORIZED) from None
    return Grant(bound, now + lifetime - min(_EARLY, lifetime / 10), missing(wanted, granted), skew)


def _refusal(reply: Reply, *, is_clock_wrong: bool) -> FhirError:
    try:
        code = object_of(reply).get("error")
    except BadResource:
        code = None
    if code is None:
        return error_of(reply.status) or BadResource(Reason.NOT_AUTHORIZED)
    return NotAuthorized(code if isinstance(code, str) and code in _CODES else "other", is_clock_wrong=is_clock_wrong)


def _clock_skew(reply: Reply, now: datetime) -> timedelta:
    """Give how far the server's clock is ahead of ours; nothing where it does not say."""
    try:
        theirs = parsedate_to_datetime(reply.headers.get("Date", ""))
    except ValueError:
        return timedelta()
    return theirs.replace(tzinfo=theirs.tzinfo or UTC) - now
