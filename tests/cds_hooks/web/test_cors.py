"""Browsers may call from the origins that the clients file lists, and from nowhere else."""

import pytest

from cds_hooks.web.clients import Client
from cds_hooks.web.cors import Cors

EHR, OTHER = "https://ehr.example", "https://other.example"
FIRST, SECOND = Client("first", origins=frozenset({EHR})), Client("second", origins=frozenset({OTHER}))
CORS = Cors((FIRST, SECOND, Client("third")))


def test_a_preflight_from_a_listed_origin_says_what_may_be_sent() -> None:
    """[SEC-40] Preflight OPTIONS allows `Authorization`, `Content-Type`; GET, POST."""
    asked = {"Origin": EHR, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    assert dict(CORS.preflight(asked)) == {
        "Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        "Access-Control-Allow-Origin": EHR,
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "Authorization, Content-Type",
        "Access-Control-Max-Age": "600",
    }


STRANGERS = [
    "https://attacker.example",
    "https://ehr.example.attacker.example",
    "https://sub.ehr.example",
    "http://ehr.example",
    "https://ehr.example:8443",
    "https://EHR.example",
    "https://ehr.example/",
    "https://ehr.example, https://attacker.example",
    "null",
    "*",
    "",
]


@pytest.mark.parametrize("origin", STRANGERS)
def test_an_unlisted_origin_is_allowed_nothing(origin: str) -> None:
    """[SEC-41] Unlisted origin gets no allow header; `Vary: Origin` set; never reflect any origin."""
    assert dict(CORS.headers_for(origin)) == {"Vary": "Origin"}
    preflight = CORS.preflight({"Origin": origin})
    assert list(preflight) == ["Vary"]
    assert "Origin" in preflight["Vary"]


def test_what_is_no_cross_origin_call_is_told_apart_by_caches_all_the_same() -> None:
    """[SEC-41] `Vary: Origin` set."""
    assert dict(CORS.headers_for(None)) == {"Vary": "Origin"}
    assert list(CORS.preflight({})) == ["Vary"]


def test_an_answer_may_be_read_by_its_clients_own_origins() -> None:
    """[SEC-41] Origins from an explicit list, of that client once it is known."""
    assert CORS.headers_for(EHR)["Access-Control-Allow-Origin"] == EHR
    assert CORS.headers_for(EHR, FIRST)["Access-Control-Allow-Origin"] == EHR
    assert dict(CORS.headers_for(EHR, SECOND)) == {"Vary": "Origin"}
    assert dict(CORS.headers_for(EHR, Client("third"))) == {"Vary": "Origin"}


def test_no_credentials_of_the_browser_are_asked_for() -> None:
    """[SEC-41] No credentials mode."""
    for headers in (CORS.headers_for(EHR), CORS.preflight({"Origin": EHR})):
        assert "Access-Control-Allow-Credentials" not in headers
        assert "*" not in headers.values()
