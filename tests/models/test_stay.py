"""What is read of a stay in hospital: its length, how it began, what came before."""

from typing import Any

import pytest

from fhir_client.record import Availability
from models.assessment import Gap, Missing, Reading
from models.features.stay import (
    ACUTE_ADMISSION,
    ADMISSIONS_12M,
    ED_VISITS_6M,
    LENGTH_OF_STAY_DAYS,
    WITHOUT_STAY,
)
from models.site import Site
from tests.builders import Resource, a_record, an_encounter
from tests.models.inpatients import at_discharge

PRIORITY = "http://terminology.hl7.org/CodeSystem/v3-ActPriority"
SOURCE = "http://terminology.hl7.org/CodeSystem/admit-source"


def read(feature: Any, *resources: Resource, **more: Any) -> Any:
    answer = feature.answer(a_record(*resources, **more), Site())
    return answer.gap if isinstance(answer, Missing) else answer.value


def coded(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


@pytest.mark.parametrize(
    ("start", "end", "nights"),
    [
        ("2024-05-20T23:50:00Z", "2024-05-21T00:10:00Z", 1),
        ("2024-05-20T00:10:00Z", "2024-05-20T23:50:00Z", 0),
        ("2024-05-20T15:00:00Z", "2024-05-25T10:00:00Z", 5),
        ("2024-05-20T23:50:00-05:00", "2024-05-21T10:00:00-05:00", 1),
        ("2024-05-20", "2024-05-23", 3),
        ("2024-05-20T23:50:00-05:00", None, 11),  # until midnight in UTC, still 31 May there
        ("2024-05-20", None, 12),
    ],
)
def test_nights_are_counted_by_the_calendar_of_the_hospital(start: str, end: str | None, nights: int) -> None:
    stay = an_encounter("IMP", start, end, id="e1")
    assert read(LENGTH_OF_STAY_DAYS, stay, encounter_id="e1") == nights


def test_a_month_is_no_day_of_admission() -> None:
    assert read(LENGTH_OF_STAY_DAYS, an_encounter("IMP", "2024-05")) is Gap.NOT_RECORDED


@pytest.mark.parametrize(
    ("second_start", "nights"),
    [("2024-05-23T11:59:00Z", 11), ("2024-05-23T12:00:01Z", 8)],  # less than 24 hours after the first, and not
)
def test_a_transfer_does_not_end_a_stay(second_start: str, nights: int) -> None:
    first = an_encounter("IMP", "2024-05-20T08:00:00Z", "2024-05-22T12:00:00Z")
    second = an_encounter("ACUTE", second_start, "2024-05-31T09:00:00Z", id="second")
    assert read(LENGTH_OF_STAY_DAYS, first, second, encounter_id="second") == nights


def test_the_hours_in_the_emergency_department_are_no_nights() -> None:
    emergency = an_encounter("EMER", "2024-05-28T20:00:00Z", "2024-05-29T07:00:00Z")
    stay = an_encounter("IMP", "2024-05-29T08:00:00Z")
    assert read(LENGTH_OF_STAY_DAYS, emergency, stay) == 3
    assert read(ACUTE_ADMISSION, emergency, stay) is True
    assert read(ED_VISITS_6M, emergency, stay) == 0


def test_observation_that_runs_into_an_admission_is_part_of_it_and_alone_is_none() -> None:
    watched = an_encounter("OBSENC", "2024-05-28T20:00:00Z", "2024-05-29T07:00:00Z")
    stay = an_encounter("IMP", "2024-05-29T08:00:00Z")
    assert read(LENGTH_OF_STAY_DAYS, watched, stay) == 4
    assert read(WITHOUT_STAY, watched) is True


def test_an_encounter_that_nobody_closed_does_not_swallow_the_stay() -> None:
    forgotten = an_encounter("IMP", "2014-05-20T08:00:00Z")
    stay = an_encounter("IMP", "2024-05-29T08:00:00Z")
    assert read(LENGTH_OF_STAY_DAYS, forgotten, stay) == 3
    assert read(ADMISSIONS_12M, forgotten, stay) == 0


@pytest.mark.parametrize(
    ("more", "meant"),
    [
        ({"priority": coded(PRIORITY, "EM")}, True),
        ({"priority": coded(PRIORITY, "UR")}, True),
        ({"priority": coded(PRIORITY, "EL")}, False),
        ({"priority": coded(PRIORITY, "R")}, Gap.NOT_RECORDED),
        ({"hospitalization": {"admitSource": coded(SOURCE, "emd")}}, True),
        ({"hospitalization": {"admitSource": coded(SOURCE, "gp")}}, Gap.NOT_RECORDED),
        ({}, Gap.NOT_RECORDED),
    ],
)
def test_how_a_stay_began_is_read_and_not_guessed(more: Resource, meant: bool | Gap) -> None:
    assert read(ACUTE_ADMISSION, an_encounter("IMP", **more)) is meant


def test_earlier_stays_and_visits_are_counted_by_their_beginning() -> None:
    assert read(ADMISSIONS_12M, *at_discharge()) == 1
    assert read(ED_VISITS_6M, *at_discharge()) == 1
    more = (
        an_encounter("EMER", "2023-11-26T03:00:00Z", "2023-11-26T09:00:00Z"),  # six months before the visit
        an_encounter("EMER", "2023-11-26T02:59:00Z", "2023-11-26T02:59:30Z"),
        an_encounter("IMP", "2023-05-26T03:00:00Z", "2023-05-27T09:00:00Z"),
        an_encounter("IMP", "2023-05-20T02:00:00Z", "2023-05-21T09:00:00Z"),
        an_encounter("IMP", "2024-02-20T02:00:00Z", "2024-02-21T09:00:00Z", status="cancelled"),
        an_encounter("AMB", "2024-03-20T02:00:00Z", "2024-03-20T03:00:00Z"),
    )
    assert read(ADMISSIONS_12M, *at_discharge(*more)) == 2
    assert read(ED_VISITS_6M, *at_discharge(*more)) == 1


def test_a_transfer_long_ago_was_one_admission() -> None:
    moved = (
        an_encounter("IMP", "2024-02-20T02:00:00Z", "2024-02-21T09:00:00Z"),
        an_encounter("IMP", "2024-02-21T10:00:00Z", "2024-02-25T09:00:00Z"),
    )
    assert read(ADMISSIONS_12M, *at_discharge(*moved)) == 2


def test_visits_without_a_date_are_said() -> None:
    undated = an_encounter("EMER", None, status="finished")
    answer = ED_VISITS_6M.answer(a_record(*at_discharge(undated)), Site())
    assert isinstance(answer, Reading)
    assert (answer.value, answer.note) == (1, "1 without a date are not counted")


def test_nothing_is_counted_where_earlier_encounters_may_be_missing() -> None:
    available = {"encounters": Availability.PARTIAL}
    assert read(ADMISSIONS_12M, *at_discharge(), availability=available) is Gap.UNAVAILABLE
    assert read(LENGTH_OF_STAY_DAYS, *at_discharge(), availability=available) == 6
    assert read(WITHOUT_STAY, availability=available) is Gap.UNAVAILABLE


def test_the_encounter_of_the_hook_decides_which_stay_it_is() -> None:
    assert read(LENGTH_OF_STAY_DAYS, *at_discharge(), encounter_id="earlier") == 4
    assert read(ADMISSIONS_12M, *at_discharge(), encounter_id="earlier") == 0
    assert read(LENGTH_OF_STAY_DAYS, *at_discharge(), encounter_id="emergency") == 6
