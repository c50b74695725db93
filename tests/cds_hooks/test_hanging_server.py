"""A FHIR server that hangs, under eight calls at once: each call ends in time, with the right answer."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from cds_hooks.errors import DataUnavailable
from fhir_client.client import Connections
from fhir_client.errors import Reason
from fhir_client.record import Availability
from tests.fhir_stub import Asked, FhirStub, Says, a_fhir_server
from tests.hook_calls import CHART, PATHS, a_call, access_to, facts, gathered, holds_the_chart

SECONDS = 0.6
IN_TIME = SECONDS + 0.2  # issue: within the deadline plus 200 ms


@pytest.fixture
def hanging() -> Iterator[FhirStub]:
    over = Event()

    def hang(asked: Asked) -> Says:
        over.wait(10)
        return Says({})

    with a_fhir_server() as stub:
        for key, path in PATHS.items():
            stub.on("GET" if key == "patient" else "POST", path, hang)
        yield stub
        over.set()


def test_required_data_of_a_server_that_hangs_are_refused_in_time(hanging: FhirStub) -> None:
    """[FHIR-5, PRE-27] Inside a call there is one deadline; required data that did not come by then: 412."""

    def call(_: int) -> tuple[float, tuple[str, ...]]:
        started = time.monotonic()
        with pytest.raises(DataUnavailable) as refused:
            gathered(
                a_call({}, server=hanging.base), access_to(connections, hanging, seconds=SECONDS), required={"patient"}
            )
        return time.monotonic() - started, tuple(fault.code for fault in refused.value.faults)

    with Connections() as connections, ThreadPoolExecutor(8) as callers:
        ended = list(callers.map(call, range(8)))
    assert max(seconds for seconds, _ in ended) < IN_TIME
    assert {codes for _, codes in ended} == {("transient",)}


def test_optional_data_of_a_server_that_hangs_are_a_stated_gap_in_time(hanging: FhirStub) -> None:
    """[FHIR-5, FHIR-6] What did not come by the deadline is unavailable, and what was sent is used."""

    def call(_: int) -> float:
        started = time.monotonic()
        sent = a_call({"patient": CHART["patient"]}, server=hanging.base)
        result = gathered(sent, access_to(connections, hanging, seconds=SECONDS), required={"patient"})
        assert result.availability["conditions"] is Availability.UNAVAILABLE
        assert result.record.reason("conditions") is Reason.NO_ANSWER
        assert result.record.patient is not None
        return time.monotonic() - started

    with Connections() as connections, ThreadPoolExecutor(8) as callers:
        assert max(callers.map(call, range(8))) < IN_TIME


def test_calls_with_other_servers_do_not_slow_down(hanging: FhirStub) -> None:
    """[FHIR-5] A server that hangs holds up its own callers only."""
    with a_fhir_server() as other, Connections() as connections, ThreadPoolExecutor(8) as callers:
        holds_the_chart(other)
        expected = facts(gathered(a_call(CHART)))
        stuck = [
            callers.submit(gathered, a_call({}, server=hanging.base), access_to(connections, hanging, seconds=SECONDS))
            for _ in range(8)
        ]
        times: list[float] = []
        while not stuck[0].done():
            started = time.monotonic()
            assert facts(gathered(a_call({}, server=other.base), access_to(connections, other))) == expected
            times.append(time.monotonic() - started)
        assert len(times) > 5
        assert max(times) < 0.25
        assert {each.result().reasons["patient"] for each in stuck} == {Reason.NO_ANSWER}
