"""What the FHIR client asks, and what it makes of the answers; a real server on loopback answers."""

import gzip
import json
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from fhir_client.answers import Answer
from fhir_client.client import Connections
from fhir_client.errors import BadResource, FhirError, NotFound, Reason
from fhir_client.questions import Continue, Find, Limits, Read
from fhir_client.record import Availability, PatientRecord
from fhir_client.search import Search
from tests.builders import a_bundle
from tests.fhir_asking import CONDITIONS, HBA1C, PATIENT, TOKEN, a_client, an_observation, found, ids
from tests.fhir_stub import Asked, FhirStub, Says, a_fhir_server, an_outcome

# Asking


def test_a_search_is_a_post_of_a_form(connections: Connections, server: FhirStub) -> None:
    """[FHIR-47] Prefer `POST {Type}/_search`, form-encoded, so identifiers stay out of access logs."""
    server.on("POST", "Observation/_search", Says(a_bundle(an_observation("a"))))
    assert found(a_client(connections, server)) == Answer((an_observation("a"),))
    (asked,) = server.asked
    assert asked.raw == "/r4/Observation/_search"
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert asked.form == (("patient", "p1"), ("code", "http://loinc.org|4548-4"), ("_sort", "-date"))


@pytest.mark.parametrize("status", [404, 405, 415, 501])
def test_a_server_without_post_searches_is_searched_by_get(
    connections: Connections, server: FhirStub, status: int
) -> None:
    """[FHIR-47, FHIR-14] Fall back to GET on 404, 405, 415, 501 and remember it per server."""
    server.on("POST", "Observation/_search", Says(an_outcome(), status))
    server.on("GET", "Observation", Says(a_bundle(an_observation("a"))))
    assert ids(found(a_client(connections, server))) == ["a"]
    assert ids(found(a_client(connections, server))) == ["a"]
    assert [asked.method for asked in server.asked] == ["POST", "GET", "GET"]


def test_a_get_search_arrives_encoded_once(connections: Connections, server: FhirStub) -> None:
    """[FHIR-40] `code=http://loinc.org|4548-4` arrives encoded once."""
    server.on("GET", "Observation", Says(a_bundle()))
    found(a_client(connections, server), patient_id="1&_include=*")
    assert server.asked[1].raw == (
        "/r4/Observation?patient=1%26_include%3D%2A&code=http%3A%2F%2Floinc.org%7C4548-4&_sort=-date"
    )


def test_the_patient_is_read(connections: Connections, server: FhirStub) -> None:
    server.on("GET", "Patient/p1", Says({"resourceType": "Patient", "id": "p1"}))
    assert found(a_client(connections, server), PATIENT) == Answer(({"resourceType": "Patient", "id": "p1"},))
    assert server.paths() == ["Patient/p1"]


def test_every_request_carries_the_token_and_the_headers(connections: Connections, server: FhirStub) -> None:
    """[FHIR-60, ACC-11] Send Accept, Accept-Encoding gzip, a User-Agent, and a correlation id; and the token."""
    server.on("POST", "Observation/_search", Says(a_bundle(next="Observation?cursor=2")))
    server.on("GET", "Observation", Says(a_bundle()))
    found(a_client(connections, server))
    assert len(server.asked) == 2
    for asked in server.asked:
        assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
        assert asked.headers["Accept"] == "application/fhir+json, application/json;q=0.9"
        assert asked.headers["Accept-Encoding"] == "gzip"
        assert asked.headers["User-Agent"] == "chartside"
        assert asked.headers["X-Request-Id"] == "request-1"
        assert "p1" not in json.dumps(asked.headers)


def test_without_a_token_no_authorization_is_sent(connections: Connections, server: FhirStub) -> None:
    server.on("POST", "Observation/_search", Says(a_bundle()))
    found(a_client(connections, server, token=None))
    assert "Authorization" not in server.asked[0].headers


