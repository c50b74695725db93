"""What would have been asked about a chart, and when."""

from datetime import UTC, datetime
from typing import Any

from cds_hooks.protocol.hooks import Hook
from cds_hooks.replaying.calls import Occasion, occasions, request_of
from fhir_client.history import Chart, charts_in
from tests.builders import a_bundle, a_medication, a_patient, an_encounter, an_observation, an_order
from tests.cds_hooks.declared import a_service

AS_OF = datetime(2024, 6, 1, tzinfo=UTC)


def a_chart(*resources: dict[str, Any]) -> Chart:
    return charts_in(a_bundle(a_patient(), *resources))[0]


def fired(chart: Chart, as_of: datetime = AS_OF) -> list[tuple[Hook, str]]:
    return [(occasion.hook, f"{occasion.at:%Y-%m-%d %H:%M}") for occasion in occasions(chart, as_of)]


def of_hook(chart: Chart, hook: Hook) -> list[Occasion]:
    return [occasion for occasion in occasions(chart, AS_OF) if occasion.hook is hook]


def test_a_chart_is_opened_once_at_the_moment_that_counts() -> None:
    (occasion,) = occasions(a_chart(), AS_OF)

    assert (occasion.hook, occasion.at, occasion.orders) == (Hook.PATIENT_VIEW, AS_OF, 0)
    assert occasion.context == {"userId": "Practitioner/replay", "patientId": "p1"}


def test_a_stay_starts_and_ends_and_a_visit_to_the_clinic_does_not() -> None:
    chart = a_chart(
        an_encounter("IMP", "2024-05-20T08:00:00Z", "2024-05-24T09:30:00Z", id="stay"),
        an_encounter("EMER", "2024-05-28T03:00:00Z", id="here"),
        an_encounter("AMB", "2024-05-29T03:00:00Z", "2024-05-29T03:30:00Z"),
    )

    assert fired(chart)[1:] == [
        (Hook.ENCOUNTER_START, "2024-05-20 08:00"),
        (Hook.ENCOUNTER_DISCHARGE, "2024-05-24 09:30"),
        (Hook.ENCOUNTER_START, "2024-05-28 03:00"),
    ]
    assert of_hook(chart, Hook.ENCOUNTER_DISCHARGE)[0].context["encounterId"] == "stay"


def test_orders_are_each_picked_and_signed_with_what_was_written_then() -> None:
    chart = a_chart(
        a_medication("6809", authored="2024-05-01T10:00:00Z", id="m"),
        an_order("2160-0", authored="2024-05-01T10:00:00Z", id="t"),
    )

    first, second = of_hook(chart, Hook.ORDER_SELECT)
    (signed,) = of_hook(chart, Hook.ORDER_SIGN)
    assert (first.context["selections"], first.orders) == (["MedicationRequest/m"], 1)
    assert second.context["selections"] == ["ServiceRequest/t"]
    assert signed.orders == 2
    assert "selections" not in signed.context
    drafts = [entry["resource"] for entry in signed.context["draftOrders"]["entry"]]
    assert [(draft["id"], draft["status"]) for draft in drafts] == [("m", "draft"), ("t", "draft")]
    assert signed.without == ("MedicationRequest/m", "ServiceRequest/t")


def test_a_draft_of_the_chart_is_picked_and_signed_when_the_chart_is_opened() -> None:
    chart = a_chart(a_medication("6809", status="draft", authored="2024-05-01"))

    assert fired(chart)[1:] == [(Hook.ORDER_SELECT, "2024-06-01 00:00"), (Hook.ORDER_SIGN, "2024-06-01 00:00")]


def test_nothing_is_fired_after_the_moment_that_counts() -> None:
    chart = a_chart(
        an_encounter("IMP", "2024-05-20T08:00:00Z", "2024-05-24T09:30:00Z"),
        a_medication("6809", authored="2024-05-22T10:00:00Z"),
        a_medication("6809", status="draft", authored="2024-05-22T10:00:00Z"),
    )

    assert [hook for hook, _ in fired(chart, datetime(2024, 5, 21, tzinfo=UTC))] == [
        Hook.PATIENT_VIEW,
        Hook.ENCOUNTER_START,
    ]


def test_a_request_is_prefetched_from_the_chart_without_what_is_being_ordered() -> None:
    service = a_service(hooks=(Hook.ORDER_SIGN,))
    chart = a_chart(an_observation("2160-0", 1, "mg/dL", id="o"), a_medication("6809", id="m"))
    (signed,) = of_hook(chart, Hook.ORDER_SIGN)

    request = request_of(service, chart, signed)

    assert [draft["id"] for draft in request.context.drafts] == ["m"]
    assert request.prefetch.keys() == service.searches.keys()
    laboratory = request.prefetch["laboratory"]
    assert laboratory is not None
    assert [entry["resource"]["id"] for entry in laboratory["entry"]] == ["o"]
