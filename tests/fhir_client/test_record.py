from typing import Any

import pytest

from fhir_client.codes import ACT_PRIORITY, ADMIT_SOURCE, ICD_10_CM, LOINC, RXNORM, SNOMED_CT, Code, CodeSet
from fhir_client.facts import Condition, Encounter, Medication, Observation, Order, Quantity, Source
from fhir_client.record import Availability, Dropped
from fhir_client.times import Interval
from tests.builders import (
    Resource,
    a_blood_pressure,
    a_condition,
    a_medication,
    a_patient,
    a_record,
    an_encounter,
    an_observation,
    an_order,
)

WEIGHT = CodeSet("weight", "Weight", frozenset({Code(LOINC, "29463-7"), Code(LOINC, "3141-9")}))
SYSTOLIC = CodeSet("systolic", "Systolic", frozenset({Code(LOINC, "8480-6")}))
PANEL = CodeSet("panel", "Panel", frozenset({Code(LOINC, "85354-9")}))
SMOKING = CodeSet("smoking", "Smoking", frozenset({Code(LOINC, "72166-2")}))
FORMER_SMOKER = Code(SNOMED_CT, "8517006")


def at(text: str) -> Interval:
    found = Interval.parse(text)
    assert found is not None
    return found


def weights(*resources: Resource, as_of: str = "2024-06-01T00:00:00Z") -> list[float | None]:
    results = a_record(*resources, as_of=as_of).observations(WEIGHT)
    return [None if result.quantity is None else result.quantity.value for result in results]


def weight(value: float = 70, on: str | None = "2024-05-01", **more: object) -> Resource:
    return an_observation("29463-7", value, "kg", on, **more)  # type: ignore[arg-type]


# ---- the patient


def test_the_patient_is_read() -> None:
    record = a_record(a_patient(born="1960-06-02", sex="female"))

    assert record.patient is not None
    assert (record.patient.sex, record.patient.birth, record.patient.is_deceased) == ("female", at("1960-06-02"), False)
    assert (record.age_years, record.age_range_years) == (63, (63, 63))


def test_a_record_without_a_patient_resource_has_no_age() -> None:
    record = a_record(a_patient(id="p2"), patient_id="p1")

    assert (record.patient, record.age_years, record.age_range_years) == (None, None, None)


def test_an_unreadable_or_later_birth_date_gives_no_age() -> None:
    assert a_record(a_patient(born="02.06.1960")).age_years is None
    assert a_record(a_patient(born=None)).age_years is None
    assert a_record(a_patient(born="2024-06-02")).age_years is None


def _sex_parameter(code: str, **period: str) -> Resource:
    value = {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/sex-parameter-for-clinical-use", "code": code}]
    }
    parts: list[Resource] = [{"url": "value", "valueCodeableConcept": value}]
    if period:
        parts.append({"url": "period", "valuePeriod": period})
    return {"url": "http://hl7.org/fhir/StructureDefinition/patient-sexParameterForClinicalUse", "extension": parts}


@pytest.mark.parametrize(
    ("extensions", "gender", "clinical", "sex"),
    [
        ([_sex_parameter("male-typical")], "female", "male", "male"),
        ([_sex_parameter("female-typical")], "male", "female", "female"),
        ([_sex_parameter("female")], "other", "female", "female"),
        ([_sex_parameter("specified")], "female", "specified", "female"),
        ([_sex_parameter("male-typical"), _sex_parameter("female-typical")], "female", None, "female"),
        ([_sex_parameter("male-typical", end="2020"), _sex_parameter("female-typical")], "male", "female", "female"),
        ([_sex_parameter("male-typical", start="2030")], "female", None, "female"),
        ([], "other", None, None),
        ([], "unknown", None, None),
        ([], None, None, None),
    ],
)
def test_the_sex_parameter_for_clinical_use_comes_before_gender(
    extensions: list[Resource], gender: str | None, clinical: str | None, sex: str | None
) -> None:
    patient = a_record(a_patient(sex=gender, extension=extensions)).patient

    assert patient is not None
    assert (patient.clinical_sex, patient.sex) == (clinical, sex)


