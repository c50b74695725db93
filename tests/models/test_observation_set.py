from datetime import datetime, timedelta

import pytest

from fhir_client.codes import LOINC, SNOMED_CT, Code
from fhir_client.record import Availability
from models.assessment import Gap, Missing, Reading
from models.features.feature import Answer, Readings
from models.features.observation_set import read_newest
from models.news2.model import Total, news2_series
from models.site import Site
from tests.builders import Resource, a_record, an_observation
from tests.models.charts import ALERT, an_inpatient

NAMES = (
    "respiratory_rate_per_min",
    "spo2_percent",
    "on_oxygen",
    "systolic_bp_mmhg",
    "heart_rate_per_min",
    "consciousness",
    "temperature_cel",
)


def read(*resources: Resource, site: Site | None = None) -> Readings:
    return read_newest(a_record(*resources), site or Site())


def gap(answer: Answer) -> Gap:
    assert isinstance(answer, Missing)
    return answer.gap


def value(answer: Answer) -> object:
    assert isinstance(answer, Reading)
    return answer.value


def test_one_round_of_vital_signs_is_one_set() -> None:
    readings = read(*an_inpatient())
    assert {name: value(readings[name]) for name in NAMES} == {
        "respiratory_rate_per_min": 22,
        "spo2_percent": 95,
        "on_oxygen": True,
        "systolic_bp_mmhg": 118,
        "heart_rate_per_min": 96,
        "consciousness": "A",
        "temperature_cel": 37.8,
    }


@pytest.mark.parametrize(("at", "in_window"), [("2024-05-31T12:00:00Z", True), ("2024-05-31T11:59:00Z", False)])
def test_the_newest_vital_sign_is_of_the_last_12_hours(at: str, in_window: bool) -> None:
    readings = read(*an_inpatient(at=at))
    assert all(isinstance(answer, Reading) is in_window for answer in readings.values())
    if not in_window:
        assert {gap(answer) for answer in readings.values()} == {Gap.TOO_OLD}


@pytest.mark.parametrize(("minutes", "belongs"), [(60, True), (61, False)])
def test_a_value_belongs_to_the_set_within_the_sites_window(minutes: int, belongs: bool) -> None:
    before = datetime.fromisoformat("2024-05-31T22:00:00Z") - timedelta(minutes=minutes)
    temperature = an_observation("8310-5", 37.0, "Cel", on=before.isoformat())
    answer = read(*an_inpatient(temperature, without="8310-5"))["temperature_cel"]
    assert isinstance(answer, Reading) is belongs
    if not belongs:
        assert gap(answer) is Gap.TOO_OLD


def test_the_site_sets_the_window() -> None:
    temperature = an_observation("8310-5", 37.0, "Cel", on="2024-05-31T20:30:00Z")
    resources = an_inpatient(temperature, without="8310-5")
    assert value(read(*resources, site=Site(news2_window_minutes=90))["temperature_cel"]) == 37.0


def test_a_result_with_a_date_only_belongs_to_no_set() -> None:
    answer = read(*an_inpatient(an_observation("8310-5", 37.0, "Cel", on="2024-05-31"), without="8310-5"))
    assert answer["temperature_cel"] == Missing(Gap.NOT_RECORDED, note="a result has no time of day")


def test_a_lone_newer_value_leaves_the_others_stale_not_scored_as_new() -> None:
    readings = read(*an_inpatient(an_observation("8867-4", 90, "/min", on="2024-05-31T23:30:00Z")))
    assert value(readings["heart_rate_per_min"]) == 90
    assert {gap(readings[name]) for name in NAMES if name != "heart_rate_per_min"} == {Gap.TOO_OLD}


def test_nothing_at_all_is_absent_or_unavailable() -> None:
    assert {gap(answer) for answer in read().values()} == {Gap.NOT_RECORDED}
    record = a_record(availability={"vital-signs": Availability.UNAVAILABLE})
    assert {gap(answer) for answer in read_newest(record, Site()).values()} == {Gap.UNAVAILABLE}


AT = "2024-05-31T22:00:00Z"


