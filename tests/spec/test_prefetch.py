"""CDS Hooks, Prefetch: the five states of a prefetch key, as the record sees them."""

from collections.abc import Iterator
from itertools import chain, combinations
from typing import Any

import pytest

from cds_hooks.errors import DataUnavailable
from cds_hooks.gathering import Origin
from fhir_client.client import Connections
from fhir_client.errors import Reason
from fhir_client.record import Availability, Dropped
from tests.builders import a_bundle, a_condition, an_observation
from tests.fhir_stub import Asked, FhirStub, Says, a_fhir_server, an_outcome
from tests.hook_calls import CHART, HBA1C, PATHS, SEARCHES, a_call, access_to, facts, gathered, holds_the_chart

SUBSETS = [set(keys) for keys in chain.from_iterable(combinations(SEARCHES, size) for size in range(4))]


@pytest.fixture
def server() -> Iterator[FhirStub]:
    with a_fhir_server() as stub:
        holds_the_chart(stub)
        yield stub


@pytest.fixture
def connections() -> Iterator[Connections]:
    with Connections() as open_connections:
        yield open_connections


@pytest.mark.parametrize("keys", SUBSETS, ids=lambda keys: "+".join(sorted(keys)) or "none")
def test_clients_honour_none_some_or_all_templates(connections: Connections, server: FhirStub, keys: set[str]) -> None:
    """[PRE-20, PRE-25] Clients honour none, some or all templates; exactly the missing queries go out."""
    request = a_call({key: CHART[key] for key in keys}, server=server.base)
    result = gathered(request, access_to(connections, server))
    assert facts(result) == facts(gathered(a_call(CHART)))
    assert sorted(server.paths()) == sorted(PATHS[key] for key in SEARCHES if key not in keys)
    assert result.origins == {key: Origin.PREFETCHED if key in keys else Origin.FETCHED for key in SEARCHES}


def test_one_of_three_keys_missing_is_one_query(connections: Connections, server: FhirStub) -> None:
    """[PRE-22, PRE-25] Details that cannot be supplied: key left out. A missing key triggers our own query."""
    request = a_call({key: CHART[key] for key in ("patient", "conditions")}, server=server.base)
    gathered(request, access_to(connections, server))
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/r4/Observation/_search")
    assert asked.form == (("patient", "p1"), ("code", "http://loinc.org|4548-4"))


@pytest.mark.parametrize("nothing", [None, a_bundle(), {"resourceType": "Bundle", "type": "searchset", "total": 0}])
def test_null_and_an_empty_bundle_say_that_nothing_is_there(
    connections: Connections, server: FhirStub, nothing: Any
) -> None:
    """[PRE-21] No data for a key: its value is null; a search may instead be an empty Bundle. Neither is re-queried."""
    result = gathered(a_call({**CHART, "conditions": nothing}, server=server.base), access_to(connections, server))
    assert result.availability["conditions"] is Availability.COMPLETE
    assert (result.record.conditions, result.reasons, server.asked) == ((), {}, [])


@pytest.mark.parametrize("severity", ["error", "warning", "information"])
def test_an_outcome_in_place_of_data_is_not_asked_again(
    connections: Connections, server: FhirStub, severity: str
) -> None:
    """[PRE-23] Failure while prefetching: an OperationOutcome is passed; it is not data and causes no second query."""
    request = a_call({**CHART, "conditions": an_outcome(severity)}, server=server.base)
    result = gathered(request, access_to(connections, server))
    assert result.availability["conditions"] is Availability.UNAVAILABLE
    assert result.reasons == {"conditions": Reason.OUTCOME}
    assert (result.record.conditions, server.asked) == ((), [])


@pytest.mark.parametrize(
    ("rows", "severity", "availability"),
    [
        (1, "warning", Availability.COMPLETE),
        (1, "error", Availability.PARTIAL),
        (0, "error", Availability.UNAVAILABLE),
        (0, "warning", Availability.COMPLETE),
    ],
)
def test_an_outcome_inside_a_bundle_is_found(
    connections: Connections, server: FhirStub, rows: int, severity: str, availability: Availability
) -> None:
    """[PRE-24] Check every value for OperationOutcome, also inside Bundles (`search.mode = outcome`)."""
    bundle = a_bundle(*(a_condition("E11.9") for _ in range(rows)))
    bundle["entry"].append({"resource": an_outcome(severity), "search": {"mode": "outcome"}})
    result = gathered(a_call({**CHART, "conditions": bundle}, server=server.base), access_to(connections, server))
    assert len(result.record.conditions) == rows
    assert result.availability["conditions"] is availability
    assert server.asked == []


