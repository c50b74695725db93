"""The application around the routes: whom it serves, what it logs, and that it goes on."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import orjson
import pytest
from gunicorn.http.errors import InvalidChunkSize, NoMoreData  # type: ignore[import-untyped]  # gunicorn publishes no types
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_hooks.web.problems import place_of, problem_of
from cds_hooks.web.routes import WAITED
from cds_hooks.web.settings import Authentication, Settings
from tests.cds_hooks.declared import a_service
from tests.cds_hooks.web.edge import CORRELATION, INSTANCE, AnEdge, a_call, an_edge, an_override

OFF = Settings(authentication=Authentication.OFF)


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnEdge]:
    with an_edge(tmp_path_factory.mktemp("edge")) as edge:
        yield edge


@pytest.mark.parametrize("address", ["192.168.0.7", "8.8.8.8", "", "2001:db8::1"])
def test_with_authentication_off_strangers_are_refused(edge: AnEdge, address: str) -> None:
    answer = edge.http.get("/cds-services", environ_overrides={"REMOTE_ADDR": address})
    assert answer.status_code == 403
    assert orjson.loads(answer.data)["issue"][0]["code"] == "forbidden"


def test_a_page_that_rebinds_its_name_to_loopback_is_refused(edge: AnEdge) -> None:
    for host, status in (
        ("evil.example", 403),
        ("evil.example:8000", 403),
        ("localhost:8000", 200),
        ("[::1]:8000", 200),
        ("127.0.0.1", 200),
    ):
        assert edge.http.get("/cds-services", headers={"Host": host}).status_code == status


def test_insecure_service_elsewhere_answers_strangers(tmp_path: Path) -> None:
    with an_edge(tmp_path, settings=replace(OFF, allow_insecure=True)) as edge:
        answer = edge.http.get(
            "/cds-services", headers={"Host": "cds.example"}, environ_overrides={"REMOTE_ADDR": "8.8.8.8"}
        )
        assert answer.status_code == 200


def test_a_call_is_logged_as_an_event_without_its_patient(tmp_path: Path) -> None:
    with an_edge(tmp_path) as edge:
        edge.call(headers={"X-Request-Id": CORRELATION})
        [event] = edge.events
    del event["ms"]
    assert event == {
        "at": "2024-06-01T12:00:00.000+00:00",
        "level": "info",
        "event": "invoked",
        "service": "test-service",
        "hook": "patient-view",
        "hook_instance": INSTANCE,
        "correlation": CORRELATION,
        "issuer": "anonymous",
        "state": "live",
        "cards": 1,
        "outcomes": {"test-model": "assessed"},
    }


def test_a_hook_instance_that_is_no_uuid_is_not_logged(tmp_path: Path) -> None:
    with an_edge(tmp_path) as edge:
        assert edge.call(a_call(hookInstance="Zzmarker")).status_code == 200
        assert "hook_instance" not in edge.events[0]


def test_a_failure_is_logged_by_class_and_place_only(tmp_path: Path) -> None:
    def fail(*_: object) -> list[object]:
        raise LookupError("Zzmarker")

    with an_edge(tmp_path, a_service(present=fail)) as edge:
        assert edge.call().status_code == 500
        [event] = edge.events
        assert (event["level"], event["event"], event["error"]) == ("error", "failed", "LookupError")
        assert event["place"].split(":")[:2] == [__name__, "fail"]
        assert "Zzmarker" not in edge.stream.getvalue()


def test_a_failure_of_the_database_is_logged_by_its_own_class(tmp_path: Path) -> None:
    with an_edge(tmp_path, migrated=False) as edge:
        assert edge.feedback(an_override("0" * 8 + INSTANCE[8:])).status_code == 503
        assert edge.events[-1]["error"] == "OperationalError"
        assert edge.call(b"{").status_code == 400
        assert "unrecorded" in [event["event"] for event in edge.events]


def test_an_error_without_a_trace_has_no_place() -> None:
    assert place_of(ValueError()) == "unknown"
    assert problem_of(ValueError("Zzmarker")).is_ours


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FUZZ = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(body=st.binary(max_size=300))
def test_any_bytes_are_answered(edge: AnEdge, body: bytes) -> None:
    answer = edge.call(body)
    assert answer.status_code == 400
    assert orjson.loads(answer.data)["resourceType"] == "OperationOutcome"


MEMBERS = ("hook", "hookInstance", "fhirServer", "fhirAuthorization", "context", "prefetch", "extension")
INNER = ("userId", "patientId", "encounterId", "patient", "laboratory", "access_token", "entry")


def members(value: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    """Draw objects whose members have the names that matter and values of any kind."""
    inner = value | st.dictionaries(st.sampled_from(INNER), value, max_size=4)
    return st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=7)


@FUZZ
@given(changes=members(JSON_VALUES))
def test_any_value_at_any_place_is_answered_and_not_repeated(edge: AnEdge, changes: dict[str, object]) -> None:
    answer = edge.call(a_call(**changes))
    assert answer.status_code in {200, 400, 412}
    if answer.status_code != 200:
        outcome = orjson.loads(answer.data)
        assert outcome["issue"]
        texts = {issue["details"]["text"] for issue in outcome["issue"]}
        assert all(text.isascii() and len(text) < 120 for text in texts)


@FUZZ
@given(entry=st.dictionaries(st.sampled_from(("card", "outcome", "outcomeTimestamp", "overrideReason")), JSON_VALUES))
def test_any_feedback_is_answered(edge: AnEdge, entry: dict[str, object]) -> None:
    assert edge.feedback({**an_override("x"), **entry}).status_code in {200, 400}


@pytest.mark.parametrize("value", [0, 1.5, "Zzmarker", True, [], ["Zzmarker"], {}, {"Zzmarker": "Zzmarker"}, None])
@pytest.mark.parametrize("path", [*MEMBERS, "context.userId", "context.patientId", "prefetch.patient"])
def test_a_wrong_type_at_any_place_is_answered_without_the_value(edge: AnEdge, path: str, value: object) -> None:
    call = a_call()
    outer, _, inner = path.partition(".")
    if inner:
        call[outer][inner] = value
    else:
        call[outer] = value
    answer = edge.call(call)
    assert answer.status_code in {200, 400, 412}
    assert b"Zzmarker" not in answer.data


class Broken(BytesIO):
    """A body whose sending ends in an error, as gunicorn raises it."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def read(self, _size: int | None = -1, /) -> bytes:
        raise self._error