def test_nothing_but_reads_and_searches_leaves(connections: Connections, server: FhirStub) -> None:
    """[FHIR-3] No PUT, PATCH, DELETE; POST only to `_search`."""
    server.on("POST", "Observation/_search", Says(a_bundle(next="Observation?cursor=2")))
    a_client(connections, server).ask(
        {"hba1c": Find(HBA1C, "p1"), "patient": Find(PATIENT, "p1"), "drug": Read("Medication/7")}
    )
    assert {asked.method for asked in server.asked} == {"GET", "POST"}
    assert server.paths("POST") == ["Observation/_search"]


def test_calls_share_neither_token_nor_cookie(connections: Connections, server: FhirStub) -> None:
    """[ACC-8] Token is limited to this service and this user: never cached or shared between requests."""
    server.on("POST", "Observation/_search", Says(a_bundle(), headers={"Set-Cookie": "session=of-one-user; Path=/"}))
    found(a_client(connections, server, token="first"))
    found(a_client(connections, server, token="second"))
    found(a_client(connections, server, token=None))
    assert [asked.headers.get("Authorization") for asked in server.asked] == ["Bearer first", "Bearer second", None]
    assert all("Cookie" not in asked.headers for asked in server.asked)


def test_connections_are_kept_for_the_next_call(connections: Connections, server: FhirStub) -> None:
    server.on("GET", "Patient/p1", Says({"resourceType": "Patient", "id": "p1"}))
    client = a_client(connections, server)
    for _ in range(3):
        client.read("Patient/p1")
    (lines,) = connections._transport._idle.values()
    assert (len(server.asked), len(lines)) == (3, 1)


# Reading


def test_a_read_is_checked(connections: Connections, server: FhirStub) -> None:
    """[FHIR-51] Reads check resourceType and id of the answer."""
    server.on("GET", "Medication/7", Says({"resourceType": "Medication", "id": "7"}))
    server.on("GET", "Medication/8", Says({"resourceType": "Medication", "id": "7"}))
    server.on("GET", "Medication/9", Says({"resourceType": "Substance", "id": "9"}))
    client = a_client(connections, server)
    assert client.read("Medication/7") == {"resourceType": "Medication", "id": "7"}
    assert client.read(f"{server.base}/Medication/7") == {"resourceType": "Medication", "id": "7"}
    for other in ("Medication/8", "Medication/9"):
        with pytest.raises(BadResource) as refused:
            client.read(other)
        assert refused.value.reason is Reason.NOT_ASKED_FOR


def test_another_patient_than_the_one_asked_for_is_no_answer(connections: Connections, server: FhirStub) -> None:
    server.on("GET", "Patient/p1", Says({"resourceType": "Patient", "id": "p2"}))
    answer = found(a_client(connections, server), PATIENT)
    assert answer == Answer((), Availability.UNAVAILABLE, Reason.NOT_ASKED_FOR)


def test_a_reference_to_another_server_is_not_followed(connections: Connections, server: FhirStub) -> None:
    """[FHIR-35, FHIR-71] Never send the token to another server because a reference points there."""
    with a_fhir_server() as other:
        client = a_client(connections, server)
        assert client.local(f"{other.base}/Medication/7") is None
        with pytest.raises(NotFound):
            client.read(f"{other.base}/Medication/7")
        assert (server.asked, other.asked) == ([], [])


# States


