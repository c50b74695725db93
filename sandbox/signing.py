"""Signs what the EHR sends: a JWT of its own for each request, right, or wrong in one chosen way."""

import base64
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from sandbox.choices import TokenState
from sandbox.keys import Key, Keys

LIFETIME: Final = timedelta(minutes=5)
_LONG_AGO: Final = timedelta(hours=2)
_BEARER: Final = "bearer"

Headers = dict[str, str]
Sign = Callable[[Headers, str, TokenState], Headers]


def unsigned(headers: Headers, audience: str, state: TokenState) -> Headers:
    """Leave a request unsigned, whatever its token should be like."""
    del audience, state
    return headers


@dataclass(frozen=True, slots=True)
class Registration:
    """What the EHR is known by at a CDS service: the issuer of its tokens, and where its public keys are."""

    issuer: str
    jwks_url: str


class Signer:
    """Signs requests as `registration` says; an instance is a `Sign`."""

    def __init__(
        self,
        keys: Keys,
        registration: Registration,
        clock: Callable[[], datetime],
        *,
        tenant: str | None = None,
    ) -> None:
        self.keys = keys
        self.registration = registration
        self._clock = clock
        self._tenant = tenant

    def __call__(self, headers: Headers, audience: str, state: TokenState) -> Headers:
        """Add the JWT for `audience`, the URL that is called."""
        if state == "absent":
            return headers
        return {**headers, "Authorization": f"Bearer {self._token(audience, state)}"}

    def _token(self, audience: str, state: TokenState) -> str:
        current = self.keys.current
        # A key that was never published, under the id of none.
        key = Key.made(current.algorithm) if state == "key" else current
        issued = self._clock().astimezone(UTC) - (_LONG_AGO if state == "expired" else timedelta())
        claims = {
            "iss": self.registration.issuer,
            "aud": f"{audience}-of-another-service" if state == "audience" else audience,
            "iat": int(issued.timestamp()),
            "exp": int((issued + LIFETIME).timestamp()),
            "jti": str(uuid.uuid4()),
        }
        if self._tenant is not None:
            claims["tenant"] = self._tenant
        return key.token({"typ": "JWT", "kid": key.id, "jku": self.registration.jwks_url}, claims)


def token_in(headers: Headers) -> dict[str, Any] | None:
    """Read header and claims of the token that a request carries, without its signature; None when it carries none."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.casefold() != _BEARER:
        return None
    header, claims, _ = token.split(".")
    return {"header": _opened(header), "claims": _opened(claims)}


def _opened(part: str) -> Any:
    return orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
