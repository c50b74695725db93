"""How a server that fails, hangs or is overrun is treated; real servers on loopback fail, hang and are overrun."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from fhir_client.addresses import Base, Reach
from fhir_client.answers import Answer
from fhir_client.breaker import Patience, State
from fhir_client.client import Connections
from fhir_client.errors import Reason, Unreachable
from fhir_client.questions import USUAL, Deadline, Find, Limits
from fhir_client.record import Availability
from fhir_client.search import Search
from fhir_client.server import Pace
from fhir_client.transport import Transport
from tests.builders import a_bundle
from tests.fhir_asking import CONDITIONS, HBA1C, PATIENT, a_client, an_observation, found, ids
from tests.fhir_stub import Asked, FhirStub, Says, a_fhir_server, an_outcome, in_turn

A_PATIENT = Says({"resourceType": "Patient", "id": "p1"})
QUICK = Patience(failures=4, rest_seconds=0.3, fair_seconds=0.05)


class Pauses(list[float]):
    """The pauses that were made; nobody sleeps."""

    @property
    def pace(self) -> Pace:
        return Pace(sleep=self.append, random=lambda: 0.0)


# Retries


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_read_that_fails_for_the_moment_is_sent_again(server: FhirStub, status: int) -> None:
    """[FHIR-63, FHIR-64] 429, 502, 503, 504: transient: exponential back-off with jitter, one retry."""
    pauses = Pauses()
    server.on("GET", "Patient/p1", in_turn(Says(an_outcome(), status), A_PATIENT))
    with Connections(pace=pauses.pace) as connections:
        assert ids(found(a_client(connections, server), PATIENT)) == ["p1"]
    assert (pauses, len(server.asked)) == ([0.1], 2)


def test_a_reset_is_sent_again(server: FhirStub) -> None:
    """[FHIR-63, FHIR-65] Resets: transient; safe requests are retried, a search by POST too."""
    pauses = Pauses()
    server.on("POST", "Observation/_search", in_turn(Says(resets=True), Says(a_bundle(an_observation("a")))))
    with Connections(pace=pauses.pace) as connections:
        assert ids(found(a_client(connections, server))) == ["a"]
    assert (pauses, len(server.asked)) == ([0.1], 2)


@pytest.mark.parametrize(
    ("retry_after", "pause"), [("1", 1.0), ("Sat, 01 Jun 2024 12:00:02 GMT", 2.0), ("later", 0.1), ("0", 0.0)]
)
def test_a_server_says_when_to_come_back(server: FhirStub, retry_after: str, pause: float) -> None:
    """[FHIR-64] 429 and 503: obey Retry-After as seconds or HTTP-date."""
    pauses = Pauses()
    headers = {"Retry-After": retry_after, "Date": "Sat, 01 Jun 2024 12:00:00 GMT"}
    server.on("GET", "Patient/p1", in_turn(Says(an_outcome(), 503, headers), A_PATIENT))
    with Connections(pace=pauses.pace) as connections:
        assert ids(found(a_client(connections, server), PATIENT)) == ["p1"]
    assert pauses == [pause]


def test_a_server_that_wants_a_long_pause_is_not_asked_again_in_the_call(server: FhirStub) -> None:
    """[FHIR-64] Obey Retry-After, capped; and only if time remains."""
    pauses = Pauses()
    server.on("GET", "Patient/p1", Says(an_outcome(), 503, {"Retry-After": "120"}))
    with Connections(pace=pauses.pace) as connections:
        assert found(a_client(connections, server), PATIENT) == Answer((), Availability.UNAVAILABLE, Reason.BUSY)
        server.on("GET", "Patient/p1", Says(an_outcome(), 503, {"Retry-After": "1"}))
        assert found(a_client(connections, server, seconds=0.9), PATIENT).reason is Reason.BUSY
    assert (pauses, len(server.asked)) == ([], 2)


def test_in_a_call_there_is_one_retry(server: FhirStub) -> None:
    """[FHIR-64] Inside a call: at most one retry."""
    pauses = Pauses()
    server.on("GET", "Patient/p1", Says(an_outcome(), 503))
    with Connections(pace=pauses.pace) as connections:
        assert found(a_client(connections, server), PATIENT).reason is Reason.BUSY
    assert (len(pauses), len(server.asked)) == (1, 2)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 406, 410, 422, 500, 501])
def test_what_will_not_be_different_is_not_asked_again(server: FhirStub, status: int) -> None:
    """[FHIR-63] 4xx and other 5xx are no reason to ask again."""
    server.on("GET", "Patient/p1", Says(an_outcome(code="processing"), status))
    with Connections(pace=Pauses().pace) as connections:
        found(a_client(connections, server), PATIENT)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "code", ["transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled"]
)
def test_a_server_error_that_says_it_passes_is_asked_again(server: FhirStub, code: str) -> None:
    """[FHIR-68] Transient issue codes: transient, lock-error, no-store, exception, timeout, incomplete, throttled."""
    server.on("GET", "Patient/p1", in_turn(Says(an_outcome(code=code), 500), A_PATIENT))
    with Connections(pace=Pauses().pace) as connections:
        assert ids(found(a_client(connections, server), PATIENT)) == ["p1"]


def test_the_transport_repeats_no_request_of_its_own_accord(server: FhirStub) -> None:
    """[FHIR-65] Only safe requests are retried: a `$export` kick-off, which is not ours to send, is not repeated."""
    server.on("POST", "$export", in_turn(Says(an_outcome(), 503), Says(an_outcome(), 202)))
    server.on("POST", "Group/$export", Says(resets=True))
    with Transport() as transport:

        def kick_off(path: str) -> int:
            return transport.exchange(
                "POST",
                f"{server.base}/{path}",
                headers={},
                reach=Reach(test_hosts=frozenset({server.origin})),
                limits=USUAL,
                deadline=Deadline.after(5, time.monotonic),
            ).status

        assert kick_off("$export") == 503
        with pytest.raises(Unreachable):
            kick_off("Group/$export")
    assert len(server.asked) == 2


# The breaker


def test_a_server_that_is_down_is_left_alone(server: FhirStub) -> None:
    """[FHIR-66] Ten failures: fast fail for a while."""
    server.on("GET", "Patient/p1", Says(an_outcome(), 503))
    with Connections(pace=Pauses().pace) as connections:
        for _ in range(5):  # each with its retry
            assert found(a_client(connections, server), PATIENT).reason is Reason.BUSY
        assert connections.states() == {server.origin: State.OPEN}
        assert a_client(connections, server).state is State.OPEN
        started = time.monotonic()
        assert found(a_client(connections, server), PATIENT) == Answer((), Availability.UNAVAILABLE, Reason.RESTING)
        assert time.monotonic() - started < 0.05
    assert len(server.asked) == 10


def test_a_server_that_came_back_is_asked_again(server: FhirStub) -> None:
    server.on("GET", "Patient/p1", Says(an_outcome(), 503))
    with Connections(pace=Pauses().pace, patience=QUICK) as connections:
        for _ in range(2):
            found(a_client(connections, server), PATIENT)
        assert found(a_client(connections, server), PATIENT).reason is Reason.RESTING
        server.on("GET", "Patient/p1", A_PATIENT)
        time.sleep(0.3)
        assert ids(found(a_client(connections, server), PATIENT)) == ["p1"]
        assert connections.states() == {server.origin: State.CLOSED}


def test_refusals_of_a_server_that_is_up_open_nothing(server: FhirStub) -> None:
    """[FHIR-66] Only failures that say that the server is down are counted."""
    with Connections(pace=Pauses().pace, patience=QUICK) as connections:
        for status in (400, 401, 403, 404, 429, 500):
            server.on("GET", "Patient/p1", Says(an_outcome(code="processing"), status))
            found(a_client(connections, server), PATIENT)
            found(a_client(connections, server), PATIENT)
        assert connections.states() == {server.origin: State.CLOSED}


def test_the_breaker_of_one_server_is_not_that_of_another(server: FhirStub) -> None:
    with a_fhir_server() as other, Connections(pace=Pauses().pace, patience=QUICK) as connections:
        server.on("GET", "Patient/p1", Says(resets=True))
        other.on("GET", "Patient/p1", A_PATIENT)
        for _ in range(2):
            assert found(a_client(connections, server), PATIENT).reason is Reason.NO_ANSWER
        assert found(a_client(connections, server), PATIENT).reason is Reason.RESTING
        assert ids(found(a_client(connections, other), PATIENT)) == ["p1"]


def test_timeouts_of_hurried_callers_open_nothing(server: FhirStub) -> None:
    server.on("GET", "Patient/p1", Says(A_PATIENT.body, delay=0.1))
    with Connections(patience=Patience(failures=2, fair_seconds=1.0)) as connections:
        for _ in range(3):
            assert found(a_client(connections, server, seconds=0.02), PATIENT).reason is Reason.NO_ANSWER
        time.sleep(0.2)
        assert ids(found(a_client(connections, server), PATIENT)) == ["p1"]


def test_an_address_that_may_not_be_called_says_nothing_of_the_server(server: FhirStub) -> None:
    with Connections(patience=QUICK) as connections:
        server.on("GET", "Patient/p1", A_PATIENT)
        for _ in range(5):
            client = connections.client(
                Base.parse(server.base), token=None, deadline=Deadline.after(5, time.monotonic), request_id="r"
            )
            assert found(client, PATIENT).reason is Reason.ADDRESS
        assert ids(found(a_client(connections, server), PATIENT)) == ["p1"]


# Servers that hang


@pytest.fixture
def hanging() -> Iterator[FhirStub]:
    """Run a server that answers nobody until the test is over."""
    over = Event()

    def hang(asked: Asked) -> Says:
        over.wait(10)
        return Says(an_outcome(), 503)

    with a_fhir_server() as stub:
        for kind in ("Observation", "Condition", "Encounter", "MedicationRequest"):
            stub.on("POST", f"{kind}/_search", hang)
        stub.on("GET", "Patient/p1", hang)
        yield stub
        over.set()


FIVE = {
    "patient": Find(PATIENT, "p1"),
    "hba1c": Find(HBA1C, "p1"),
    "conditions": Find(CONDITIONS, "p1"),
    "encounters": Find(Search("encounters", "Encounter"), "p1"),
    "medications": Find(Search("medications", "MedicationRequest"), "p1"),
}


def test_calls_to_a_server_that_hangs_end_in_time_and_hold_up_no_other(hanging: FhirStub, server: FhirStub) -> None:
    """[FHIR-5, FHIR-66] Eight calls at once: each ends by its deadline and 200 ms, another server answers as ever."""
    server.on("GET", "Patient/p1", A_PATIENT)

    def call(stub: FhirStub) -> tuple[float, set[Reason | None]]:
        started = time.monotonic()
        answers = a_client(connections, stub, seconds=1.0).ask(FIVE if stub is hanging else {"p": FIVE["patient"]})
        return time.monotonic() - started, {answer.reason for answer in answers.values()}

    with Connections() as connections, ThreadPoolExecutor(16) as callers:
        call(server)
        stuck = [callers.submit(call, hanging) for _ in range(8)]
        time.sleep(0.1)
        fine = [callers.submit(call, server).result() for _ in range(50)]
        ended = [each.result() for each in stuck]
    assert max(seconds for seconds, _ in ended) < 1.2
    assert {reason for _, reasons in ended for reason in reasons} <= {Reason.NO_ANSWER, Reason.RESTING}
    assert {reason for _, reasons in fine for reason in reasons} == {None}
    assert max(seconds for seconds, _ in fine) < 0.2


def test_few_calls_wait_for_a_server_that_answers_nobody(hanging: FhirStub) -> None:
    """[FHIR-66] While a server answers nobody, the calls that came first wait for it, the others go on without."""
    limits = Limits(calls=2, stall_seconds=(0.1, 0.2))
    with Connections(limits=limits) as connections, ThreadPoolExecutor(6) as callers:

        def call(_: int) -> tuple[bool, set[Reason | None]]:
            started = time.monotonic()
            answers = a_client(connections, hanging, seconds=1.0).ask({"patient": FIVE["patient"]})
            return time.monotonic() - started < 0.6, {answer.reason for answer in answers.values()}

        ended = list(callers.map(call, range(6)))
    assert sorted(ended, key=lambda each: each[0]) == [(False, {Reason.NO_ANSWER})] * 2 + [(True, {Reason.RESTING})] * 4


def test_nobody_joins_those_who_wait_for_a_server_that_answers_nobody(hanging: FhirStub) -> None:
    """[FHIR-66] Avoids hanging each call: newcomers fail at once and ask nothing."""
    limits = Limits(calls=1, concurrency=2, stall_seconds=(0.1, 0.2))
    with Connections(limits=limits) as connections, ThreadPoolExecutor(1) as callers:
        first = callers.submit(a_client(connections, hanging, seconds=0.8).ask, FIVE)
        time.sleep(0.3)
        started = time.monotonic()
        reasons = {answer.reason for answer in a_client(connections, hanging, seconds=0.8).ask(FIVE).values()}
        assert (reasons, time.monotonic() - started < 0.1) == ({Reason.RESTING}, True)
        assert {answer.reason for answer in first.result().values()} == {Reason.NO_ANSWER}
    assert len(hanging.asked) == 2


def test_what_came_before_a_server_stalled_is_kept(hanging: FhirStub) -> None:
    hanging.on("POST", "Observation/_search", Says(a_bundle(an_observation("a"), next="Observation?page=2")))
    hanging.on("GET", "Observation", Says(a_bundle(), delay=0.8))
    limits = Limits(calls=0, stall_seconds=(0.1, 0.2))
    with Connections(limits=limits) as connections:
        answer = found(a_client(connections, hanging))
    assert answer == Answer((an_observation("a"),), Availability.PARTIAL, Reason.RESTING)


def test_nothing_more_is_asked_for_a_call_that_went_on_without(server: FhirStub) -> None:
    """[ACC-10] No background work uses the token after the call: pages left unread stay unread, nothing is repeated."""
    server.on("POST", "Observation/_search", Says(a_bundle(next="Observation?page=2"), delay=0.4))
    server.on("POST", "Condition/_search", Says(an_outcome(), 503, delay=0.4))
    with Connections(limits=Limits(calls=0, stall_seconds=(0.1, 0.2))) as connections:
        answers = a_client(connections, server).ask({"a": FIVE["hba1c"], "b": FIVE["conditions"]})
        assert {answer.reason for answer in answers.values()} == {Reason.RESTING}
        time.sleep(0.8)
    assert sorted(server.paths()) == ["Condition/_search", "Observation/_search"]


def test_pages_that_follow_each_other_are_no_stall(server: FhirStub) -> None:
    pages = [Says(a_bundle(an_observation(str(n)), next=f"Observation?page={n}"), delay=0.1) for n in range(6)]
    server.on("POST", "Observation/_search", pages[0])
    server.on("GET", "Observation", in_turn(*pages[1:], Says(a_bundle())))
    with Connections(limits=Limits(calls=0, stall_seconds=(0.3, 0.3))) as connections:
        answer = found(a_client(connections, server))
    assert (len(answer.resources), answer.reason) == (6, None)


def test_the_queue_of_a_server_is_bounded(hanging: FhirStub) -> None:
    limits = Limits(concurrency=1, waiting=2)
    with Connections(limits=limits) as connections:
        answers = a_client(connections, hanging, seconds=0.2).ask(FIVE)
        reasons = [answer.reason for answer in answers.values()]
        assert reasons == [Reason.NO_ANSWER] * 3 + [Reason.RESTING] * 2


def test_a_slow_server_that_answers_is_waited_for(server: FhirStub) -> None:
    server.on("GET", "Patient/p1", Says(A_PATIENT.body, delay=0.15))
    limits = Limits(calls=0, concurrency=2, stall_seconds=(0.4, 0.5))
    with Connections(limits=limits) as connections:
        answers = a_client(connections, server).ask({str(number): Find(PATIENT, "p1") for number in range(8)})
    assert {answer.reason for answer in answers.values()} == {None}


def test_how_long_is_waited_goes_by_what_the_server_usually_takes(server: FhirStub) -> None:
    server.on("GET", "Patient/p1", A_PATIENT)
    with Connections(limits=Limits(stall_seconds=(0.2, 0.7))) as connections:
        client = a_client(connections, server)
        (usual,) = connections._servers.values()
        assert usual.patience_seconds == 0.7  # it has not answered yet
        for _ in range(150):
            client.read("Patient/p1")
        assert usual.patience_seconds == pytest.approx(0.2, abs=0.05)
        server.on("GET", "Patient/p1", Says(A_PATIENT.body, delay=0.15))
        client.read("Patient/p1")
        assert usual.patience_seconds == pytest.approx(0.45, abs=0.1)


def test_a_late_answer_is_dropped_and_its_connection_closed(server: FhirStub) -> None:
    """[FHIR-5] The deadline cancels the rest: late answers are dropped, their connections closed."""
    server.on("GET", "Patient/p1", Says(A_PATIENT.body, delay=0.3))
    with Connections() as connections:
        client = a_client(connections, server, seconds=0.1)
        answers = client.ask({"it": Find(PATIENT, "p1")})
        time.sleep(0.4)
        assert answers["it"] == Answer((), Availability.UNAVAILABLE, Reason.NO_ANSWER)
        assert not any(connections._transport._idle.values())


def test_so_many_ask_one_server_at_a_time(server: FhirStub) -> None:
    """[FHIR-4] Everything is bounded: concurrency per host."""
    under_way: list[int] = [0]
    seen: list[int] = []

    def count(asked: Asked) -> Says:
        under_way[0] += 1
        seen.append(under_way[0])
        time.sleep(0.02)
        under_way[0] -= 1
        return A_PATIENT

    server.on("GET", "Patient/p1", count)
    with Connections(limits=Limits(concurrency=3)) as connections:
        a_client(connections, server).ask({str(number): Find(PATIENT, "p1") for number in range(12)})
    assert (len(seen), max(seen)) == (12, 3)


def test_calls_under_way_at_the_end_of_the_process_end_without_an_answer(hanging: FhirStub) -> None:
    connections = Connections(limits=Limits(concurrency=1))
    with ThreadPoolExecutor(1) as callers:
        call = callers.submit(a_client(connections, hanging, seconds=0.5).ask, FIVE)
        time.sleep(0.1)
        connections.close()
        assert {answer.reason for answer in call.result().values()} == {Reason.NO_ANSWER}
    assert {answer.reason for answer in a_client(connections, hanging, seconds=0.2).ask(FIVE).values()} <= {
        Reason.NO_ANSWER,
        Reason.RESTING,
    }
    connections.close()


# Nothing is kept


def test_nothing_that_was_read_is_kept_for_the_next_call(connections: Connections, server: FhirStub) -> None:
    """[FHIR-61] Call-token data are not kept between calls: a new call issues a fresh GET, without conditions."""
    versions: list[Any] = [
        Says({"resourceType": "Patient", "id": "p1", "gender": gender}, headers={"ETag": f'W/"{number}"'})
        for number, gender in enumerate(("female", "male"), 1)
    ]
    server.on("GET", "Patient/p1", in_turn(*versions))
    genders = [found(a_client(connections, server), PATIENT).resources[0]["gender"] for _ in range(2)]
    assert genders == ["female", "male"]
    names = {name.lower() for asked in server.asked for name in asked.headers}
    assert names.isdisjoint({"if-none-match", "if-modified-since"})