@pytest.mark.parametrize(
    ("says", "availability", "reason"),
    [
        (Says(an_outcome(), 400), Availability.UNAVAILABLE, Reason.REJECTED),
        (Says(an_outcome(), 401), Availability.DENIED, Reason.DENIED),
        (Says(an_outcome(), 403), Availability.DENIED, Reason.DENIED),
        (Says(an_outcome(), 404), Availability.COMPLETE, Reason.ABSENT),
        (Says(an_outcome(), 406), Availability.UNAVAILABLE, Reason.REJECTED),
        (Says(an_outcome(), 410), Availability.COMPLETE, Reason.ABSENT),
        (Says(an_outcome(), 422), Availability.UNAVAILABLE, Reason.REJECTED),
        (Says(an_outcome(), 429), Availability.UNAVAILABLE, Reason.BUSY),
        (Says(an_outcome(), 500), Availability.UNAVAILABLE, Reason.FAILED),
        (Says(an_outcome(), 502), Availability.UNAVAILABLE, Reason.BUSY),
        (Says(an_outcome(), 503), Availability.UNAVAILABLE, Reason.BUSY),
        (Says(an_outcome(), 504), Availability.UNAVAILABLE, Reason.BUSY),
        (Says(b"", 302, {"Location": "/r4/Patient/p1"}), Availability.UNAVAILABLE, Reason.REDIRECTED),
        (Says(an_outcome(code="processing"), 200), Availability.UNAVAILABLE, Reason.OUTCOME),
        (Says(an_outcome(code="timeout"), 200), Availability.UNAVAILABLE, Reason.BUSY),
        (Says(an_outcome(code="forbidden"), 200), Availability.DENIED, Reason.DENIED),
        (Says(b"", 204), Availability.UNAVAILABLE, Reason.NOT_FHIR),
    ],
)
def test_each_status_has_its_meaning(
    connections: Connections, server: FhirStub, says: Says, availability: Availability, reason: Reason
) -> None:
    """[FHIR-63, FHIR-6] 404, 410: absent. 401, 403: denied. 400, 406, 422: our fault. 5xx, resets: unavailable."""
    server.on("GET", "Patient/p1", says)
    assert found(a_client(connections, server), PATIENT) == Answer((), availability, reason)


def test_a_search_that_the_server_does_not_have_is_not_an_empty_one(connections: Connections, server: FhirStub) -> None:
    assert found(a_client(connections, server)) == Answer((), Availability.UNAVAILABLE, Reason.ABSENT)


def test_a_refused_search_is_an_answer_and_not_a_crash(connections: Connections, server: FhirStub) -> None:
    """[ACC-12] 403 on one query is "unavailable", not a crash."""
    server.on("POST", "Observation/_search", Says(an_outcome(), 403))
    server.on("POST", "Condition/_search", Says(a_bundle({"resourceType": "Condition", "id": "c"})))
    answers = a_client(connections, server).ask({"a": Find(HBA1C, "p1"), "b": Find(CONDITIONS, "p1")})
    assert answers["a"] == Answer((), Availability.DENIED, Reason.DENIED)
    assert (ids(answers["b"]), answers["b"].availability) == (["c"], Availability.COMPLETE)


def test_nobody_there_reads_like_a_timeout(connections: Connections) -> None:
    with a_fhir_server() as gone:
        pass
    assert found(a_client(connections, gone)) == Answer((), Availability.UNAVAILABLE, Reason.NO_ANSWER)


def test_an_answer_that_breaks_off_is_no_answer(connections: Connections, server: FhirStub) -> None:
    server.on(
        "POST", "Observation/_search", Says(a_bundle(), headers={"Connection": "close", "Content-Length": "9999"})
    )
    assert found(a_client(connections, server)).reason is Reason.NO_ANSWER


@pytest.mark.parametrize(
    "media_type", ["application/fhir+json", "application/json; charset=UTF-8", "application/json+fhir", None]
)
def test_fhir_json_is_accepted_under_its_names(
    connections: Connections, server: FhirStub, media_type: str | None
) -> None:
    """[FHIR-13] Accept `application/fhir+json`, `application/json`, and with charset."""
    server.on("POST", "Observation/_search", Says(a_bundle(an_observation("a")), media_type=media_type))
    assert ids(found(a_client(connections, server))) == ["a"]


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"<html>Please log in</html>", "text/html"),
        (b"<Bundle/>", "application/fhir+xml"),
        (json.dumps(a_bundle()).encode(), "text/html; charset=utf-8"),
        (b"<html>Please log in</html>", "application/json"),
        (b"[]", "application/json"),
        (b"{}", "application/json"),
        (b'{"resourceType": 7}', "application/json"),
        (b"NaN", "application/json"),
        (b"", "application/json"),
        (b"[" * 100_000, "application/json"),
    ],
)
def test_a_login_page_is_an_error_and_not_empty_data(
    connections: Connections, server: FhirStub, body: bytes, media_type: str
) -> None:
    """[FHIR-13] Refuse XML and HTML with a typed error: a login page with status 200 is not empty data."""
    server.on("POST", "Observation/_search", Says(body, media_type=media_type))
    assert found(a_client(connections, server)) == Answer((), Availability.UNAVAILABLE, Reason.NOT_FHIR)


