from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from fhir_client.codes import LOINC, Code
from models.assessment import Assessed, Gap, NotApplicable, NotAssessable
from models.curb_65 import MODEL
from models.plain_values import answer, schema
from models.site import Site
from tests.builders import Resource, a_blood_pressure, a_condition, a_record, an_encounter, an_observation
from tests.models.patients import with_pneumonia

WELL: dict[str, Any] = {
    "confusion": False,
    "urea_mmol_l": 7,
    "respiratory_rate_per_min": 29,
    "systolic_bp_mmhg": 90,
    "diastolic_bp_mmhg": 61,
    "age_years": 64,
}
EVENING = "2024-05-31T22:00:00Z"


def assess(*resources: Resource, **more: Any) -> Any:
    return MODEL.assess(a_record(*resources, **more), Site())


def missing(assessment: Any) -> dict[str, Gap]:
    assert isinstance(assessment, NotAssessable)
    return {each.name: each.reading.gap for each in assessment.missing}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "worse",
    [
        {"confusion": True},
        {"urea_mmol_l": 7.1},
        {"respiratory_rate_per_min": 30},
        {"systolic_bp_mmhg": 89},
        {"diastolic_bp_mmhg": 60},
        {"systolic_bp_mmhg": 89, "diastolic_bp_mmhg": 60},
        {"age_years": 65},
    ],
)
def test_each_item_is_one_point_at_its_bound(worse: dict[str, Any]) -> None:
    assert MODEL.compute(WELL) == {"points": 0}
    assert MODEL.compute({**WELL, **worse}) == {"points": 1}
    drivers = MODEL.calculate({**WELL, **worse}).drivers["points"]  # type: ignore[union-attr]
    (driver,) = [each for each in drivers if each.amount]
    assert driver.name in worse


@pytest.mark.parametrize(("bun", "points"), [(19, 0), (19.1, 0), (19.6, 0), (7 * 2.801, 0), (19.7, 1)])
def test_bun_is_converted_before_it_is_compared(bun: float, points: int) -> None:
    values = {name: value for name, value in WELL.items() if name != "urea_mmol_l"}
    assert MODEL.compute({**values, "bun_mg_dl": bun}) == {"points": points}


def ask(given: dict[str, Any]) -> dict[str, Any]:
    return answer(MODEL, orjson.dumps(given))[0]


def test_urea_or_bun_is_needed_and_both_are_an_error() -> None:
    neither = {name: value for name, value in WELL.items() if name != "urea_mmol_l"}
    assert ask(neither)["missing"] == ["urea_mmol_l", "bun_mg_dl"]
    assert ask({**WELL, "bun_mg_dl": 20})["errors"] == [
        {"field": "bun_mg_dl", "problem": "give only one of urea_mmol_l, bun_mg_dl"}
    ]
    assert ask({**WELL, "bun_mg_dl": None})["outcome"] == "assessed"


def test_urea_takes_molar_units_only_and_bun_either() -> None:
    assert ask({**WELL, "urea_mmol_l": {"value": 45, "unit": "mg/dL"}})["errors"][0]["field"] == "urea_mmol_l"
    assert ask({**WELL, "urea_mmol_l": {"value": 7100, "unit": "umol/L"}})["results"] == {"points": 1}
    neither = {name: value for name, value in WELL.items() if name != "urea_mmol_l"}
    assert ask({**neither, "bun_mg_dl": {"value": 7.1, "unit": "mmol/L"}})["results"] == {"points": 1}
    assert ask({**neither, "bun_mg_dl": {"value": 7, "unit": "mmol/L"}})["results"] == {"points": 0}


def test_a_chart_without_laboratory_is_not_asked_for_in_vain() -> None:
    assert MODEL.required_keys == {"patient", "vital-signs", "laboratory", "conditions"}


def test_the_schema_asks_for_exactly_one_of_them() -> None:
    validator = Draft202012Validator(schema(MODEL))
    neither = {name: value for name, value in WELL.items() if name != "urea_mmol_l"}
    assert validator.is_valid(WELL)
    assert validator.is_valid({**WELL, "bun_mg_dl": None})
    assert validator.is_valid({**neither, "bun_mg_dl": 20})
    assert not validator.is_valid(neither)
    assert not validator.is_valid({**WELL, "bun_mg_dl": 20})


