from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_client.answers import missing, page_of, prefetched
from fhir_client.bundles import FullUrls, contents, patients_in, record_from_bundle
from fhir_client.codes import LOINC, Code, CodeSet
from fhir_client.errors import Reason
from fhir_client.record import Availability
from fhir_client.rows import Rows
from tests.builders import Resource, a_bundle, a_condition, a_medication, a_patient, an_observation

AS_OF = datetime(2024, 6, 1, tzinfo=UTC)
WEIGHT = CodeSet("weight", "Weight", frozenset({Code(LOINC, "29463-7")}))


@pytest.mark.parametrize("wrap", [a_bundle, lambda r: r, lambda r: [r], lambda r: {"resource": r}])
def test_every_shape_that_clients_send_gives_the_same_resources(wrap: Any) -> None:
    """[PRE-30] A single resource where a Bundle is due is wrapped; `{"resource": ...}` wrappers are unwrapped."""
    observation = an_observation("29463-7", 70, "kg")

    assert contents(wrap(observation)).matches == (observation,)


def test_a_wrapped_bundle_is_unwrapped() -> None:
    """[PRE-30] A single resource where a Bundle is due is wrapped; `{"resource": ...}` wrappers are unwrapped."""
    observation = an_observation("29463-7", 70, "kg")

    assert contents({"resource": a_bundle(observation)}).matches == (observation,)


def test_null_holds_nothing_and_can_be_read() -> None:
    assert contents(None).is_readable
    assert contents(None).resources == ()


@pytest.mark.parametrize("value", [7, "Bundle", True, {}, {"resourceType": 7}, {"entry": []}])
def test_what_is_no_resource_is_unreadable_not_empty(value: object) -> None:
    assert not contents(value).is_readable


def test_included_rows_are_no_matches() -> None:
    """[PRE-32, FHIR-45] `search.mode = include` entries are references, not matches."""
    bundle = a_bundle(an_observation("29463-7", 70, "kg"), {"resourceType": "Practitioner", "id": "d1"})
    bundle["entry"][1]["search"]["mode"] = "include"
    inside = contents(bundle)

    assert [row["resourceType"] for row in inside.matches] == ["Observation"]
    assert [row["resourceType"] for row in inside.includes] == ["Practitioner"]
    assert len(inside.resources) == 2


@pytest.mark.parametrize("mode", ["outcome", "match", None])
def test_an_outcome_is_no_row_whatever_its_mode(mode: str | None) -> None:
    outcome = {"resourceType": "OperationOutcome", "id": "o1", "issue": [{"severity": "warning", "code": "incomplete"}]}
    bundle = a_bundle(an_observation("29463-7", 70, "kg"), outcome)
    bundle["entry"][1]["search"] = {"mode": mode} if mode else {}
    inside = contents(bundle)

    assert inside.outcomes == (outcome,)
    assert len(inside.resources) == 1


def test_entries_without_a_resource_are_skipped() -> None:
    bundle = a_bundle(an_observation("29463-7", 70, "kg"))
    bundle["entry"] += [{}, {"fullUrl": "urn:uuid:1"}, {"resource": None}, None, "x", {"request": {"method": "DELETE"}}]

    assert len(contents(bundle).matches) == 1


@pytest.mark.parametrize(
    "entries", ["none", 7, False, {}, [None], [1, "x", []], [{}], [{"resource": None}, {"resource": []}]]
)
def test_a_bundle_of_which_nothing_can_be_read_is_unreadable_not_empty(entries: object) -> None:
    bundle = {**a_bundle(), "entry": entries}
    assert not contents(bundle).is_readable
    assert page_of(bundle) == missing(Reason.NOT_FHIR)
    assert prefetched(bundle, "Observation") is None


@pytest.mark.parametrize("entries", [[], None, ...])
def test_a_bundle_without_entries_says_that_nothing_was_found(entries: object) -> None:
    bundle = {name: value for name, value in {**a_bundle(), "entry": entries}.items() if value is not ...}
    assert contents(bundle).is_readable
    assert page_of(bundle).availability is Availability.COMPLETE


