"""Addresses from a stranger, through whole calls: whatever is named, nobody but a listed server is spoken to."""

import json
from pathlib import Path

import pytest

from tests.attack.siege import (
    EVIL,
    FHIR,
    FHIR_TOKEN,
    NAMES,
    Siege,
    a_bare_call,
    a_sufficient_call,
    holds_a_chart,
    some_results,
)
from tests.builders import a_bundle, a_condition, a_medication, a_patient
from tests.fhir_stub import Says
from tests.outside import PUBLIC

CORPUS = json.loads(
    (Path(__file__).parent.parent / "fhir_client" / "hostile_addresses.json").read_text(encoding="utf-8")
)
HOSTILE = [
    *CORPUS["malformed"],
    *(url for url, _ in CORPUS["barred"]),
    # Public and well formed, and all the same not the listed one.
    *(
        EVIL,
        f"{EVIL}/r4",
        "https://fhir.example/r40",
        "https://fhir.example/r4/../r5",
        "https://fhir.example/r4/%2e%2e/r5",
    ),
    *("https://fhir.example/", "https://fhir.example:8443/r4", "https://fhir.example/R4", "https://fhir.example//r4"),
    *("https://fhir.example/r4?x=1", "https://fhir.example/r4;x", "https://fhir.example.evil.example/r4"),
    *("https://evil.example/https://fhir.example/r4", "https://evil.example?https://fhir.example/r4", "*"),
]
INSIDE = [
    "127.0.0.1",
    "10.0.0.5",
    "169.254.169.254",
    "fd00:ec2::254",
    "::ffff:10.0.0.5",
    "::1",
    "0.0.0.0",  # noqa: S104 - nobody listens there
    "100.64.0.1",
]
OWN_QUESTIONS = {"/r4/Condition/_search", "/r4/Observation/_search", "/r4/Patient/p1"}


def read_since(heard: int, siege: Siege) -> set[str]:
    """Give what was asked for since then, but for keys."""
    return {asked.raw for asked in siege.heard_since(heard)}


def test_the_corpus_is_as_large_as_was_asked_for() -> None:
    assert len(set(HOSTILE)) >= 60


@pytest.mark.parametrize("server", HOSTILE)
def test_a_hostile_server_is_never_spoken_to(siege: Siege, server: str) -> None:
    """[FHIR-70, FHIR-72] Prefetch only: 412 if something required is missing, an answer from what was sent if not."""
    siege.acquaint()
    heard, dialed, looked_up = len(siege.ehr.asked), len(siege.world.dialed), len(siege.world.looked_up)
    assert siege.call(a_bare_call(server)).status_code in {400, 412}
    assert siege.call(a_sufficient_call(server)).status_code in {200, 400}
    assert (siege.ehr.asked[heard:], siege.world.dialed[dialed:], siege.world.looked_up[looked_up:]) == ([], [], [])


def test_the_listed_server_is_spoken_to(siege: Siege) -> None:
    heard = len(siege.ehr.asked)
    assert siege.call(a_bare_call(FHIR)).status_code == 200
    assert read_since(heard, siege) == OWN_QUESTIONS
    tokens = {asked.headers.get("Authorization") for asked in siege.heard_since(heard)}
    assert tokens == {f"Bearer {FHIR_TOKEN}"}


@pytest.mark.parametrize("address", INSIDE)
def test_a_listed_name_that_leads_inside_is_sent_nothing(siege: Siege, address: str) -> None:
    """[FHIR-73, FHIR-80] A name is no reason to call an inner address; that it was tried is on record."""
    host = NAMES[INSIDE.index(address)]
    siege.world.names[host] = [[PUBLIC, address]]
    assert siege.call(a_sufficient_call(None)).status_code == 200  # the caller's keys are at hand after this
    dialed, blocked = len(siege.world.dialed), siege.metric("blocked_addresses_total")
    assert siege.call(a_bare_call(f"https://{host}/r4")).status_code == 412
    assert siege.call(a_sufficient_call(f"https://{host}/r4")).status_code == 200
    assert siege.world.dialed[dialed:] == []
    assert siege.metric("blocked_addresses_total") == blocked + 2
    events = [event["event"] for event in siege.events()]
    assert "address refused" in events
    assert [event for event in events if event != "address refused"][-3:] == ["refused", "blocked", "invoked"]
    assert siege.count("blocked") > 0


