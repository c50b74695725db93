"""Backend services: what our authorization server is sent, and what becomes of its answer."""

import json
import logging
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import pytest

from fhir_client.addresses import Reach
from fhir_client.authorization import BackendClient, FewerScopes, NotAuthorized
from fhir_client.errors import AddressRefused, BadResource, FhirError, Reason, Refused, Unreachable
from fhir_client.questions import Deadline
from fhir_client.signing_keys import OVERLAP, SigningKeys, make, rotate
from tests.backend import (
    CANARY,
    JOB,
    NOW,
    SCOPE,
    TOKEN,
    Clock,
    Hospital,
    claims_of,
    fifty_ask,
    granted,
    read,
    shown,
    soon,
)
from tests.fhir_stub import Says, a_fhir_server, an_outcome
from tests.outside import port_of

pytestmark = pytest.mark.usefixtures("nothing_leaves_the_machine")


# The assertion


def test_the_assertion_says_who_we_are_once_and_for_a_short_time(hospital: Hospital, clock: Clock) -> None:
    """[FHIR-27] iss = sub = client_id; aud = token endpoint URL; exp at most 5 min ahead; jti unique, used once."""
    client = hospital.client()
    granted(client)
    clock.now += timedelta(hours=2)
    granted(client)
    (_, first), (_, second) = map(claims_of, hospital.asked_for_tokens())
    assert first == {
        "iss": "chartside-at-ehr",
        "sub": "chartside-at-ehr",
        "aud": f"{hospital.stub.base}/token",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 240,
        "jti": first["jti"],
    }
    assert second["exp"] - second["iat"] == 240
    assert first["jti"] != second["jti"]


