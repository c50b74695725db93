"""Many reads as one request, where a server takes that, and one by one where it does not."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from fhir_client.answers import Answer
from fhir_client.client import Connections
from fhir_client.dialogue import Manners
from fhir_client.errors import Reason
from fhir_client.questions import Continue, Find, Limits, Read
from fhir_client.record import Availability
from fhir_client.search import Search
from tests.builders import a_bundle
from tests.fhir_asking import CONDITIONS, HBA1C, PATIENT, TOKEN, a_client, an_observation, ids
from tests.fhir_stub import FhirStub, Says, an_outcome, in_turn

BATCHES = Manners(batches=True)
QUESTIONS = {"patient": Find(PATIENT, "p1"), "hba1c": Find(HBA1C, "p1"), "conditions": Find(CONDITIONS, "p1")}
A_PATIENT = {"resourceType": "Patient", "id": "p1"}
A_CONDITION = {"resourceType": "Condition", "id": "c"}


def an_entry(resource: Any = None, status: str = "200 OK", **response: Any) -> dict[str, Any]:
    entry = {"response": {"status": status, **response}}
    return entry if resource is None else {"resource": resource, **entry}


def a_batch_response(*entries: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "batch-response", "entry": list(entries)}


ALL = a_batch_response(
    an_entry(A_PATIENT), an_entry(a_bundle(an_observation("a"))), an_entry(a_bundle(A_CONDITION), "200")
)


def holds_all(server: FhirStub) -> None:
    """Answer each read by itself."""
    server.on("GET", "Patient/p1", Says(A_PATIENT))
    server.on("POST", "Observation/_search", Says(a_bundle(an_observation("a"))))
    server.on("POST", "Condition/_search", Says(a_bundle(A_CONDITION)))


def asked(connections: Connections, server: FhirStub) -> Mapping[str, Answer]:
    return a_client(connections, server, manners=BATCHES).ask(QUESTIONS)


def found(answers: Mapping[str, Answer]) -> dict[str, list[str]]:
    return {key: ids(answer) for key, answer in answers.items()}


EVERYTHING = {"patient": ["p1"], "hba1c": ["a"], "conditions": ["c"]}


def test_independent_reads_go_as_one_batch(connections: Connections, server: FhirStub) -> None:
    """[FHIR-55] Independent reads may go as one `POST {base}` Bundle of type batch with GET entries, relative URLs."""
    server.on("POST", "", Says(ALL))
    assert found(asked(connections, server)) == EVERYTHING
    (request,) = server.asked
    assert (request.path, request.headers["Content-Type"]) == ("/r4", "application/fhir+json")
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert json.loads(request.body) == {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            {"request": {"method": "GET", "url": "Patient/p1"}},
            {
                "request": {
                    "method": "GET",
                    "url": "Observation?patient=p1&code=http%3A%2F%2Floinc.org%7C4548-4&_sort=-date",
                }
            },
            {"request": {"method": "GET", "url": "Condition?patient=p1"}},
        ],
    }


def test_what_comes_in_a_batch_is_what_comes_one_by_one(connections: Connections, server: FhirStub) -> None:
    server.on("POST", "", Says(ALL))
    holds_all(server)
    assert asked(connections, server) == a_client(connections, server).ask(QUESTIONS)
    assert len(server.asked) == 4


def test_each_entry_has_its_own_status(connections: Connections, server: FhirStub) -> None:
    """[FHIR-56, FHIR-58] 200 overall proves nothing: one 404 and one 403 inside a 200; entries may fail one by one."""
    server.on(
        "POST",
        "",
        Says(
            a_batch_response(
                an_entry(None, "404 Not Found", outcome=an_outcome()),
                an_entry(an_outcome("error", "forbidden"), "403 Forbidden"),
                an_entry(a_bundle(A_CONDITION)),
            )
        ),
    )
    answers = asked(connections, server)
    assert answers["patient"] == Answer((), Availability.COMPLETE, Reason.ABSENT)
    assert answers["hba1c"] == Answer((), Availability.DENIED, Reason.DENIED)
    assert (ids(answers["conditions"]), answers["conditions"].reason) == (["c"], None)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (an_entry(), Reason.NOT_FHIR),
        (an_entry({"resourceType": "Patient", "id": "p2"}), Reason.NOT_ASKED_FOR),
        (an_entry(an_outcome(code="processing")), Reason.OUTCOME),
        (an_entry(None, outcome=an_outcome(code="forbidden")), Reason.DENIED),
        (an_entry(A_PATIENT, ""), Reason.NOT_FHIR),
        ({"resource": A_PATIENT}, Reason.NOT_FHIR),
        (an_entry(A_PATIENT, "503 Service Unavailable"), Reason.BUSY),
        (an_entry(A_PATIENT, "304 Not Modified"), Reason.REDIRECTED),
        (None, Reason.NOT_FHIR),
    ],
)
def test_an_entry_that_holds_no_answer_is_none(
    connections: Connections, server: FhirStub, entry: Any, reason: Reason
) -> None:
    """[FHIR-51, FHIR-56] Each entry has its own status, and what it holds is checked."""
    server.on("POST", "", Says(a_batch_response(entry, an_entry(a_bundle()), an_entry(a_bundle()))))
    assert asked(connections, server)["patient"].reason is reason


def test_the_pages_of_an_entry_are_followed(connections: Connections, server: FhirStub) -> None:
    """[FHIR-57] A searchset inside an entry may be paged: follow its `next`: two-page inner Bundle."""
    first = a_bundle(an_observation("a"), next="Observation?cursor=2")
    server.on("POST", "", Says(a_batch_response(an_entry(A_PATIENT), an_entry(first), an_entry(a_bundle()))))
    server.on("GET", "Observation", Says(a_bundle(an_observation("b"))))
    answers = asked(connections, server)
    assert (ids(answers["hba1c"]), answers["hba1c"].reason) == (["a", "b"], None)
    assert server.paths() == ["", "Observation"]


def test_a_page_that_cannot_be_followed_leaves_the_first(connections: Connections, server: FhirStub) -> None:
    first = a_bundle(an_observation("a"), next="https://elsewhere.example/Observation?cursor=2")
    server.on("POST", "", Says(a_batch_response(an_entry(A_PATIENT), an_entry(first), an_entry(a_bundle()))))
    answer = asked(connections, server)["hba1c"]
    assert (ids(answer), answer.availability, answer.reason) == (["a"], Availability.PARTIAL, Reason.FOREIGN_PAGE)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 415, 501])
def test_a_server_without_batches_is_asked_side_by_side(
    connections: Connections, server: FhirStub, status: int
) -> None:
    """[FHIR-59] If batch is unsupported: parallel reads, remembered per server."""
    server.on("POST", "", Says(an_outcome(), status))
    holds_all(server)
    assert found(asked(connections, server)) == EVERYTHING
    assert found(asked(connections, server)) == EVERYTHING
    assert server.paths().count("") == 1


@pytest.mark.parametrize(
    "body",
    [
        an_outcome(code="processing") | {"resourceType": "Parameters"},
        a_bundle(A_PATIENT, an_observation("a"), A_CONDITION),
        a_batch_response(an_entry(A_PATIENT)),
        a_batch_response() | {"entry": None},
    ],
)
def test_what_answers_another_batch_is_not_believed(
    connections: Connections, server: FhirStub, body: dict[str, Any]
) -> None:
    """[FHIR-56] The answer is batch-response in request order: as many entries as were asked for."""
    server.on("POST", "", Says(body))
    holds_all(server)
    assert found(asked(connections, server)) == EVERYTHING
    assert len(server.asked) == 4


def test_a_batch_that_fails_is_not_tried_again_in_pieces(connections: Connections, server: FhirStub) -> None:
    server.on("POST", "", Says(an_outcome(code="processing"), 500))
    holds_all(server)
    assert {answer.reason for answer in asked(connections, server).values()} == {Reason.FAILED}
    assert len(server.asked) == 1


def test_a_batch_of_reads_is_sent_again_when_the_server_is_busy(connections: Connections, server: FhirStub) -> None:
    """[FHIR-65] Only safe requests are retried: a batch of GETs is one."""
    server.on("POST", "", in_turn(Says(an_outcome(), 503, {"Retry-After": "0"}), Says(ALL)))
    assert found(asked(connections, server)) == EVERYTHING
    assert len(server.asked) == 2


def test_what_fits_no_batch_is_asked_beside_it(connections: Connections, server: FhirStub) -> None:
    long = Search("by-id", "Observation", parameters=(("_id", ",".join(f"observation-{n}" for n in range(300))),))
    server.on("POST", "", Says(a_batch_response(an_entry(A_PATIENT), an_entry({"resourceType": "Medication"}))))
    server.on("POST", "Observation/_search", Says(a_bundle(an_observation("a"))))
    server.on("GET", "Condition", Says(a_bundle(A_CONDITION)))
    answers = a_client(connections, server, manners=BATCHES).ask(
        {
            "patient": Find(PATIENT, "p1"),
            "drug": Read("Medication/7"),
            "rest": Continue("Condition?cursor=2"),
            "long": Find(long, "p1"),
            "foreign": Read("https://elsewhere.example/Medication/7"),
        }
    )
    assert {key: answer.reason for key, answer in answers.items()} == {
        "patient": None,
        "drug": Reason.NOT_ASKED_FOR,
        "rest": None,
        "long": None,
        "foreign": Reason.ABSENT,
    }


def test_a_batch_in_the_call_is_never_a_trial(connections: Connections, server: FhirStub) -> None:
    """[FHIR-14] Look at what a server says it does before optional features: unknown is not asked for in a call."""
    holds_all(server)
    many = {str(number): Find(PATIENT, "p1") for number in range(20)}
    a_client(connections, server).ask(QUESTIONS)
    a_client(connections, server).ask(many)
    assert "" not in server.paths()


def a_statement(*interactions: str) -> dict[str, Any]:
    return {
        "resourceType": "CapabilityStatement",
        "fhirVersion": "4.0.1",
        "rest": [{"mode": "server", "interaction": [{"code": code} for code in interactions]}],
    }


@pytest.fixture
def one_at_a_time() -> Iterator[Connections]:
    with Connections(limits=Limits(concurrency=1), learns=True) as connections:
        yield connections


def test_reads_that_would_go_out_one_after_another_are_a_batch_if_the_server_is_known_to_take_it(
    one_at_a_time: Connections, server: FhirStub
) -> None:
    """[FHIR-14, FHIR-55] Look at rest.interaction before optional features."""
    server.on("GET", "metadata", Says(a_statement("batch", "transaction")))
    server.on("POST", "", Says(ALL))
    holds_all(server)
    learned(one_at_a_time, server)
    server.asked.clear()
    assert found(a_client(one_at_a_time, server).ask(QUESTIONS)) == EVERYTHING
    assert server.paths() == [""]
    a_client(one_at_a_time, server).ask({"patient": QUESTIONS["patient"]})
    assert server.paths() == ["", "Patient/p1"]


def test_a_server_that_takes_transactions_alone_gets_no_batch(one_at_a_time: Connections, server: FhirStub) -> None:
    """[FHIR-59] `transaction` is never used for reads."""
    server.on("GET", "metadata", Says(a_statement("transaction")))
    holds_all(server)
    learned(one_at_a_time, server)
    assert found(a_client(one_at_a_time, server).ask(QUESTIONS)) == EVERYTHING
    assert "" not in server.paths()
    assert not [each for each in server.asked if "transaction" in each.body]


def test_metadata_that_lie_are_found_out_once(one_at_a_time: Connections, server: FhirStub) -> None:
    """[FHIR-14] Fall back if metadata lies."""
    server.on("GET", "metadata", Says(a_statement("batch")))
    server.on("POST", "", Says(an_outcome(), 405))
    holds_all(server)
    learned(one_at_a_time, server)
    for _ in range(3):
        assert found(a_client(one_at_a_time, server).ask(QUESTIONS)) == EVERYTHING
    assert server.paths().count("") == 1


def learned(connections: Connections, server: FhirStub) -> None:
    """Meet the server, and wait until its metadata have been read."""
    a_client(connections, server)
    assert connections._library is not None
    for _ in range(200):
        if connections._library._known[server.base].capabilities is not None:
            return
        time.sleep(0.01)
    pytest.fail("the metadata were not read")