@pytest.mark.parametrize(
    ("element", "is_deceased"),
    [
        ({"deceasedBoolean": True}, True),
        ({"deceasedBoolean": False}, False),
        ({"deceasedDateTime": "2024-05-30"}, True),
        ({"deceasedDateTime": "2024"}, True),
        ({"deceasedDateTime": "2024-06-02"}, False),
        ({"deceasedDateTime": "last week"}, True),
        ({}, False),
    ],
)
def test_a_death_counts_from_when_it_happened(element: Resource, *, is_deceased: bool) -> None:
    patient = a_record(a_patient(**element)).patient

    assert patient is not None
    assert patient.is_deceased is is_deceased


# ---- results


def test_a_result_is_read_whole() -> None:
    resource = weight(70.5, encounter="Encounter/e1", id="o1", meta={"versionId": "3"})

    [result] = a_record(resource).observations(WEIGHT)

    assert (result.source, result.codings, result.encounter) == (
        Source("Observation/o1", "3"),
        (Code(LOINC, "29463-7"),),
        "Encounter/e1",
    )
    assert result == Observation(result.origin, at=at("2024-05-01"), quantity=Quantity(70.5, "kg"))


def test_results_are_equal_if_they_come_from_the_same_place_and_only_then() -> None:
    row = weight(70.5, encounter="Encounter/e1", id="o1", meta={"versionId": "3"})
    [result] = a_record(row).observations(WEIGHT)

    assert a_record(dict(row)).observations(WEIGHT) == (result,)
    elsewhere: tuple[Resource, ...] = ({"id": "o2"}, {"encounter": {"reference": "Encounter/e2"}}, {"meta": {}})
    for more in elsewhere:
        assert a_record({**row, **more}).observations(WEIGHT) != (result,)


@pytest.mark.parametrize(
    ("status", "is_used"),
    [
        *((status, True) for status in ("final", "amended", "corrected")),
        *((status, False) for status in ("preliminary", "registered", "entered-in-error", "cancelled", "unknown")),
        *((status, False) for status in ("appended", "FINAL", "", None, ["final"], {"code": "final"})),
    ],
)
def test_only_results_that_are_done_are_facts(status: object, *, is_used: bool) -> None:
    """[FHIR-18] entered-in-error Observation never becomes a feature."""
    assert weights({**weight(), "status": status}) == ([70] if is_used else [])


def test_results_come_newest_first_and_undated_ones_last() -> None:
    rows = [weight(1, on=None), weight(2, on="2024-05-01"), weight(3, on="2024-05-03"), weight(4, on="2022")]

    assert weights(*rows) == [3, 2, 4, 1]
    assert weights(*reversed(rows)) == [3, 2, 4, 1]


def test_results_of_one_time_keep_the_order_of_the_source() -> None:
    rows = [weight(1), an_observation("3141-9", 2, "kg"), weight(3)]

    assert weights(*rows) == [1, 2, 3]


def test_a_result_with_several_codes_is_found_by_each_and_once() -> None:
    both = {
        "coding": [
            {"system": "https://ehr.example", "code": "W"},
            *({"system": LOINC, "code": c.code} for c in WEIGHT.codes),
        ]
    }
    record = a_record(an_observation(both, 70, "kg"))

    assert len(record.observations(WEIGHT)) == 1
    assert record.observations(CodeSet("w", "W", frozenset({Code("https://ehr.example", "W")}))) == record.observations(
        WEIGHT
    )


def test_a_set_with_prefixes_finds_results_too() -> None:
    finding = an_observation(Code(ICD_10_CM, "E11.9"), value=True)

    assert len(a_record(finding).observations(CodeSet("d", "D", prefixes=(Code(ICD_10_CM, "E11"),)))) == 1


