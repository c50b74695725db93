"""The rules of quantities, on one feature of each."""

from datetime import UTC, datetime

import pytest

from fhir_client.codes import SNOMED_CT, Code
from fhir_client.record import Availability
from fhir_client.times import Interval
from models.assessment import Gap, Missing, Reading
from models.features.feature import Answer, Feature
from models.features.labs import ACR_MG_G, CREATININE_MG_DL, HDL_CHOLESTEROL_MG_DL, TOTAL_CHOLESTEROL_MG_DL
from models.features.readers import PARTLY
from models.features.vitals import BMI_KG_M2, SYSTOLIC_BP_MMHG
from models.features.windows import Window
from models.site import Site
from tests.builders import (
    Resource,
    a_blood_pressure,
    a_record,
    an_encounter,
    an_observation,
)

ALL_COMPLETE = dict.fromkeys(
    ("patient", "laboratory", "vital-signs", "social-history", "conditions", "medications", "encounters"),
    Availability.COMPLETE,
)
NEVER = Code(SNOMED_CT, "266919005")
FORMER = Code(SNOMED_CT, "8517006")
DAILY = Code(SNOMED_CT, "449868002")


def read(feature: Feature, *resources: Resource, site: Site | None = None, **availability: Availability) -> Answer:
    """Read one feature on 2024-06-01; availability by key, with _ for -."""
    given = {key.replace("_", "-"): state for key, state in availability.items()}
    assert feature.read is not None
    return feature.read(a_record(*resources, availability={**ALL_COMPLETE, **given}), site or Site())


def gap(answer: Answer) -> Gap:
    assert isinstance(answer, Missing)
    return answer.gap


def value(answer: Answer) -> object:
    assert isinstance(answer, Reading)
    return answer.value


# Quantities: windows, units, plausibility, bounds.


@pytest.mark.parametrize(
    ("feature", "code", "number", "unit", "inside", "outside"),
    [
        (TOTAL_CHOLESTEROL_MG_DL, "2093-3", 200, "mg/dL", "2019-06-01", "2019-05-31"),
        (HDL_CHOLESTEROL_MG_DL, "2085-9", 50, "mg/dL", "2019-06-01", "2019-05-31"),
        (CREATININE_MG_DL, "2160-0", 1.0, "mg/dL", "2023-06-01", "2023-05-31"),
        (ACR_MG_G, "9318-7", 30, "mg/g", "2022-06-01", "2022-05-31"),
        (BMI_KG_M2, "39156-5", 25, "kg/m2", "2022-06-01", "2022-05-31"),
        (SYSTOLIC_BP_MMHG, "8480-6", 120, "mm[Hg]", "2023-06-01", "2023-05-31"),
    ],
)
def test_a_result_counts_inside_its_window_only(
    feature: Feature, code: str, number: float, unit: str, inside: str, outside: str
) -> None:
    assert value(read(feature, an_observation(code, number, unit, on=inside))) == number
    assert gap(read(feature, an_observation(code, number, unit, on=outside))) is Gap.TOO_OLD


def test_a_partial_date_that_may_lie_outside_the_window_is_too_old() -> None:
    assert gap(read(CREATININE_MG_DL, an_observation("2160-0", 1.0, "mg/dL", on="2023"))) is Gap.TOO_OLD
    assert value(read(CREATININE_MG_DL, an_observation("2160-0", 1.0, "mg/dL", on="2024"))) == 1.0


@pytest.mark.parametrize(
    ("number", "unit", "expected"),
    [(1.2, "mg/dL", 1.2), (106.08, "umol/L", pytest.approx(1.2)), (12, "mg/L", pytest.approx(1.2))],
)
def test_a_unit_is_converted(number: float, unit: str, expected: object) -> None:
    assert value(read(CREATININE_MG_DL, an_observation("2160-0", number, unit))) == expected


@pytest.mark.parametrize("unit", [None, "mg/g", "furlong", "mmol/mol"])
def test_an_unknown_unit_is_refused_never_guessed(unit: str | None) -> None:
    assert gap(read(CREATININE_MG_DL, an_observation("2160-0", 1.2, unit))) is Gap.UNIT


