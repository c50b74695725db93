"""Which keys of a key set count."""

import json
from typing import Any

import pytest

from cds_hooks.web.public_keys import KeysUnavailable, usable_keys
from tests.cds_hooks.web.signing import a_key, a_key_set, encoded

EC, RSA = a_key(), a_key("RS384")


def changed(jwk: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {name: value for name, value in {**jwk, **members}.items() if value is not ...}


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "RS256", "RS384", "PS256", "PS384"])
def test_a_key_checks_its_own_signatures(algorithm: str) -> None:
    key = a_key(algorithm)
    found = usable_keys(a_key_set(key))["key-1"]
    assert found.verifies(algorithm, b"words", key.sign(b"words"))
    assert not found.verifies(algorithm, b"other words", key.sign(b"words"))
    assert not found.verifies(algorithm, b"words", b"")
    assert not found.verifies("none", b"words", b"")
    assert not found.verifies("HS256", b"words", b"")


def test_without_a_stated_algorithm_a_key_serves_those_of_its_type() -> None:
    """[SEC-13] Key type must fit."""
    bare = [key.bare_jwk | {"kid": key.algorithm} for key in (a_key("ES256"), EC, RSA)]
    found = usable_keys(a_key_set(*bare))
    assert {kid: set(key.algorithms) for kid, key in found.items()} == {
        "ES256": {"ES256"},
        "ES384": {"ES384"},
        "RS384": {"RS256", "RS384", "PS256", "PS384"},
    }


def test_two_keys_with_one_id_are_both_refused() -> None:
    """[SEC-11] `kid` is unique in the client's key set. Two keys with one kid: refuse both."""
    other = a_key("RS256", kid="other")
    found = usable_keys(a_key_set(EC, other, a_key(kid="other")))
    assert set(found) == {"key-1"}
    assert usable_keys(a_key_set(EC, EC)) == {}
    assert usable_keys(a_key_set(EC, {"kty": "oct", "kid": "key-1", "k": "AAAA"})) == {}


@pytest.mark.parametrize(
    "entry",
    [
        changed(EC.jwk, kid=...),
        changed(EC.jwk, kid=""),
        changed(EC.jwk, kid=7),
        changed(EC.jwk, kid="k" * 300),
        changed(EC.jwk, use="enc"),
        changed(EC.jwk, key_ops=["sign"]),
        changed(EC.jwk, key_ops="verify"),
        changed(EC.jwk, alg="ES256"),
        changed(EC.jwk, alg="none"),
        changed(EC.jwk, alg=["ES384"]),
        changed(EC.jwk, kty="RSA"),
        changed(EC.jwk, kty="oct", k="AAAA"),
        changed(EC.jwk, kty="OKP", crv="Ed25519", alg=...),
        changed(EC.jwk, kty=["EC"]),
        changed(EC.jwk, crv="P-256"),
        changed(EC.jwk, crv="P-521"),
        changed(EC.jwk, crv="secp256k1", alg=...),
        changed(EC.jwk, x=...),
        changed(EC.jwk, x="!!"),
        changed(EC.jwk, x=7),
        changed(EC.jwk, x="\ud800"),
        changed(EC.jwk, x=encoded(bytes(48)), y=encoded(bytes(48))),  # not on the curve
        changed(EC.jwk, d="AAAA"),  # a private key that was published
        changed(RSA.jwk, n=...),
        changed(RSA.jwk, e="AA"),
        changed(RSA.jwk, e="Ag"),  # 2: even
        changed(RSA.jwk, e=encoded(b"\x01" + bytes(7) + b"\x01")),  # an exponent that keeps us busy
        changed(RSA.jwk, n=encoded(b"\xff" * 2048)),  # a modulus that does, too
        changed(RSA.jwk, p="AAAA"),
        changed(a_key("RS384", bits=1024).jwk),
        "key-1",
        None,
        [],
    ],
    ids=lambda _: "entry",  # by number: the keys differ in each process
)
def test_a_key_that_may_not_be_used_is_left_out(entry: Any) -> None:
    """[SEC-12, SEC-13] Never symmetric; the key type must fit; RSA from 2048 bits; no private keys."""
    other = a_key("RS384", kid="other")
    assert set(usable_keys(json.dumps({"keys": [entry, other.jwk]}).encode())) == {"other"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": [], "keys": []}',
        b"<html>sign in</html>",
        b'{"keys": [' + b"[" * 20_000,
        json.dumps({"keys": [EC.jwk] * 101}).encode(),
        json.dumps({"keys": [EC.jwk], "more": "x" * 300_000}).encode(),
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_no_key_set_is_not_read_as_one(body: bytes) -> None:
    """[SEC-23] Size limits; an answer that is no key set leaves the old keys in place."""
    with pytest.raises(KeysUnavailable):
        usable_keys(body)
