"""Scope, missing inputs and the order of answers, on real models with made-up charts."""

from typing import Any

import pytest

from fhir_client.codes import Code
from fhir_client.record import Availability
from models.assessment import Assessed, Gap, NotApplicable, NotAssessable, Reading
from models.ckd_epi_2021 import MODEL as CKD_EPI
from models.kfre import MODEL as KFRE
from models.news2 import MODEL as NEWS2
from models.prevent import MODEL as PREVENT
from models.risk_model import RiskModel
from models.scope import Domain
from models.site import Site
from tests.builders import Resource, a_condition, a_patient, a_record, an_observation
from tests.models.charts import an_inpatient, an_outpatient

SITE = Site(kidney_failure_region="other")
MAN = {"sex": "male", "age_years": 60, "egfr_ml_min_1_73m2": 25, "acr_mg_g": 300, "region": "other"}


def assess(model: RiskModel, *resources: Resource, site: Site = SITE, **availability: Availability) -> Any:
    given = {key.replace("_", "-"): state for key, state in availability.items()}
    every = {search.key: given.get(search.key, Availability.COMPLETE) for search in model.searches}
    return model.assess(a_record(*resources, availability=every), site)


def test_a_whole_chart_is_assessed() -> None:
    answer = assess(PREVENT, *an_outpatient())
    assert isinstance(answer, Assessed)
    assert set(answer.results) == {"cvd_10y", "ascvd_10y", "hf_10y"}
    assert answer.results == PREVENT.compute(answer.values)
    assert [each.name for each in answer.inputs] == [feature.name for feature in PREVENT.features]
    assert all(isinstance(each.reading, Reading) for each in answer.inputs)
    assert answer.model == PREVENT.reference
    assert answer.unverified == {}


def test_what_if_questions_start_from_the_values_used() -> None:
    answer = assess(PREVENT, *an_outpatient())
    assert PREVENT.compute({**answer.values, "smoker": True})["cvd_10y"] > answer.results["cvd_10y"]


@pytest.mark.parametrize(
    ("model", "resources", "reason"),
    [
        (PREVENT, an_outpatient(deceasedBoolean=True), "the patient has died"),
        (PREVENT, an_outpatient(a_condition("I25.10")), "cardiovascular disease is already established"),
        (PREVENT, an_outpatient(a_condition("Z51.5")), "palliative care"),
        (PREVENT, an_outpatient(a_condition("O09.90")), "not made for pregnancy"),
        (PREVENT, an_outpatient(born="1995-01-01"), "age 29 is outside 30 to 79"),
        (PREVENT, an_outpatient(born="1940-01-01"), "age 84 is outside 30 to 79"),
        (KFRE, an_outpatient(a_condition("Z99.2")), "dialysis, end-stage kidney disease or kidney transplant"),
        (KFRE, an_outpatient(born="2010-01-01"), "age 14 is under 18"),
        (CKD_EPI, an_outpatient(a_condition("Z94.0")), "dialysis, end-stage kidney disease or kidney transplant"),
        (NEWS2, (*an_inpatient(without="Patient/"), a_patient(born="2010-01-01")), "age 14 is under 16"),
        (NEWS2, an_inpatient(a_condition("O09.90")), "not made for pregnancy: use an obstetric chart"),
    ],
)
def test_out_of_scope_is_not_applicable(model: RiskModel, resources: tuple[Resource, ...], reason: str) -> None:
    assert assess(model, *resources) == NotApplicable(model.reference, reason)


def test_not_applicable_wins_over_missing_where_it_is_already_decided() -> None:
    assert assess(PREVENT, *an_outpatient(without="2093-3", born="1940-01-01")) == NotApplicable(
        PREVENT.reference, "age 84 is outside 30 to 79"
    )
    assert KFRE.calculate({"egfr_ml_min_1_73m2": 72}) == NotApplicable(KFRE.reference, "eGFR 72 is outside 10 to 59")


