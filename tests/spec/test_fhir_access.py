"""CDS Hooks, FHIR resource access: when the token of a call is used, where, and for how long."""

import gc
import logging
import time
from collections.abc import Iterator

import pytest

from cds_hooks.access import connector
from cds_hooks.errors import DataUnavailable
from fhir_client.answers import Remark
from fhir_client.client import Connections, FhirClient
from fhir_client.errors import Reason
from fhir_client.questions import Deadline
from fhir_client.record import Availability
from tests.builders import a_bundle, a_condition
from tests.fhir_stub import FhirStub, Says, a_fhir_server, an_outcome
from tests.hook_calls import CHART, TOKEN, a_call, access_to, facts, gathered, holds_the_chart


@pytest.fixture
def server() -> Iterator[FhirStub]:
    with a_fhir_server() as stub:
        holds_the_chart(stub)
        yield stub


@pytest.fixture
def connections() -> Iterator[Connections]:
    with Connections() as open_connections:
        yield open_connections


def test_a_server_without_a_token_is_asked_only_where_it_is_a_listed_test_host(
    connections: Connections, server: FhirStub
) -> None:
    """[ACC-7] Use the server only when `fhirServer` and `fhirAuthorization` are given; open ones only if listed."""
    open_call = a_call({}, server=server.base, token=None)
    assert facts(gathered(open_call, access_to(connections, server))) == facts(gathered(a_call(CHART)))
    assert all("Authorization" not in asked.headers for asked in server.asked)
    secure = a_call({}, server="https://fhir.example/r4", token=None)
    connect = connector(
        connections,
        servers=["https://fhir.example/r4"],
        test_hosts=[],
        deadline=Deadline.after(5, time.monotonic),
        request_id="request-1",
    )
    assert connect(secure) is None
    assert connect(a_call({}, server="https://fhir.example/r4")) is not None


def test_a_token_without_a_server_gives_no_access(connections: Connections, server: FhirStub) -> None:
    """[ACC-7] Use the server only when both `fhirServer` and `fhirAuthorization` are given."""
    assert access_to(connections, server)(a_call({}, server=None)) is None


def test_a_server_that_is_not_on_the_callers_list_is_never_called(connections: Connections, server: FhirStub) -> None:
    """[FHIR-70] Neighbour's FHIR base with own identity is refused: prefetch only."""
    with a_fhir_server() as neighbour:
        holds_the_chart(neighbour)
        connect = access_to(connections, server, test_hosts=[server.origin, neighbour.origin])
        result = gathered(a_call({"patient": CHART["patient"]}, server=neighbour.base), connect)
        assert result.reasons == {"hba1c": Reason.NO_ACCESS, "conditions": Reason.NO_ACCESS}
        with pytest.raises(DataUnavailable):
            gathered(a_call({}, server=neighbour.base), connect, required={"patient"})
        assert (neighbour.asked, server.asked) == ([], [])


def test_each_fhir_call_carries_the_token_of_its_own_call(connections: Connections, server: FhirStub) -> None:
    """[ACC-8, ACC-11] Token is limited to this service and this user; each FHIR call carries it."""
    for token in ("first", "second"):
        gathered(a_call({}, server=server.base, token=token), access_to(connections, server))
    assert [asked.headers["Authorization"] for asked in server.asked] == ["Bearer first"] * 3 + ["Bearer second"] * 3


def test_the_token_goes_to_no_other_server(connections: Connections, server: FhirStub) -> None:
    """[ACC-11, FHIR-71] Only to that server: a stub on another origin never sees an Authorization header."""
    with a_fhir_server() as other:
        order = {
            "resourceType": "MedicationRequest",
            "id": "m",
            "medicationReference": {"reference": f"{other.base}/Medication/m"},
        }
        rows = a_bundle(a_condition("E11.9"), order, next=f"{other.base}/Condition?cursor=2")
        server.on("POST", "Condition/_search", Says(rows))
        server.on("GET", "Patient/p1", Says(b"", 307, {"Location": f"{other.base}/Patient/p1"}))
        result = gathered(a_call({"hba1c": None}, server=server.base), access_to(connections, server, other))
        assert result.reasons == {"patient": Reason.REDIRECTED, "conditions": Reason.FOREIGN_PAGE}
        assert other.asked == []
        assert len(server.asked) == 2


