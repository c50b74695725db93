"""The story patients and the generated ones."""

import csv
import lzma
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from sandbox.ehr.store import patient_of
from sandbox.patients.builder import RXNORM, STAFF, build, new_allergy
from sandbox.patients.generator import generate
from sandbox.patients.orderables import orderables, told_drafts
from sandbox.patients.stories import Draft, Story, after, before, read_stories

NOW = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)
STORIES = read_stories()
RXNORM_TABLE = Path(__file__).parents[3] / "shared" / "data" / "rxnorm" / "rxnorm_product_ingredient.csv.xz"


def validate(resource: dict[str, Any]) -> None:
    model = get_fhir_model_class(resource["resourceType"])
    assert model is not None
    model.model_validate(resource)


def everything() -> Story:
    """A story in which all that can be ordered is."""
    drafts = tuple(Draft(name) for name in orderables())
    return Story("all", "Orders all.", "Zzmarker-All", "Al", "male", 50, drafts=drafts)


def values(resources: list[dict[str, Any]], code: str) -> list[Any]:
    found = [r for r in resources if r["resourceType"] == "Observation" and r["code"]["coding"][0]["code"] == code]
    return [r.get("valueQuantity", r.get("valueCodeableConcept")) for r in found]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.id)
def test_a_story_is_valid_fhir_of_one_patient(story: Story) -> None:
    entered = new_allergy(story, NOW)
    resources = [*build(story, NOW), *told_drafts(story, NOW, None), *([entered] if entered else [])]

    for resource in [*resources[:150], *resources[-5:]]:
        validate(resource)
    assert {patient_of(resource) for resource in resources} == {story.id}
    assert len({(r["resourceType"], r["id"]) for r in resources}) == len(resources)


def test_staff_is_valid_fhir() -> None:
    for resource in STAFF:
        validate(resource)


def test_every_patient_has_a_story_a_marked_name_and_an_id_of_its_own() -> None:
    assert len(STORIES) >= 15
    assert len({story.id for story in STORIES}) == len(STORIES)
    assert all(story.family.startswith("Zzmarker-") for story in STORIES)
    assert all(story.story.endswith((".", "!")) or ":" in story.story for story in STORIES)


def test_a_story_keeps_its_distance_from_now() -> None:
    bison = next(story for story in STORIES if story.id == "bison")
    later = NOW + timedelta(days=400, hours=3)

    newest = [
        max(r["effectiveDateTime"] for r in build(bison, now) if r["resourceType"] == "Observation")
        for now in (NOW, later)
    ]

    assert newest == [(now - timedelta(minutes=40)).isoformat() for now in (NOW, later)]


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        ("90 minutes", "2026-11-24T14:00:00+00:00"),
        ("2 hours", "2026-11-24T13:30:00+00:00"),
        ("1 day", "2026-11-23T15:30:00+00:00"),
        ("2 months", "2026-09-25T15:30:00+00:00"),
        ("4 years", "2022-11-24T15:30:00+00:00"),
    ],
)
def test_times_count_back(ago: str, expected: str) -> None:
    assert before(NOW, ago).isoformat() == expected


def test_times_count_ahead() -> None:
    assert [after(NOW, ahead).date().isoformat() for ahead in ("3 hours", "2 days", "3 months", "1 year")] == [
        *("2026-11-24", "2026-11-26", "2027-02-22", "2027-11-24"),
    ]


def test_a_leap_day_counts_back_to_the_day_before() -> None:
    assert before(datetime(2028, 2, 29, tzinfo=UTC), "1 year").isoformat() == "2027-02-28T00:00:00+00:00"


def test_a_time_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="40 days"):
        before(NOW, "yesterday")


def test_an_age_is_what_the_story_says() -> None:
    for story in STORIES:
        born = build(story, NOW)[0].get("birthDate")
        if story.age is not None and born is not None and not story.born_year_only:
            day = datetime.fromisoformat(born)
            assert NOW.year - day.year - ((NOW.month, NOW.day) < (day.month, day.day)) == story.age


def test_the_oddities_are_in_the_charts() -> None:
    charts = {story.id: build(story, NOW) for story in STORIES}

    assert len(charts["tern"][0]["birthDate"]) == 4
    assert values(charts["toad"], "2160-0") == [{"value": 1.9}]
    assert values(charts["shrew"], "2160-0")[0] == {"value": 1.4, "unit": "milligrams per decilitre"}
    assert values(charts["loon"], "9318-7")[0]["comparator"] == "<"
    assert values(charts["mole"], "2085-9") == [None]
    assert values(charts["elk"], "14682-9")[0]["code"] == "umol/L"
    assert len(values(charts["magpie"], "72166-2")) == 2
    assert len(charts["whale"]) > 1000
    assert {r["status"] for r in charts["raven"] if r["resourceType"] == "Observation"} >= {
        "entered-in-error",
        "preliminary",
        "cancelled",
    }


@pytest.mark.shared_data
@pytest.mark.skipif(not RXNORM_TABLE.exists(), reason="needs ../shared/data/rxnorm")
def test_every_coded_drug_is_a_real_product_but_the_one_that_shall_not_be() -> None:
    with lzma.open(RXNORM_TABLE, "rt") as table:
        products = {row["rxcui"] for row in csv.DictReader(table)}
    drafted = [told_drafts(everything(), NOW, None)]
    everyone = [*(build(story, NOW) for story in STORIES), *(g.resources for g in generate(100, 1, NOW)), *drafted]

    codes = {
        coding["code"]
        for resources in everyone
        for r in resources
        if r["resourceType"] == "MedicationRequest"
        for coding in r["medicationCodeableConcept"].get("coding", [])
        if coding["system"] == RXNORM
    }

    assert codes - products == {"99999999"}


def test_a_seed_gives_the_same_patients_however_many_are_asked_for() -> None:
    assert generate(5, 7, NOW) == generate(20, 7, NOW)[:5]
    assert generate(5, 7, NOW) != generate(5, 8, NOW)


def test_generated_patients_are_valid_and_varied() -> None:
    patients = generate(300, 3, NOW)

    for patient in patients[::6]:
        for resource in patient.resources:
            validate(resource)
    assert len({p.story.id for p in patients}) == 300
    kinds = Counter(p.story.stays[0].kind for p in patients)
    assert min(kinds["IMP"], kinds["AMB"]) > 40
    told = " ".join(p.story.story for p in patients)
    for fault in ("missing", "stale", "molar", "no unit", "in error", "oxygen not recorded", "planted: nothing"):
        assert fault in told
