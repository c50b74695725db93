from typing import Any

from cds_hooks.protocol.cards import CreateAction, Indicator
from cds_hooks.services.cardiovascular_risk import SERVICE
from fhir_client.codes import SNOMED_CT, Code
from fhir_client.record import PatientRecord
from tests.builders import (
    a_blood_pressure,
    a_condition,
    a_medication,
    a_patient,
    a_record,
    an_encounter,
    an_observation,
)
from tests.cds_hooks.services.showing import cards_of

NEVER = Code(SNOMED_CT, "266919005")
DAILY = Code(SNOMED_CT, "449868002")
AMLODIPINE = "197361"


def the_first_vector(*more: Any, sex: str | None = "female", smoking: Code = NEVER, **changed: Any) -> PatientRecord:
    """The first PREVENT vector of clinical/models.md 16 as a chart; its eGFR of 90 as the laboratory reported it."""
    values = {"total": 200.0, "hdl": 45.0, "systolic": 160.0, "bmi": 35.0, "egfr": 90.0} | changed
    resources = {
        "total": lambda v: an_observation("2093-3", v, "mg/dL", on="2024-05-01"),
        "hdl": lambda v: an_observation("2085-9", v, "mg/dL", on="2024-05-01"),
        "systolic": lambda v: a_blood_pressure(v, 85, on="2024-05-01"),
        "bmi": lambda v: an_observation("39156-5", v, "kg/m2", on="2024-05-01"),
        "egfr": lambda v: an_observation("98979-8", v, "mL/min/{1.73_m2}", on="2024-05-01"),
    }
    return a_record(
        a_patient(born="1974-01-10", sex=sex),
        *(resources[name](value) for name, value in values.items() if value is not None),
        an_observation("72166-2", smoking, on="2024-05-01"),
        a_condition("E11.9"),
        a_medication(AMLODIPINE),
        *more,
    )


def test_a_raised_risk_says_all_of_it_in_the_summary() -> None:
    """[CARD-18] The summary carries the message by itself; the detail names data, dates and model version."""
    (card,) = cards_of(SERVICE, the_first_vector())
    assert card.summary == "10-year cardiovascular risk 14.7% (ASCVD 9.2%, intermediate); 30-year 53.0%"
    assert card.indicator is Indicator.INFO
    assert card.detail is not None
    for part in (
        "| 10-year | 14.7% | 9.2% | 8.1% |",
        "| Systolic blood pressure | 160 mmHg (one reading; setting not known) | 2024-05-01 |",
        "| Diabetes | yes |",
        "| eGFR | 90 mL/min/1.73 m² |",
        "- taking a statin: ",
        "is not the effect of a treatment",
        "Model prevent 1.0.0.",
        "C-statistic",
        "2026 ACC/AHA",
        "does not replace, clinical judgement",
    ):
        assert part in card.detail
    assert [link.url for link in card.links] == ["http://127.0.0.1:8000/services/cardiovascular-risk"]
    assert [reason.code for reason in card.override_reasons][:2] == ["aware-will-monitor", "tolerated"]


def test_a_high_ascvd_risk_is_a_warning() -> None:
    (card,) = cards_of(SERVICE, the_first_vector(sex="male", smoking=DAILY))
    assert card.indicator is Indicator.WARNING
    assert "high)" in card.summary


def test_a_low_risk_is_silence() -> None:
    """[RESP-2] A low-risk patient gives no card at all."""
    record = a_record(
        a_patient(born="1980-01-10"),
        an_observation("2093-3", 170.0, "mg/dL"),
        an_observation("2085-9", 60.0, "mg/dL"),
        a_blood_pressure(112, 70),
        an_observation("39156-5", 23.0, "kg/m2"),
        an_observation("2160-0", 0.7, "mg/dL"),
        an_observation("72166-2", NEVER),
    )
    assert cards_of(SERVICE, record) == []


def test_missing_lipids_are_named_and_one_panel_is_suggested() -> None:
    (card,) = cards_of(SERVICE, the_first_vector(total=None, hdl=None))
    assert card.summary == "Cardiovascular risk not computed, missing: total cholesterol, HDL cholesterol"
    assert card.indicator is Indicator.INFO
    (suggestion,) = card.suggestions
    assert suggestion.label == "Order: Lipid panel"
    assert suggestion.is_recommended is None
    (action,) = suggestion.actions
    assert isinstance(action, CreateAction)
    assert action.resource["code"]["coding"][0]["code"] == "24331-1"
    assert action.resource["subject"] == {"reference": "Patient/p1"}


def test_how_old_a_stale_input_is_stands_in_the_detail() -> None:
    old = an_observation("2093-3", 200.0, "mg/dL", on="2018-02-03")
    (card,) = cards_of(SERVICE, the_first_vector(old, total=None))
    assert card.detail is not None
    assert "| Total cholesterol | missing: too old | 2018-02-03 |" in card.detail


def test_drugs_that_are_not_recognised_are_counted() -> None:
    (card,) = cards_of(SERVICE, the_first_vector(a_medication("99999999")))
    assert card.summary == "Cardiovascular risk not computed, missing: statin"
    assert card.detail is not None
    assert "| Statin | missing: 1 of 2 active drugs not recognised |" in card.detail


def test_an_acute_rise_of_creatinine_is_no_kidney_function_to_score_with() -> None:
    rise = [an_observation("2160-0", value, "mg/dL", on=on) for value, on in ((1.0, "2024-05-10"), (3.4, "2024-05-14"))]
    (card,) = cards_of(SERVICE, the_first_vector(*rise, egfr=None))
    assert card.summary == "Cardiovascular risk not computed, missing: eGFR"
    assert card.detail is not None
    assert "| eGFR | missing: kidney function was not stable in the last 90 days | 2024-05-14 |" in card.detail


def test_known_cardiovascular_disease_is_silence() -> None:
    assert cards_of(SERVICE, the_first_vector(a_condition("I25.10"))) == []


def test_a_chart_with_next_to_nothing_in_it_is_silence() -> None:
    assert cards_of(SERVICE, a_record(a_patient(born="1974-01-10"))) == []


def test_what_is_missing_waits_while_the_patient_is_in_acute_care() -> None:
    record = the_first_vector(an_encounter("IMP", start="2024-05-31T08:00:00Z"), total=None)
    assert cards_of(SERVICE, record) == []


def test_without_female_or_male_both_results_are_shown() -> None:
    (card,) = cards_of(SERVICE, the_first_vector(sex="other"))
    assert card.summary.startswith("10-year cardiovascular risk 14.7% (female) or ")
    assert card.summary.endswith("(male): sex for calculation not recorded")


def test_a_drug_name_with_markup_is_inert_wherever_it_ends() -> None:
    """[SEC-42] Text from FHIR data is escaped before it enters markdown."""
    medication = a_medication("99999999", medicationCodeableConcept={"text": "<img src=x onerror=alert(1)>"})
    for card in cards_of(SERVICE, the_first_vector(medication)):
        assert "<" not in f"{card.summary}{card.detail}"
