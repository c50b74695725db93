"""Every public chart gets an answer from every model: outside, missing or assessed, never an exception."""

import gzip
import json
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhir_client.bundles import record_from_bundle
from models.assessment import Assessed
from models.ckd_detection import ASSESSOR
from models.ckd_detection.assessor import CkdDetection
from models.registry import calculators
from models.risk_model import RiskModel
from models.site import Site
from tests.shared_data import every, require

ASSESSORS: tuple[RiskModel | CkdDetection, ...] = (*calculators().values(), ASSESSOR)
SITE = Site(kidney_failure_region="other")
# What no public chart has.
NOBODY = {
    "news2": "oxygen delivery",
    "has-bled": "drinks a week, and in those with fibrillation no time in therapeutic range",
    "curb-65": "a pneumonia",
    "meld-3": "cirrhosis",
    "qtc": "a QT interval",
    "pce": "race, which is never read from one",
    "qsofa": "a coma score",
    "sirs": "white cells of the day with a whole observation set",
    "wells-pe": "a clinician's judgement",
    "padua": "bed rest",
    "hospital-simplified": "a stay that goes on at its end",
    "lace": "a stay that goes on at its end",
    "hospital": "the service that discharges, and what was done",
    "mme": "a daily dose: dosage instructions are not read here",
    "findrisc": "what people eat, how they move and their families",
}


def bundles() -> Iterator[dict[str, Any]]:
    for relative in every("synthea/smart-r4", "*.json.gz"):
        yield json.loads(gzip.decompress(require(relative).read_bytes()))
    for name in ("clinosim-inpatients", "carebundle-mixed"):
        with tarfile.open(require(f"synthea/{name}.tar.xz")) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.name.endswith(".json") else None
                if file is not None:
                    yield json.load(file)


def last_encounter(bundle: dict[str, Any]) -> datetime:
    """The end of the last encounter: the public charts end years ago."""
    resources = [entry["resource"] for entry in bundle["entry"]]
    periods = [r["period"] for r in resources if r["resourceType"] == "Encounter" and "period" in r]
    moments = (datetime.fromisoformat(period.get("end") or period["start"]) for period in periods)
    return max(moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in moments)


@pytest.mark.shared_data
def test_every_chart_gets_an_answer_and_each_model_assesses_someone() -> None:
    require("synthea")
    assessed = dict.fromkeys((assessor.id for assessor in ASSESSORS), 0)
    charts = 0
    for bundle in bundles():
        if not any(entry["resource"]["resourceType"] == "Patient" for entry in bundle["entry"]):
            continue  # the archives name their practitioners in files of their own
        charts += 1
        record = record_from_bundle(bundle, as_of=last_encounter(bundle) + timedelta(hours=1))
        for assessor in ASSESSORS:
            answer = assessor.assess(record, SITE)
            assert answer.model == assessor.reference
            assessed[assessor.id] += isinstance(answer, Assessed)
    assert charts == 54
    # Each other model finds its patients.
    assert {name for name, count in assessed.items() if count == 0} == set(NOBODY)