def test_the_assertions_header_names_the_key(hospital: Hospital, keys: SigningKeys) -> None:
    """[FHIR-26] Assertion header: alg, kid, typ `JWT`; jku optional, equal to the registered URL."""
    granted(hospital.client())
    granted(hospital.client(jku="https://us.example/.well-known/jwks.json"))
    key = keys.signing(["ES384"], NOW)
    (plain, _), (registered, _) = map(claims_of, hospital.asked_for_tokens())
    assert plain == {"alg": "ES384", "kid": key.id, "typ": "JWT"}
    assert registered == {**plain, "jku": "https://us.example/.well-known/jwks.json"}


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_the_assertion_is_signed_with_an_algorithm_that_the_server_lists(
    hospital: Hospital, keys: SigningKeys, algorithm: str
) -> None:
    """[FHIR-25] The client can sign with RS384 and ES384; it picks one the server lists."""
    hospital.publishes(token_endpoint_auth_signing_alg_values_supported=["RS256", algorithm])
    granted(hospital.client())
    (asked,) = hospital.asked_for_tokens()
    published = jwt.PyJWKSet.from_dict(keys.published(NOW))
    header, _ = claims_of(asked)
    claims = jwt.decode(
        dict(asked.form)["client_assertion"],
        published[header["kid"]].key,
        algorithms=[algorithm],
        audience=f"{hospital.stub.base}/token",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["sub"] == "chartside-at-ehr"


def test_without_a_fitting_key_nothing_is_asked(hospital: Hospital, tmp_path: Path) -> None:
    make(tmp_path / "keys", "ES384", signs_from=NOW)
    hospital.read_keys = lambda: SigningKeys.read(tmp_path / "keys")
    hospital.publishes(token_endpoint_auth_signing_alg_values_supported=["RS384"])
    with pytest.raises(Refused) as refused:
        granted(hospital.client())
    assert refused.value.reason is Reason.NO_KEY
    assert hospital.asked_for_tokens() == []


def test_after_a_rotation_the_newer_key_signs_without_a_restart(
    hospital: Hospital, tmp_path: Path, clock: Clock
) -> None:
    """[FHIR-21, FHIR-33] Signing uses the newer after the overlap; a token is kept by its key id."""
    folder = tmp_path / "keys"
    old = make(folder, "ES384", signs_from=NOW)
    hospital.read_keys = lambda: SigningKeys.read(folder)
    hospital.grants(expires_in=86_400)
    client = hospital.client()
    granted(client)
    (new,) = rotate(folder, now=NOW, overlap=timedelta(minutes=10))
    clock.now += timedelta(minutes=9)
    granted(client)
    clock.now += timedelta(minutes=1)
    granted(client)
    assert [claims_of(asked)[0]["kid"] for asked in hospital.asked_for_tokens()] == [old.id, new.id]
    assert timedelta(minutes=10) < OVERLAP


# The token


def test_a_token_is_asked_for_by_a_form_alone(hospital: Hospital) -> None:
    """[FHIR-28] POST form: grant_type, scope, client_assertion_type, client_assertion. No client_id in a header."""
    granted(hospital.client())
    (asked,) = hospital.asked_for_tokens()
    form = dict(asked.form)
    assert form.pop("client_assertion").count(".") == 2
    assert form == {
        "grant_type": "client_credentials",
        "scope": SCOPE,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "Authorization" not in asked.headers
    assert "chartside-at-ehr" not in json.dumps(dict(asked.headers))
    assert asked.raw == "/r4/token"


@pytest.mark.parametrize("kind", ["bearer", "Bearer", "BEARER"])
def test_the_token_is_a_bearer_token_in_any_case(hospital: Hospital, kind: str) -> None:
    """[FHIR-32] Answer has access_token, token_type (bearer, any case), expires_in, scope; no refresh token is kept."""
    hospital.grants(token_type=kind, refresh_token="canary-refresh", id_token="canary-id")
    client = hospital.client()
    grant = granted(client)
    assert shown(grant) == f"Bearer {CANARY}"
    assert "canary-refresh" not in repr((vars(client), grant, grant.token._token))


@pytest.mark.parametrize(
    "changes",
    [
        {"access_token": None},
        {"access_token": ""},
        {"access_token": 7},
        {"access_token": "two words"},
        {"access_token": "a\r\nX-Evil: 1"},
        {"token_type": None},
        {"token_type": "mac"},
        {"token_type": ["bearer"]},
        {"expires_in": 0},
        {"expires_in": -5},
        {"expires_in": "300"},
        {"expires_in": True},
        {"expires_in": 1.5},
        {"scope": 7},
    ],
)
def test_what_is_no_token_answer_is_an_error(hospital: Hospital, changes: dict[str, Any]) -> None:
    hospital.grants(**changes)
    with pytest.raises(BadResource) as refused:
        granted(hospital.client())
    assert refused.value.reason is Reason.NOT_AUTHORIZED


@pytest.mark.parametrize(
    ("expires_in", "used_for"), [(None, 54), (60, 54), (300, 270), (3_600, 3_570), (10**12, 86_370)]
)
def test_a_token_is_kept_and_renewed_early(
    hospital: Hospital, clock: Clock, expires_in: int | None, used_for: int
) -> None:
    """[FHIR-32, FHIR-33] Missing expires_in: assume 60 s. Renew early (30 s or 10 percent)."""
    hospital.grants(expires_in=expires_in)
    client = hospital.client()
    granted(client)
    clock.now = NOW + timedelta(seconds=used_for - 1)
    granted(client)
    assert len(hospital.asked_for_tokens()) == 1
    clock.now = NOW + timedelta(seconds=used_for)
    granted(client)
    assert len(hospital.asked_for_tokens()) == 2


def test_fifty_threads_cause_one_token_request(hospital: Hospital) -> None:
    """[FHIR-33] One renewal at a time: 50 threads cause one token request."""
    heard = fifty_ask(hospital, Says(TOKEN), lambda client, deadline: shown(client.grant(JOB, deadline)))
    assert heard == {f"Bearer {CANARY}"}
    assert len(hospital.asked_for_tokens()) == 1


def test_fifty_threads_hear_one_refusal(hospital: Hospital) -> None:
    def ask(client: BackendClient, deadline: Deadline) -> str:
        with pytest.raises(NotAuthorized) as refused:
            client.grant(JOB, deadline)
        return refused.value.code

    assert fifty_ask(hospital, Says({"error": "invalid_client"}, 400), ask) == {"invalid_client"}
    assert len(hospital.asked_for_tokens()) == 1


def test_who_waits_for_anothers_renewal_waits_no_longer_than_its_own_deadline(hospital: Hospital) -> None:
    hospital.stub.on("POST", "token", Says(TOKEN, delay=0.5))
    client = hospital.client()
    client.configuration(soon())
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(granted, client)
        time.sleep(0.1)
        with pytest.raises(Unreachable):
            client.grant(JOB, soon(0.1))
        assert shown(first.result()) == f"Bearer {CANARY}"


def test_other_wishes_have_other_tokens(hospital: Hospital) -> None:
    """[FHIR-33] Cache in memory, keyed by (token endpoint, client_id, scope, key id)."""
    client = hospital.client()
    hospital.stub.on("POST", "token", lambda asked: Says({**TOKEN, "scope": dict(asked.form)["scope"]}))
    for wanted in (JOB, JOB[::-1], JOB[:1], JOB[:1], JOB):
        client.grant(wanted, soon())
    assert [dict(asked.form)["scope"] for asked in hospital.asked_for_tokens()] == [SCOPE, "system/Patient.rs"]


def test_less_than_was_asked_is_said_before_any_work(hospital: Hospital) -> None:
    """[FHIR-31] Token for fewer types: job refuses with the list of missing ones, or degrades knowingly."""
    hospital.grants(scope="system/Patient.rs")
    client = hospital.client()
    with pytest.raises(FewerScopes) as refused:
        read(client, f"{hospital.stub.base}/Patient/p1")
    assert refused.value.lacks == ("Observation",)
    assert hospital.stub.paths("GET") == [".well-known/smart-configuration"]
    assert granted(client, whole=False).lacks == ("Observation",)


def test_a_scope_that_is_not_repeated_is_the_one_asked_for(hospital: Hospital) -> None:
    hospital.grants(scope=None)
    assert granted(hospital.client()).lacks == ()


# Use


def test_a_request_carries_the_token(hospital: Hospital) -> None:
    reply = read(hospital.client(), f"{hospital.stub.base}/Patient/p1")
    assert json.loads(reply.body) == {"resourceType": "Patient", "id": "p1"}
    assert hospital.stub.asked[-1].headers["Authorization"] == f"Bearer {CANARY}"


def tokens_in_turn(hospital: Hospital) -> None:
    """Grant another token each time."""
    hospital.stub.on(
        "POST", "token", lambda _: Says({**TOKEN, "access_token": f"{CANARY}-{len(hospital.asked_for_tokens())}"})
    )


def test_a_401_renews_the_token_once_and_asks_once_more(hospital: Hospital) -> None:
    """[FHIR-34] On 401 from FHIR: drop the token, renew once, repeat once."""
    tokens_in_turn(hospital)
    hospital.stub.on(
        "GET",
        "Patient/p1",
        lambda asked: Says({}, 200 if asked.headers["Authorization"].endswith("-2") else 401),
    )
    client = hospital.client()
    assert read(client, f"{hospital.stub.base}/Patient/p1").status == 200
    assert read(client, f"{hospital.stub.base}/Patient/p1").status == 200
    assert len(hospital.asked_for_tokens()) == 2
    assert hospital.stub.paths("GET").count("Patient/p1") == 3


def test_a_401_that_stays_is_answered_after_one_repetition(hospital: Hospital) -> None:
    """[FHIR-34] Renew once, repeat once: counts of requests."""
    tokens_in_turn(hospital)
    hospital.stub.on("GET", "Patient/p1", Says(an_outcome(), 401))
    assert read(hospital.client(), f"{hospital.stub.base}/Patient/p1").status == 401
    assert (len(hospital.asked_for_tokens()), hospital.stub.paths("GET").count("Patient/p1")) == (2, 2)


def test_a_401_drops_no_token_that_another_thread_has_renewed(hospital: Hospital) -> None:
    tokens_in_turn(hospital)
    client = hospital.client()
    old = granted(client)
    client._drop(old)
    new = granted(client)
    client._drop(old)
    assert granted(client) is new


def test_the_token_goes_to_no_other_server(hospital: Hospital) -> None:
    """[FHIR-35, FHIR-71] Never send the token to another server because a reference points there."""
    with a_fhir_server() as other:
        hospital.reach = Reach(test_hosts=frozenset({hospital.stub.origin, other.origin}))
        hospital.world.routes[other.origin.removeprefix("http://")] = port_of(other)
        client = hospital.client()
        read(client, f"{hospital.stub.base}/Patient/p1")
        for url in (f"{other.base}/Patient/p1", f"{hospital.stub.origin}/other/Patient/p1"):
            with pytest.raises(AddressRefused):
                read(client, url)
        assert other.asked == []
    assert {asked.path for asked in hospital.stub.asked if "Authorization" in asked.headers} == {"/r4/Patient/p1"}


# Refusals


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"error": "invalid_client", "error_description": "canary-description"}, "invalid_client"),
        ({"error": "invalid_scope"}, "invalid_scope"),
        ({"error": "canary-word"}, "other"),
        ({"error": ["canary"]}, "other"),
    ],
)
def test_a_refusal_is_told_by_its_code_alone(hospital: Hospital, answer: dict[str, Any], code: str) -> None:
    """[FHIR-36] Errors follow RFC 6749 5.2: surface the code, not the assertion."""
    hospital.stub.on("POST", "token", Says(answer, 400))
    with pytest.raises(NotAuthorized) as refused:
        granted(hospital.client())
    (asked,) = hospital.asked_for_tokens()
    told = "".join(traceback.format_exception(refused.value)) + repr(vars(refused.value))
    assert (refused.value.code, str(refused.value)) == (code, Reason.NOT_AUTHORIZED.value)
    assert "canary" not in told
    assert dict(asked.form)["client_assertion"] not in told


