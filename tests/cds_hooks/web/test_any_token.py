"""Whatever arrives, the answer is a client or a refusal, never an accident."""

import json
import string
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cds_hooks.errors import NotEntitled, NotTrusted
from cds_hooks.web.public_keys import KeysUnavailable, usable_keys
from tests.cds_hooks.web.signing import AUDIENCE, ISSUER, JKU, SECONDS, Door, a_key, a_token, bearer, encoded

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = ("alg", "kid", "typ", "jku", "jwk", "crit", "iss", "aud", "exp", "iat", "nbf", "jti", "tenant")
LIKELY = st.sampled_from(["ES384", "RS384", "none", "JWT", "key-1", JKU, ISSUER, AUDIENCE, SECONDS, SECONDS + 300])
PARTS = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), LIKELY | JSON, max_size=12)


def knock(authorization: str) -> None:
    door = Door()
    try:
        door.enter(authorization)
    except (NotTrusted, NotEntitled):
        assert len(door.told) == 1


@given(st.text(max_size=200) | st.text(string.ascii_letters + string.digits + "-_. =", max_size=200).map(bearer))
def test_any_header_is_answered(text: str) -> None:
    knock(text)


@given(PARTS, PARTS)
def test_any_signed_header_and_claims_are_answered(header: dict[str, Any], claims: dict[str, Any]) -> None:
    usual = {"iss": ISSUER, "aud": AUDIENCE, "exp": SECONDS + 300, "iat": SECONDS, "jti": "1"}
    knock(bearer(a_token({**usual, **claims}, {"alg": "ES384", "kid": "key-1", "typ": "JWT", **header})))


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=120))
def test_any_bytes_in_the_parts_are_answered(header: bytes, claims: bytes, signature: bytes) -> None:
    knock(bearer(".".join(map(encoded, (header, claims, signature)))))


@given(st.lists(PARTS | JSON, max_size=5) | JSON, st.dictionaries(st.sampled_from(list(a_key().jwk)), JSON))
def test_any_key_set_is_read_or_refused(keys: Any, changes: dict[str, Any]) -> None:
    body = json.dumps({"keys": [*keys, {**a_key().jwk, **changes}] if isinstance(keys, list) else keys}).encode()
    try:
        found = usable_keys(body)
    except KeysUnavailable:
        return
    assert [key.kid for key in found.values()] == list(found)
    assert all(not key.verifies("ES384", b"words", b"") for key in found.values())
