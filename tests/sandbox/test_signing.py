"""The EHR signs what it sends; the tokens are read here as a service would, with PyJWT and the published keys."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from sandbox.choices import ALGORITHMS, Algorithm, TokenState
from sandbox.keys import Keys
from sandbox.signing import Headers, Registration, Signer, token_in, unsigned

URL = "http://127.0.0.1:8000/cds-services/fake"
KNOWN = Registration("http://127.0.0.1:8080", "http://127.0.0.1:8080/.well-known/jwks.json")


def a_signer(algorithm: Algorithm = "ES384", **options: Any) -> Signer:
    return Signer(Keys(clock, algorithm=algorithm), KNOWN, clock, **options)


def clock() -> datetime:
    return datetime.now(UTC)


def read(signer: Signer, headers: Headers) -> dict[str, Any]:
    """Check the token as its receiver does."""
    scheme, _, token = headers["Authorization"].partition(" ")
    assert scheme == "Bearer"
    keys = jwt.PyJWKSet.from_dict(signer.keys.published())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(
        token,
        key,
        algorithms=[str(key.algorithm_name)],
        audience=URL,
        issuer=KNOWN.issuer,
        options={"require": ["iss", "aud", "iat", "exp", "jti"]},
    )
    assert isinstance(claims, dict)
    return claims


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_is_what_the_specification_asks_for(algorithm: Algorithm) -> None:
    signer = a_signer(algorithm)
    headers = signer({"Accept": "application/json"}, URL, "good")

    claims, shown = read(signer, headers), token_in(headers)
    assert headers["Accept"] == "application/json"
    assert shown == {
        "header": {"typ": "JWT", "alg": algorithm, "kid": signer.keys.current.id, "jku": KNOWN.jwks_url},
        "claims": claims,
    }
    assert claims["exp"] - claims["iat"] == 300
    assert abs(claims["iat"] - clock().timestamp()) < 5
    assert "tenant" not in claims


def test_a_tenant_is_named_where_there_is_one() -> None:
    signer = a_signer(tenant="north")

    assert read(signer, signer({}, URL, "good"))["tenant"] == "north"


def test_no_two_requests_share_a_token() -> None:
    signer = a_signer()

    assert len({read(signer, signer({}, URL, "good"))["jti"] for _ in range(3)}) == 3


@pytest.mark.parametrize(
    ("state", "fault"),
    [("expired", jwt.ExpiredSignatureError), ("audience", jwt.InvalidAudienceError), ("key", KeyError)],
)
def test_a_bad_token_is_bad_in_the_chosen_way(state: TokenState, fault: type[Exception]) -> None:
    signer = a_signer()

    with pytest.raises(fault):
        read(signer, signer({}, URL, state))


def test_a_token_that_has_expired_was_good_when_it_was_made() -> None:
    shown = token_in(a_signer()({}, URL, "expired"))

    assert shown is not None
    assert shown["claims"]["exp"] - shown["claims"]["iat"] == 300
    assert shown["claims"]["exp"] < (clock() - timedelta(hours=1)).timestamp()


def test_a_request_may_go_unsigned() -> None:
    assert a_signer()({"Accept": "x"}, URL, "absent") == {"Accept": "x"}
    assert unsigned({"Accept": "x"}, URL, "good") == {"Accept": "x"}
    assert token_in({"Accept": "x"}) is None