def test_links_are_read_by_relation() -> None:
    bundle = a_bundle(next="https://fhir.example/r4?page=2")
    bundle["link"].insert(0, {"relation": "self", "url": "https://fhir.example/r4/Observation?code=1"})
    inside = contents(bundle)

    assert inside.next_link == "https://fhir.example/r4?page=2"
    assert inside.self_link == "https://fhir.example/r4/Observation?code=1"
    assert contents(a_bundle()).next_link is None


def _by_full_url(**resources: Resource) -> Resource:
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": f"urn:uuid:{name}", "resource": row} for name, row in resources.items()],
    }


def test_a_resource_without_an_id_takes_the_last_part_of_its_full_url() -> None:
    patient = a_patient()
    del patient["id"]
    inside = contents(_by_full_url(abc=patient))

    assert inside.matches[0]["id"] == "abc"
    assert "id" not in patient
    assert patients_in(inside.resources) == ("abc",)


def test_references_by_full_url_are_followed() -> None:
    """[FHIR-50] References: urn:uuid in a Bundle."""
    weight = an_observation("29463-7", 70, "kg")
    weight["subject"] = {"reference": "urn:uuid:aaa"}
    order = a_medication("1")
    del order["medicationCodeableConcept"]
    order |= {"subject": {"reference": "urn:uuid:aaa"}, "medicationReference": {"reference": "urn:uuid:ccc"}}
    drug = {"resourceType": "Medication", "id": "m1", "code": a_medication("83367")["medicationCodeableConcept"]}
    record = record_from_bundle(_by_full_url(aaa=a_patient(id="p1"), bbb=weight, ccc=drug, ddd=order), as_of=AS_OF)

    assert record.patient_id == "p1"
    assert len(record.observations(WEIGHT)) == 1
    assert record.medications[0].ingredients == frozenset({"83367"})
    assert record.dropped.other_patient == 0


def test_full_urls_are_not_looked_at_for_references_that_are_relative() -> None:
    entries = iter(_by_full_url(aaa=a_patient(id="p1"))["entry"])
    rows = Rows("p1", FullUrls(entries))
    rows.add([a_patient(id="p1"), an_observation("29463-7", 70, "kg"), a_condition("I10", patient="p2")])

    assert (rows.known_as("Encounter/e1"), rows.other_patient) == ("Encounter/e1", 1)
    assert next(entries)["fullUrl"] == "urn:uuid:aaa"


def test_of_a_full_url_in_two_pages_the_later_counts() -> None:
    pages = [contents(_by_full_url(aaa=a_patient(id=id_))).full_urls for id_ in ("p1", "p2")]
    assert FullUrls.of_all(pages) == {"urn:uuid:aaa": "Patient/p2"}


def test_one_patient_of_several_is_named() -> None:
    bundle = a_bundle(
        a_patient(id="p1"), a_patient(id="p2"), a_condition("E11.9", patient="p1"), a_condition("I10", patient="p2")
    )

    record = record_from_bundle(bundle, as_of=AS_OF, patient_id="p2")
    assert [condition.codings[0].code for condition in record.conditions] == ["I10"]
    assert record.dropped.other_patient == 2
    assert patients_in(contents(bundle).resources) == ("p1", "p2")
    with pytest.raises(ValueError, match="several and none was named"):
        record_from_bundle(bundle, as_of=AS_OF)


def test_a_bundle_without_a_patient_makes_no_record_unless_one_is_named() -> None:
    with pytest.raises(ValueError, match="holds no patient"):
        record_from_bundle(a_bundle(a_condition("I10")), as_of=AS_OF)
    assert len(record_from_bundle(a_bundle(a_condition("I10")), as_of=AS_OF, patient_id="p1").conditions) == 1