def test_a_name_that_is_bound_anew_is_refused_at_its_second_answer(siege: Siege) -> None:
    """[FHIR-73] Rebinding: every connection is made to an address that was checked for it."""
    host = NAMES[20]
    siege.world.names[host] = [[PUBLIC], ["169.254.169.254"]]
    closing = {"Connection": "close"}
    siege.ehr.on("GET", "Patient/p1", Says(a_patient(), headers=closing))
    for path in ("Observation/_search", "Condition/_search"):
        siege.ehr.on("POST", path, Says(a_bundle(), headers=closing))
    statuses = [siege.call(a_bare_call(f"https://{host}/r4")).status_code for _ in range(3)]
    holds_a_chart(siege.ehr)
    assert statuses[1:] == [412, 412]


CURSOR = "?_getpages=8d1c"
FOREIGN_PAGES = [
    f"{EVIL}/r4/Condition{CURSOR}",
    f"//evil.example/r4/Condition{CURSOR}",
    f"http://fhir.example/r4/Condition{CURSOR}",
    f"https://fhir.example:8443/r4/Condition{CURSOR}",
    f"https://fhir.example@evil.example/r4/Condition{CURSOR}",
    f"https://fhir.example/r5/Condition{CURSOR}",
    f"https://fhir.example/r4/../admin{CURSOR}",
    f"https://fhir.example/r4/%2e%2e/admin{CURSOR}",
    f"https://fhir.example/r4\\..\\admin{CURSOR}",
    f"https://fhir.example/r4/Condition{CURSOR}\r\nX-Injected: 1",
    f"https://fhir.example/r4/Condition{CURSOR} HTTP/1.1\r\nHost: evil.example",
    "https://169.254.169.254/latest/meta-data/",
    "http://169.254.169.254/latest/meta-data/",
    "https://[::1]:6379/",
    "https://localhost/r4/Condition",
    "file:///etc/passwd",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("address", FOREIGN_PAGES)
def test_a_next_page_elsewhere_is_not_fetched(siege: Siege, address: str) -> None:
    """[FHIR-40] `next` is a stranger's URL, too: not followed; the rows before it are said to be not all."""
    siege.ehr.on("POST", "Condition/_search", Says(a_bundle(a_condition("I10"), next=address)))
    heard = len(siege.ehr.asked)
    assert siege.call().status_code == 200
    holds_a_chart(siege.ehr)
    assert read_since(heard, siege) == OWN_QUESTIONS


@pytest.mark.parametrize("address", FOREIGN_PAGES)
def test_a_prefetched_bundle_leads_nowhere_either(siege: Siege, address: str) -> None:
    """[FHIR-40] The same `next` in a prefetched Bundle, from the mouth of the CDS client."""
    heard = len(siege.ehr.asked)
    rows = a_bundle(a_condition("I10"), next=address)
    prefetch = {"patient": a_patient(), "laboratory": some_results(), "conditions": rows, "social-history": None}
    assert siege.call(a_bare_call(prefetch=prefetch)).status_code == 200
    assert read_since(heard, siege) == set()


REFERENCES = [
    f"{EVIL}/r4/Medication/m1",
    "//evil.example/r4/Medication/m1",
    "https://169.254.169.254/Medication/m1",
    "Medication/../../admin",
    "Medication/m1?x=https://evil.example",
    "Medication/m1\r\nX-Injected: 1",
    "../Medication/m1",
    "Medication/%2e%2e%2fadmin",
    "urn:uuid:8d1c",
]


@pytest.mark.parametrize("reference", REFERENCES)
def test_a_foreign_reference_is_not_fetched(siege: Siege, reference: str) -> None:
    """[FHIR-35] A drug that is named by an address elsewhere is not resolved there."""
    order = a_medication("1191") | {"medicationReference": {"reference": reference}}
    del order["medicationCodeableConcept"]
    siege.ehr.on("POST", "MedicationRequest/_search", Says(a_bundle(order)))
    siege.ehr.on("POST", "Encounter/_search", Says(a_bundle()))
    heard = len(siege.ehr.asked)
    assert siege.call(service="cardiovascular-risk").status_code == 200
    assert all("edication/" not in asked.raw and "admin" not in asked.raw for asked in siege.ehr.asked[heard:])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    [f"{EVIL}/r4/Patient/p1", "http://169.254.169.254/latest/", "/r4/Patient/p2", "//evil.example/", "\\\\evil"],
)
def test_no_redirect_is_followed(siege: Siege, status: int, location: str) -> None:
    """[FHIR-74] Neither elsewhere nor to the same server."""
    siege.ehr.on("GET", "Patient/p1", Says(b"", status, {"Location": location}))
    heard = len(siege.ehr.asked)
    answer = siege.call()
    holds_a_chart(siege.ehr)
    assert answer.status_code == 412
    assert read_since(heard, siege) <= OWN_QUESTIONS
