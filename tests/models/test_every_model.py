"""What must hold of every model that is found, whichever it is."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fhir_client.codes import UCUM
from models.assessment import Assessed, NotApplicable, NotAssessable
from models.features.feature import Feature, Kind
from models.plain_values import answer
from models.registry import calculators
from models.risk_model import RiskModel
from models.site import Site
from tests.builders import Resource, a_medication, a_patient, a_record
from tests.models.charts import an_inpatient, an_outpatient
from tests.models.inpatients import every_inpatient
from tests.models.patients import everyone

MODELS = tuple(calculators().values())
SITE = Site(kidney_failure_region="other")
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)


DAYS = st.integers(0, 300).map(lambda day: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day))
# What the rows of a list are differs from list to list.
LISTS: Mapping[str, st.SearchStrategy[tuple[Any, ...]]] = {
    "creatinines": st.dictionaries(DAYS, st.floats(0.2, 20), min_size=2, max_size=8).map(
        lambda series: tuple({"time": at, "value_mg_dl": value} for at, value in series.items())
    ),
    "opioids": st.lists(
        st.builds(
            lambda rxcui, dose: {"rxcui": rxcui, "daily_dose": dose, "unit": "mg/d"},
            st.sampled_from(["7804", "2670", "6813", "1819"]),
            st.floats(1, 500),
        )
    ).map(lambda rows: ({"rxcui": "7052", "daily_dose": 30, "unit": "mg/d"}, *rows)),
    "icd10": st.lists(st.sampled_from(["I252", "I509", "E119", "E1122", "N184", "C189", "C787", "I10"])).map(tuple),
}


def values_of(feature: Feature) -> st.SearchStrategy[Any]:
    """Values that a calculator accepts, within and around what people measure."""
    if feature.kind is Kind.LIST:
        return LISTS[feature.name]
    if feature.kind is Kind.TRUTH:
        return st.booleans()
    if feature.kind is Kind.CHOICE:
        return st.sampled_from(feature.choices)
    low, high = feature.plausible or (0.5, 500)
    if feature.kind is Kind.COUNT:
        return st.integers(int(low), int(high))
    return st.floats(low, high) | st.integers(int(low) + 1, int(high))


def inputs_of(model: RiskModel) -> st.SearchStrategy[dict[str, Any]]:
    """Every required input, of each group of alternatives one, and any of the optional ones."""
    alternatives = {name for group in model.one_of for name in group}
    required = {feature.name: values_of(feature) for feature in model.features if feature.required}
    optional = {f.name: values_of(f) for f in model.features if not f.required and f.name not in alternatives}
    chosen = [st.sampled_from(group).map(model.by_name.__getitem__).flatmap(named_value) for group in model.one_of]
    return st.tuples(st.fixed_dictionaries(required, optional=optional), *chosen).map(merged)


def named_value(feature: Feature) -> st.SearchStrategy[dict[str, Any]]:
    return values_of(feature).map(lambda value: {feature.name: value})


def merged(parts: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}


def an_opioid_order() -> Resource:
    """Oxycodone, 5 mg twice a day."""
    dose = {"value": 5, "system": UCUM, "code": "mg"}
    timing = {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}
    return a_medication("7804", dosageInstruction=[{"doseAndRate": [{"doseQuantity": dose}], "timing": timing}])


def charts() -> list[Any]:
    resources = [
        an_outpatient(),
        an_outpatient(without="2093-3"),
        an_outpatient(born="1940-01-01"),
        an_outpatient(sex="other"),
        an_inpatient(),
        an_inpatient(without="67775-7"),
        [a_patient(), an_opioid_order()],
        *everyone(),
        *every_inpatient(),
    ]
    return [a_record(*each) for each in resources]


def test_models_are_found_not_listed() -> None:
    assert set(calculators()) >= {"prevent", "ckd-epi-2021", "kfre", "news2"}
    assert list(calculators()) == sorted(calculators())


@every_model
@given(data=st.data())
@settings(max_examples=60)
def test_any_accepted_input_gets_an_answer_and_probabilities_lie_in_0_to_1(model: RiskModel, data: Any) -> None:
    values = data.draw(inputs_of(model))
    assessment = model.calculate(values)
    assert isinstance(assessment, Assessed | NotApplicable)
    if isinstance(assessment, Assessed):
        assert set(assessment.results) <= {output.name for output in model.outputs}
        for name, result in assessment.results.items():
            if name.startswith("risk_") or name.endswith(("_10y", "_30y")):
                assert 0 <= result <= 1


@every_model
@given(data=st.data())
@settings(max_examples=40)
def test_a_required_input_less_is_never_assessed(model: RiskModel, data: Any) -> None:
    values = data.draw(inputs_of(model))
    needed = [(feature.name,) for feature in model.features if feature.required]
    gone = data.draw(st.sampled_from([*needed, *model.one_of]))
    assessment = model.calculate({name: value for name, value in values.items() if name not in gone})
    assert isinstance(assessment, NotAssessable | NotApplicable)
    if isinstance(assessment, NotAssessable):
        assert {each.name for each in assessment.missing} == set(gone)


@every_model
@given(data=st.data())
@settings(max_examples=20)
def test_two_ways_to_say_the_same_are_an_error(model: RiskModel, data: Any) -> None:
    for group in model.one_of:
        values = data.draw(inputs_of(model))
        both = {**values, **{name: data.draw(values_of(model.by_name[name])) for name in group}}
        answered, understood = answer(model, orjson.dumps(both))
        assert not understood
        assert {error["field"] for error in answered["errors"]} <= set(group)


@every_model
@given(data=st.data())
@settings(max_examples=30)
def test_contributions_are_of_inputs_and_given_for_each_result(model: RiskModel, data: Any) -> None:
    if model.drive is None:
        return
    values = data.draw(inputs_of(model))
    assessment = model.calculate(values)
    if isinstance(assessment, Assessed):
        assert set(assessment.drivers) == set(assessment.results)
        names = {feature.name for feature in model.features}
        assert all(driver.name in names for drivers in assessment.drivers.values() for driver in drivers)


ADULTS = [
    model
    for model in MODELS
    if (bounds := model.parameters.by_name.get("age_range")) is not None
    and bounds.value["at_least"] == 18
    and any(domain.feature.name == "age_years" for domain in model.domain)
]


@pytest.mark.parametrize("model", ADULTS, ids=lambda model: model.id)
@given(data=st.data())
@settings(max_examples=10)
def test_a_score_of_adults_is_for_those_of_18_and_none_of_17(model: RiskModel, data: Any) -> None:
    values = data.draw(inputs_of(model))
    assert isinstance(model.calculate({**values, "age_years": 17}), NotApplicable)
    of_18 = model.calculate({**values, "age_years": 18})
    assert not isinstance(of_18, NotApplicable) or "age" not in of_18.reason


def is_charted(model: RiskModel) -> bool:
    """Whether a chart can hold all that the model needs: race, for one, is never read from it."""
    return all(feature.is_charted for feature in model.features if feature.required)


charted_model = pytest.mark.parametrize("model", [model for model in MODELS if is_charted(model)], ids=lambda m: m.id)


@every_model
def test_what_no_chart_provides_is_named_as_missing(model: RiskModel) -> None:
    never = {feature.name for feature in model.features if feature.required and not feature.is_charted}
    for assessment in model.assess_many(charts(), SITE):
        if never and not isinstance(assessment, NotApplicable):
            assert isinstance(assessment, NotAssessable)
            assert never <= {each.name for each in assessment.missing}


@charted_model
def test_a_batch_gives_what_one_by_one_gives_in_any_order(model: RiskModel) -> None:
    records = charts()
    one_by_one = [model.assess(record, SITE) for record in records]
    assert any(isinstance(each, Assessed) for each in one_by_one)
    assert list(model.assess_many(records, SITE)) == one_by_one
    assert list(model.assess_many(records[::-1], SITE)) == one_by_one[::-1]


@charted_model
def test_a_chart_and_its_plain_values_give_the_same_results(model: RiskModel) -> None:
    assessed = [each for each in model.assess_many(charts(), SITE) if isinstance(each, Assessed) and each.results]
    assert assessed
    for each in assessed:
        line = orjson.dumps({name: value for name, value in each.values.items() if name in model.by_name})
        answered, understood = answer(model, line)
        assert understood
        assert answered["results"] == each.results


@every_model
def test_features_are_named_once_and_have_a_unit_if_they_are_measured(model: RiskModel) -> None:
    assert len(model.by_name) == len(model.features)
    for feature in model.features:
        assert bool(feature.unit) is (feature.kind is Kind.QUANTITY)
        assert bool(feature.choices) is (feature.kind is Kind.CHOICE)


@every_model
def test_everything_behind_a_result_is_verified(model: RiskModel) -> None:
    assert {output.name: output.unverified for output in model.outputs if output.unverified} == {}


# The same value in another unit gives the identical result.

SWAPS: Mapping[str, tuple[str, float]] = {
    "total_cholesterol_mg_dl": ("mmol/L", 0.02586),
    "hdl_cholesterol_mg_dl": ("mmol/L", 0.02586),
    "creatinine_mg_dl": ("umol/L", 88.4),
    "acr_mg_g": ("mg/mmol", 1 / 8.84),
    "bilirubin_mg_dl": ("umol/L", 17.1),
    "albumin_g_dl": ("g/L", 10),
    "bun_mg_dl": ("mmol/L", 1 / 2.801),
    "urea_mmol_l": ("umol/L", 1000),
    "weight_kg": ("g", 1000),
    "alcohol_drinks_per_week": ("/d", 1 / 7),
    "waist_cm": ("m", 0.01),
    "hemoglobin_g_dl": ("g/L", 10),
    "length_of_stay_days": ("h", 24),
    "wbc_10e9_l": ("10*6/mL", 1),
    "paco2_mmhg": ("kPa", 0.133322),
}


def is_on_an_edge(model: RiskModel, name: str, value: float) -> bool:
    """On the very edge of a range the last bit of a conversion decides what is inside."""
    bounds = [*(model.by_name[name].plausible or ()), 0]
    bounds += [bound for d in model.domain if d.feature.name == name for bound in (d.at_least, d.at_most, d.below)]
    return any(abs(value - bound) < 1e-6 for bound in bounds)


@every_model
@given(data=st.data())
@settings(max_examples=40)
def test_a_swap_of_units_changes_nothing(model: RiskModel, data: Any) -> None:
    values = data.draw(inputs_of(model))
    assume(not any(is_on_an_edge(model, name, values[name]) for name in SWAPS if name in values))
    swapped = {
        name: {"value": value * SWAPS[name][1], "unit": SWAPS[name][0]} if name in SWAPS else value
        for name, value in values.items()
    }
    ours, _ = answer(model, orjson.dumps(values))
    theirs, understood = answer(model, orjson.dumps(swapped))
    assert understood
    assert theirs["outcome"] == ours["outcome"]
    if ours["outcome"] == "assessed":
        for name, result in ours["results"].items():
            assert theirs["results"][name] == (pytest.approx(result, rel=1e-9) if isinstance(result, float) else result)
