"""Section 8 of CDS Hooks, and what sections 2, 3 and 6 say of discovery, limits and answers."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from fhir.resources.R4B.operationoutcome import OperationOutcome
from werkzeug.test import TestResponse

from cds_hooks.catalogue import Catalogue
from cds_hooks.errors import (
    BodyTooLarge,
    BreaksProfile,
    CdsError,
    DataUnavailable,
    Fault,
    MalformedRequest,
    NotEntitled,
    NotRecorded,
    NotTrusted,
    Overloaded,
    TooMany,
    UnknownService,
    WrongHook,
    WrongMediaType,
)
from cds_hooks.policy import ReleaseState
from cds_hooks.protocol.cards import Card, Indicator, Source
from cds_hooks.protocol.hooks import Hook
from cds_hooks.web.problems import problem_of
from cds_hooks.web.settings import Authentication, Settings
from cds_hooks.web.site import SiteFile
from tests.builders import a_bundle, a_patient
from tests.cds_hooks.declared import a_service, one_card
from tests.cds_hooks.web.edge import CORRELATION, AnEdge, a_call, an_edge
from tests.spec.messages import a_draft

OFF = Settings(authentication=Authentication.OFF)
FAR_TOO_MUCH = 10 * 1024 * 1024 + 1


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[AnEdge]:
    with an_edge(tmp_path) as edge:
        yield edge


def issues(answer: TestResponse) -> list[tuple[str, str | None]]:
    """Give code and place of each issue, after checking that the outcome is valid FHIR."""
    outcome: dict[str, Any] = orjson.loads(answer.data)
    OperationOutcome.model_validate(outcome)
    assert all(set(issue) <= {"severity", "code", "details", "expression"} for issue in outcome["issue"])
    return [(issue["code"], issue.get("expression", [None])[0]) for issue in outcome["issue"]]


def test_discovery_is_a_list_of_services(edge: AnEdge) -> None:
    """[DISC-1, DISC-2] GET {base}/cds-services always answers at a stable address, with an array `services`."""
    answer = edge.http.get("/cds-services")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert [service["id"] for service in orjson.loads(answer.data)["services"]] == ["test-service"]
    assert edge.http.get("/cds-services/").status_code == 200


def test_no_services_is_an_empty_list(tmp_path: Path) -> None:
    """[DISC-3] No services means 200 with `services: []`."""
    with an_edge(tmp_path, catalogue=Catalogue(())) as edge:
        answer = edge.http.get("/cds-services")
    assert (answer.status_code, answer.data) == (200, b'{"services":[]}')


def test_discovery_is_the_same_for_all_and_cacheable(edge: AnEdge) -> None:
    """[DISC-17] The answer is the same for every caller, cacheable, with an ETag; If-None-Match gives 304."""
    first = edge.http.get("/cds-services")
    second = edge.http.get("/cds-services", headers={"User-Agent": "another", "Authorization": "Bearer x"})
    assert first.data == second.data
    assert "max-age" in first.headers["Cache-Control"]
    assert first.headers["Vary"] == "Origin"  # for browsers' sake; the body is the same
    again = edge.http.get("/cds-services", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert edge.http.get("/cds-services", headers={"If-None-Match": '"other"'}).status_code == 200
    assert edge.http.head("/cds-services").headers["ETag"] == first.headers["ETag"]


def test_a_call_is_a_post(edge: AnEdge) -> None:
    """[REQ-1, HTTP-7] GET on a service gives 405 with `Allow`; so does any other method."""
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = edge.http.open("/cds-services/test-service", method=method)
        assert answer.status_code == 405
        assert "POST" in answer.headers["Allow"].split(", ")
        assert issues(answer) == [("not-supported", None)]
    assert "GET" in edge.http.post("/cds-services").headers["Allow"]
    options = edge.http.options("/cds-services/test-service")
    assert options.status_code == 200
    assert set(options.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "application/x-www-form-urlencoded", "application/json; charset=latin-1", ""],
)
def test_another_media_type_is_refused(edge: AnEdge, content_type: str) -> None:
    """[REQ-1, HTTP-9] Calls have a JSON body; a wrong media type gives 415."""
    answer = edge.call(content_type=content_type)
    assert answer.status_code == 415
    assert issues(answer) == [("not-supported", None)]
    assert edge.feedback(content_type=content_type).status_code == 415


def test_a_compressed_body_is_refused(edge: AnEdge) -> None:
    assert edge.call(headers={"Content-Encoding": "gzip"}).status_code == 415


@pytest.mark.parametrize(
    "content_type", ["application/json;charset=UTF-8", "application/fhir+json", 'Application/JSON; charset="utf-8"']
)
def test_json_by_its_other_spellings_is_read(edge: AnEdge, content_type: str) -> None:
    assert edge.call(content_type=content_type).status_code == 200


def test_success_is_200_with_and_without_cards(tmp_path: Path) -> None:
    """[HTTP-1] Success is 200, also without cards."""
    with an_edge(tmp_path, a_service("loud"), a_service("quiet", present=lambda *_: ())) as edge:
        assert len(orjson.loads(edge.call(service="loud").data)["cards"]) == 1
        answer = edge.call(service="quiet")
        assert (answer.status_code, answer.data) == (200, b'{"cards":[]}')


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"hook":"patient-view",}',
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b"\xff\xfe{}",
        b'{"a":"\xed\xa0\x80"}',
        b"// comment\n{}",
        b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_that_is_no_json_object_is_refused(edge: AnEdge, body: bytes) -> None:
    """[HTTP-2, REQ-14] A body not JSON gives 400; so does deep nesting, without a crash."""
    answer = edge.call(body)
    assert answer.status_code == 400
    assert issues(answer) == [("structure", None)]
    assert edge.call().status_code == 200


def test_every_fault_is_listed_with_its_place(edge: AnEdge) -> None:
    """[HTTP-2] A body that breaks CDS Hooks rules gives 400 with every problem found."""
    answer = edge.call({"hook": "patient-view", "hookInstance": 7, "context": {"patientId": ""}, "prefetch": "x"})
    assert answer.status_code == 400
    places = [place for _, place in issues(answer)]
    assert {"hookInstance", "context.patientId", "prefetch"} <= set(places)


def test_a_hook_of_another_service_is_refused(edge: AnEdge) -> None:
    """[HTTP-3] The hook does not belong to this id: 400 naming the field."""
    answer = edge.call({**a_call(), "hook": "order-sign"})
    assert answer.status_code == 400
    assert ("not-supported", "hook") in issues(answer)


@pytest.mark.parametrize("path", ["/cds-services/nobody", "/cds-services/nobody/feedback"])
def test_an_unknown_service_is_404(edge: AnEdge, path: str) -> None:
    """[HTTP-6] Unknown service id: 404, never 500."""
    answer = edge.http.post(path, data=orjson.dumps(a_call()), content_type="application/json")
    assert answer.status_code == 404
    assert issues(answer) == [("not-found", None)]


def test_a_service_that_is_switched_off_is_404_and_not_listed(tmp_path: Path) -> None:
    """[HTTP-6] A service that is off is as good as unknown."""
    site = SiteFile(ceilings={"test-service": ReleaseState.OFF})
    with an_edge(tmp_path, settings=replace(OFF, site=site)) as edge:
        assert edge.call().status_code == 404
        assert edge.http.get("/services/test-service").status_code == 404
        assert edge.http.get("/cds-services").data == b'{"services":[]}'


def test_required_data_that_nobody_can_get_is_412(edge: AnEdge) -> None:
    """[HTTP-8] Required data missing and not obtainable: 412."""
    answer = edge.call(a_call(prefetch={"laboratory": a_bundle()}))
    assert answer.status_code == 412
    assert [place for _, place in issues(answer)] == ["prefetch.patient"]


def test_optional_data_that_nobody_can_get_is_a_gap(edge: AnEdge) -> None:
    """[HTTP-13] Optional data unavailable: 200."""
    assert edge.call(a_call(prefetch={"patient": a_patient()})).status_code == 200


def in_chunks(edge: AnEdge, body: bytes) -> TestResponse:
    """Post a body as a server hands it on that came in chunks: no length, an input that ends by itself."""
    chunks = {"wsgi.input": BytesIO(body), "wsgi.input_terminated": True, "CONTENT_TYPE": "application/json"}
    return edge.http.post("/cds-services/test-service", environ_overrides=chunks)


def test_a_body_beyond_the_limit_is_413(edge: AnEdge) -> None:
    """[REQ-14, HTTP-9] Oversize gives 413, whether the length is declared or the body comes in chunks."""
    declared = edge.call(b" " * FAR_TOO_MUCH)
    assert declared.status_code == 413
    assert issues(declared) == [("too-long", None)]
    assert in_chunks(edge, b" " * FAR_TOO_MUCH).status_code == 413
    assert in_chunks(edge, orjson.dumps(a_call())).status_code == 200
    assert edge.call().status_code == 200


def test_the_limit_is_a_setting(tmp_path: Path) -> None:
    """[REQ-14] A body is bounded by the limit that the settings name, to the byte."""
    body = orjson.dumps(a_call())
    with an_edge(tmp_path, settings=replace(OFF, max_body_bytes=len(body))) as edge:
        assert edge.call(body).status_code == 200
        assert edge.call(body + b" ").status_code == 413


def test_five_megabytes_within_the_limit_are_read(edge: AnEdge) -> None:
    """[REQ-14] A large body within the limit is answered."""
    rows = a_bundle(*({"resourceType": "Basic", "id": str(row), "code": {"text": "x" * 1000}} for row in range(5000)))
    body = orjson.dumps(a_call(prefetch={"patient": a_patient(), "laboratory": rows}))
    assert len(body) > 5_000_000
    assert edge.call(body).status_code == 200


def test_our_own_work_past_the_deadline_is_503(edge: AnEdge) -> None:
    """[HTTP-11] Our own work past the deadline: 503 with `Retry-After`."""
    edge.timer.step = 5.0
    answer = edge.call()
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert issues(answer) == [("timeout", None)]


def a_failing_service(error: Exception) -> Any:
    def fail(*_: Any) -> Any:
        raise error

    return a_service(present=fail)


def test_a_fault_of_ours_is_500_and_says_nothing(tmp_path: Path) -> None:
    """[HTTP-12, RESP-6] Our fault: 500; an internal failure is never reported as `cards: []`."""
    with an_edge(tmp_path, a_failing_service(ZeroDivisionError("Zzmarker p1"))) as edge:
        answer = edge.call()
        assert answer.status_code == 500
        assert issues(answer) == [("exception", None)]
        assert b"Zzmarker" not in answer.data
        assert b"Traceback" not in answer.data
        assert b"ZeroDivisionError" not in answer.data
        assert edge.http.get("/health/live").status_code == 200


def test_an_impossible_card_is_500(tmp_path: Path) -> None:
    """[RESP-7] A response is checked before it leaves; failure is a 500 with an incident record."""

    def impossible(*_: Any) -> Any:
        return [Card("x" * 200, indicator=Indicator.INFO, source=Source("Test"))]

    with an_edge(tmp_path, a_service(present=impossible)) as edge:
        answer = edge.call()
        assert answer.status_code == 500
        assert edge.count("refusals") == 1
        [event] = edge.events
        assert (event["event"], event["error"]) == ("failed", "ImpossibleMessage")
        assert event["place"].startswith("cds_hooks.protocol")


def test_two_cards_with_one_uuid_are_500(tmp_path: Path) -> None:
    """[RESP-7] A response is checked as a whole, too."""

    def twice(*given: Any) -> Any:
        return [card for card in one_card(*given) for _ in range(2)]

    with an_edge(tmp_path, a_service(present=twice)) as edge:
        assert edge.call().status_code == 500


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (MalformedRequest(), 400, "invalid"),
        (WrongHook(), 400, "not-supported"),
        (NotTrusted(), 401, "login"),
        (NotEntitled(), 403, "forbidden"),
        (UnknownService(), 404, "not-found"),
        (DataUnavailable(), 412, "incomplete"),
        (BodyTooLarge(), 413, "too-long"),
        (WrongMediaType(), 415, "not-supported"),
        (BreaksProfile(), 422, "business-rule"),
        (TooMany(retry_after=3), 429, "throttled"),
        (Overloaded(retry_after=2), 503, "timeout"),
        (NotRecorded(), 503, "no-store"),
        (KeyError("p1"), 500, "exception"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_failure_has_its_status_and_an_outcome(tmp_path: Path, error: Exception, status: int, code: str) -> None:
    """[RESP-4, HTTP-14] A non-2xx answer carries an OperationOutcome with a correlation id, and nothing else."""
    with an_edge(tmp_path, a_failing_service(error)) as edge:
        answer = edge.call(headers={"X-Request-Id": CORRELATION})
        assert answer.status_code == status
        assert answer.content_type == "application/json"
        assert issues(answer) == [(code, problem_of(error).faults[0].expression)]
        assert orjson.loads(answer.data)["id"] == answer.headers["X-Request-Id"] == CORRELATION
        assert answer.headers.get("Retry-After") == (
            str(error.retry_after) if isinstance(error, CdsError) and error.retry_after else None
        )


def test_an_address_of_nothing_is_404_with_an_outcome(edge: AnEdge) -> None:
    """[RESP-4, HTTP-14] Each error path has a body with resourceType, and at least one issue with code and severity."""
    for path in ("/nothing", "/cds-services/a/b/c", "/static/none.css", "/cds-services/%00"):
        answer = edge.http.get(path)
        assert answer.status_code in {404, 405}
        assert issues(answer)


@pytest.mark.parametrize("sent", ["", "not-a-uuid", "x" * 5000, CORRELATION + "0", "<script>"])
def test_a_request_id_that_is_no_uuid_is_replaced(edge: AnEdge, sent: str) -> None:
    """[HTTP-14] The correlation id is the caller's if it is a UUID, else one of ours."""
    answer = edge.http.get("/nothing", headers={"X-Request-Id": sent})
    given = answer.headers["X-Request-Id"]
    assert given != sent
    assert len(given) == 36
    assert orjson.loads(answer.data)["id"] == given


