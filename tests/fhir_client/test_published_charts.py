"""Charts from outside the project: every one can be read, and what they hold is what their own counts say."""

import csv
import gzip
import json
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_client.bundles import contents, patients_in, record_from_bundle
from fhir_client.codes import LOINC, Code, CodeSet
from fhir_client.record import Dropped, PatientRecord
from tests.shared_data import every, require

pytestmark = pytest.mark.shared_data

AS_OF = datetime(2027, 1, 1, tzinfo=UTC)
SYSTOLIC = CodeSet("systolic", "Systolic", frozenset({Code(LOINC, "8480-6")}))
EVERYTHING = CodeSet("everything", "Everything", prefixes=(Code(LOINC, ""),))


def resources_of(kind: str, bundle: Any) -> int:
    return sum(entry["resource"]["resourceType"] == kind for entry in bundle["entry"])


def archived(name: str) -> Iterator[Any]:
    with tarfile.open(require(f"synthea/{name}")) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".json") else None
            if file is not None:
                yield json.load(file)


def check(bundle: Any) -> PatientRecord:
    record = record_from_bundle(bundle, as_of=AS_OF)

    assert record.dropped == Dropped()
    assert record.patient is not None
    assert record.patient.sex in ("female", "male")
    assert record.age_years is not None
    assert len(record.encounters) == resources_of("Encounter", bundle)
    assert len(record.medications) == resources_of("MedicationRequest", bundle)
    assert len(record.conditions) == resources_of("Condition", bundle)
    assert all(medication.text for medication in record.medications)
    assert all(result.at is not None for result in record.observations(EVERYTHING))
    assert all(result.quantity and result.quantity.unit == "mm[Hg]" for result in record.observations(SYSTOLIC))
    known = {encounter.source.reference for encounter in record.encounters}
    assert {result.encounter for result in record.observations(EVERYTHING)} <= {*known, None}
    return record


@pytest.mark.parametrize("relative", every("synthea/smart-r4", "*.json.gz"))
def test_every_synthea_chart_is_read_in_full(relative: str) -> None:
    """[FHIR-50] References: urn:uuid in a Bundle: all 34 charts refer by nothing else."""
    path = require(relative)
    bundle = json.loads(gzip.decompress(path.read_bytes()))
    record = check(bundle)
    with require("synthea/smart-r4-index.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["file"] == path.name)

    assert record.patient is not None
    assert record.patient.gender == row["sex"]
    assert record.patient.birth is not None
    assert record.patient.birth.text == row["birth_date"]


@pytest.mark.parametrize("name", ["clinosim-inpatients.tar.xz", "carebundle-mixed.tar.xz"])
def test_every_archived_chart_is_read_in_full(name: str) -> None:
    assert len([check(bundle) for bundle in archived(name)]) == 10


@pytest.mark.parametrize("relative", every("ehr", "**/*.json"))
def test_every_published_sample_can_be_asked_for_everything(relative: str) -> None:
    inside = contents(json.loads(require(relative).read_bytes()))

    for patient_id in patients_in(inside.resources) or ("unknown",):
        record = PatientRecord.from_resources(
            inside.resources, patient_id=patient_id, as_of=AS_OF, full_urls=inside.full_urls
        )
        sources = [
            *(condition.source for condition in record.conditions),
            *(medication.source for medication in record.medications),
            *(encounter.source for encounter in record.encounters),
            *(order.source for order in record.orders),
        ]
        assert all(source.reference for source in sources)
        assert all(result.codings for result in record.observations(EVERYTHING))
