import pytest

from fhir_client.codes import ICD_10_CM, LOINC, Code, CodeSet
from tests.builders import Resource, a_condition, a_medication, a_patient, a_record, an_observation, an_order

WEIGHT = CodeSet("weight", "Weight", frozenset({Code(LOINC, "29463-7")}))


def weight(**more: object) -> Resource:
    return an_observation("29463-7", 70, "kg", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p1",
        "Patient/p1/_history/3",
        "https://fhir.example/r4/Patient/p1",
        "https://fhir.example/r4/Patient/p1/_history/3",
        "urn:uuid:p1",
        "p1",
    ],
)
def test_a_row_is_the_patients_by_a_reference_of_any_form(reference: str) -> None:
    """[FHIR-50] References: relative, absolute, urn:uuid in a Bundle, versioned (`/_history/n`)."""
    record = a_record(weight(subject={"reference": reference}))

    assert len(record.observations(WEIGHT)) == 1
    assert record.dropped.other_patient == 0


@pytest.mark.parametrize(
    "reference",
    ["Patient/p2", "Patient/p11", "https://fhir.example/r4/Patient/p2", "Group/p1", "urn:uuid:p2", "#p1", "Patient/P1"],
)
def test_a_row_of_another_patient_is_dropped_and_counted(reference: str) -> None:
    """[PRE-31] Bundle holding another patient's Observation: dropped and audited."""
    record = a_record(weight(subject={"reference": reference}), weight())

    assert len(record.observations(WEIGHT)) == 1
    assert record.dropped.other_patient == 1


def test_another_patient_resource_is_dropped_and_counted() -> None:
    """[PRE-31] Bundle holding another patient's Observation: dropped and audited."""
    record = a_record(a_patient(id="p1", sex="male"), a_patient(id="p2", sex="female"))

    assert record.patient is not None
    assert record.patient.gender == "male"
    assert record.dropped.other_patient == 1


def test_rows_of_other_codes_than_asked_for_are_not_found() -> None:
    """[PRE-31] Verify filters again (patient, code, status, dates); clients may ignore parameters."""
    record = a_record(an_observation("8302-2", 170, "cm"), weight())

    assert [result.codings[0].code for result in record.observations(WEIGHT)] == ["29463-7"]


def test_a_row_that_names_nobody_counts_as_the_patients() -> None:
    nobodys = weight()
    del nobodys["subject"]

    assert len(a_record(nobodys).observations(WEIGHT)) == 1


def test_a_logical_reference_is_compared_by_identifier() -> None:
    """[FHIR-50] References: logical (identifier only)."""
    own, other = ({"system": "urn:mrn", "value": value} for value in ("17", "18"))
    record = a_record(
        weight(subject={"identifier": own}),
        weight(subject={"identifier": other}),
        weight(subject={"identifier": {"value": "17"}}),
        a_patient(identifier=[own]),
    )

    assert len(record.observations(WEIGHT)) == 1
    assert (record.dropped.other_patient, record.dropped.unreadable) == (1, 1)


def test_a_logical_reference_without_a_patient_to_compare_with_is_unreadable() -> None:
    record = a_record(weight(subject={"identifier": {"system": "urn:mrn", "value": "17"}}))

    assert record.observations(WEIGHT) == ()
    assert record.dropped.unreadable == 1


@pytest.mark.parametrize("subject", [{}, {"reference": 7}, "Patient/p1", {"display": "her"}])
def test_a_row_with_a_malformed_subject_is_unreadable(subject: object) -> None:
    record = a_record(weight(subject=subject))

    assert record.observations(WEIGHT) == ()
    assert record.dropped.unreadable == 1


@pytest.mark.parametrize(
    "row", [None, 7, "Observation", [], {}, {"resourceType": 7}, {"resourceType": ["Observation"]}]
)
def test_what_is_no_resource_is_counted_as_unreadable(row: object) -> None:
    assert a_record(a_patient(), row).dropped.unreadable == 1  # type: ignore[arg-type]


def test_a_result_that_an_unknown_extension_modifies_is_not_used() -> None:
    """[FHIR-18] Honour modifierExtension."""
    modified = weight(modifierExtension=[{"url": "https://ehr.example/not-this-patient", "valueBoolean": True}])
    record = a_record(weight(), modified)

    assert len(record.observations(WEIGHT)) == 1
    assert record.dropped.unreadable == 1


def test_a_component_that_an_unknown_extension_modifies_is_not_used() -> None:
    """[FHIR-18] Honour modifierExtension."""
    part = {"code": {"coding": [{"system": LOINC, "code": "29463-7"}]}, "valueQuantity": {"value": 70}}
    panel = an_observation("1", component=[part, {**part, "modifierExtension": [{"url": "https://ehr.example/x"}]}])

    assert len(a_record(panel).observations(WEIGHT)) == 1


def test_a_modified_problem_or_order_is_known_to_exist_but_says_nothing() -> None:
    """[FHIR-18] Honour modifierExtension."""
    modifier: Resource = {"modifierExtension": [{"url": "https://ehr.example/negates", "valueBoolean": True}]}
    record = a_record(
        a_condition("E11.9", **modifier), a_medication("83367", **modifier), an_order("9318-7", **modifier)
    )

    assert [(c.codings, c.is_active) for c in record.conditions] == [((), True)]
    assert [(m.codings, m.ingredients, m.is_active) for m in record.medications] == [((), None, True)]
    assert [order.codings for order in record.orders] == [()]
    assert record.dropped.unreadable == 3


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ({"versionId": "1"}, {"versionId": "2"}, "second"),
        ({"versionId": "10"}, {"versionId": "9"}, "first"),
        ({"lastUpdated": "2024-05-02T00:00:00Z"}, {"lastUpdated": "2024-05-01T00:00:00Z"}, "first"),
        ({"lastUpdated": "2024-05-01T00:00:00Z"}, {"lastUpdated": "2024-05-02T00:00:00Z"}, "second"),
        ({"versionId": "a"}, {"versionId": "b"}, "second"),
        ({}, {}, "second"),
        ("1", {"versionId": 2}, "second"),
    ],
)
def test_of_a_row_sent_twice_the_newer_version_counts(first: object, second: object, kept: str) -> None:
    """[FHIR-44] Duplicates across pages are merged by type and id."""
    rows = {name: a_condition(name, id="c1", meta=meta) for name, meta in (("first", first), ("second", second))}
    record = a_record(*rows.values())

    assert [condition.codings for condition in record.conditions] == [(Code(ICD_10_CM, kept),)]


def test_rows_without_an_id_are_never_the_same_row() -> None:
    rows = [weight(id=None), weight(id=None)]

    assert len(a_record(*rows).observations(WEIGHT)) == 2


def test_one_id_in_two_types_is_two_rows() -> None:
    record = a_record(weight(id="1"), a_condition("I10", id="1"))

    assert len(record.observations(WEIGHT)) == len(record.conditions) == 1