def test_missing_inputs_are_named_with_why() -> None:
    answer = assess(PREVENT, *an_outpatient(without="2093-3"))
    assert isinstance(answer, NotAssessable)
    assert [(each.name, each.reading.gap) for each in answer.missing] == [  # type: ignore[union-attr]
        ("total_cholesterol_mg_dl", Gap.NOT_RECORDED)
    ]
    assert len(answer.inputs) == len(PREVENT.features)


@pytest.mark.parametrize("model", [PREVENT, KFRE])
def test_what_decides_the_scope_must_be_known(model: RiskModel) -> None:
    answer = assess(model, *an_outpatient(), conditions=Availability.UNAVAILABLE)
    assert isinstance(answer, NotAssessable)
    blocking = next(exclusion for exclusion in model.exclusions if exclusion.blocks)
    assert blocking.feature.name in [each.name for each in answer.missing]


def test_an_unknown_pregnancy_does_not_block() -> None:
    assert isinstance(assess(CKD_EPI, *an_outpatient(), conditions=Availability.UNAVAILABLE), Assessed)


def test_unreadable_conditions_behind_a_ruled_out_exclusion_are_said() -> None:
    readable = [a_condition("I10") for _ in range(4)]
    answer = assess(PREVENT, *an_outpatient(*readable, a_condition(Code("urn:local", "17"))))
    assert isinstance(answer, Assessed)
    said = "1 of 6 active conditions without a readable code"
    assert f"established cardiovascular disease: {said}" in answer.notes
    assert answer.values["diabetes"] is True


def test_kfre_is_silent_without_a_region() -> None:
    answer = assess(KFRE, *an_outpatient(), site=Site())
    assert isinstance(answer, NotAssessable)
    assert [(each.name, each.reading.gap) for each in answer.missing] == [  # type: ignore[union-attr]
        ("region", Gap.NOT_CONFIGURED)
    ]


def test_an_unverified_calibration_is_named_on_the_assessment_that_used_it() -> None:
    named = assess(KFRE, *an_outpatient(), site=Site(kidney_failure_region="united-kingdom"))
    assert named.unverified == dict.fromkeys(("risk_2y", "risk_5y"), ("survival_united_kingdom: ONE-SOURCE",))
    assert assess(KFRE, *an_outpatient()).unverified == {}
    assert all(output.unverified == () for output in KFRE.outputs)


# Sex that is neither female nor male: both results.


@pytest.mark.parametrize("sex", ["other", "unknown", None])
def test_results_for_both_sexes_are_shown_where_the_chart_names_neither(sex: str | None) -> None:
    answer = assess(PREVENT, *an_outpatient(sex=sex))
    assert isinstance(answer, Assessed)
    assert answer.results == {}
    assert answer.alternatives == {
        each: assess(PREVENT, *an_outpatient(sex=each)).results for each in ("female", "male")
    }
    assert answer.notes == ("sex is not recorded as female or male: results for both",)
    assert "sex" not in answer.values


def test_without_a_sex_other_missing_inputs_are_named_and_sex_is_not() -> None:
    answer = assess(PREVENT, *an_outpatient(sex="other", without="2093-3"))
    assert [each.name for each in answer.missing] == ["total_cholesterol_mg_dl"]


def test_a_sex_for_which_the_patient_is_out_of_domain_is_said() -> None:
    borderline = an_observation("2160-0", 1.12, "mg/dL", on="2024-05-30")
    answer = assess(KFRE, *an_outpatient(borderline, sex="other", without="2160-0"))
    assert set(answer.alternatives) == {"female"}
    assert any(note.startswith("male: eGFR ") for note in answer.notes)


def test_a_clinical_sex_parameter_goes_before_the_administrative_gender() -> None:
    extension = {
        "url": "http://hl7.org/fhir/StructureDefinition/patient-sexParameterForClinicalUse",
        "extension": [
            {
                "url": "value",
                "valueCodeableConcept": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/sex-parameter-for-clinical-use",
                            "code": "male-typical",
                        }
                    ]
                },
            }
        ],
    }
    answer = assess(PREVENT, *an_outpatient(sex="female", extension=[extension]))
    assert answer.values["sex"] == "male"