@pytest.mark.parametrize("number", [0.09, 25.1, -1])
def test_an_implausible_value_is_refused_never_clamped(number: float) -> None:
    assert gap(read(CREATININE_MG_DL, an_observation("2160-0", number, "mg/dL"))) is Gap.IMPLAUSIBLE


@pytest.mark.parametrize("number", [0, -3])
def test_an_albumin_ratio_of_zero_or_less_is_refused(number: float) -> None:
    assert gap(read(ACR_MG_G, an_observation("9318-7", number, "mg/g"))) is Gap.IMPLAUSIBLE


def test_a_bound_is_not_a_value() -> None:
    assert gap(read(ACR_MG_G, an_observation("9318-7", 3, "mg/g", comparator="<"))) is Gap.BOUND_ONLY


@pytest.mark.parametrize(
    "newest",
    [
        an_observation("2160-0", 1.2, None, on="2024-05-01"),
        an_observation("2160-0", 120, "mg/dL", on="2024-05-01"),
        an_observation("2160-0", 1.2, "mg/dL", on="2024-05-01", comparator=">"),
    ],
)
def test_an_older_result_never_stands_in_for_an_unusable_newest(newest: Resource) -> None:
    older = an_observation("2160-0", 1.0, "mg/dL", on="2024-01-01")
    assert isinstance(read(CREATININE_MG_DL, newest, older), Missing)


def test_a_result_without_a_value_is_passed_over() -> None:
    empty = an_observation("2160-0", on="2024-05-01", absent="error")
    older = an_observation("2160-0", 1.0, "mg/dL", on="2024-01-01")
    assert value(read(CREATININE_MG_DL, empty, older)) == 1.0


def test_a_result_without_a_date_has_no_place_in_a_window() -> None:
    answer = read(CREATININE_MG_DL, an_observation("2160-0", 1.0, "mg/dL", on=None))
    assert answer == Missing(Gap.NOT_RECORDED, note="a result has no date")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (Availability.COMPLETE, Gap.NOT_RECORDED),
        (Availability.PARTIAL, Gap.UNAVAILABLE),
        (Availability.DENIED, Gap.UNAVAILABLE),
        (Availability.UNAVAILABLE, Gap.UNAVAILABLE),
    ],
)
def test_nothing_found_is_absent_only_after_a_complete_search(state: Availability, expected: Gap) -> None:
    assert gap(read(CREATININE_MG_DL, laboratory=state)) is expected


def test_what_a_partial_search_found_is_used_and_said() -> None:
    answer = read(CREATININE_MG_DL, an_observation("2160-0", 1.0, "mg/dL"), laboratory=Availability.PARTIAL)
    assert isinstance(answer, Reading)
    assert answer.note == PARTLY


def test_a_reading_names_its_time_and_its_resource() -> None:
    answer = read(CREATININE_MG_DL, an_observation("2160-0", 1.0, "mg/dL", on="2024-05-01", id="c1"))
    assert isinstance(answer, Reading)
    assert answer.at is not None
    assert (answer.at.text, answer.sources) == ("2024-05-01", ("Observation/c1",))


@pytest.mark.parametrize(("on", "expected"), [("2023-02-28", True), ("2023-02-27", False)])
def test_a_window_from_a_leap_day_ends_on_the_last_of_february(on: str, expected: bool) -> None:
    at = Interval.parse(on)
    assert at is not None
    assert Window(months=12).includes(at, datetime(2024, 2, 29, tzinfo=UTC)) is expected


def test_a_window_is_named_for_a_reader() -> None:
    assert [str(Window(months=months)) for months in (12, 24, 60)] == ["12 months", "24 months", "5 years"]


# Systolic pressure: the mean of two outpatient readings.