def test_a_search_answered_with_one_resource_is_no_answer(connections: Connections, server: FhirStub) -> None:
    server.on("POST", "Observation/_search", Says(an_observation("a")))
    assert found(a_client(connections, server)).reason is Reason.NOT_ASKED_FOR


def test_a_search_answered_with_other_types_only_is_no_answer(connections: Connections, server: FhirStub) -> None:
    stranger = {"resourceType": "Practitioner", "id": "a"}
    server.on("POST", "Observation/_search", Says(a_bundle(stranger)))
    assert found(a_client(connections, server)).reason is Reason.NOT_ASKED_FOR
    server.on("POST", "Observation/_search", Says(a_bundle(stranger, an_observation("b"))))
    assert ids(found(a_client(connections, server))) == ["a", "b"]


def test_a_compressed_answer_is_read(connections: Connections, server: FhirStub) -> None:
    body = gzip.compress(json.dumps(a_bundle(*(an_observation(str(n)) for n in range(500)))).encode())
    server.on("POST", "Observation/_search", Says(body, headers={"Content-Encoding": "gzip"}))
    assert len(found(a_client(connections, server)).resources) == 500


# Pages


def paged(server: FhirStub, cursors: list[str], pages: Mapping[str, dict[str, Any]]) -> None:
    """Serve the first page to the search, the others by their cursors."""
    server.on("POST", "Observation/_search", Says(pages[cursors[0]]))
    server.on("GET", "Observation", lambda asked: Says(pages[dict(asked.form)["cursor"]]))


def test_all_pages_are_read_by_their_opaque_links(connections: Connections, server: FhirStub) -> None:
    """[FHIR-41] Follow `link` with relation `next` as an opaque URL until none is left."""
    cursors = ["", "zQ7%2F", "a%7Cb", "9", "x-y"]
    following: dict[str, str | None] = dict(zip(cursors, [*cursors[1:], None], strict=True))

    def page(cursor: str) -> dict[str, Any]:
        after = following[cursor]
        return a_bundle(an_observation(f"o{cursor}"), next=after and f"{server.base}/Observation?cursor={after}")

    server.on("POST", "Observation/_search", Says(page("")))
    server.on("GET", "Observation", lambda asked: Says(page(asked.raw.partition("=")[2])))
    answer = found(a_client(connections, server))
    assert ids(answer) == [f"o{cursor}" for cursor in cursors]
    assert (answer.availability, answer.reason) == (Availability.COMPLETE, None)


def test_rows_on_two_pages_are_one_row(connections: Connections, server: FhirStub) -> None:
    """[FHIR-44] `total` may be missing, estimated or changing; duplicates across pages are merged by type and id.

    The record makes one of them: it knows which copy is the newer.
    """
    first = a_bundle(an_observation("a"), an_observation("b", v=1), next="Observation?cursor=2") | {"total": 99}
    paged(server, ["1"], {"1": first, "2": a_bundle(an_observation("b", v=2), an_observation("c")) | {"total": 1}})
    answer = found(a_client(connections, server))
    assert (ids(answer), answer.availability) == (["a", "b", "b", "c"], Availability.COMPLETE)
    record = PatientRecord.from_resources(answer.resources, patient_id="p1", as_of=datetime(2024, 6, 1, tzinfo=UTC))
    assert repr(record) == "PatientRecord(3 Observation)"


def test_a_foreign_next_page_is_not_asked_for(connections: Connections, server: FhirStub) -> None:
    """[FHIR-42, FHIR-71, ACC-11] Foreign `next`: no request leaves, and no token; the state is partial."""
    with a_fhir_server() as other:
        server.on("POST", "Observation/_search", Says(a_bundle(an_observation("a"), next=f"{other.base}/Observation")))
        answer = found(a_client(connections, server))
        assert other.asked == []
    assert answer == Answer((an_observation("a"),), Availability.PARTIAL, Reason.FOREIGN_PAGE)


