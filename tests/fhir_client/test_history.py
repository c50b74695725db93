"""A chart from a file, and what happened in it when."""

from datetime import UTC, datetime
from typing import Any

from fhir_client.codes import LOINC, Code
from fhir_client.history import Chart, Stay, charts_in
from fhir_client.search import Search
from tests.builders import a_bundle, a_condition, a_medication, a_patient, an_encounter, an_observation, an_order

RESULTS = Search("results", "Observation", (Code(LOINC, "2160-0"),))
ORDERS = Search("medications", "MedicationRequest")
PATIENT = Search("patient", "Patient")


def a_chart(*resources: dict[str, Any]) -> Chart:
    (chart,) = charts_in(a_bundle(a_patient(), *resources))
    return chart


def found(chart: Chart, search: Search, *without: str) -> list[str]:
    answer = chart.answers({search.key: search}, without=without)[search.key]
    return [entry["resource"]["id"] for entry in answer["entry"]]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_each_patient_of_a_bundle_has_a_chart_of_their_own() -> None:
    mine, others = (
        an_observation("2160-0", 1, "mg/dL", id="m"),
        an_observation("2160-0", 2, "mg/dL", id="o", patient="p2"),
    )

    first, second = charts_in(a_bundle(a_patient(), a_patient(id="p2"), mine, others))

    assert (first.patient_id, found(first, RESULTS), found(first, PATIENT)) == ("p1", ["m"], ["p1"])
    assert (second.patient_id, found(second, RESULTS), found(second, PATIENT)) == ("p2", ["o"], ["p2"])


def test_what_holds_no_patient_holds_no_chart() -> None:
    assert charts_in(a_bundle(an_observation("2160-0", 1, "mg/dL"))) == ()
    assert charts_in("text") == ()


def test_a_search_finds_its_type_and_codes_and_a_full_url_stays_with_its_resource() -> None:
    creatinine, sodium = an_observation("2160-0", 1, "mg/dL", id="c"), an_observation("2951-2", 140, "mmol/L", id="s")
    bundle = a_bundle(a_patient(), creatinine, sodium)
    bundle["entry"][1]["fullUrl"] = "urn:uuid:somewhere"

    (chart,) = charts_in(bundle)

    (entry,) = chart.answers({"results": RESULTS})["results"]["entry"]
    assert (entry["fullUrl"], entry["resource"]["id"]) == ("urn:uuid:somewhere", "c")


def test_a_component_has_the_code_that_is_asked_for() -> None:
    component = {"code": {"coding": [{"system": LOINC, "code": "2160-0"}]}}
    panel = {**an_observation("85354-9", None, id="panel"), "component": [component]}

    assert found(a_chart(panel), RESULTS) == ["panel"]


def test_orders_of_one_moment_are_signed_together_and_oldest_first() -> None:
    chart = a_chart(
        a_medication("2", authored="2024-03-01T10:00:00Z", id="b"),
        an_order("2160-0", authored="2024-03-01T10:00:00Z", id="t"),
        a_medication("1", authored="2023-01-05", id="a"),
        a_medication("3", authored="2024-03-01T10:00:00Z", id="e", encounter={"reference": "urn:uuid:e1"}),
        a_medication("4", authored=None, id="never"),
        a_medication("5", status="entered-in-error", id="wrong"),
    )

    first, second, third = chart.signings
    assert (first.references, first.at) == (("MedicationRequest/a",), at("2023-01-05T23:59:59.999999"))
    assert second.references == ("MedicationRequest/b", "ServiceRequest/t")
    assert second.at == at("2024-03-01T10:00:00.999999")
    assert (third.references, third.encounter_id) == (("MedicationRequest/e",), "e1")
    assert {draft["status"] for signing in chart.signings for draft in signing.drafts} == {"draft"}


def test_a_draft_points_at_the_patient_whatever_the_bundle_called_them() -> None:
    order = a_medication("1", id="a", subject={"reference": "urn:uuid:p1"})

    assert a_chart(order).signings[0].drafts[0]["subject"] == {"reference": "Patient/p1"}


def test_a_draft_was_never_signed_and_is_found_by_no_search() -> None:
    chart = a_chart(a_medication("1", id="a"), a_medication("2", id="d", status="draft"))

    assert [draft["id"] for draft in chart.drafts(at("2024-03-01"))] == ["d"]
    assert chart.drafts(at("2024-02-29")) == ()
    assert [signing.references for signing in chart.signings] == [("MedicationRequest/a",)]
    assert found(chart, ORDERS) == ["a"]


def test_what_is_left_out_is_not_found() -> None:
    chart = a_chart(a_medication("1", id="a"), a_medication("2", id="b"))

    assert found(chart, ORDERS, "MedicationRequest/a") == ["b"]


def test_a_stay_has_two_ends_where_they_are_known() -> None:
    chart = a_chart(
        an_encounter("IMP", "2024-05-20T08:00:00Z", "2024-05-24T09:30:00Z", id="whole"),
        an_encounter("EMER", "2024-05-20", id="open"),
        an_encounter("AMB", None, "2024-05-20T08:00:00Z", id="no-start"),
        an_encounter("IMP", "2024-05-20", status="entered-in-error"),
        an_encounter("IMP", None),
    )

    assert chart.stays == (
        Stay("whole", "IMP", at("2024-05-20T08:00:00"), at("2024-05-24T09:30:00.999999")),
        Stay("open", "EMER", at("2024-05-20T00:00:00"), None),
        Stay("no-start", "AMB", None, at("2024-05-20T08:00:00.999999")),
    )


def test_the_last_moment_is_the_newest_that_anything_happened() -> None:
    assert a_chart().last is None
    listed = {**a_condition("I10", onset="2020-05-01"), "recordedDate": "2020-05-02"}
    assert a_chart(listed).last == at("2020-05-02T23:59:59.999999")
    chart = a_chart(
        an_encounter("AMB", "2024-05-20T08:00:00Z", "2024-05-20T08:20:00Z"),
        an_encounter("IMP", "2024-05-21T08:00:00Z"),
        an_observation("2160-0", 1, "mg/dL", on="2024-05-19"),
    )
    assert chart.last == at("2024-05-21T08:00:00")