@pytest.mark.parametrize("status", [400, 401])
def test_invalid_client_is_not_tried_again(hospital: Hospital, status: int) -> None:
    """[FHIR-34] invalid_client is not retried."""
    hospital.grants(status, error="invalid_client")
    with pytest.raises(NotAuthorized):
        read(hospital.client(), f"{hospital.stub.base}/Patient/p1")
    assert len(hospital.asked_for_tokens()) == 1


@pytest.mark.parametrize(
    ("status", "reason"), [(302, Reason.REDIRECTED), (401, Reason.DENIED), (404, Reason.ABSENT), (503, Reason.BUSY)]
)
def test_a_refusal_without_a_code_is_told_by_its_status(hospital: Hospital, status: int, reason: Reason) -> None:
    hospital.stub.on("POST", "token", Says(b"<html>", status, {"Location": "/r4/elsewhere"}))
    with pytest.raises(FhirError) as refused:
        granted(hospital.client())
    assert refused.value.reason is reason
    assert hospital.stub.paths() == [".well-known/smart-configuration", "token"]


@pytest.mark.parametrize(("minutes", "is_wrong"), [(-2, True), (-1, False), (0, False), (1, False), (2, True)])
def test_a_clock_that_is_wrong_is_said(hospital: Hospital, minutes: int, is_wrong: bool) -> None:
    """[FHIR-37] Clock skew over 60 s is reported."""
    theirs = {"Date": format_datetime(NOW + timedelta(minutes=minutes), usegmt=True)}
    hospital.grants(headers=theirs)
    grant = granted(hospital.client())
    assert (grant.clock_skew, grant.is_clock_wrong) == (timedelta(minutes=minutes), is_wrong)
    hospital.grants(400, theirs, error="invalid_client")
    with pytest.raises(NotAuthorized) as refused:
        granted(hospital.client())
    assert refused.value.is_clock_wrong is is_wrong


def test_neither_assertion_nor_token_is_logged_or_shown(hospital: Hospital, caplog: pytest.LogCaptureFixture) -> None:
    """[FHIR-81, FHIR-36] Tokens and assertions are never logged, traced or put in exceptions: log scan."""
    caplog.set_level(logging.DEBUG)
    client = hospital.client()
    told = repr((client, granted(client), read(client, f"{hospital.stub.base}/Patient/p1")))
    failures: list[Callable[[], None]] = [
        partial(hospital.grants, 400, error="invalid_request"),
        partial(hospital.grants, token_type="mac"),
        partial(hospital.grants, access_token=f"{CANARY} {CANARY}"),
    ]
    for fail in failures:
        fail()
        with pytest.raises(FhirError) as failed:
            granted(hospital.client())
        lines = traceback.format_exception(failed.value)
        told += "".join(line for line in lines if not line.startswith("  File"))
    assert caplog.records == []
    assert CANARY not in told
    assert not any(dict(asked.form)["client_assertion"] in told for asked in hospital.asked_for_tokens())