def test_the_pages_after_a_prefetched_one_are_read(connections: Connections, server: FhirStub) -> None:
    """[PRE-26] Clients may page prefetch Bundles; a page is not the whole answer: later pages are read."""
    pages = {
        "2": a_bundle(a_condition("I10"), next=f"{server.base}/Condition?cursor=3"),
        "3": a_bundle(a_condition("N18.3")),
    }

    def page(asked: Asked) -> Says:
        return Says(pages[dict(asked.form)["cursor"]])

    server.on("GET", "Condition", page)
    first = a_bundle(a_condition("E11.9"), next=f"{server.base}/Condition?cursor=2")
    result = gathered(a_call({**CHART, "conditions": first}, server=server.base), access_to(connections, server))
    assert sorted(code.code for fact in result.record.conditions for code in fact.codings) == ["E11.9", "I10", "N18.3"]
    assert result.availability["conditions"] is Availability.COMPLETE
    assert result.origins["conditions"] is Origin.BOTH
    assert server.paths() == ["Condition", "Condition"]


def test_a_first_page_without_a_token_is_a_part() -> None:
    """[PRE-26] The service needs the token to read further pages; without it: partial, never silently complete."""
    first = a_bundle(a_condition("E11.9"), next="https://fhir.example/r4/Condition?cursor=2")
    result = gathered(a_call({**CHART, "conditions": first}))
    assert len(result.record.conditions) == 1
    assert result.availability["conditions"] is Availability.PARTIAL
    assert result.record.availability("conditions") is Availability.PARTIAL
    assert result.reasons == {"conditions": Reason.NO_ACCESS}


def test_a_page_that_cannot_be_read_leaves_a_part(connections: Connections, server: FhirStub) -> None:
    """[PRE-26] A page is not the whole answer."""
    first = a_bundle(a_condition("E11.9"), next=f"{server.base}/Condition?cursor=2")
    result = gathered(a_call({**CHART, "conditions": first}, server=server.base), access_to(connections, server))
    assert len(result.record.conditions) == 1
    assert (result.availability["conditions"], result.origins["conditions"]) == (
        Availability.PARTIAL,
        Origin.PREFETCHED,
    )


def test_required_data_neither_supplied_nor_obtainable_is_refused() -> None:
    """[PRE-27] Required data neither supplied nor obtainable: 412, naming the key."""
    with pytest.raises(DataUnavailable) as refused:
        gathered(a_call({key: CHART[key] for key in ("patient", "hba1c")}), required={"conditions"})
    assert refused.value.status == 412
    assert [fault.expression for fault in refused.value.faults] == ["prefetch.conditions"]


def test_required_data_of_a_server_that_cannot_be_reached_are_refused(connections: Connections) -> None:
    """[PRE-27] Required data neither supplied nor obtainable because the FHIR server cannot be reached: 412."""
    with a_fhir_server() as gone:
        pass
    with pytest.raises(DataUnavailable) as refused:
        gathered(a_call({}, server=gone.base), access_to(connections, gone), required={"conditions"})
    assert refused.value.faults[0].text == (
        "the data are neither supplied nor obtainable: the FHIR server gave no answer in time"
    )


@pytest.mark.parametrize("nothing", [None, a_bundle()])
def test_required_data_that_are_empty_are_facts(nothing: Any) -> None:
    """[PRE-28] Present-but-empty data are clinical facts, not an error."""
    result = gathered(a_call({**CHART, "conditions": nothing}), required=set(SEARCHES))
    assert result.record.conditions == ()


