"""What a server publishes about its authorization server, and what we make of it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fhir_client.errors import AddressRefused, BadResource, FhirError
from fhir_client.smart_configuration import NotSmart
from tests.backend import NOW, PUBLISHED, Clock, Hospital, granted, soon
from tests.fhir_stub import Says, an_outcome

HOSTILE = json.loads((Path(__file__).parent / "hostile_addresses.json").read_text(encoding="utf-8"))
pytestmark = pytest.mark.usefixtures("nothing_leaves_the_machine")


# Discovery


def test_the_configuration_lies_beneath_the_base_path(hospital: Hospital) -> None:
    """[FHIR-23] `GET {base}/.well-known/smart-configuration`, appended after the base path, Accept JSON."""
    granted(hospital.client())
    asked = hospital.stub.asked[0]
    assert (asked.method, asked.raw, asked.headers["Accept"]) == (
        "GET",
        "/r4/.well-known/smart-configuration",
        "application/json",
    )
    assert "Authorization" not in asked.headers


@pytest.mark.parametrize(
    ("written", "resolved"),
    [("token", "/r4/token"), ("./auth/token", "/r4/auth/token"), ("/oauth/token", "/oauth/token"), ("../t", "/t")],
)
def test_a_relative_address_resolves_against_the_base(hospital: Hospital, written: str, resolved: str) -> None:
    """[FHIR-23] Relative URLs in it resolve against the base."""
    hospital.publishes(token_endpoint=written)
    assert hospital.client().configuration(soon()).token_endpoint == hospital.stub.origin + resolved


def test_it_is_asked_for_once_an_hour(hospital: Hospital, clock: Clock) -> None:
    client = hospital.client()
    for minutes in (0, 59, 61):
        clock.now = NOW + timedelta(minutes=minutes)
        client.configuration(soon())
    assert len(hospital.stub.asked) == 2


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({"token_endpoint": None}, ("token_endpoint",)),
        ({"token_endpoint": 7}, ("token_endpoint",)),
        ({"token_endpoint": "https://[::1"}, ("token_endpoint",)),
        (
            {"token_endpoint_auth_methods_supported": ["client_secret_basic"]},
            ("private_key_jwt in token_endpoint_auth_methods_supported",),
        ),
        (
            {"token_endpoint_auth_signing_alg_values_supported": ["RS256", "HS256", "none"]},
            ("ES384 or RS384 in token_endpoint_auth_signing_alg_values_supported",),
        ),
        ({"grant_types_supported": ["authorization_code"]}, ("client_credentials in grant_types_supported",)),
        (
            {"capabilities": ["launch-ehr"], "token_endpoint_auth_methods_supported": None},
            ("client-confidential-asymmetric in capabilities",),
        ),
        (
            {"token_endpoint_auth_methods_supported": [], "capabilities": [], "token_endpoint": ""},
            (
                "token_endpoint",
                "private_key_jwt in token_endpoint_auth_methods_supported",
                "client-confidential-asymmetric in capabilities",
            ),
        ),
    ],
)
def test_what_a_server_lacks_is_said_whole(hospital: Hospital, changes: dict[str, Any], lacks: tuple[str, ...]) -> None:
    """[FHIR-24] Check endpoint, private_key_jwt, algorithms, grant types, capabilities: clear onboarding error."""
    hospital.publishes(**changes)
    with pytest.raises(NotSmart) as refused:
        granted(hospital.client())
    assert refused.value.lacks == lacks
    assert hospital.asked_for_tokens() == []


def test_an_old_server_without_the_document_is_used_as_configured(hospital: Hospital) -> None:
    """[FHIR-24] Old server without the document: `token_endpoint` from configuration."""
    hospital.stub.on("GET", ".well-known/smart-configuration", Says(an_outcome(), 404))
    hospital.grants(scope="system/*.read")
    granted(hospital.client(token_endpoint=f"{hospital.stub.base}/token"))
    (asked,) = hospital.asked_for_tokens()
    assert dict(asked.form)["scope"] == "system/Observation.read system/Patient.read"
    with pytest.raises(NotSmart) as refused:
        granted(hospital.client())
    assert refused.value.lacks == ("the document itself",)


def test_a_document_without_an_endpoint_is_completed_by_the_configured_one(hospital: Hospital) -> None:
    hospital.publishes(token_endpoint=None)
    configured = f"{hospital.stub.base}/token"
    assert hospital.client(token_endpoint=configured).configuration(soon()).token_endpoint == configured
    hospital.publishes()
    other = hospital.client(token_endpoint="https://other.example/token").configuration(soon())
    assert other.token_endpoint == configured


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"[" * 10_000, b"7", b'{"token_endpoint": "token"'])
def test_what_is_no_document_is_an_error(hospital: Hospital, body: bytes) -> None:
    """[FHIR-79] JSON depth and size are limited after decoding: 10,000 nested arrays."""
    hospital.stub.on("GET", ".well-known/smart-configuration", Says(body))
    with pytest.raises(BadResource):
        granted(hospital.client())


@pytest.mark.parametrize("status", [302, 401, 500, 503])
def test_a_document_that_cannot_be_had_is_an_error_even_with_an_endpoint(hospital: Hospital, status: int) -> None:
    hospital.stub.on("GET", ".well-known/smart-configuration", Says(PUBLISHED, status, {"Location": "/r4/x"}))
    with pytest.raises(FhirError):
        granted(hospital.client(token_endpoint=f"{hospital.stub.base}/token"))
    assert hospital.asked_for_tokens() == []


ABSOLUTE = [
    url for url in HOSTILE["malformed"] if "://" in url and not url.startswith((" ", "\u0001", "https:///"))
] + [url for url, _ in HOSTILE["barred"]]


@pytest.mark.parametrize("endpoint", [*ABSOLUTE, "http://token.example/token"])
def test_a_hostile_endpoint_is_never_called(hospital: Hospital, endpoint: str) -> None:
    """[FHIR-75] The same checks hold for smart-configuration and its endpoints: a hostile value is never called."""
    hospital.publishes(token_endpoint=endpoint)
    with pytest.raises((AddressRefused, NotSmart)):
        granted(hospital.client())
    assert [asked.path for asked in hospital.stub.asked] == ["/r4/.well-known/smart-configuration"]
    assert len(hospital.world.dialed) == 1
