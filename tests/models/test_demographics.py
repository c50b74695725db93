from typing import Any

import pytest

from fhir_client.record import Availability
from models.assessment import Gap, Missing, Reading
from models.features.demographics import AGE_YEARS, DECEASED, SEX
from models.features.feature import Answer, Feature
from models.features.setting import OUTSIDE_ACUTE_CARE
from models.site import Site
from tests.builders import Resource, a_patient, a_record, an_encounter, an_observation
from tests.models.charts import ALERT


def read(feature: Feature, *resources: Resource, encounter_id: str | None = None, complete: bool = True) -> Answer:
    state = Availability.COMPLETE if complete else Availability.UNAVAILABLE
    availability = {search.key: state for search in feature.searches}
    assert feature.read is not None
    return feature.read(a_record(*resources, encounter_id=encounter_id, availability=availability), Site())


@pytest.mark.parametrize("sex", ["female", "male"])
def test_a_sex_is_read(sex: str) -> None:
    assert read(SEX, a_patient(sex=sex)) == Reading(sex, sources=("Patient/p1",))


@pytest.mark.parametrize("sex", ["other", "unknown", None])
def test_another_gender_is_no_sex(sex: str | None) -> None:
    answer = read(SEX, a_patient(sex=sex))
    assert isinstance(answer, Missing)
    assert answer.gap is Gap.NOT_RECORDED


@pytest.mark.parametrize(("born", "years"), [("1960-06-01", 64), ("1960-06-02", 63), ("2024-05-31", 0)])
def test_an_age_is_in_completed_years(born: str, years: int) -> None:
    answer = read(AGE_YEARS, a_patient(born=born))
    assert isinstance(answer, Reading)
    assert (answer.value, answer.note) == (years, "")


def test_a_partial_birth_date_says_between_which_ages() -> None:
    answer = read(AGE_YEARS, a_patient(born="1960"))
    assert isinstance(answer, Reading)
    assert (answer.value, answer.note) == (63, "between 63 and 64, from a partial birth date")


@pytest.mark.parametrize(("born", "gap"), [(None, Gap.NOT_RECORDED), ("1880-01-01", Gap.IMPLAUSIBLE)])
def test_an_age_that_cannot_be_is_none(born: str | None, gap: Gap) -> None:
    answer = read(AGE_YEARS, a_patient(born=born))
    assert isinstance(answer, Missing)
    assert answer.gap is gap


@pytest.mark.parametrize(
    ("death", "died"),
    [
        ({}, False),
        ({"deceasedBoolean": False}, False),
        ({"deceasedBoolean": True}, True),
        ({"deceasedDateTime": "2023"}, True),
    ],
)
def test_a_death_is_read(death: dict[str, Any], died: bool) -> None:
    answer = read(DECEASED, a_patient(**death))
    assert isinstance(answer, Reading)
    assert answer.value is died


AWAKE = an_observation("67775-7", ALERT, on="2024-05-31T20:00:00Z")


@pytest.mark.parametrize(
    ("resources", "encounter_id", "outside"),
    [
        ((an_encounter("IMP"),), None, False),
        ((an_encounter("EMER"),), None, False),
        ((an_encounter("AMB"),), None, True),
        ((an_encounter("IMP", end="2024-05-25T08:00:00Z"),), None, True),
        ((an_encounter("IMP", status="planned", id="e1"),), "e1", False),
        ((AWAKE,), None, False),
        ((an_observation("67775-7", ALERT, on="2024-05-30T20:00:00Z"),), None, True),
        ((an_observation("8867-4", 80, "/min", on="2024-05-31T20:00:00Z"),), None, True),
        ((), None, True),
    ],
)
def test_acute_care_is_an_acute_encounter_or_a_recent_record_of_consciousness(
    resources: tuple[Resource, ...], encounter_id: str | None, outside: bool
) -> None:
    answer = read(OUTSIDE_ACUTE_CARE, *resources, encounter_id=encounter_id)
    assert isinstance(answer, Reading)
    assert answer.value is outside


def test_without_the_encounters_it_is_not_known_whether_care_is_acute() -> None:
    assert isinstance(read(OUTSIDE_ACUTE_CARE, complete=False), Missing)
