"""Tokens that nobody should accept, each signed with real keys: all are refused alike, and the log alone knows why."""

import json
import traceback
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256, sha384
from hmac import digest
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA384

from cds_hooks.errors import NotTrusted
from cds_hooks.web.authentication import LONGEST_LIFE_SECONDS, Cause
from cds_hooks.web.clients import ALGORITHMS
from cds_hooks.web.problems import problem_of
from cds_hooks.web.tokens import LONGEST_TOKEN
from tests.cds_hooks.web.signing import (
    AUDIENCE,
    BASE,
    CLIENT,
    ISSUER,
    JKU,
    NOW,
    SECONDS,
    Door,
    a_header,
    a_key,
    a_key_set,
    a_token,
    bearer,
    encoded,
    some_claims,
)

CANARY = "canary-9f31"
STRANGER = a_key(kid="strange")
KEY = a_key()


def with_header(**changes: Any) -> str:
    return bearer(a_token(some_claims(sub=CANARY), a_header(**changes)))


def with_claims(**changes: Any) -> str:
    return bearer(a_token(some_claims(sub=CANARY, **changes)))


def unsigned(algorithm: str, signature: str = "") -> str:
    head = encoded(json.dumps({"alg": algorithm, "kid": KEY.kid, "typ": "JWT"}).encode())
    return bearer(f"{head}.{encoded(json.dumps(some_claims()).encode())}.{signature}")


def signed_with_public_key(algorithm: str, secret: bytes) -> str:
    head = encoded(json.dumps({"alg": algorithm, "kid": KEY.kid, "typ": "JWT"}).encode())
    signed = f"{head}.{encoded(json.dumps(some_claims()).encode())}"
    return bearer(f"{signed}.{encoded(digest(secret, signed.encode(), sha256 if '256' in algorithm else sha384))}")


def tampered(part: int, change: Callable[[str], str]) -> str:
    parts = a_token().split(".")
    parts[part] = change(parts[part])
    return bearer(".".join(parts))


def other_claims(part: str) -> str:
    return encoded(json.dumps(some_claims(tenant="north")).encode())


def with_spare_bits() -> str:
    """The same signature, written with other bits where base64 has some left over."""
    signature = a_key("ES256").sign(b"x")  # 64 bytes: four bits are left over
    text = encoded(signature)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) | 1]


def zero_signature() -> str:
    """R = s = 0: what a careless implementation of ECDSA takes for true."""
    return tampered(2, lambda _: encoded(bytes(96)))


def der_signature() -> str:
    parts = a_token().split(".")
    assert isinstance(KEY.private, EllipticCurvePrivateKey)
    signed = f"{parts[0]}.{parts[1]}".encode()
    return bearer(f"{signed.decode()}.{encoded(KEY.private.sign(signed, ECDSA(SHA384())))}")