def test_pressure_is_the_mean_of_the_last_two_readings() -> None:
    answer = read(
        SYSTOLIC_BP_MMHG,
        a_blood_pressure(150, 90, on="2024-05-01T09:00:00Z"),
        a_blood_pressure(130, 80, on="2024-03-01T09:00:00Z"),
        a_blood_pressure(190, 80, on="2024-02-01T09:00:00Z"),
    )
    assert isinstance(answer, Reading)
    assert (answer.value, answer.note, len(answer.sources)) == (140, "mean of 2 readings; setting not known", 2)


def test_one_reading_stands_alone_and_says_so() -> None:
    answer = read(SYSTOLIC_BP_MMHG, a_blood_pressure(150, 90))
    assert isinstance(answer, Reading)
    assert (answer.value, answer.note) == (150, "one reading; setting not known")


def test_the_same_reading_under_two_codes_is_one_reading() -> None:
    answer = read(
        SYSTOLIC_BP_MMHG,
        a_blood_pressure(150, 90, on="2024-05-01T09:00:00Z"),
        an_observation("8480-6", 150, "mm[Hg]", on="2024-05-01T09:00:00Z"),
    )
    assert isinstance(answer, Reading)
    assert answer.note == "one reading; setting not known"


@pytest.mark.parametrize("kind", ["EMER", "IMP", "ACUTE", "OBSENC"])
def test_a_pressure_from_the_ward_or_the_emergency_department_is_left_out(kind: str) -> None:
    answer = read(
        SYSTOLIC_BP_MMHG,
        an_encounter(kind, id="e1"),
        an_encounter("AMB", id="e2"),
        a_blood_pressure(190, 90, on="2024-05-20T09:00:00Z", encounter="Encounter/e1"),
        a_blood_pressure(130, 80, on="2024-05-01T09:00:00Z", encounter="Encounter/e2"),
    )
    assert isinstance(answer, Reading)
    assert (answer.value, answer.note) == (130, "one reading")


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (a_blood_pressure(500, 80, on="2024-02-01T09:00:00Z"), "the one before was not usable"),
        (a_blood_pressure(130, 80, on="2022-02-01T09:00:00Z"), "the one before is too old"),
    ],
)
def test_an_unusable_reading_before_leaves_the_newest_alone(before: Resource, why: str) -> None:
    answer = read(SYSTOLIC_BP_MMHG, a_blood_pressure(150, 90, on="2024-05-01T09:00:00Z"), before)
    assert isinstance(answer, Reading)
    assert (answer.value, answer.note) == (150, f"one reading; {why}; setting not known")


def test_an_implausible_newest_pressure_decides() -> None:
    newest, before = (a_blood_pressure(number, 80, on=on) for number, on in ((500, "2024-05-01"), (130, "2024-04-01")))
    assert gap(read(SYSTOLIC_BP_MMHG, newest, before)) is Gap.IMPLAUSIBLE


# BMI: as reported, else from height and weight.


def test_the_index_follows_from_height_and_weight_where_it_is_not_reported() -> None:
    answer = read(BMI_KG_M2, an_observation("29463-7", 80, "kg"), an_observation("8302-2", 200, "cm"))
    assert isinstance(answer, Reading)
    assert (answer.value, answer.note, len(answer.sources)) == (20, "from height and weight", 2)


def test_an_old_reported_index_gives_way_to_a_newer_weight() -> None:
    old = an_observation("39156-5", 25, "kg/m2", on="2020-05-01")
    answer = read(BMI_KG_M2, old, an_observation("29463-7", 80, "kg"), an_observation("8302-2", 200, "cm"))
    assert value(answer) == 20
    assert gap(read(BMI_KG_M2, old, an_observation("29463-7", 80, "kg"))) is Gap.TOO_OLD


def test_weight_alone_gives_no_index() -> None:
    assert gap(read(BMI_KG_M2, an_observation("29463-7", 80, "kg"))) is Gap.NOT_RECORDED


def test_an_unusable_reported_index_is_not_worked_around() -> None:
    answer = read(
        BMI_KG_M2,
        an_observation("39156-5", 25, None),
        an_observation("29463-7", 80, "kg"),
        an_observation("8302-2", 200, "cm"),
    )
    assert gap(answer) is Gap.UNIT