def test_a_panel_gives_its_components_with_its_time_and_source() -> None:
    panel = a_blood_pressure(150, 90, on="2024-05-01", id="bp1", encounter="Encounter/e1")
    record = a_record(panel)

    [result] = record.observations(SYSTOLIC)

    assert (result.source, result.codings, result.encounter) == (
        Source("Observation/bp1"),
        (Code(LOINC, "8480-6"),),
        "Encounter/e1",
    )
    assert result == Observation(result.origin, at=at("2024-05-01"), quantity=Quantity(150, "mm[Hg]"))
    assert [panel.has_value for panel in record.observations(PANEL)] == [False]


def test_a_component_of_an_unusable_panel_is_not_used() -> None:
    assert a_record(a_blood_pressure(150, 90, status="entered-in-error")).observations(SYSTOLIC) == ()


@pytest.mark.parametrize(
    ("value", "quantity"),
    [
        ({"value": 70, "system": "http://unitsofmeasure.org", "code": "kg"}, Quantity(70, "kg")),
        ({"value": 70, "system": "urn:oid:2.16.840.1.113883.6.8", "code": "kg"}, Quantity(70, "kg")),
        ({"value": 70, "unit": "kg"}, Quantity(70, None)),
        ({"value": 70, "unit": "kg", "code": "kg"}, Quantity(70, None)),
        ({"value": 70, "system": "https://ehr.example/units", "code": "kg"}, Quantity(70, None)),
        ({"value": 70, "system": "http://unitsofmeasure.org", "code": ""}, Quantity(70, None)),
        ({"value": 70, "comparator": "<"}, Quantity(70, None, "<")),
        ({"value": 70, "comparator": "ad"}, Quantity(70, None, "ad")),
        ({"value": 70, "comparator": 7}, None),
        ({"value": "70"}, None),
        ({"value": True}, None),
        ({"value": float("nan")}, None),
        ({"value": float("inf")}, None),
        ({"value": 10**400}, None),
        ({"unit": "kg"}, None),
        ("70 kg", None),
        ([{"value": 70}], None),
    ],
)
def test_a_quantity_is_a_number_and_a_ucum_code_or_nothing(value: object, quantity: Quantity | None) -> None:
    result = a_record({**weight(), "valueQuantity": value}).observations(WEIGHT)[0]

    assert result.quantity == quantity
    assert result.has_value is (quantity is not None)


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ({"valueInteger": 15}, Quantity(15, "1")),
        ({"valueBoolean": False}, False),
        ({"valueCodeableConcept": {"coding": [{"system": SNOMED_CT, "code": "8517006"}]}}, (FORMER_SMOKER,)),
        ({"valueString": "70 kg"}, None),
        ({"valueCodeableConcept": {"text": "former smoker"}}, None),
        ({"valueSampledData": {"data": "1 2 3"}}, None),
        ({"valueRange": {"low": {"value": 1}}}, None),
        ({"valueBoolean": "false"}, None),
        ({"valueInteger": True}, None),
        ({}, None),
    ],
)
def test_a_value_of_another_type_is_what_it_is(element: Resource, expected: object) -> None:
    result = a_record(an_observation("29463-7", **element)).observations(WEIGHT)[0]

    found = result.quantity or result.concepts or result.truth
    assert (found or (False if result.truth is False else None)) == expected
    assert result.has_value is (expected is not None)


_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        ({"dataAbsentReason": {"coding": [{"code": "not-performed"}]}}, "not-performed"),
        ({"dataAbsentReason": {"coding": [{"code": "error"}]}, "valueQuantity": {"value": 70}}, "error"),
        ({"dataAbsentReason": {"text": "she left"}}, "unknown"),
        ({"valueQuantity": {"extension": [{"url": _ABSENT, "valueCode": "masked"}]}}, "masked"),
        ({"valueQuantity": {"value": 7, "extension": [{"url": _ABSENT, "valueCode": "masked"}]}}, "masked"),
        (
            {"valueQuantity": {"_value": {"extension": [{"url": _ABSENT, "valueCode": "asked-unknown"}]}}},
            "asked-unknown",
        ),
        ({"valueCodeableConcept": {"extension": [{"url": _ABSENT, "valueCode": "masked"}]}}, "masked"),
        ({"_valueBoolean": {"extension": [{"url": _ABSENT, "valueCode": "unsupported"}]}}, "unsupported"),
        ({"valueQuantity": {"extension": [{"url": "https://ehr.example/x", "valueCode": "y"}]}}, None),
        ({}, None),
    ],
)
def test_a_result_says_why_it_has_no_value(element: Resource, reason: str | None) -> None:
    """[FHIR-18] Honour dataAbsentReason."""
    result = a_record(an_observation("29463-7", **element)).observations(WEIGHT)[0]

    assert not result.has_value
    assert result.absent == reason