@pytest.mark.parametrize(
    ("oxygen", "expected"),
    [
        ([an_observation("3151-8", 0, "L/min", on=AT)], False),
        ([an_observation("3151-8", 0.5, "L/min", on=AT)], True),
        ([an_observation("3150-0", 21, "%", on=AT)], False),
        ([an_observation("3150-0", 28, "%", on=AT)], True),
        ([an_observation("3150-0", 28, "%", on=AT), an_observation("3151-8", 2, "L/min", on=AT)], True),
        ([], Gap.NOT_RECORDED),
        ([an_observation("3151-8", 2, None, on=AT)], Gap.UNIT),
        ([an_observation("3150-0", 0.28, "%", on=AT)], Gap.IMPLAUSIBLE),
        ([an_observation("3150-0", 21, "%", on=AT), an_observation("3151-8", 2, "L/min", on=AT)], Gap.CONTRADICTORY),
    ],
)
def test_oxygen_is_flow_or_fraction_and_never_assumed(oxygen: list[Resource], expected: bool | Gap) -> None:
    answer = read(*an_inpatient(*oxygen, without="3151-8"))["on_oxygen"]
    assert (answer.gap if isinstance(answer, Missing) else answer.value) == expected


@pytest.mark.parametrize(
    ("code", "letter"),
    [
        (Code(LOINC, "LA9340-6"), "A"),
        (Code(LOINC, "LA17108-4"), "V"),
        (Code(LOINC, "LA17107-6"), "P"),
        (Code(LOINC, "LA9343-0"), "U"),
        (Code(LOINC, "LA6560-2"), "C"),
        (Code(SNOMED_CT, "248234008"), "A"),
        (Code(SNOMED_CT, "130987000"), "C"),
        (Code(SNOMED_CT, "300202002"), "V"),
        (Code(SNOMED_CT, "450847001"), "P"),
        (Code(SNOMED_CT, "422768004"), "U"),
    ],
)
def test_consciousness_is_read_by_its_code(code: Code, letter: str) -> None:
    answer = read(*an_inpatient(an_observation("67775-7", code, on=AT), without="67775-7"))["consciousness"]
    assert value(answer) == letter


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([], Gap.NOT_RECORDED),
        ([Code("urn:local", "alert")], Gap.NOT_CODED),
        ([ALERT, Code(LOINC, "LA17108-4")], Gap.CONTRADICTORY),
    ],
)
def test_consciousness_is_never_taken_for_alert(answers: list[Code], expected: Gap) -> None:
    observations = [an_observation("67775-7", answer, on=AT) for answer in answers]
    assert gap(read(*an_inpatient(*observations, without="67775-7"))["consciousness"]) is expected


def test_a_site_adds_its_own_code_and_answers() -> None:
    awake = Code("urn:local", "awake")
    resources = an_inpatient(an_observation("80288-4", awake, on=AT), without="67775-7")
    site = Site(consciousness_codes=frozenset({Code(LOINC, "80288-4")}), consciousness_answers={awake: "A"})
    assert gap(read(*resources)["consciousness"]) is Gap.NOT_RECORDED
    assert value(read(*resources, site=site)["consciousness"]) == "A"


# The trend.


def test_the_trend_holds_the_sets_of_24_hours_oldest_first() -> None:
    earlier = an_inpatient(at="2024-05-31T10:00:00Z")[2:]
    incomplete = an_inpatient(at="2024-05-31T16:00:00Z", without="9279-1")[2:]
    before = an_inpatient(at="2024-05-30T10:00:00Z")[2:]
    record = a_record(*an_inpatient(*earlier, *incomplete, *before))
    series = news2_series(record, Site())
    assert all(isinstance(total, Total) for total in series)
    assert [(total.at.text, total.points) for total in series] == [
        ("2024-05-31T10:00:00Z", 6),
        ("2024-05-31T16:00:00Z", None),
        ("2024-05-31T22:00:00Z", 6),
    ]


def test_a_round_that_took_some_minutes_is_one_set_in_the_trend() -> None:
    late = an_observation("8310-5", 37.8, "Cel", on="2024-05-31T22:05:00Z")
    series = news2_series(a_record(*an_inpatient(late, without="8310-5")), Site())
    assert [(total.at.text, total.points) for total in series] == [("2024-05-31T22:05:00Z", 6)]


def test_a_result_of_a_longer_time_has_no_place_in_the_trend() -> None:
    an_hour = {"start": "2024-05-31T21:50:00Z", "end": "2024-05-31T22:50:00Z"}
    long = an_observation("8310-5", 37.8, "Cel", on=None, effectivePeriod=an_hour)
    series = news2_series(a_record(*an_inpatient(long, without="8310-5")), Site())
    assert [(total.at.text, total.points) for total in series] == [("2024-05-31T22:00:00Z", None)]