@pytest.mark.parametrize(
    "environ",
    [
        {"wsgi.input": BytesIO(b"{}"), "CONTENT_LENGTH": "3"},
        {"wsgi.input": Broken(InvalidChunkSize(b"MARKER")), "wsgi.input_terminated": True},
        {"wsgi.input": Broken(NoMoreData(b"MARKER")), "wsgi.input_terminated": True},
        {"wsgi.input": Broken(ConnectionResetError("MARKER")), "CONTENT_LENGTH": "3"},
    ],
)
def test_a_body_that_is_cut_off_is_the_callers_fault(edge: AnEdge, environ: dict[str, object]) -> None:
    overrides = {**environ, "CONTENT_TYPE": "application/json"}
    answer = edge.http.post("/cds-services/test-service", environ_overrides=overrides)
    assert answer.status_code == 400
    assert orjson.loads(answer.data)["issue"] == [
        {
            "severity": "error",
            "code": "structure",
            "details": {"text": "the body is cut off, or its chunks are malformed"},
        }
    ]
    assert "MARKER" not in edge.stream.getvalue()


def test_waiting_for_a_thread_counts(edge: AnEdge) -> None:
    """[HTTP-11] A request that waited in our own queue past its deadline: 503 with `Retry-After`."""
    late = edge.call(environ_overrides={WAITED: 4.0})
    assert (late.status_code, late.headers["Retry-After"]) == (503, "1")
    in_time = edge.call(environ_overrides={WAITED: 3.0})
    assert in_time.status_code == 200
    assert edge.events[-1]["ms"] >= 3000


def test_the_process_goes_on_after_all_this(edge: AnEdge) -> None:
    assert edge.call().status_code == 200
    assert edge.http.get("/health/live").data == b'{"status":"live"}'