def test_a_component_says_for_itself_why_it_has_no_value() -> None:
    """[FHIR-18] Honour dataAbsentReason."""
    panel = a_blood_pressure(150, 90)
    del panel["component"][0]["valueQuantity"]
    panel["component"][0]["dataAbsentReason"] = {"coding": [{"code": "not-performed"}]}
    result = a_record(panel).observations(SYSTOLIC)[0]

    assert (result.has_value, result.absent) == (False, "not-performed")


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ({"effectiveDateTime": "2024-05"}, at("2024-05")),
        ({"effectiveInstant": "2024-05-01T08:00:00Z"}, at("2024-05-01T08:00:00Z")),
        (
            {"effectivePeriod": {"start": "2024-05-01", "end": "2024-05-02"}},
            Interval.between("2024-05-01", "2024-05-02"),
        ),
        ({"effectiveTiming": {"event": ["2024-05-02", "2024-05-01"]}}, Interval.between("2024-05-01", "2024-05-02")),
        ({"effectiveTiming": {"event": ["2024-05-01"]}}, at("2024-05-01")),
        ({"effectiveTiming": {"event": ["2024-05-01", "then"]}}, None),
        ({"effectiveTiming": {"repeat": {"count": 2}}}, None),
        ({"effectiveDateTime": "yesterday"}, None),
        ({"issued": "2024-05-01T08:00:00Z"}, None),
    ],
)
def test_the_time_of_a_result_is_when_it_was_made(element: Resource, expected: Interval | None) -> None:
    result = a_record({**weight(on=None), **element}).observations(WEIGHT)[0]

    assert result.at == expected


# ---- what was known as of the instant


@pytest.mark.parametrize(
    ("on", "is_known"),
    [
        ("2024-05-31", True),
        ("2024-06-01", True),  # begins at the instant: partly before it
        ("2024-06", True),
        ("2024", True),
        ("2024-06-01T00:00:00Z", True),
        ("2024-06-01T00:00:01Z", False),
        ("2024-06-02", False),
        ("2024-07", False),
        ("2024-06-01T01:00:00+02:00", True),
        ("2024-05-31T23:00:00-02:00", False),
    ],
)
def test_what_was_measured_later_is_not_in_the_record(on: str, *, is_known: bool) -> None:
    assert weights(weight(on=on)) == ([70] if is_known else [])


def test_what_was_issued_later_was_not_known_yet() -> None:
    assert weights(weight(on="2024-05-30", issued="2024-06-03T08:00:00Z")) == []
    assert weights(weight(on="2024-05-30", issued="2024-05-31T08:00:00.000Z")) == [70]
    assert weights(weight(on="2024-05-30", issued="2024-05-31T23:30:00-04:00")) == []
    assert weights(weight(on="2024-05-30", issued="soon")) == [70]


def test_a_record_of_the_past_does_not_see_the_future() -> None:
    rows = [weight(1, on="2019-01-01"), weight(2, on="2023-01-01")]

    assert weights(*rows, as_of="2020-01-01T00:00:00Z") == [1]
    assert weights(*rows, as_of="0001-01-01T00:00:00Z") == []


# ---- conditions


def test_a_condition_is_read_whole() -> None:
    resource = a_condition("E11.9", onset="2020-01", id="c1", recordedDate="2020-02-01")
    resource["code"]["text"] = "Type 2 diabetes"

    assert a_record(resource).conditions == (
        Condition(
            source=Source("Condition/c1"),
            codings=(Code(ICD_10_CM, "E11.9"),),
            is_active=True,
            onset=at("2020-01"),
            recorded=at("2020-02-01"),
            text="Type 2 diabetes",
        ),
    )