# Partial birth dates.


def test_an_age_from_a_partial_birth_date_is_used_and_said() -> None:
    answer = assess(PREVENT, *an_outpatient(born="1961"))
    age = next(each for each in answer.inputs if each.name == "age_years").reading
    assert isinstance(age, Reading)
    assert (age.value, age.note) == (62, "between 62 and 63, from a partial birth date")


@pytest.mark.parametrize(("model", "born"), [(PREVENT, "1994"), (PREVENT, "1944"), (KFRE, "2006")])
def test_an_age_range_that_cuts_through_a_partial_birth_date_is_not_assessable(model: RiskModel, born: str) -> None:
    answer = assess(model, *an_outpatient(born=born))
    assert isinstance(answer, NotAssessable)
    (missing,) = answer.missing
    assert missing.name == "age_years"
    assert missing.reading.note.endswith("a full birth date is needed")


def test_news2_needs_no_age_but_a_partial_one_must_not_cut_its_range() -> None:
    ward = an_inpatient()[1:]
    assert isinstance(assess(NEWS2, a_patient(born=None), *ward), Assessed)
    answer = assess(NEWS2, a_patient(born="2008"), *ward)
    assert [each.name for each in answer.missing] == ["age_years"]


# The domain, and how a reason is worded.


@pytest.mark.parametrize(
    ("egfr", "reason"),
    [
        (72, "eGFR 72 is outside 10 to 59"),
        (60, "eGFR 60 is outside 10 to 59"),
        (9.99, "eGFR 9.99 is outside 10 to 59"),
        (9.99999, "eGFR 9.99999 is outside 10 to 59"),
        (101.3864, "eGFR 101.4 is outside 10 to 59"),
    ],
)
def test_a_reason_holds_the_number_and_the_range(egfr: float, reason: str) -> None:
    assert KFRE.calculate({**MAN, "egfr_ml_min_1_73m2": egfr}) == NotApplicable(KFRE.reference, reason)


@pytest.mark.parametrize("egfr", [10, 59.999])
def test_the_ends_of_the_domain_belong_to_it(egfr: float) -> None:
    assert isinstance(KFRE.calculate({**MAN, "egfr_ml_min_1_73m2": egfr}), Assessed)


def test_a_domain_is_cut_only_by_a_span_that_is_half_outside() -> None:
    adult = Domain(PREVENT.by_name["age_years"], at_least=18)
    assert adult.is_cut_by(17, 18)
    assert not adult.is_cut_by(18, 19)
    assert not adult.is_cut_by(16, 17)


# Searches.


def test_searches_are_merged_by_key() -> None:
    keys = [search.key for search in PREVENT.searches]
    assert len(keys) == len(set(keys))
    assert set(keys) == {
        "patient",
        "laboratory",
        "vital-signs",
        "social-history",
        "conditions",
        "medications",
        "encounters",
    }


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        (PREVENT, {"patient", "laboratory", "vital-signs", "social-history", "conditions", "medications"}),
        (KFRE, {"patient", "laboratory", "conditions"}),
        (CKD_EPI, {"patient", "laboratory"}),
        (NEWS2, {"vital-signs"}),
    ],
)
def test_only_what_a_model_cannot_do_without_is_required(model: RiskModel, keys: set[str]) -> None:
    assert model.required_keys == keys


def test_a_model_without_contributions_has_none() -> None:
    assert assess(NEWS2, *an_inpatient()).drivers == {}


def test_contributions_are_worked_out_when_looked_at() -> None:
    answer = assess(PREVENT, *an_outpatient())
    assert PREVENT.drive is not None
    assert answer.drivers == PREVENT.drive(answer.values)
    assert len(answer.drivers) == len(answer.results)