def test_a_token_is_not_used_after_it_expires(connections: Connections, server: FhirStub) -> None:
    """[ACC-3] The token is not used after receipt time plus `expires_in`."""
    now = 100.0
    connect = connector(
        connections,
        servers=[server.base],
        test_hosts=[server.origin],
        deadline=Deadline.after(60, lambda: now),
        request_id="request-1",
    )
    client = connect(a_call({}, server=server.base, expires_in=30))
    in_time = gathered(a_call({"hba1c": None, "conditions": None}), lambda _: client)
    assert in_time.availability["patient"] is Availability.COMPLETE
    now += 30
    assert gathered(a_call({}), lambda _: client).reasons["patient"] is Reason.NO_ANSWER
    assert server.paths() == ["Patient/p1"]


def test_the_token_is_gone_after_the_call(
    connections: Connections, server: FhirStub, caplog: pytest.LogCaptureFixture
) -> None:
    """[ACC-9] Token is transient: not stored, not logged, gone after the response."""
    caplog.set_level(logging.DEBUG)
    request = a_call({}, server=server.base, token="transient-token")
    result = gathered(request, access_to(connections, server))
    assert "transient-token" not in caplog.text + repr(request) + repr(result)
    del request, result
    gc.collect()
    assert not [thing for thing in gc.get_objects() if isinstance(thing, FhirClient)]
    holders = [thing for thing in gc.get_objects() if isinstance(thing, dict) and "X-Request-Id" in thing]
    assert not [holder for holder in holders if "transient-token" in str(holder.get("Authorization"))]


def test_no_address_reaches_a_log(connections: Connections, server: FhirStub, caplog: pytest.LogCaptureFixture) -> None:
    """[FHIR-81] Tokens and full URLs with identifiers are never logged: the transport's own log lines neither."""
    caplog.set_level(logging.DEBUG)
    server.on("POST", "Condition/_search", Says(an_outcome(), 405))
    gathered(a_call({}, server=server.base), access_to(connections, server))
    assert "GET" in {asked.method for asked in server.asked}
    assert caplog.text == ""


def test_a_refused_query_is_unavailable_and_not_a_crash(connections: Connections, server: FhirStub) -> None:
    """[ACC-12] Access is enforced by the EHR: 403 on one query is "unavailable", not a crash."""
    server.on("POST", "Condition/_search", Says(an_outcome("error", "forbidden"), 403))
    result = gathered(a_call({}, server=server.base), access_to(connections, server))
    assert result.availability["conditions"] is Availability.DENIED
    assert result.record.availability("conditions") is Availability.DENIED
    assert result.availability["hba1c"] is Availability.COMPLETE


def test_no_request_url_holds_the_patients_searches(connections: Connections, server: FhirStub) -> None:
    """[FHIR-47] Identifiers stay out of access logs: only the read of the patient names the patient in its address."""
    gathered(a_call({}, server=server.base), access_to(connections, server))
    assert sorted(asked.raw for asked in server.asked) == [
        "/r4/Condition/_search",
        "/r4/Observation/_search",
        "/r4/Patient/p1",
    ]
    assert all(TOKEN not in asked.raw for asked in server.asked)


def test_what_a_server_remarks_is_kept_by_key(connections: Connections, server: FhirStub) -> None:
    """[FHIR-67, FHIR-46] Warnings in 200 answers are kept, and so is that a filter was not applied."""
    warned = a_bundle(a_condition("E11.9"), an_outcome("warning", "processing"))
    unfiltered = CHART["hba1c"] | {"link": [{"relation": "self", "url": f"{server.base}/Observation?patient=p1"}]}
    server.on("POST", "Condition/_search", Says(warned))
    server.on("POST", "Observation/_search", Says(unfiltered))
    result = gathered(a_call({}, server=server.base), access_to(connections, server))
    assert result.remarks == {
        "conditions": frozenset({Remark.WARNED}),
        "hba1c": frozenset({Remark.FILTER_IGNORED}),
    }
    assert result.reasons == {}