@pytest.mark.parametrize(
    ("verification", "is_used"),
    [
        ("confirmed", True),
        (None, True),
        *((word, False) for word in ("unconfirmed", "provisional", "differential", "refuted", "entered-in-error", "")),
    ],
)
def test_only_what_is_confirmed_or_unstated_is_a_condition(verification: str | None, *, is_used: bool) -> None:
    """[FHIR-18] Honour `entered-in-error`, `refuted` and negated status."""
    resource = a_condition("E11.9", verification_status=None)
    if verification is not None:
        resource["verificationStatus"] = {"coding": [{"code": verification}]}

    assert bool(a_record(resource).conditions) is is_used


def test_a_verification_that_contradicts_itself_is_not_used() -> None:
    codings = [{"code": "confirmed"}, {"code": "refuted"}]

    assert a_record(a_condition("E11.9", verificationStatus={"coding": codings})).conditions == ()


@pytest.mark.parametrize(
    ("elements", "is_active"),
    [
        ({"clinical_status": "active"}, True),
        ({"clinical_status": "recurrence"}, True),
        ({"clinical_status": "relapse"}, True),
        ({"clinical_status": "inactive"}, False),
        ({"clinical_status": "remission"}, False),
        ({"clinical_status": "resolved"}, False),
        ({"clinical_status": None}, True),
        ({"clinical_status": None, "abatementString": "last spring"}, False),
        ({"clinical_status": None, "abatementAge": {"value": 60}}, False),
        ({"clinical_status": None, "abatementBoolean": True}, False),
        ({"clinical_status": None, "abatementBoolean": False}, True),
        ({"clinical_status": "active", "abatementString": "no"}, True),
        ({"clinical_status": "active", "abated": "2024-05-01"}, False),
        ({"clinical_status": "active", "abated": "2024"}, False),
        ({"clinical_status": "resolved", "abated": "2024-06-02"}, True),
        ({"clinical_status": None, "abated": "2024-06-02"}, True),
        ({"clinical_status": None, "abatementPeriod": {"start": "2024-05-01"}}, False),
        ({"clinical_status": None, "abated": "some day"}, True),
    ],
)
def test_a_condition_is_active_until_it_ended(elements: Resource, *, is_active: bool) -> None:
    assert a_record(a_condition("E11.9", **elements)).conditions[0].is_active is is_active


@pytest.mark.parametrize(
    "later",
    [
        {"onset": "2024-06-02"},
        {"recordedDate": "2024-06-02"},
        {"onset": None, "onsetPeriod": {"start": "2024-06-02"}},
        {"onset": "2020", "assertedDate": "2024-06-02"},
    ],
)
def test_a_condition_that_began_or_was_recorded_later_is_not_in_the_record(later: Resource) -> None:
    assert a_record(a_condition("E11.9", **later)).conditions == ()


def test_a_condition_without_codes_is_there_with_its_text() -> None:
    condition = a_record(a_condition({"text": "sugar"})).conditions[0]

    assert (condition.codings, condition.text) == ((), "sugar")


def test_conditions_come_newest_first_by_onset_else_by_recording() -> None:
    rows = [
        a_condition("A", onset="2020"),
        a_condition("B", onset=None, recordedDate="2022"),
        a_condition("C", onset=None),
        a_condition("D", onset="2021"),
    ]

    assert [condition.codings[0].code for condition in a_record(*rows).conditions] == ["B", "D", "A", "C"]


# ---- orders for drugs and other orders


def test_a_medication_is_read_whole() -> None:
    resource = a_medication("617311", id="m1", authored="2024-03-01")
    resource["medicationCodeableConcept"]["text"] = "Atorvastatin 40 mg"

    assert a_record(resource).medications == (
        Medication(
            source=Source("MedicationRequest/m1"),
            codings=(Code(RXNORM, "617311"),),
            is_active=True,
            ingredients=frozenset({"83367"}),
            authored=at("2024-03-01"),
            text="Atorvastatin 40 mg",
        ),
    )