def test_a_redirect_is_not_followed(connections: Connections, server: FhirStub) -> None:
    """[FHIR-71] A bearer token goes only to the origin it was issued for. Never across a redirect."""
    with a_fhir_server() as other:
        server.on("GET", "Patient/p1", Says(b"", 302, {"Location": f"{other.base}/Patient/p1"}))
        assert found(a_client(connections, server), PATIENT).reason is Reason.REDIRECTED
        assert other.asked == []


def test_pages_that_lead_back_are_not_read_again(connections: Connections, server: FhirStub) -> None:
    """[FHIR-43] Detection of a repeated URL; result then partial, never silently complete."""
    paged(server, ["1"], {"1": a_bundle(an_observation("a"), next="Observation?cursor=2"),
                          "2": a_bundle(an_observation("b"), next="Observation?cursor=2")})  # fmt: skip
    answer = found(a_client(connections, server))
    assert (ids(answer), answer.availability, answer.reason) == (["a", "b"], Availability.PARTIAL, Reason.REPEATED_PAGE)
    assert len(server.asked) == 2


def test_endless_pages_end(server: FhirStub) -> None:
    """[FHIR-4, FHIR-43] Caps on pages, entries and time; result then partial."""
    numbers = count(1)

    def page(asked: Asked) -> Says:
        number = next(numbers)
        return Says(
            a_bundle(*(an_observation(f"{number}-{n}") for n in range(10)), next=f"Observation?cursor={number}")
        )

    server.on("POST", "Observation/_search", page)
    server.on("GET", "Observation", page)
    with Connections(limits=Limits(pages=3)) as connections:
        answer = found(a_client(connections, server))
        assert (len(answer.resources), answer.availability) == (30, Availability.PARTIAL)
        assert answer.reason is Reason.TOO_MANY_PAGES
    with Connections(limits=Limits(entries=15)) as connections:
        answer = found(a_client(connections, server))
        assert (len(answer.resources), answer.reason) == (20, Reason.TOO_MANY_PAGES)


@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_huge_body_is_not_read(server: FhirStub, is_compressed: bool) -> None:
    """[FHIR-4, FHIR-79] Everything is bounded, bytes too, and counted after decoding."""
    body = json.dumps(a_bundle(an_observation("a", text="x" * 2_000_000))).encode()
    headers = {"Content-Encoding": "gzip"} if is_compressed else {}
    server.on("POST", "Observation/_search", Says(gzip.compress(body) if is_compressed else body, headers=headers))
    with Connections(limits=Limits(page_bytes=1_000_000)) as connections:
        assert found(a_client(connections, server)) == Answer((), Availability.UNAVAILABLE, Reason.TOO_LARGE)


def test_a_failure_after_the_first_page_leaves_a_part(connections: Connections, server: FhirStub) -> None:
    server.on("POST", "Observation/_search", Says(a_bundle(an_observation("a"), next="Observation?cursor=2")))
    server.on("GET", "Observation", Says(an_outcome(), 500))
    assert found(a_client(connections, server)) == Answer((an_observation("a"),), Availability.PARTIAL, Reason.FAILED)


def test_the_pages_after_a_prefetched_one_are_read(connections: Connections, server: FhirStub) -> None:
    paged(server, ["1"], {"1": a_bundle(), "2": a_bundle(an_observation("b"), next="Observation?cursor=3"),
                          "3": a_bundle(an_observation("c"))})  # fmt: skip
    answer = a_client(connections, server).ask({"it": Continue("Observation?cursor=2")})["it"]
    assert (ids(answer), answer.availability) == (["b", "c"], Availability.COMPLETE)


def test_a_long_list_of_ids_is_asked_in_parts(connections: Connections, server: FhirStub) -> None:
    """[FHIR-48] Long id lists are split to stay under URL and list limits: several requests, one merged result."""
    wanted = [f"observation-{number}" for number in range(500)]
    search = Search("by-id", "Observation", parameters=(("_id", ",".join(wanted)),))

    def page(asked: Asked) -> Says:
        return Says(a_bundle(*(an_observation(id_) for id_ in dict(asked.form)["_id"].split(","))))

    server.on("GET", "Observation", page)
    answer = found(a_client(connections, server), search)
    assert (ids(answer), answer.availability) == (wanted, Availability.COMPLETE)
    gets = [asked for asked in server.asked if asked.method == "GET"]
    assert len(gets) > 1
    assert all(len(asked.raw) < 4_000 for asked in gets)


