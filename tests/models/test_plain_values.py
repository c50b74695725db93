from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from models.kfre import MODEL as KFRE
from models.news2 import MODEL as NEWS2
from models.plain_values import answer, schema
from models.prevent import MODEL as PREVENT
from models.registry import calculators
from models.risk_model import RiskModel

MAN: dict[str, Any] = {
    "sex": "male",
    "age_years": 60,
    "egfr_ml_min_1_73m2": 25,
    "acr_mg_g": 300,
    "region": "other",
}
NORMAL: dict[str, Any] = {
    "respiratory_rate_per_min": 16,
    "spo2_percent": 98,
    "on_oxygen": False,
    "systolic_bp_mmhg": 125,
    "heart_rate_per_min": 70,
    "consciousness": "A",
    "temperature_cel": 37.0,
}


def ask(model: RiskModel, given: Any) -> dict[str, Any]:
    return answer(model, given if isinstance(given, bytes) else orjson.dumps(given))[0]


def test_an_assessed_line_has_model_version_outcome_and_results() -> None:
    assert ask(KFRE, MAN) == {
        "model": "kfre",
        "version": KFRE.version,
        "outcome": "assessed",
        "results": dict(KFRE.compute(MAN)),
    }


def test_a_line_outside_the_domain_gives_the_reason() -> None:
    assert ask(KFRE, {**MAN, "egfr_ml_min_1_73m2": 72}) == {
        "model": "kfre",
        "version": KFRE.version,
        "outcome": "not-applicable",
        "reason": "eGFR 72 is outside 10 to 59",
    }


def test_a_line_without_a_required_input_names_it() -> None:
    given = {name: value for name, value in MAN.items() if name != "acr_mg_g"}
    expected = {"model": "kfre", "version": KFRE.version, "outcome": "not-assessable", "missing": ["acr_mg_g"]}
    assert ask(KFRE, given) == expected
    assert ask(KFRE, {**given, "acr_mg_g": None}) == expected


@pytest.mark.parametrize("id", [7, "case 7", ["a", 1], {"b": 2}, False])
def test_an_id_is_echoed(id: Any) -> None:
    assert ask(KFRE, {"id": id, **MAN})["id"] == id
    assert ask(KFRE, {"id": id, "unknown": 1})["id"] == id


def test_no_id_and_a_null_id_are_not_echoed() -> None:
    assert "id" not in ask(KFRE, MAN)
    assert "id" not in ask(KFRE, {"id": None, **MAN})


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("age_years", 121, "the value is not plausible: 0 to 120"),
        ("age_years", -1, "the value is not plausible: 0 to 120"),
        ("age_years", "60", 'must be a number, or {"value": number, "unit": UCUM unit}'),
        ("age_years", True, 'must be a number, or {"value": number, "unit": UCUM unit}'),
        ("age_years", [60], 'must be a number, or {"value": number, "unit": UCUM unit}'),
        ("acr_mg_g", 0, "the value is not plausible"),
        ("acr_mg_g", -5, "the value is not plausible"),
        ("acr_mg_g", {"value": 3, "unit": "mmol/L"}, "the unit is not one that converts to mg/g"),
        ("acr_mg_g", {"value": 3, "unit": "MG/G"}, "the unit is not one that converts to mg/g"),
        ("acr_mg_g", {"value": 3, "unit": ""}, "the unit is not one that converts to mg/g"),
        ("acr_mg_g", {"value": 3, "unit": None}, "the unit must be a UCUM code"),
        ("acr_mg_g", {"value": None, "unit": "mg/g"}, 'must be a number, or {"value": number, "unit": UCUM unit}'),
        ("acr_mg_g", {"value": 3}, "a quantity has a value and a unit, and nothing else"),
        ("acr_mg_g", {"value": 3, "unit": "mg/g", "x": 1}, "a quantity has a value and a unit, and nothing else"),
        ("acr_mg_g", {}, "a quantity has a value and a unit, and nothing else"),
        ("sex", "Male", "must be one of female, male"),
        ("sex", 1, "must be one of female, male"),
        ("region", "uk", "must be one of north-america, other, united-kingdom"),
        ("smoker", True, "unknown input"),
    ],
)
def test_a_bad_field_is_an_error_with_its_name(name: str, value: Any, problem: str) -> None:
    assert ask(KFRE, {**MAN, name: value}) == {
        "model": "kfre",
        "outcome": "error",
        "errors": [{"field": name, "problem": problem}],
    }