def test_a_chart_is_read() -> None:
    assessment = assess(*with_pneumonia())
    assert isinstance(assessment, Assessed)
    assert assessment.results == {"points": 1}
    assert assessment.values == {
        "confusion": False,
        "bun_mg_dl": 21,
        "respiratory_rate_per_min": 22,
        "systolic_bp_mmhg": 118,
        "diastolic_bp_mmhg": 70,
        "age_years": 63,
    }


def test_molar_urea_is_read_as_urea() -> None:
    urea = an_observation("22664-7", 9, "mmol/L", on="2024-05-31T21:00:00Z")
    assessment = assess(*with_pneumonia(urea))
    assert assessment.values["urea_mmol_l"] == 9
    assert "bun_mg_dl" not in assessment.values
    assert assessment.results == {"points": 1}


def test_yesterdays_urea_is_too_old() -> None:
    old = an_observation("3094-0", 21, "mg/dL", on="2024-05-30T23:00:00Z")
    assert missing(assess(*with_pneumonia(old, without="3094-0"))) == {
        "urea_mmol_l": Gap.TOO_OLD,
        "bun_mg_dl": Gap.TOO_OLD,
    }


@pytest.mark.parametrize(("letter", "confusion"), [("LA6560-2", True), ("LA9340-6", False)])
def test_confusion_is_read_from_the_level_of_consciousness(letter: str, confusion: bool) -> None:
    observed = an_observation("67775-7", Code(LOINC, letter), on=EVENING)
    assessment = assess(*with_pneumonia(observed, without="67775-7"))
    assert assessment.values["confusion"] is confusion


@pytest.mark.parametrize("letter", ["LA17108-4", "LA17107-6", "LA9343-0"])
def test_a_deeper_stupor_tells_nothing_of_confusion(letter: str) -> None:
    observed = an_observation("67775-7", Code(LOINC, letter), on=EVENING)
    assert missing(assess(*with_pneumonia(observed, without="67775-7"))) == {"confusion": Gap.NOT_CODED}


def test_dementia_is_no_confusion() -> None:
    assert assess(*with_pneumonia(a_condition("F03.90"))).values["confusion"] is False
    assert "confusion" in missing(assess(*with_pneumonia(a_condition("F03.90"), without="67775-7")))


def test_the_diastolic_pressure_is_that_taken_with_the_systolic() -> None:
    other = an_observation("8462-4", 40, "mm[Hg]", on="2024-05-31T21:30:00Z")
    assert assess(*with_pneumonia(other)).values["diastolic_bp_mmhg"] == 70
    alone = an_observation("8480-6", 118, "mm[Hg]", on="2024-05-31T22:30:00Z")
    assert missing(assess(*with_pneumonia(alone))) == {"diastolic_bp_mmhg": Gap.NOT_RECORDED}
    low = a_blood_pressure(118, 58, on="2024-05-31T22:30:00Z")
    assert assess(*with_pneumonia(low)).results == {"points": 2}


def test_two_diastolic_pressures_of_one_time_must_agree() -> None:
    other = an_observation("8462-4", 40, "mm[Hg]", on=EVENING)
    assert missing(assess(*with_pneumonia(other))) == {"diastolic_bp_mmhg": Gap.CONTRADICTORY}


def test_without_pneumonia_the_score_is_silent() -> None:
    silent = NotApplicable(MODEL.reference, "no pneumonia on the problem list or as reason of the stay")
    assert assess(*with_pneumonia(without="J18.9")) == silent
    over = a_condition("J18.9", clinical_status="resolved")
    assert assess(*with_pneumonia(over, without="J18.9")) == silent


def test_the_reason_of_the_stay_is_enough() -> None:
    reason = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "J15.9"}]}
    stay = an_encounter("IMP", start="2024-05-30T08:00:00Z", reasonCode=[reason])
    assert isinstance(assess(*with_pneumonia(stay, without="J18.9")), Assessed)
    past = an_encounter("IMP", start="2024-01-30T08:00:00Z", end="2024-02-08T08:00:00Z", reasonCode=[reason])
    assert isinstance(assess(*with_pneumonia(past, without="J18.9")), NotApplicable)


def test_a_ward_without_vital_signs_names_what_is_missing() -> None:
    assessment = assess(*with_pneumonia(without="2024-05-31T22"))
    assert set(missing(assessment)) == {
        "confusion",
        "respiratory_rate_per_min",
        "systolic_bp_mmhg",
        "diastolic_bp_mmhg",
    }