def test_a_list_that_says_something_else_is_never_split(connections: Connections, server: FhirStub) -> None:
    server.on("POST", "Observation/_search", Says(a_bundle()))
    found(a_client(connections, server), Search("x", "Observation", parameters=(("_sort", "-date," * 1_000),)))
    assert len(server.asked) == 1


# Entries


def test_matches_and_includes_are_told_from_outcomes(connections: Connections, server: FhirStub) -> None:
    """[FHIR-45] Read entry.search.mode: match, include, outcome."""
    page = a_bundle(an_observation("a"))
    page["entry"] += [
        {"resource": {"resourceType": "Practitioner", "id": "x"}, "search": {"mode": "include"}},
        {"resource": an_outcome("warning", "processing"), "search": {"mode": "outcome"}},
        {"fullUrl": "urn:uuid:nothing-here"},
        None,
    ]
    server.on("POST", "Observation/_search", Says(page))
    answer = found(a_client(connections, server))
    assert (ids(answer), answer.availability) == (["a", "x"], Availability.COMPLETE)


@pytest.mark.parametrize(
    ("rows", "severity", "availability"),
    [
        (1, "error", Availability.PARTIAL),
        (1, "fatal", Availability.PARTIAL),
        (0, "error", Availability.UNAVAILABLE),
        (0, "warning", Availability.COMPLETE),
        (1, "information", Availability.COMPLETE),
    ],
)
def test_an_outcome_beside_the_rows_says_how_the_search_went(
    connections: Connections, server: FhirStub, rows: int, severity: str, availability: Availability
) -> None:
    """[FHIR-67] OperationOutcome: read issue.severity: outcome in a Bundle entry."""
    server.on("POST", "Observation/_search", Says(a_bundle(*map(an_observation, "a" * rows), an_outcome(severity))))
    answer = found(a_client(connections, server))
    assert (len(answer.resources), answer.availability) == (rows, availability)


# Time


def test_searches_go_out_together(connections: Connections, server: FhirStub) -> None:
    """[FHIR-5] 3 queries of 200 ms finish in under 400 ms."""
    for kind in ("Observation", "Condition", "Encounter"):
        server.on("POST", f"{kind}/_search", Says(a_bundle({"resourceType": kind, "id": "1"}), delay=0.2))
    questions = {kind: Find(Search(kind, kind), "p1") for kind in ("Observation", "Condition", "Encounter")}
    started = time.monotonic()
    answers = a_client(connections, server).ask(questions)
    assert time.monotonic() - started < 0.4
    assert [ids(answer) for answer in answers.values()] == [["1"], ["1"], ["1"]]


def test_the_deadline_cancels_the_rest(connections: Connections, server: FhirStub) -> None:
    """[FHIR-5] Inside a call there is one deadline; the deadline cancels the rest."""
    server.on("POST", "Observation/_search", Says(a_bundle(), delay=0.6))
    server.on("POST", "Condition/_search", Says(a_bundle({"resourceType": "Condition", "id": "c"})))
    started = time.monotonic()
    answers = a_client(connections, server, seconds=0.2).ask({"a": Find(HBA1C, "p1"), "b": Find(CONDITIONS, "p1")})
    assert 0.2 <= time.monotonic() - started < 0.4
    assert answers["a"] == Answer((), Availability.UNAVAILABLE, Reason.NO_ANSWER)
    assert ids(answers["b"]) == ["c"]


def test_after_the_deadline_nothing_is_asked(connections: Connections, server: FhirStub) -> None:
    """[ACC-10] Clients revoke the token when the call ends: no background work uses it after that."""
    server.on(
        "POST", "Observation/_search", Says(a_bundle(an_observation("a"), next="Observation?cursor=2"), delay=0.2)
    )
    client = a_client(connections, server, seconds=0.1)
    assert found(client).reason is Reason.NO_ANSWER
    assert found(client).reason is Reason.NO_ANSWER
    time.sleep(0.3)
    assert server.paths() == ["Observation/_search"]