@pytest.mark.parametrize("value", ["yes", 1, 0, "true"])
def test_a_truth_is_true_or_false(value: Any) -> None:
    assert ask(NEWS2, {**NORMAL, "on_oxygen": value})["errors"] == [
        {"field": "on_oxygen", "problem": "must be true or false"}
    ]


def test_an_absent_truth_is_unknown_and_never_false() -> None:
    given = {name: value for name, value in NORMAL.items() if name != "on_oxygen"}
    assert ask(NEWS2, given)["missing"] == ["on_oxygen"]


def test_every_bad_field_of_a_line_is_named_at_once() -> None:
    errors = ask(KFRE, {**MAN, "sex": "x", "acr_mg_g": 0, "typo": 1})["errors"]
    assert [error["field"] for error in errors] == ["sex", "acr_mg_g", "typo"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "not valid JSON"),
        (b'{"age_years": NaN}', "not valid JSON"),
        (b'{"age_years": Infinity}', "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[1]", "not a JSON object"),
        (b"17", "not a JSON object"),
        (b"null", "not a JSON object"),
    ],
)
def test_a_line_that_is_no_object_is_an_error_without_a_field(line: bytes, problem: str) -> None:
    assert ask(KFRE, line) == {"model": "kfre", "outcome": "error", "errors": [{"field": "", "problem": problem}]}


def test_a_number_too_large_for_a_float_is_an_error() -> None:
    line = orjson.dumps(MAN).replace(b'"age_years":60', b'"age_years":1e999')
    assert ask(KFRE, line)["outcome"] == "error"


@pytest.mark.parametrize(
    ("quantity", "number"),
    [
        ({"value": 300, "unit": "mg/g"}, 300),
        ({"value": 300, "unit": "ug/mg"}, 300),
        ({"value": 300, "unit": "g/kg"}, 300),
        ({"value": 300 / 8.84, "unit": "mg/mmol"}, 300),
    ],
)
def test_a_quantity_in_another_unit_is_converted(quantity: dict[str, Any], number: float) -> None:
    ours, theirs = ask(KFRE, {**MAN, "acr_mg_g": quantity}), ask(KFRE, {**MAN, "acr_mg_g": number})
    assert ours["results"] == pytest.approx(theirs["results"], rel=1e-12)


def test_an_optional_input_has_its_default_and_can_be_given() -> None:
    low = {**NORMAL, "spo2_percent": 90}
    assert ask(NEWS2, low)["results"]["parts"]["spo2_percent"] == 3
    assert ask(NEWS2, {**low, "spo2_scale": 1}) == ask(NEWS2, low)
    assert ask(NEWS2, {**low, "spo2_scale": 2})["results"]["parts"]["spo2_percent"] == 0
    assert ask(NEWS2, {**low, "spo2_scale": True})["outcome"] == "error"
    assert ask(NEWS2, {**low, "spo2_scale": 3})["outcome"] == "error"


@pytest.mark.parametrize("model", calculators().values(), ids=lambda model: model.id)
def test_a_schema_is_valid_and_names_what_is_required(model: RiskModel) -> None:
    described = schema(model)
    Draft202012Validator.check_schema(described)
    assert described["required"] == [feature.name for feature in model.features if feature.required]
    assert set(described["properties"]) == {"id", *model.by_name}


@pytest.mark.parametrize(("model", "given"), [(KFRE, MAN), (NEWS2, NORMAL)])
def test_a_schema_accepts_what_is_assessed_and_refuses_what_is_an_error(model: RiskModel, given: Any) -> None:
    validator = Draft202012Validator(schema(model))
    assert validator.is_valid({"id": 1, **given})
    for name in given:
        assert not validator.is_valid({**given, name: "wrong"})
    assert not validator.is_valid({**given, "typo": 1})
    assert not validator.is_valid({name: value for name, value in given.items() if name != next(iter(given))})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["id", "typo", *PREVENT.by_name]), json_values, max_size=12))
def test_whatever_is_sent_gets_one_of_the_four_outcomes(given: dict[str, Any]) -> None:
    answered, understood = answer(PREVENT, orjson.dumps(given))
    assert answered["outcome"] in {"assessed", "not-applicable", "not-assessable", "error"}
    assert understood is (answered["outcome"] != "error")
    orjson.dumps(answered)


@given(st.binary(max_size=60))
def test_whatever_bytes_are_sent_get_an_answer(line: bytes) -> None:
    assert answer(KFRE, line)[0]["model"] == "kfre"
