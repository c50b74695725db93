"""Whatever JSON stands where a resource is due: the record is made, every fact can be asked for, nothing raises."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_client.bundles import contents
from fhir_client.codes import LOINC, Code, CodeSet
from fhir_client.record import PatientRecord
from tests.builders import (
    Resource,
    a_blood_pressure,
    a_bundle,
    a_condition,
    a_medication,
    a_patient,
    a_reaction,
    a_report,
    an_allergy,
    an_encounter,
    an_observation,
    an_order,
)
from tests.fhir_client.any_json import JSON, paths, replaced

SETS = [
    CodeSet("weight", "Weight", frozenset({Code(LOINC, "29463-7"), Code(LOINC, "8480-6")})),
    CodeSet("anything", "Anything", prefixes=(Code(LOINC, ""),)),
]
DRUG = {"resourceType": "Medication", "id": "d1", "ingredient": [{"itemReference": {"reference": "#x"}}]}
WHOLE = [
    a_patient(extension=[{"url": "http://hl7.org/fhir/StructureDefinition/patient-sexParameterForClinicalUse"}]),
    an_observation("29463-7", 70, "kg", encounter="Encounter/e1", issued="2024-05-01T08:00:00Z", absent=None),
    an_observation("29463-7", effectiveTiming={"event": ["2024-05-01"]}, on=None, valueBoolean=True),
    a_blood_pressure(150, 90, effectivePeriod={"start": "2024-05-01"}, on=None),
    a_condition("E11.9", abated="2024-05-01", onset=None, onsetPeriod={"start": "2020"}, recordedDate="2020"),
    a_medication("83367", contained=[DRUG], medicationReference={"reference": "#d1"}),
    an_encounter(reason=[{"value": [{"concept": {}}]}], reasonReference=[{"reference": "Condition/1"}]),
    an_order("9318-7", item=[{"code": {}}]),
    an_allergy("723", a_reaction("271807003", substance={"text": "x"}, onset="2020"), category=["food"], onset="2020"),
    a_report("24725-4", issued="2024-05-21T08:00:00Z"),
    DRUG,
]


def ask_for_everything(record: PatientRecord) -> list[object]:
    return [
        record.patient,
        record.age_years,
        record.age_range_years,
        *(tuple(record.observations(codes)) for codes in SETS),
        record.conditions,
        record.medications,
        record.drafted_medications,
        record.allergies,
        record.reports,
        record.drafted_allergies,
        record.encounters,
        record.encounter("Encounter/e1"),
        record.orders,
        record.dropped,
        repr(record),
    ]


def record_of(rows: list[Any], **more: Any) -> PatientRecord:
    return PatientRecord.from_resources(rows, patient_id="p1", as_of=datetime(2024, 6, 1, tzinfo=UTC), **more)


@given(st.lists(JSON, max_size=4))
def test_any_json_in_place_of_resources_makes_a_record(rows: list[Any]) -> None:
    ask_for_everything(record_of(rows, drafts=tuple(rows)))


@settings(max_examples=150)
@given(st.data())
def test_any_json_in_place_of_any_element_makes_a_record(data: st.DataObject) -> None:
    resource = data.draw(st.sampled_from(WHOLE))
    broken = replaced(resource, data.draw(st.sampled_from(paths(resource))), data.draw(JSON))
    rows = [broken, *WHOLE] if data.draw(st.booleans()) else [*WHOLE, broken]

    ask_for_everything(record_of(rows, drafts=(broken,)))


@settings(max_examples=80)
@given(st.data())
def test_any_json_in_place_of_any_element_of_a_bundle_can_be_read(data: st.DataObject) -> None:
    bundle = a_bundle(a_patient(), an_observation("29463-7", 70, "kg"), next="https://fhir.example/2")
    broken = replaced(bundle, data.draw(st.sampled_from(paths(bundle))), data.draw(JSON))
    inside = contents(broken)

    ask_for_everything(record_of(list(inside.resources), full_urls=inside.full_urls))


TIME_DISTINCT = [
    a_patient(),
    *(an_observation("29463-7", day, "kg", on=f"2024-05-{day:02}") for day in range(1, 6)),
    *(a_blood_pressure(150, 90, on=f"2024-05-{day:02}T08:00:00Z") for day in range(6, 9)),
    *(a_condition("E11.9", onset=f"20{year}") for year in range(18, 22)),
    *(a_medication("83367", authored=f"2024-0{month}") for month in range(1, 4)),
    an_encounter("AMB", "2024-04-01", "2024-04-01"),
    an_encounter("IMP"),
]


@settings(max_examples=25)
@given(st.permutations(TIME_DISTINCT))
def test_the_order_of_resources_changes_no_fact(rows: list[Resource]) -> None:
    assert ask_for_everything(record_of(rows)) == ask_for_everything(record_of(TIME_DISTINCT))