def test_calls_and_feedback_are_never_stored(edge: AnEdge) -> None:
    """[RESP-8] `Cache-Control: no-store` on call and feedback answers, and on refusals of them."""
    answers = [edge.call(), edge.feedback(), edge.call(b"{"), edge.feedback({}), edge.call(service="nobody")]
    assert [answer.headers["Cache-Control"] for answer in answers] == ["no-store"] * 5


def test_a_draft_for_another_patient_is_refused_and_audited(tmp_path: Path) -> None:
    """[REQ-15] Draft order for another patient: 400, no model run, audit entry."""
    with an_edge(tmp_path, a_service(hooks=(Hook.ORDER_SIGN,))) as edge:
        orders = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": a_draft(patient="p2")}]}
        context = {"userId": "Practitioner/u1", "patientId": "p1", "draftOrders": orders}
        answer = edge.call(a_call(hook="order-sign", context=context))
        assert answer.status_code == 400
        assert edge.count("invocations") == 0
        assert edge.count("refusals") == 1


def test_discovery_refuses_with_an_outcome_too(edge: AnEdge) -> None:
    """[DISC-15] Other 4xx and 5xx answers are allowed here too."""
    for answer, status, code in (
        (edge.http.post("/cds-services"), 405, "not-supported"),
        (edge.http.get("/cds-services", headers={"Host": "rebound.example"}), 403, "forbidden"),
        (edge.http.get("/cds-services", environ_base={"REMOTE_ADDR": "10.0.0.9"}), 403, "forbidden"),
    ):
        assert answer.status_code == status
        assert issues(answer) == [(code, None)]
    assert edge.http.get("/cds-services").status_code == 200


def test_a_request_that_breaks_a_services_profile_is_422(tmp_path: Path) -> None:
    """[HTTP-10] Valid, but breaks a profile the service imposes: 422."""

    def with_an_encounter(*given: Any) -> Any:
        if given[1].request.context.encounter_id is None:
            raise BreaksProfile(Fault("required", "this service needs an encounter", "context.encounterId"))
        return one_card(*given)

    with an_edge(tmp_path, a_service(present=with_an_encounter)) as edge:
        answer = edge.call()
        assert answer.status_code == 422
        assert issues(answer) == [("required", "context.encounterId")]
        assert (edge.count("invocations"), edge.count("refusals")) == (0, 1)
        context = {"userId": "Practitioner/u1", "patientId": "p1", "encounterId": "e1"}
        assert edge.call(a_call(context=context)).status_code == 200