def test_pages_that_came_in_time_are_kept(connections: Connections, server: FhirStub) -> None:
    server.on("POST", "Observation/_search", Says(a_bundle(an_observation("a"), next="Observation?cursor=2")))
    server.on("GET", "Observation", Says(a_bundle(an_observation("b")), delay=0.6))
    answer = found(a_client(connections, server, seconds=0.2))
    assert answer == Answer((an_observation("a"),), Availability.PARTIAL, Reason.NO_ANSWER)


def test_a_dripping_body_ends_in_time(connections: Connections, server: FhirStub) -> None:
    """[FHIR-4] Slow-drip stubs end in a typed error in time."""
    server.on("POST", "Observation/_search", Says(a_bundle(an_observation("a")), pieces=40, pause=0.05))
    client = a_client(connections, server, seconds=0.2)
    started = time.monotonic()
    assert found(client).reason is Reason.NO_ANSWER
    assert time.monotonic() - started < 0.4


def test_dripping_headers_hold_up_nobody_beyond_the_deadline(connections: Connections, server: FhirStub) -> None:
    """[FHIR-4] Slow-drip stubs end in a typed error in time."""
    headers = {f"X-{number}": "drip" for number in range(12)}
    server.on("POST", "Observation/_search", Says(a_bundle(), headers=headers, pause=0.05, drips=True))
    client = a_client(connections, server, seconds=0.2)
    started = time.monotonic()
    assert found(client).reason is Reason.NO_ANSWER
    assert time.monotonic() - started < 0.4


def test_a_drip_is_given_up_by_the_thread_that_reads_it(connections: Connections, server: FhirStub) -> None:
    server.on("GET", "Patient/p1", Says({"resourceType": "Patient", "id": "p1"}, pieces=40, pause=0.05))
    started = time.monotonic()
    with pytest.raises(FhirError) as given_up:
        a_client(connections, server, seconds=0.2).read("Patient/p1")
    assert given_up.value.reason is Reason.NO_ANSWER
    assert time.monotonic() - started < 0.4


def test_a_slow_server_does_not_hold_up_another(server: FhirStub) -> None:
    with a_fhir_server() as other, Connections(limits=Limits(concurrency=1)) as connections:
        server.on("POST", "Observation/_search", Says(a_bundle(), delay=0.5))
        other.on("POST", "Observation/_search", Says(a_bundle(an_observation("a"))))
        found(a_client(connections, server, seconds=0.05))
        started = time.monotonic()
        assert ids(found(a_client(connections, other))) == ["a"]
        assert time.monotonic() - started < 0.3


# Secrets


def test_neither_patient_nor_token_nor_address_is_in_an_error(connections: Connections, server: FhirStub) -> None:
    """[FHIR-81, ACC-9] Tokens, full URLs with identifiers and bodies are never put in exceptions."""
    server.on("GET", "Patient/canary-patient", Says(b'{"name": "canary-name"'))
    with a_fhir_server() as gone:
        pass
    for stub, reason in ((server, Reason.NOT_FHIR), (gone, Reason.NO_ANSWER)):
        with pytest.raises(FhirError) as failed:
            a_client(connections, stub).read("Patient/canary-patient")
        told = "".join(traceback.format_exception(failed.value, chain=True)) + repr(failed.value.args)
        assert failed.value.reason is reason
        assert str(failed.value) == reason.value
        assert "canary-name" not in told
        assert TOKEN not in told
        assert stub.origin not in told
        assert failed.value.__cause__ is None
        assert failed.value.__suppress_context__


def test_a_client_hides_its_token(connections: Connections, server: FhirStub) -> None:
    """[ACC-9] Token is transient: not stored, not logged."""
    assert repr(a_client(connections, server)) == "FhirClient(token=given)"
    assert repr(a_client(connections, server, token=None)) == "FhirClient(token=none)"


def test_proxies_of_the_environment_are_ignored(
    connections: Connections, server: FhirStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[FHIR-77] Proxy environment variables are ignored unless configured."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    server.on("POST", "Observation/_search", Says(a_bundle(an_observation("a"))))
    assert ids(found(a_client(connections, server))) == ["a"]