@pytest.mark.parametrize(
    ("elements", "is_active"),
    [
        ({"status": "active"}, True),
        *(({"status": word}, False) for word in ("on-hold", "stopped", "completed", "cancelled", "draft", "ended")),
        ({"status": None}, False),
        *(({"intent": word}, True) for word in ("order", "original-order", "reflex-order", "instance-order", "plan")),
        ({"intent": None}, True),
        *(({"intent": word}, False) for word in ("proposal", "option")),
        ({"dispenseRequest": {"validityPeriod": {"end": "2020-01-01"}}}, True),
    ],
)
def test_a_medication_is_active_by_status_and_intent(elements: Resource, *, is_active: bool) -> None:
    assert a_record(a_medication("83367", **elements)).medications[0].is_active is is_active


@pytest.mark.parametrize(
    "elements", [{"status": "entered-in-error"}, {"doNotPerform": True}, {"authored": "2024-06-02"}]
)
def test_a_medication_in_error_or_forbidden_or_ordered_later_is_not_in_the_record(elements: Resource) -> None:
    """[FHIR-18] Honour `entered-in-error` and negated status."""
    assert a_record(a_medication("83367", **elements)).medications == ()


def test_any_coding_of_a_drug_may_resolve() -> None:
    concept = {"coding": [{"system": "https://ehr.example", "code": "ATOR40"}, {"system": RXNORM, "code": "0"}]}
    order = a_medication("1", medicationCodeableConcept=concept)
    assert a_record(order).medications[0].ingredients is None

    concept["coding"].append({"system": "urn:oid:2.16.840.1.113883.6.88", "code": "617311"})
    assert a_record(order).medications[0].ingredients == frozenset({"83367"})


def test_an_order_is_read_whole() -> None:
    assert a_record(an_order("9318-7", id="s1", authored="2024-05-20")).orders == (
        Order(Source("ServiceRequest/s1"), (Code(LOINC, "9318-7"),), "active", "order", at("2024-05-20")),
    )


@pytest.mark.parametrize(
    ("elements", "due"),
    [
        ({}, None),
        ({"occurrenceDateTime": "2024-09-01"}, "2024-09-01"),
        ({"occurrencePeriod": {"start": "2024-09-01", "end": "2024-09-01"}}, "2024-09-01"),
        ({"scheduledDateTime": "2024-09-01"}, "2024-09-01"),
        ({"scheduledPeriod": {"start": "2024-09-01", "end": "2024-09-01"}}, "2024-09-01"),
    ],
)
def test_an_order_says_when_it_is_due(elements: Resource, due: str | None) -> None:
    (order,) = a_record(an_order("9318-7", **elements)).orders
    assert (order.due and order.due.start) == (due and at(due).start)
    assert not order.recurs