FAULTS: dict[str, tuple[str | None, Cause]] = {
    # The header line itself
    "no header": (None, Cause.ABSENT),
    "an empty header": ("", Cause.ABSENT),
    "a scheme alone": ("Bearer", Cause.MALFORMED),
    "a scheme and a space": ("Bearer ", Cause.MALFORMED),
    "another scheme": (f"Basic {a_token()}", Cause.MALFORMED),
    "a token without a scheme": (a_token(), Cause.MALFORMED),
    "two tokens": (f"{bearer(a_token())} {a_token()}", Cause.MALFORMED),
    "two headers joined": (f"{bearer(a_token())},{bearer(a_token())}", Cause.MALFORMED),
    "a line break before the token": (f"Bearer \n{a_token()}", Cause.MALFORMED),
    "a line break after the token": (f"{bearer(a_token())}\n", Cause.MALFORMED),
    "letters beyond ASCII": (f"{bearer(a_token())}ÿ", Cause.MALFORMED),
    "a token larger than any": (with_claims(extra="x" * LONGEST_TOKEN), Cause.TOO_LONG),
    # The compact form
    "two parts": (bearer(".".join(a_token().split(".")[:2])), Cause.MALFORMED),
    "four parts": (bearer(f"{a_token()}.x"), Cause.MALFORMED),
    "five parts, as encrypted tokens have": (bearer("a.b.c.d.e"), Cause.MALFORMED),
    "an empty header part": (tampered(0, lambda _: ""), Cause.MALFORMED),
    "an empty claims part": (tampered(1, lambda _: ""), Cause.MALFORMED),
    "padding": (tampered(2, lambda part: part + "="), Cause.MALFORMED),
    "plain base64": (bearer(urlsafe_b64encode(b"{}").decode() + "+/.e30.e30"), Cause.MALFORMED),
    "base64 of an impossible length": (tampered(0, lambda _: "abcde"), Cause.MALFORMED),
    "spare bits in the signature": (tampered(2, lambda _: with_spare_bits()), Cause.MALFORMED),
    # JSON
    "a header that is no JSON": (bearer(a_token(header=b"{alg:ES384}")), Cause.MALFORMED),
    "a header that is a list": (bearer(a_token(header=b"[]")), Cause.MALFORMED),
    "a header in UTF-16": (bearer(a_token(header='{"alg":"ES384"}'.encode("utf-16"))), Cause.MALFORMED),
    "a header with a byte order mark": (bearer(a_token(header=b'\xef\xbb\xbf{"alg":"ES384"}')), Cause.MALFORMED),
    "claims that are a text": (bearer(a_token(claims=b'"claims"')), Cause.MALFORMED),
    "claims that are null": (bearer(a_token(claims=b"null")), Cause.MALFORMED),
    "claims that are no UTF-8": (bearer(a_token(claims=b'{"iss":"\xff"}')), Cause.MALFORMED),
    "claims with something behind them": (bearer(a_token(claims=b"{}{}")), Cause.MALFORMED),
    "claims nested deeply": (bearer(a_token(claims=b'{"a":' + b"[" * 2500 + b"]" * 2500 + b"}")), Cause.MALFORMED),
    "a header nested deeply": (bearer(a_token(header=b'{"a":' + b"[" * 2500 + b"]" * 2500 + b"}")), Cause.MALFORMED),
    "alg given twice": (
        bearer(a_token(header=b'{"alg":"none","alg":"ES384","kid":"key-1","typ":"JWT"}')),
        Cause.MALFORMED,
    ),
    "iss given twice": (
        bearer(a_token(claims=json.dumps(some_claims()).encode()[:-1] + b',"iss":"https://other.example"}')),
        Cause.MALFORMED,
    ),
    "a name given twice deep within": (
        bearer(a_token(claims=json.dumps(some_claims()).encode()[:-1] + b',"x":{"a":1,"a":2}}')),
        Cause.MALFORMED,
    ),
    "NaN": (bearer(a_token(claims=json.dumps(some_claims(exp=float("nan"))).encode())), Cause.MALFORMED),
    "infinity": (bearer(a_token(claims=json.dumps(some_claims(exp=float("inf"))).encode())), Cause.MALFORMED),
    "a number of ten thousand digits": (
        bearer(a_token(claims=b'{"exp":' + b"9" * 4400 + b"}")),
        Cause.MALFORMED,
    ),
    # The algorithm
    "no signature and alg none": (unsigned("none", "AA"), Cause.ALGORITHM),
    "alg none and an empty signature": (unsigned("none"), Cause.MALFORMED),
    "alg None": (unsigned("None", "AA"), Cause.ALGORITHM),
    "alg NONE": (unsigned("NONE", "AA"), Cause.ALGORITHM),
    "alg nOnE": (unsigned("nOnE", "AA"), Cause.ALGORITHM),
    "HS256 keyed with the public key": (signed_with_public_key("HS256", KEY.pem), Cause.ALGORITHM),
    "HS384 keyed with the public key": (signed_with_public_key("HS384", KEY.pem), Cause.ALGORITHM),
    "HS256 keyed with nothing": (signed_with_public_key("HS256", b""), Cause.ALGORITHM),
    "HS256 keyed with the public JWK": (
        signed_with_public_key("HS256", json.dumps(KEY.jwk).encode()),
        Cause.ALGORITHM,
    ),
    "an algorithm in lower case": (with_header(alg="es384"), Cause.ALGORITHM),
    "an algorithm nobody has": (with_header(alg="ES999"), Cause.ALGORITHM),
    "an algorithm that others have": (with_header(alg="EdDSA"), Cause.ALGORITHM),
    "ES512, which is not on our list": (
        bearer(a_token(header=a_header(a_key("ES512")), key=a_key("ES512"))),
        Cause.ALGORITHM,
    ),
    "an algorithm that is a list": (with_header(alg=["ES384"]), Cause.ALGORITHM),
    "an algorithm that is null": (with_header(alg=None), Cause.ALGORITHM),
    "no algorithm": (with_header(alg=...), Cause.ALGORITHM),
    "an algorithm that this client does not use": (
        bearer(a_token(header=a_header(a_key("RS256")), key=a_key("RS256"))),
        Cause.ALGORITHM,
    ),
    "an algorithm that does not fit the key": (with_header(alg="RS384"), Cause.SIGNATURE),
    # The key
    "no kid": (with_header(kid=...), Cause.KEY_ID),
    "an empty kid": (with_header(kid=""), Cause.KEY_ID),
    "a kid that is a number": (with_header(kid=1), Cause.KEY_ID),
    "a kid that is an object": (with_header(kid={}), Cause.KEY_ID),
    "an endless kid": (with_header(kid="k" * 300), Cause.KEY_ID),
    "an unknown kid": (with_header(kid="key-2"), Cause.UNKNOWN_KEY),
    "a kid that is a path": (with_header(kid="../../../../dev/null"), Cause.UNKNOWN_KEY),
    "a kid that is SQL": (with_header(kid="x' UNION SELECT 'key'--"), Cause.UNKNOWN_KEY),
    "a kid of half a pair": (with_header(kid="\ud800"), Cause.UNKNOWN_KEY),
    "a key of its own": (
        bearer(a_token(header=a_header(STRANGER, jwk=STRANGER.jwk), key=STRANGER)),
        Cause.KEY_MATERIAL,
    ),
    "a key of its own that is null": (with_header(jwk=None), Cause.KEY_MATERIAL),
    "a certificate of its own": (with_header(x5c=["MIIB"]), Cause.KEY_MATERIAL),
    "a certificate's address": (with_header(x5u="https://ehr.example/c.pem"), Cause.KEY_MATERIAL),
    "a foreign jku": (with_header(jku="https://attacker.example/keys.json"), Cause.KEY_SET_ADDRESS),
    "a jku beneath ours": (with_header(jku=f"{JKU}/../other.json"), Cause.KEY_SET_ADDRESS),
    "our jku with a query": (with_header(jku=f"{JKU}?x"), Cause.KEY_SET_ADDRESS),
    "our jku with a fragment": (with_header(jku=f"{JKU}#x"), Cause.KEY_SET_ADDRESS),
    "our jku in capitals": (with_header(jku=JKU.upper()), Cause.KEY_SET_ADDRESS),
    "our jku over plain http": (with_header(jku=JKU.replace("https", "http")), Cause.KEY_SET_ADDRESS),
    "our jku with another's user info": (
        with_header(jku="https://ehr.example@attacker.example/keys.json"),
        Cause.KEY_SET_ADDRESS,
    ),
    "a jku that is a file": (with_header(jku="file:///etc/passwd"), Cause.KEY_SET_ADDRESS),
    "a jku that is a list": (with_header(jku=[JKU]), Cause.KEY_SET_ADDRESS),
    "a jku that is null": (with_header(jku=None), Cause.KEY_SET_ADDRESS),
    "crit": (with_header(crit=["exp"]), Cause.KEY_MATERIAL),
    "an unencoded payload": (with_header(b64=False, crit=["b64"]), Cause.KEY_MATERIAL),
    "b64 without crit": (with_header(b64=False), Cause.KEY_MATERIAL),
    "another type of token": (with_header(typ="dpop+jwt"), Cause.TYPE),
    "an access token": (with_header(typ="at+jwt"), Cause.TYPE),
    "a type that is a number": (with_header(typ=1), Cause.TYPE),
    # The signature
    "another's signature under our kid": (
        bearer(a_token(header=a_header(KEY), key=STRANGER)),
        Cause.SIGNATURE,
    ),
    "claims exchanged after signing": (tampered(1, other_claims), Cause.SIGNATURE),
    "a header exchanged after signing": (
        tampered(0, lambda _: encoded(json.dumps(a_header(cty="JWT")).encode())),
        Cause.SIGNATURE,
    ),
    "a signature cut short": (tampered(2, lambda part: part[:64]), Cause.SIGNATURE),
    "a signature with more behind it": (tampered(2, lambda part: part + "AAAA"), Cause.SIGNATURE),
    "a signature of zeros": (zero_signature(), Cause.SIGNATURE),
    "a signature in DER": (der_signature(), Cause.SIGNATURE),
    "a signature of another token": (tampered(2, lambda _: a_token().split(".")[2]), Cause.SIGNATURE),
    # The claims
    "no iss": (with_claims(iss=...), Cause.ISSUER),
    "an unknown iss": (with_claims(iss="https://other.example"), Cause.ISSUER),
    "our iss with a slash": (with_claims(iss=f"{ISSUER}/"), Cause.ISSUER),
    "our iss in capitals": (with_claims(iss=ISSUER.upper()), Cause.ISSUER),
    "our iss in a list": (with_claims(iss=[ISSUER]), Cause.ISSUER),
    "an iss that is an object": (with_claims(iss={"a": 1}), Cause.ISSUER),
    "the anonymous iss": (with_claims(iss="anonymous"), Cause.ISSUER),
    "no aud": (with_claims(aud=...), Cause.AUDIENCE),
    "an empty list of aud": (with_claims(aud=[]), Cause.AUDIENCE),
    "another service's aud": (with_claims(aud=f"{BASE}/cds-services/other"), Cause.AUDIENCE),
    "discovery's aud": (with_claims(aud=f"{BASE}/cds-services"), Cause.AUDIENCE),
    "the aud of feedback": (with_claims(aud=f"{AUDIENCE}/feedback"), Cause.AUDIENCE),
    "the aud of another host": (with_claims(aud=AUDIENCE.replace("cds", "dev", 1)), Cause.AUDIENCE),
    "an aud over plain http": (with_claims(aud=AUDIENCE.replace("https", "http")), Cause.AUDIENCE),
    "an aud with a query": (with_claims(aud=f"{AUDIENCE}?a"), Cause.AUDIENCE),
    "an aud with two slashes at its end": (with_claims(aud=f"{AUDIENCE}//"), Cause.AUDIENCE),
    "an aud that only begins like ours": (with_claims(aud=f"{AUDIENCE}.attacker.example"), Cause.AUDIENCE),
    "a list of aud with a number in it": (with_claims(aud=[AUDIENCE, 1]), Cause.AUDIENCE),
    "an aud that is an object": (with_claims(aud={AUDIENCE: 1}), Cause.AUDIENCE),
    "no exp": (with_claims(exp=...), Cause.TIMES),
    "an exp that is a text": (with_claims(exp=str(SECONDS + 300)), Cause.TIMES),
    "an exp that is true": (with_claims(exp=True), Cause.TIMES),
    "an exp that is null": (with_claims(exp=None), Cause.TIMES),
    "an exp beyond every calendar": (with_claims(exp=10**300), Cause.TIMES),
    "an exp beyond every float": (with_claims(exp=10**400), Cause.TIMES),
    "a negative exp": (with_claims(exp=-1), Cause.TIMES),
    "no iat": (with_claims(iat=...), Cause.TIMES),
    "an iat that is a text": (with_claims(iat="now"), Cause.TIMES),
    "an nbf that is a text": (with_claims(nbf="soon"), Cause.TIMES),
    "expired": (with_claims(exp=SECONDS - 61, iat=SECONDS - 300), Cause.EXPIRED),
    "expired to the second": (with_claims(exp=SECONDS - 60, iat=SECONDS - 300), Cause.EXPIRED),
    "issued in the future": (with_claims(iat=SECONDS + 61), Cause.NOT_YET_VALID),
    "not valid before the future": (with_claims(nbf=SECONDS + 61), Cause.NOT_YET_VALID),
    "valid for a day": (with_claims(exp=SECONDS + 86_400), Cause.LIFETIME),
    "valid for a second too long": (with_claims(exp=SECONDS + LONGEST_LIFE_SECONDS + 1), Cause.LIFETIME),
    "expired before it was issued": (with_claims(exp=SECONDS - 30, iat=SECONDS), Cause.LIFETIME),
    "valid for no time at all": (with_claims(exp=SECONDS, iat=SECONDS), Cause.LIFETIME),
    "milliseconds": (with_claims(exp=(SECONDS + 300) * 1000, iat=SECONDS * 1000), Cause.TIMES),
    "no jti": (with_claims(jti=...), Cause.TOKEN_ID),
    "an empty jti": (with_claims(jti=""), Cause.TOKEN_ID),
    "a jti that is a number": (with_claims(jti=7), Cause.TOKEN_ID),
    "an endless jti": (with_claims(jti="j" * 257), Cause.TOKEN_ID),
    "a jti with a line break": (with_claims(jti="a\nb"), Cause.TOKEN_ID),
    "a jti with a NUL": (with_claims(jti="a\x00b"), Cause.TOKEN_ID),
    "a jti of half a pair": (with_claims(jti="\ud800"), Cause.TOKEN_ID),
    "a tenant that is an object": (with_claims(tenant={}), Cause.MALFORMED),
    "a tenant with a line break": (with_claims(tenant="a\nb"), Cause.MALFORMED),
}
BEFORE_THE_ISSUER = {
    Cause.ABSENT,
    Cause.TOO_LONG,
    Cause.MALFORMED,
    Cause.KEY_ID,
    Cause.KEY_MATERIAL,
    Cause.ISSUER,
    Cause.KEY_SET_ADDRESS,
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_token_is_refused_and_its_cause_is_told(name: str) -> None:
    """[HTTP-4, SEC-27] Missing, invalid or expired JWT: 401 with `WWW-Authenticate: Bearer`, no reason given."""
    authorization, cause = FAULTS[name]
    door = Door()
    with pytest.raises(NotTrusted) as caught:
        door.enter(authorization)
    problem = problem_of(caught.value)
    assert (problem.status, problem.faults, problem.headers) == (
        401,
        (NotTrusted.usual,),
        {"WWW-Authenticate": "Bearer"},
    )
    assert [told for told, _ in door.told] == [cause]
    if cause in BEFORE_THE_ISSUER:
        assert door.server.asked == []
    assert door.memory.known == set()


@pytest.mark.parametrize("name", FAULTS)
def test_a_refusal_holds_nothing_of_the_token(name: str) -> None:
    """[SEC-26] Never log or store a JWT: canary scan."""
    authorization, _ = FAULTS[name]
    door = Door()
    with pytest.raises(NotTrusted) as caught:
        door.enter(authorization)
    said = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(door.told)
    assert CANARY not in said
    parts = [part for part in (authorization or "").split(".") if len(part) > 40]
    assert [part for part in parts if part in said] == []
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_the_same_token_without_a_fault_is_accepted() -> None:
    assert Door().enter(with_claims()).client is CLIENT


@pytest.mark.parametrize("member", ["jwk", "x5c", "x5u"])
def test_a_key_that_comes_with_the_token_proves_nothing(member: str) -> None:
    """[SEC-24] Ignore key material inside the token (`jwk`, `x5u`, `x5c`): token with own `jwk`: 401."""
    value = {"jwk": STRANGER.jwk, "x5c": ["MIIB"], "x5u": "https://ehr.example/c.pem"}[member]
    door = Door()
    for key in (STRANGER, KEY):  # even beside a key that is the client's
        with pytest.raises(NotTrusted):
            door.enter(bearer(a_token(header=a_header(key, **{member: value}), key=key)))
    assert [cause for cause, _ in door.told] == [Cause.KEY_MATERIAL] * 2
    assert door.server.asked == []


def test_a_token_signed_with_nothing_or_with_what_everybody_knows_proves_nothing() -> None:
    """[SEC-12] `none`, `None`, `HS256`, and HS256 signed with the public key: 401, whatever the entry says."""
    door = Door(clients=(replace(CLIENT, algorithms=("none", "HS256", *ALGORITHMS)),))
    for authorization in (unsigned("none", "AA"), unsigned("None", "AA"), signed_with_public_key("HS256", KEY.pem)):
        with pytest.raises(NotTrusted):
            door.enter(authorization)
    assert [cause for cause, _ in door.told] == [Cause.ALGORITHM] * 3


def test_a_stranger_causes_no_request() -> None:
    """[SEC-14] `iss` not listed: 401, before any network fetch; and a listed one's expired token neither."""
    door = Door()
    for claims in ({"iss": "https://other.example"}, {"exp": SECONDS - 61, "iat": SECONDS - 300}, {"aud": BASE}):
        with pytest.raises(NotTrusted):
            door.enter(with_claims(**claims))
    assert door.server.asked == []


def test_the_longest_header_is_still_read() -> None:
    door = Door()
    for length, cause in ((LONGEST_TOKEN, Cause.MALFORMED), (LONGEST_TOKEN + 1, Cause.TOO_LONG)):
        with pytest.raises(NotTrusted):
            door.enter("Bearer ".ljust(length, "x"))
        assert door.told[-1][0] is cause


def test_every_algorithm_of_our_list_is_accepted_where_the_client_uses_it() -> None:
    """[SEC-13] ES384, RS384, then ES256, RS256, PS256, PS384 per client."""
    for algorithm in ALGORITHMS:
        key = a_key(algorithm)
        door = Door(clients=(replace(CLIENT, algorithms=ALGORITHMS),))
        door.server.body = a_key_set(key)
        assert door.enter(bearer(a_token(key=key))).client.issuer == ISSUER
        assert door.told == []


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "PS384", "RS384"])
def test_one_key_serves_no_other_algorithm_than_its_set_says(algorithm: str) -> None:
    """[SEC-13] Algorithm comes from our list, never from the token alone."""
    key = a_key("RS384")
    door = Door(clients=(replace(CLIENT, algorithms=ALGORITHMS),))
    door.server.body = a_key_set(key)
    token = a_token(header=a_header(key, alg=algorithm), key=key, algorithm=algorithm)
    if algorithm == "RS384":
        assert door.enter(bearer(token)).client.issuer == ISSUER
        return
    with pytest.raises(NotTrusted):
        door.enter(bearer(token))
    assert door.told == [(Cause.SIGNATURE, ISSUER)]


def test_a_token_that_ends_while_it_is_replayed_is_remembered_for_as_long_as_it_counts() -> None:
    """[SEC-18] Keyed by (iss, jti), kept until `exp`: and for the leeway beyond it, as a token counts as long."""
    door = Door()
    authorization = with_claims(exp=SECONDS + 5)
    door.enter(authorization)
    door.now = NOW + timedelta(seconds=64)
    with pytest.raises(NotTrusted):
        door.enter(authorization)
    assert [cause for cause, _ in door.told] == [Cause.REPLAYED]
    assert door.memory.lifetimes[0] == timedelta(seconds=65)