def test_optional_data_that_are_missing_are_said_to_be() -> None:
    """[PRE-29] Optional data missing: continue, state the limits."""
    result = gathered(a_call({"patient": CHART["patient"]}), required={"patient"})
    assert result.origins == {"patient": Origin.PREFETCHED, "hba1c": Origin.NONE, "conditions": Origin.NONE}
    assert result.reasons == {"hba1c": Reason.NO_ACCESS, "conditions": Reason.NO_ACCESS}
    assert result.record.availability("hba1c") is Availability.UNAVAILABLE


ONE = a_condition("E11.9")


@pytest.mark.parametrize(
    "shape", [ONE, a_bundle(ONE), {"resource": ONE}, {"resource": a_bundle(ONE), "response": {"status": "200 OK"}}]
)
def test_three_wire_shapes_give_one_internal_shape(connections: Connections, server: FhirStub, shape: Any) -> None:
    """[PRE-30] A single resource where a Bundle is due is wrapped; `{"resource": ...}` wrappers are unwrapped."""
    result = gathered(a_call({**CHART, "conditions": shape}, server=server.base), access_to(connections, server))
    assert result.record.conditions == gathered(a_call({**CHART, "conditions": a_bundle(ONE)})).record.conditions
    assert (len(result.record.conditions), server.asked) == (1, [])


@pytest.mark.parametrize(
    "value",
    [{}, {"resource": "x"}, {"resourceType": "Practitioner", "id": "x"}, a_bundle(an_observation(HBA1C, 6.1, "%"))],
)
def test_a_value_of_another_type_counts_as_not_supplied(connections: Connections, server: FhirStub, value: Any) -> None:
    """[PRE-30] Check the type of each value (read gives that resource; search gives Bundle)."""
    result = gathered(a_call({**CHART, "conditions": value}, server=server.base), access_to(connections, server))
    assert server.paths() == ["Condition/_search"]
    assert facts(result) == facts(gathered(a_call(CHART)))


def test_rows_of_another_patient_are_dropped_and_counted() -> None:
    """[PRE-31] Verify filters again (patient, code, status, dates); clients may ignore parameters."""
    rows = a_bundle(
        an_observation(HBA1C, 6.1, "%"),
        an_observation(HBA1C, 9.9, "%", patient="p2"),
        an_observation("718-7", 13.0, "g/dL"),
        an_observation(HBA1C, 8.8, "%", status="entered-in-error"),
        an_observation(HBA1C, 7.7, "%", on="2031-01-01"),
    )
    record = gathered(a_call({**CHART, "hba1c": rows})).record
    assert [fact.quantity.value for fact in record.observations(HBA1C) if fact.quantity] == [6.1]
    assert record.dropped == Dropped(other_patient=1)


def test_an_included_resource_is_not_a_result(connections: Connections, server: FhirStub) -> None:
    """[PRE-32] `search.mode = include` entries are references, not matches."""
    included = a_bundle()
    included["entry"].append({"resource": {"resourceType": "Practitioner", "id": "x"}, "search": {"mode": "include"}})
    result = gathered(a_call({**CHART, "conditions": included}, server=server.base), access_to(connections, server))
    assert result.availability["conditions"] is Availability.COMPLETE
    assert (result.record.conditions, server.asked) == ((), [])


def test_keys_that_were_not_asked_for_are_dropped() -> None:
    """[PRE-17, REQ-13] Data requested only by other services: unrequested keys are dropped."""
    more = {"other": a_bundle(a_condition("I10")), "wrong": {"resourceType": "Patient", "id": "p2"}, "null": None}
    result = gathered(a_call({**CHART, **more}))
    assert facts(result) == facts(gathered(a_call(CHART)))
    assert set(result.availability) == set(SEARCHES)


def test_a_failing_server_is_412_for_required_data_and_a_gap_for_optional(
    connections: Connections, server: FhirStub
) -> None:
    """[HTTP-13] EHR's FHIR server failed: 412 with the upstream status class; optional data: a stated gap."""
    server.on("POST", "Condition/_search", Says(an_outcome(), 503))
    connect = access_to(connections, server)
    result = gathered(a_call({}, server=server.base), connect, required={"hba1c"})
    assert result.reasons == {"conditions": Reason.BUSY}
    with pytest.raises(DataUnavailable, match="503"):
        gathered(a_call({}, server=server.base), connect, required={"conditions"})
