"""One record from what was prefetched and what had to be fetched; each state of a prefetch key has its test."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from cds_hooks.errors import DataUnavailable, Fault, MalformedRequest
from cds_hooks.gathering import MEDICATIONS_READ, Origin, gather
from cds_hooks.protocol.hooks import Hook, OrderDispatchContext, OrderSignContext
from cds_hooks.protocol.requests import FhirAccess, HookRequest
from fhir_client.client import Connections
from fhir_client.codes import LOINC, RXNORM, Code
from fhir_client.errors import Reason
from fhir_client.record import Availability, Dropped
from fhir_client.search import Search
from tests.builders import a_bundle, a_condition, a_patient, an_observation, an_order
from tests.fhir_stub import FhirStub, Says, a_fhir_server, an_outcome
from tests.hook_calls import (
    AS_OF,
    CHART,
    HBA1C,
    SEARCHES,
    TOKEN,
    a_call,
    access_to,
    facts,
    gathered,
    holds_the_chart,
    no_access,
)

DRUGS = {"medications": Search("medications", "MedicationRequest")}


@pytest.fixture
def server() -> Iterator[FhirStub]:
    with a_fhir_server() as stub:
        yield stub


@pytest.fixture
def connections() -> Iterator[Connections]:
    with Connections() as open_connections:
        yield open_connections


def never(_: HookRequest) -> None:
    pytest.fail("nothing is missing, so nobody needs access")


# The whole


def test_a_full_prefetch_needs_no_access() -> None:
    result = gathered(a_call(CHART, encounter="e1"), never)
    assert result.availability == dict.fromkeys(SEARCHES, Availability.COMPLETE)
    assert result.origins == dict.fromkeys(SEARCHES, Origin.PREFETCHED)
    assert result.reasons == {}
    assert [result.record.availability(key) for key in SEARCHES] == [Availability.COMPLETE] * 3
    assert (result.record.patient_id, result.record.encounter_id, result.record.as_of) == ("p1", "e1", AS_OF)
    assert [reading.quantity.value for reading in result.record.observations(HBA1C) if reading.quantity] == [6.1, 5.9]
    assert len(result.record.conditions) == 1


def test_a_fetched_chart_gives_the_facts_of_a_prefetched_one(connections: Connections, server: FhirStub) -> None:
    holds_the_chart(server)
    fetched = gathered(a_call({}, server=server.base), access_to(connections, server))
    assert fetched.origins == dict.fromkeys(SEARCHES, Origin.FETCHED)
    assert facts(fetched) == facts(gathered(a_call(CHART)))


def test_the_missing_searches_go_out_together(connections: Connections, server: FhirStub) -> None:
    for key, path in (("hba1c", "Observation"), ("conditions", "Condition")):
        server.on("POST", f"{path}/_search", Says(CHART[key], delay=0.2))
    server.on("GET", "Patient/p1", Says(CHART["patient"], delay=0.2))
    started = time.monotonic()
    result = gathered(a_call({}, server=server.base), access_to(connections, server))
    assert time.monotonic() - started < 0.4
    assert facts(result) == facts(gathered(a_call(CHART)))


def test_an_optional_key_that_is_late_is_a_gap(connections: Connections, server: FhirStub) -> None:
    holds_the_chart(server)
    server.on("POST", "Observation/_search", Says(CHART["hba1c"], delay=0.5))
    connect = access_to(connections, server, seconds=0.2)
    result = gathered(a_call({}, server=server.base), connect, required={"patient"})
    assert result.availability["hba1c"] is Availability.UNAVAILABLE
    assert result.origins["hba1c"] is Origin.NONE
    assert result.reasons == {"hba1c": Reason.NO_ANSWER}
    assert len(result.record.conditions) == 1


def test_drafts_reach_the_record_and_not_its_facts() -> None:
    draft = {"resourceType": "ServiceRequest", "id": "d", "status": "draft", "code": {"text": "HbA1c"}}
    request = HookRequest(Hook.ORDER_SIGN, "1", OrderSignContext(None, "p1", "e1", (draft,)), prefetch=CHART)
    record = gathered(request, never).record
    assert (record.drafts, record.orders, record.encounter_id) == ((draft,), (), "e1")


# The patient


def test_a_prefetched_patient_who_is_another_is_refused() -> None:
    with pytest.raises(MalformedRequest) as refused:
        gathered(a_call({**CHART, "patient": a_patient(id="p2")}))
    assert refused.value.faults == (
        Fault("business-rule", "is another patient than context.patientId", "prefetch.patient"),
    )


def test_the_patient_may_come_in_a_bundle() -> None:
    assert facts(gathered(a_call({**CHART, "patient": a_bundle(a_patient())}))) == facts(gathered(a_call(CHART)))
    with pytest.raises(MalformedRequest):
        gathered(a_call({**CHART, "patient": a_bundle(a_patient(), a_patient(id="p2"))}))


def test_a_fetched_patient_who_is_another_is_no_answer(connections: Connections, server: FhirStub) -> None:
    holds_the_chart(server)
    server.on("GET", "Patient/p1", Says(a_patient(id="p2")))
    result = gathered(a_call({}, server=server.base), access_to(connections, server))
    assert (result.record.patient, result.reasons["patient"]) == (None, Reason.NOT_ASKED_FOR)


def test_rows_of_another_patient_are_dropped_and_counted() -> None:
    rows = a_bundle(a_condition("E11.9"), a_condition("I10", patient="p2"))
    result = gathered(a_call({**CHART, "conditions": rows}))
    assert (len(result.record.conditions), result.record.dropped) == (1, Dropped(other_patient=1))


# Required


@pytest.mark.parametrize(
    ("says", "reason", "code"),
    [
        (Says(an_outcome(), 503), Reason.BUSY, "transient"),
        (Says(an_outcome(), 500), Reason.FAILED, "incomplete"),
        (Says(an_outcome(), 403), Reason.DENIED, "forbidden"),
        (Says(an_outcome(), 400), Reason.REJECTED, "incomplete"),
        (Says(CHART["hba1c"], delay=0.5), Reason.NO_ANSWER, "transient"),
    ],
)
def test_a_required_key_that_cannot_be_had_names_the_upstream_failure(
    connections: Connections, server: FhirStub, says: Says, reason: Reason, code: str
) -> None:
    holds_the_chart(server)
    server.on("POST", "Observation/_search", says)
    with pytest.raises(DataUnavailable) as refused:
        gathered(a_call({}, server=server.base), access_to(connections, server, seconds=0.3), required={"hba1c"})
    (fault,) = refused.value.faults
    assert fault == Fault(code, f"the data are neither supplied nor obtainable: {reason}", "prefetch.hba1c")


def test_every_required_key_that_is_missing_is_named() -> None:
    with pytest.raises(DataUnavailable) as refused:
        gathered(a_call({"hba1c": None}), required=set(SEARCHES))
    assert [fault.expression for fault in refused.value.faults] == ["prefetch.patient", "prefetch.conditions"]
    assert {fault.text for fault in refused.value.faults} == {
        "the data are neither supplied nor obtainable: no access to a FHIR server was given"
    }


def test_a_required_key_of_which_a_part_came_is_not_missing() -> None:
    page = a_bundle(*(entry["resource"] for entry in CHART["hba1c"]["entry"]), next="https://fhir.example/r4?page=2")
    result = gathered(a_call({**CHART, "hba1c": page}), no_access, required={"hba1c"})
    assert (result.availability["hba1c"], result.reasons["hba1c"]) == (Availability.PARTIAL, Reason.NO_ACCESS)


def test_a_patient_that_the_server_does_not_have_is_an_answer(connections: Connections, server: FhirStub) -> None:
    result = gathered(
        a_call({"hba1c": None, "conditions": None}, server=server.base),
        access_to(connections, server),
        required={"patient"},
    )
    assert result.record.patient is None
    assert (result.availability["patient"], result.reasons["patient"]) == (Availability.COMPLETE, Reason.ABSENT)


# Drugs by reference


def an_order_of(reference: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": reference.rpartition("/")[2],
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medicationReference": {"reference": reference},
        **more,
    }


def a_drug(id: str, rxcui: str = "6809") -> dict[str, Any]:
    return {"resourceType": "Medication", "id": id, "code": {"coding": [{"system": RXNORM, "code": rxcui}]}}


def drugs_of(request: HookRequest, connect: Any) -> list[tuple[Code, ...]]:
    result = gather(DRUGS, request, required=(), connect=connect, as_of=AS_OF)
    return [medication.codings for medication in result.record.medications]


def test_a_drug_named_by_reference_is_read_once(connections: Connections, server: FhirStub) -> None:
    server.on("GET", "Medication/m", Says(a_drug("m")))
    orders = a_bundle(
        an_order_of("Medication/m"),
        an_order_of("Medication/m", id="second"),
        an_order_of(f"{server.base}/Medication/m/_history/1", id="third"),
    )
    drugs = drugs_of(a_call({"medications": orders}, server=server.base), access_to(connections, server))
    assert drugs == [(Code(RXNORM, "6809"),)] * 3
    assert server.paths() == ["Medication/m"]


def test_a_drug_that_is_there_is_not_read() -> None:
    orders = a_bundle(an_order_of("Medication/m"), an_order_of("#m", contained=[a_drug("m")]))
    orders["entry"].append({"resource": a_drug("m"), "search": {"mode": "include"}})
    assert drugs_of(a_call({"medications": orders}), never) == [(Code(RXNORM, "6809"),)] * 2


def test_a_drug_on_another_server_stays_unresolved(connections: Connections, server: FhirStub) -> None:
    with a_fhir_server() as other:
        orders = a_bundle(an_order_of(f"{other.base}/Medication/m"), an_order_of("urn:uuid:1", id="second"))
        drugs = drugs_of(a_call({"medications": orders}, server=server.base), access_to(connections, server))
        assert (drugs, server.asked, other.asked) == ([(), ()], [], [])


def test_without_access_a_drug_stays_unresolved() -> None:
    assert drugs_of(a_call({"medications": a_bundle(an_order_of("Medication/m"))}), no_access) == [()]


def test_a_drug_that_cannot_be_read_leaves_the_orders_complete(connections: Connections, server: FhirStub) -> None:
    request = a_call({"medications": a_bundle(an_order_of("Medication/m"))}, server=server.base)
    result = gather(DRUGS, request, required=DRUGS, connect=access_to(connections, server), as_of=AS_OF)
    assert (result.availability, result.reasons) == ({"medications": Availability.COMPLETE}, {})
    assert [medication.ingredients for medication in result.record.medications] == [None]


def test_the_drugs_that_are_read_are_bounded(connections: Connections, server: FhirStub) -> None:
    orders = a_bundle(*(an_order_of(f"Medication/{number}") for number in range(MEDICATIONS_READ + 5)))
    drugs_of(a_call({"medications": orders}, server=server.base), access_to(connections, server))
    assert len(server.asked) == MEDICATIONS_READ


def test_the_drug_of_a_draft_is_read(connections: Connections, server: FhirStub) -> None:
    server.on("GET", "Medication/m", Says(a_drug("m")))
    request = HookRequest(
        Hook.ORDER_SIGN,
        "1",
        OrderSignContext(None, "p1", None, (an_order_of("Medication/m", status="draft"),)),
        fhir_server=server.base,
        fhir_access=FhirAccess(TOKEN, "Bearer", 300, "patient/*.rs", "chartside"),
        prefetch={"medications": None},
    )
    result = gather(DRUGS, request, required=(), connect=access_to(connections, server), as_of=AS_OF)
    assert server.paths() == ["Medication/m"]
    assert result.record.medications == ()


# Orders that a dispatch names


def a_dispatch(*orders: str, server: str | None = None, **prefetch: Any) -> HookRequest:
    access = FhirAccess(TOKEN, "Bearer", 300, "patient/*.rs", "chartside") if server else None
    context = OrderDispatchContext("p1", orders, "Organization/o1", ())
    return HookRequest(Hook.ORDER_DISPATCH, "1", context, fhir_server=server, fhir_access=access, prefetch=prefetch)


ORDERS = {"orders": Search("orders", "ServiceRequest")}


def orders_of(request: HookRequest, connect: Any) -> list[str]:
    result = gather(ORDERS, request, required=(), connect=connect, as_of=AS_OF)
    return sorted(order.source.reference for order in result.record.orders)


def test_dispatched_orders_are_read_if_prefetch_lacks_them(connections: Connections, server: FhirStub) -> None:
    """[ODIS-4] Orders are fetched by the service when prefetch lacks them: two orders are read at the same time."""
    for name in ("a", "b"):
        order = an_order("4548-4") | {"id": name}
        server.on("GET", f"ServiceRequest/{name}", Says(order, delay=0.3))
    dispatch = a_dispatch("ServiceRequest/a", "ServiceRequest/b", server=server.base, orders=None)
    started = time.monotonic()
    assert orders_of(dispatch, access_to(connections, server)) == ["ServiceRequest/a", "ServiceRequest/b"]
    assert time.monotonic() - started < 0.55
    assert sorted(server.paths()) == ["ServiceRequest/a", "ServiceRequest/b"]


def test_a_dispatched_order_that_was_sent_is_not_read(connections: Connections, server: FhirStub) -> None:
    """[ODIS-4] Prefetch has one of the two orders: the other is read, and if it cannot be, it is not in the record."""
    sent = a_bundle(an_order("4548-4") | {"id": "a"})
    dispatch = a_dispatch("ServiceRequest/a", "ServiceRequest/b", server=server.base, orders=sent)
    assert orders_of(dispatch, access_to(connections, server)) == ["ServiceRequest/a"]
    assert server.paths() == ["ServiceRequest/b"]
    assert orders_of(a_dispatch("ServiceRequest/a", orders=sent), never) == ["ServiceRequest/a"]


def test_a_dispatched_order_of_another_patient_is_dropped(connections: Connections, server: FhirStub) -> None:
    server.on("GET", "ServiceRequest/a", Says(an_order("4548-4", patient="p2") | {"id": "a"}))
    dispatch = a_dispatch("ServiceRequest/a", server=server.base, orders=None)
    result = gather(ORDERS, dispatch, required=(), connect=access_to(connections, server), as_of=AS_OF)
    assert (result.record.orders, result.record.dropped) == ((), Dropped(other_patient=1))


def test_the_drug_of_a_dispatched_order_is_read(connections: Connections, server: FhirStub) -> None:
    server.on("GET", "MedicationRequest/r", Says(an_order_of("Medication/m", id="r")))
    server.on("GET", "Medication/m", Says(a_drug("m")))
    dispatch = a_dispatch("MedicationRequest/r", server=server.base, medications=None)
    assert drugs_of(dispatch, access_to(connections, server)) == [(Code(RXNORM, "6809"),)]


# Full URLs


def test_references_by_full_url_are_followed() -> None:
    order = an_order_of("urn:uuid:0a0b0c0d-0000-4000-8000-000000000001", id="order")
    orders = a_bundle(order)
    drug = a_drug("m")
    orders["entry"].append({"fullUrl": "urn:uuid:0a0b0c0d-0000-4000-8000-000000000001", "resource": drug})
    assert drugs_of(a_call({"medications": orders}), never) == [(Code(RXNORM, "6809"),)]


def test_references_lead_from_page_to_page(connections: Connections, server: FhirStub) -> None:
    full_url = "urn:uuid:0a0b0c0d-0000-4000-8000-000000000001"
    first = a_bundle(an_order_of(full_url, id="order"), next="MedicationRequest?cursor=2")
    second = a_bundle()
    second["entry"].append({"fullUrl": full_url, "resource": a_drug("m")})
    server.on("GET", "MedicationRequest", Says(second))
    drugs = drugs_of(a_call({"medications": first}, server=server.base), access_to(connections, server))
    assert drugs == [(Code(RXNORM, "6809"),)]


def test_a_server_that_ignores_code_adds_nothing(connections: Connections, server: FhirStub) -> None:
    """[FHIR-46] Servers may ignore unknown parameters: filters that matter are applied again locally."""
    holds_the_chart(server)
    rows = a_bundle(an_observation(HBA1C, 6.1, "%"), an_observation(Code(LOINC, "718-7"), 13.0, "g/dL"))
    server.on("POST", "Observation/_search", Says(rows))
    result = gathered(a_call({}, server=server.base), access_to(connections, server))
    assert [fact.quantity.value for fact in result.record.observations(HBA1C) if fact.quantity] == [6.1]