@pytest.mark.parametrize("name", ["occurrenceTiming", "scheduledTiming"])
def test_an_order_with_a_timing_recurs(name: str) -> None:
    daily: Resource = {name: {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}
    (order,) = a_record(an_order("9318-7", **daily)).orders
    assert order.recurs
    assert order.due is None


@pytest.mark.parametrize(
    "elements", [{"status": "entered-in-error"}, {"doNotPerform": True}, {"authored": "2024-06-02"}]
)
def test_an_order_in_error_or_forbidden_or_written_later_is_not_in_the_record(elements: Resource) -> None:
    assert a_record(an_order("9318-7", **elements)).orders == ()


# ---- encounters


def test_an_encounter_is_read_whole_and_found_by_reference() -> None:
    reason = [{"coding": [{"system": ICD_10_CM, "code": "I50.9"}]}]
    resource = an_encounter("IMP", "2024-05-20", "2024-05-25", id="e1", reasonCode=reason)
    record = a_record(resource)
    expected = Encounter(
        Source("Encounter/e1"),
        "IMP",
        "finished",
        Interval.between("2024-05-20", "2024-05-25"),
        (Code(ICD_10_CM, "I50.9"),),
    )

    assert record.encounters == (expected,)
    for reference in ("Encounter/e1", "https://fhir.example/r4/Encounter/e1", "urn:uuid:e1", "Encounter/e1/_history/2"):
        assert record.encounter(reference) == expected
    assert record.encounter("Encounter/e2") is None
    assert record.encounter(None) is None


@pytest.mark.parametrize("version", ["hospitalization", "admission"])  # R4, R5
def test_an_encounter_tells_how_urgent_it_was_and_where_the_patient_came_from(version: str) -> None:
    urgent = {"coding": [{"system": "http://hl7.org/fhir/v3/ActPriority", "code": "EM"}]}
    source: dict[str, Any] = {version: {"admitSource": {"coding": [{"system": ADMIT_SOURCE, "code": "emd"}]}}}
    (encounter,) = a_record(an_encounter("IMP", priority=urgent, **source)).encounters

    assert encounter.priority == (Code(ACT_PRIORITY, "EM"),)
    assert encounter.admitted_from == (Code(ADMIT_SOURCE, "emd"),)


def test_an_encounter_that_had_not_ended_was_in_progress_and_its_end_unknown() -> None:
    record = a_record(an_encounter("IMP", "2024-05-20", "2024-06-05"))

    assert [(e.status, e.period and e.period.text) for e in record.encounters] == [("in-progress", "since 2024-05-20")]


def test_an_encounter_that_ended_on_the_day_has_ended() -> None:
    record = a_record(an_encounter("IMP", "2024-05-20", "2024-06-01"), as_of="2024-06-01T12:00:00Z")

    assert [encounter.status for encounter in record.encounters] == ["finished"]


@pytest.mark.parametrize("elements", [{"start": "2024-06-02"}, {"status": "entered-in-error"}])
def test_an_encounter_that_began_later_or_is_an_error_is_not_in_the_record(elements: Resource) -> None:
    assert a_record(an_encounter("AMB", **elements)).encounters == ()


def test_the_reasons_of_an_encounter_include_the_conditions_it_points_at() -> None:
    encounter = an_encounter(reasonReference=[{"reference": "Condition/c1"}, {"reference": "Condition/c9"}])
    record = a_record(encounter, a_condition("I50.9", id="c1"))

    assert record.encounters[0].reasons == (Code(ICD_10_CM, "I50.9"),)


# ---- the record


def test_without_availability_every_search_is_complete() -> None:
    assert a_record().availability("anything") is Availability.COMPLETE


def test_a_search_nobody_asked_for_is_unavailable() -> None:
    record = a_record(availability={"conditions": Availability.PARTIAL})

    assert record.availability("conditions") is Availability.PARTIAL
    assert record.availability("medications") is Availability.UNAVAILABLE


def test_nothing_is_dropped_from_a_plain_chart() -> None:
    assert a_record(weight(), a_condition("I10")).dropped == Dropped()


def test_a_record_shows_counts_only() -> None:
    record = a_record(a_patient(id="MARKER", born="1960-06-02"), weight(patient="MARKER"), patient_id="MARKER")

    assert repr(record) == "PatientRecord(1 Observation, 1 Patient)"
    assert repr(record.observations(WEIGHT)) == "Results(1)"


def test_a_fact_is_read_once() -> None:
    record = a_record(weight(), a_condition("I10"), a_medication("83367"), an_encounter(), an_order("1"))

    assert record.observations(WEIGHT)[0] is record.observations(WEIGHT)[0]
    assert record.conditions is record.conditions
    assert record.medications is record.medications
    assert record.encounters is record.encounters
    assert record.orders is record.orders
    assert record.patient is record.patient


def test_results_behave_as_a_sequence() -> None:
    results = a_record(weight(1, on="2024-01-01"), weight(2, on="2024-02-01")).observations(WEIGHT)

    assert [result.quantity for result in results[:1]] == [Quantity(2, "kg")]
    assert results[-1].quantity == Quantity(1, "kg")
    assert results == tuple(results)
    assert results != results[:1]
    assert len(results) == 2
    with pytest.raises(IndexError):
        results[len(results)]
