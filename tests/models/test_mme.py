from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from models.assessment import NotApplicable, NotAssessable
from models.mme import MODEL
from models.plain_values import answer, schema
from models.site import Site
from tests.builders import Resource, a_condition, a_medication, a_record

OXYCODONE = "7804"
FENTANYL = "4337"
FENTANYL_PATCH = "245134"  # 72 HR fentanyl 0.025 MG/HR Transdermal System
BUPRENORPHINE = "1819"
BUPRENORPHINE_NALOXONE = "351266"
PARACETAMOL = "161"


def an_opioid(rxcui: Any, daily_dose: Any, unit: Any = "mg/d") -> dict[str, Any]:
    return {"rxcui": rxcui, "daily_dose": daily_dose, "unit": unit}


def ask(*opioids: Any) -> dict[str, Any]:
    return answer(MODEL, orjson.dumps({"opioids": list(opioids)}))[0]


@pytest.mark.parametrize(
    ("rxcui", "factor"),
    [
        ("2670", 0.15),
        ("5489", 1),
        ("3423", 5),
        ("6813", 4.7),
        ("7052", 1),
        ("7804", 1.5),
        ("7814", 3),
        ("787390", 0.4),
        ("10689", 0.2),
    ],
)
def test_each_opioid_has_the_factor_of_2022(rxcui: str, factor: float) -> None:
    for dose in (1, 7.5, 100):
        assert ask(an_opioid(rxcui, dose))["results"]["mme_per_day"] == pytest.approx(dose * factor, abs=1e-9)


def test_methadone_has_one_factor_whatever_the_dose() -> None:
    assert ask(an_opioid("6813", 100))["results"]["mme_per_day"] == pytest.approx(470)


def test_doses_add_up_and_each_is_told() -> None:
    assert ask(an_opioid(OXYCODONE, 20), an_opioid(OXYCODONE, 10), an_opioid(FENTANYL, 25, "ug/h"))["results"] == {
        "mme_per_day": 105.0,
        "parts": [
            {"rxcui": OXYCODONE, "mme_per_day": 30.0},
            {"rxcui": OXYCODONE, "mme_per_day": 15.0},
            {"rxcui": FENTANYL, "mme_per_day": 60.0},
        ],
        "not_convertible": [],
    }


def test_a_product_is_its_opioid_and_what_is_mixed_in_does_not_matter() -> None:
    assert ask(an_opioid(FENTANYL_PATCH, 25, "ug/h"))["results"]["mme_per_day"] == 60
    mixed = ask(an_opioid(BUPRENORPHINE_NALOXONE, 8), an_opioid(OXYCODONE, 10))
    assert mixed["results"]["not_convertible"] == [BUPRENORPHINE_NALOXONE]


@pytest.mark.parametrize(
    "opioid",
    [
        an_opioid(BUPRENORPHINE, 8),
        an_opioid(BUPRENORPHINE, 20, "ug/h"),
        an_opioid("6378", 4),
        an_opioid("6754", 100),
        an_opioid(FENTANYL, 800, "ug/d"),  # by mouth
        an_opioid(FENTANYL, 0.6, "mg/d"),
        an_opioid("7052", 500, "ug/h"),  # by vein
        an_opioid("999999999", 10),  # a code that resolves to nothing
    ],
)
def test_what_has_no_factor_is_told_and_never_guessed(opioid: dict[str, Any]) -> None:
    assert ask(opioid) == {
        "model": "mme",
        "version": MODEL.version,
        "outcome": "not-assessable",
        "missing": ["opioids"],
    }
    assert ask(opioid, an_opioid(OXYCODONE, 20))["results"] == {
        "mme_per_day": 30.0,
        "parts": [{"rxcui": OXYCODONE, "mme_per_day": 30.0}],
        "not_convertible": [opioid["rxcui"]],
    }


def test_micrograms_a_day_are_converted() -> None:
    assert ask(an_opioid("3423", 16_000, "ug/d"))["results"] == ask(an_opioid("3423", 16))["results"]


def test_a_code_may_be_written_as_a_number() -> None:
    assert ask(an_opioid(7804, 20))["results"] == ask(an_opioid(OXYCODONE, 20))["results"]


@pytest.mark.parametrize(
    ("opioid", "problem"),
    [
        (OXYCODONE, "must be an object with rxcui, daily_dose and unit, and nothing else"),
        ({"rxcui": OXYCODONE, "daily_dose": 20}, "must be an object with rxcui, daily_dose and unit, and nothing else"),
        (an_opioid("oxycodone", 20), "rxcui must be an RxNorm code"),
        (an_opioid(True, 20), "rxcui must be an RxNorm code"),
        (an_opioid(-5, 20), "rxcui must be an RxNorm code"),
        (an_opioid(OXYCODONE, 20, "mg"), "unit must be one of mg/d, ug/h, ug/d"),
        (an_opioid(OXYCODONE, 20, ["mg/d"]), "unit must be one of mg/d, ug/h, ug/d"),
        (an_opioid(OXYCODONE, 0), "daily_dose must be a number above 0, up to 100000"),
        (an_opioid(OXYCODONE, -20), "daily_dose must be a number above 0, up to 100000"),
        (an_opioid(OXYCODONE, 100_001), "daily_dose must be a number above 0, up to 100000"),
        (an_opioid(OXYCODONE, "20"), "daily_dose must be a number above 0, up to 100000"),
        (an_opioid(OXYCODONE, True), "daily_dose must be a number above 0, up to 100000"),
        (an_opioid(PARACETAMOL, 20), "rxcui is no opioid"),
    ],
)
def test_an_entry_that_is_none_is_an_error_with_its_number(opioid: Any, problem: str) -> None:
    assert ask(an_opioid(OXYCODONE, 20), opioid)["errors"] == [{"field": "opioids", "problem": f"entry 2: {problem}"}]


def test_the_schema_takes_what_is_taken() -> None:
    validator = Draft202012Validator(schema(MODEL))
    assert validator.is_valid({"opioids": [an_opioid(OXYCODONE, 20), an_opioid(4337, 25, "ug/h")]})
    assert not validator.is_valid({"opioids": [an_opioid(OXYCODONE, 0)]})
    assert not validator.is_valid({"opioids": [an_opioid(OXYCODONE, 20, "mg")]})
    assert not validator.is_valid({})


def assess(*resources: Resource) -> Any:
    return MODEL.assess(a_record(*resources), Site())


def test_orders_alone_give_no_dose() -> None:
    assert isinstance(assess(a_medication(OXYCODONE)), NotAssessable)


@pytest.mark.parametrize(
    ("code", "reason"),
    [("C18.9", "cancer on the problem list"), ("D57.1", "sickle-cell disease"), ("Z51.5", "palliative care")],
)
def test_pain_of_another_kind_is_out_of_scope(code: str, reason: str) -> None:
    assert assess(a_condition(code)) == NotApplicable(MODEL.reference, reason)
    assert isinstance(assess(a_condition("D57.3")), NotAssessable)
