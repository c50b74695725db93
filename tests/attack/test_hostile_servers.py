"""A FHIR server that was taken over, through whole calls: no answer of its misleads or outlasts the deadline."""

import gzip
import time
from collections.abc import Callable, Iterator
from functools import partial
from socket import socket
from typing import Any

import pytest

from tests.attack.siege import (
    DEADLINE_SECONDS,
    EVIL,
    NAMES,
    OTHER_ISSUER,
    OTHER_KEY,
    TEST_HOSTS,
    Siege,
    a_bare_call,
    a_sufficient_call,
    holds_a_chart,
)
from tests.builders import a_bundle, a_condition, a_patient
from tests.fhir_stub import Asked, FhirStub, Says, an_outcome
from tests.outside import a_raw_server

BOMB = gzip.compress(b'{"resourceType": "Bundle", "entry": [' + b" " * 40_000_000 + b"]}")
PACKED = {"Content-Encoding": "gzip"}
LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">
]><Bundle xmlns="http://hl7.org/fhir"><id value="&b;&f;"/></Bundle>"""
LOGIN = {"WWW-Authenticate": f'Basic realm="x", Bearer authorization_uri="{EVIL}/authorize"'}
ANSWERS: dict[str, Says] = {
    "a gzip bomb": Says(BOMB, headers=PACKED),
    "a bomb in a bomb": Says(gzip.compress(BOMB), headers={"Content-Encoding": "gzip, gzip"}),
    "gzip that breaks off": Says(BOMB[:-100], headers=PACKED),
    "gzip that is none": Says(b"not packed", headers=PACKED),
    "another encoding": Says(BOMB, headers={"Content-Encoding": "br"}),
    "a large answer": Says(b" " * 12_000_000),
    "a slow drip": Says(b" " * 400, pieces=400, pause=0.02),
    "dripping headers": Says({}, headers={f"X-{number}": "x" for number in range(90)}, pause=0.02, drips=True),
    "many headers": Says({}, headers={f"X-{number}": "x" for number in range(5000)}),
    "an endless header": Says({}, headers={"X-Long": "x" * 200_000}),
    "a length beyond all": Says(b"{}", headers={"Content-Length": str(10**18)}),
    "a negative length": Says(b"{}", headers={"Content-Length": "-1"}),
    "silence": Says({}, delay=1.5),
    "a reset": Says({}, resets=True),
    "deep nesting": Says(b'{"entry":' * 50_000),
    "a number of a million digits": Says(b'{"resourceType": "Bundle", "total": ' + b"9" * 1_000_000 + b"}"),
    "numbers that are none": Says(b'{"resourceType": "Bundle", "total": NaN, "entry": [Infinity]}'),
    "half a pair": Says(b'{"resourceType": "Bundle", "id": "\\ud800"}'),
    "no UTF-8": Says(b'{"resourceType": "Bundle", "id": "\xff\xfe"}'),
    "an empty body": Says(b""),
    "null": Says(None),
    "a list": Says([{}]),
    "a page": Says(b"<html><script>alert(1)</script></html>", media_type="text/html"),
    "XML with entities": Says(LAUGHS, media_type="application/fhir+xml"),
    "XML that is called JSON": Says(LAUGHS),
    "another resource": Says({"resourceType": "Parameters"}),
    "entries of every kind": Says({"resourceType": "Bundle", "entry": [None, 1, "x", [], {}, {"resource": None}]}),
    "entries that are a text": Says({"resourceType": "Bundle", "entry": "none"}),
    "a login": Says(an_outcome("error", "login"), 401, LOGIN),
    "a refusal": Says(an_outcome("error", "forbidden"), 403),
    "an endless rest": Says(an_outcome(), 503, {"Retry-After": "99999999999"}),
    "a rest before the epoch": Says(an_outcome(), 429, {"Retry-After": "Thu, 01 Jan 0001 00:00:00 GMT"}),
    "a status that is none": Says({}, 799),
    "a stack trace": Says({"resourceType": "OperationOutcome", "issue": [{"diagnostics": "Zzmarker at line 1"}]}, 500),
}


@pytest.fixture
def hurried(hurried: Siege) -> Iterator[Siege]:
    """Mend the chart after each test."""
    yield hurried
    holds_a_chart(hurried.ehr)


def timed(call: Callable[[], Any]) -> Any:
    """Give the answer, which must come within the deadline and 200 ms."""
    started = time.monotonic()
    answer = call()
    assert time.monotonic() - started < DEADLINE_SECONDS + 0.2
    return answer


def says_it(stub: FhirStub, *paths: str, script: Says | Callable[[Asked], Says]) -> None:
    for path in paths:
        stub.on("GET" if path.startswith("Patient") or "/_search" not in path else "POST", path, script)


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_takes_the_service_down(hurried: Siege, name: str) -> None:
    """[FHIR-4, FHIR-5, FHIR-79] Required data: 412. Optional data: an answer that says what is not known."""
    server = f"https://{NAMES[list(ANSWERS).index(name)]}/r4"
    says_it(hurried.ehr, "Patient/p1", "Condition/_search", script=ANSWERS[name])
    heard = len(hurried.ehr.asked)
    required = timed(lambda: hurried.call(a_bare_call(server)))
    optional = timed(lambda: hurried.call(a_sufficient_call(server)))
    assert (required.status_code, optional.status_code) == (412, 200)
    assert "not on the problem list" not in optional.text, "what could not be read was taken for nothing there"
    assert "marker" not in required.text + optional.text
    assert all("Cookie" not in asked.headers for asked in hurried.ehr.asked[heard:])
    holds_a_chart(hurried.ehr)
    assert hurried.call(a_sufficient_call(None)).status_code == 200, "and others are answered as ever"


def test_pages_without_end_end(hurried: Siege) -> None:
    """[FHIR-43] Pages are followed to a limit, and not beyond the deadline; the rest is said to be missing."""
    base = f"https://{NAMES[-2]}/r4"

    def page(_: Asked) -> Says:
        return Says(a_bundle(a_condition("I10"), next=f"{base}/Condition?page={len(hurried.ehr.asked)}"))

    says_it(hurried.ehr, "Condition/_search", "Condition", script=page)
    heard = len(hurried.ehr.asked)
    assert timed(lambda: hurried.call(a_sufficient_call(base))).status_code == 200
    assert 2 <= sum("Condition" in asked.path for asked in hurried.ehr.asked[heard:]) <= 20


def test_pages_in_a_circle_end(hurried: Siege) -> None:
    """[FHIR-42] A page that was read is not read again."""
    base = f"https://{NAMES[-3]}/r4"
    page = Says(a_bundle(a_condition("I10"), next=f"{base}/Condition?page=2"))
    says_it(hurried.ehr, "Condition/_search", "Condition", script=page)
    heard = len(hurried.ehr.asked)
    assert timed(lambda: hurried.call(a_sufficient_call(base))).status_code == 200
    assert sum("Condition" in asked.path for asked in hurried.ehr.asked[heard:]) == 2


def test_another_patients_rows_are_not_this_ones(hurried: Siege) -> None:
    """[FHIR-51] They are dropped, and what was dropped is on record: here the kidney disease of somebody else."""
    hurried.ehr.on("POST", "Condition/_search", Says(a_bundle(a_condition("N18.4", patient="p2"))))
    answer = hurried.call(a_sufficient_call(f"https://{NAMES[-6]}/r4"))
    assert "not on the problem list" in answer.text
    assert hurried.rows("invocations")[-1]["outcome"]["dropped"]["other_patient"] == 1


def test_another_patient_under_the_same_address_is_not_believed(hurried: Siege) -> None:
    """[FHIR-30] The patient asked for, or nobody."""
    hurried.ehr.on("GET", "Patient/p1", Says(a_patient(id="p2")))
    assert hurried.call(a_bare_call(f"https://{NAMES[-4]}/r4")).status_code == 412


def test_no_cookie_is_kept(hurried: Siege) -> None:
    server = f"https://{NAMES[-5]}/r4"
    hurried.ehr.on("GET", "Patient/p1", Says(a_patient(), headers={"Set-Cookie": "a=canary; Domain=.example; Path=/"}))
    heard = len(hurried.ehr.asked)
    for _ in range(2):
        hurried.call(a_bare_call(server))
    assert [asked.path for asked in hurried.ehr.asked[heard:]].count("/r4/Patient/p1") == 2
    assert all("Cookie" not in asked.headers for asked in hurried.ehr.asked)


def _forever(*pieces: bytes) -> Callable[[socket], None]:
    def say(client: socket) -> None:
        client.recv(65_536)
        for piece in pieces[:-1]:
            client.sendall(piece)
        while True:
            client.sendall(pieces[-1])

    return say


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nTransfer-Encoding: chunked\r\n\r\n"
UNENDING: dict[str, Callable[[socket], None]] = {
    "interim answers": _forever(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a status line": _forever(b"HTTP/1.1 200 " + b"x" * 1000),
    "headers": _forever(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
    "chunks": _forever(CHUNKED, b"1\r\n \r\n"),
    "a chunk's extension": _forever(CHUNKED, b"1;" + b"x" * 1000),
    "trailers": _forever(CHUNKED, b"0\r\n", b"X-A: b\r\n"),
    "a body without a length": _forever(b"HTTP/1.0 200 OK\r\n\r\n", b" " * 65_536),
    "a chunk of less than nothing": _forever(CHUNKED, b"-5\r\n"),
}


@pytest.mark.parametrize("name", UNENDING)
def test_what_never_ends_is_left(hurried: Siege, name: str) -> None:
    """[FHIR-4, FHIR-79] No HTTP at all, for ever: the deadline and the bytes are counted below it."""
    origin = TEST_HOSTS[list(UNENDING).index(name)]
    with a_raw_server(UNENDING[name]) as port:
        hurried.world.routes[origin.removeprefix("http://")] = port
        call = partial(hurried.call, a_sufficient_call(f"{origin}/r4"), key=OTHER_KEY, iss=OTHER_ISSUER)
        assert timed(call).status_code == 200
    assert origin.removeprefix("http://") in hurried.world.dialed
