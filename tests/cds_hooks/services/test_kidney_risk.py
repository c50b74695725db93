from typing import Any

import pytest

from cds_hooks.policy import without_unverified
from cds_hooks.protocol.cards import CreateAction, Indicator
from cds_hooks.services.kidney_risk import SERVICE
from fhir_client.record import PatientRecord
from models.site import Site
from tests.builders import a_condition, a_patient, a_record, an_observation
from tests.cds_hooks.services.showing import cards_of

LISTED = "N18.32"


def a_chart(*more: Any, acr: float | None = 300.0, creatinines: tuple[float, ...] = (2.7, 2.7)) -> PatientRecord:
    """A man of 60 with creatinines half a year apart, newest first."""
    dates = ("2024-05-01", "2023-11-01", "2023-05-01")
    return a_record(
        a_patient(born="1964-01-10", sex="male"),
        *(an_observation("2160-0", value, "mg/dL", on=on) for value, on in zip(creatinines, dates, strict=False)),
        *([an_observation("9318-7", acr, "mg/g", on="2024-05-01")] if acr is not None else []),
        *more,
    )


def summaries(record: PatientRecord, site: Site | None = None, **options: Any) -> list[str]:
    return [card.summary for card in cards_of(SERVICE, record, *([site] if site else []), **options)]


def test_disease_that_nobody_listed_is_shown_with_its_stage_and_may_be_listed() -> None:
    card, failure = cards_of(SERVICE, a_chart())
    assert card.summary == "Meets laboratory criteria for CKD G4 A2, not on the problem list"
    assert card.indicator is Indicator.WARNING
    (suggestion,) = card.suggestions
    (action,) = suggestion.actions
    assert isinstance(action, CreateAction)
    assert action.resource["resourceType"] == "Condition"
    assert action.resource["code"]["coding"][0]["code"] == "N18.4"
    assert card.detail is not None
    assert "| ACR | 300 mg/g | 2024-05-01 |" in card.detail
    assert "two values 90 days apart" in card.detail
    assert failure.summary.startswith("Kidney failure risk: ")


def test_disease_on_the_problem_list_is_not_announced_again() -> None:
    assert summaries(a_chart(a_condition(LISTED))) == [
        "Kidney failure risk: 8.8% in 2 years, 30.1% in 5 years (non-North American calibration)"
    ]


def test_one_low_value_is_no_chronic_disease() -> None:
    assert "criteria" not in " ".join(summaries(a_chart(creatinines=(2.7,))))


def test_a_missing_acr_is_asked_for() -> None:
    (card,) = cards_of(SERVICE, a_chart(a_condition(LISTED), acr=None))
    assert card.summary == "eGFR 26 (G4), urine albumin/creatinine ratio not found"
    assert [suggestion.label for suggestion in card.suggestions] == ["Order: Urine albumin/creatinine ratio"]


def test_the_failure_risk_says_that_death_competes_and_offers_a_referral() -> None:
    (card,) = cards_of(SERVICE, a_chart(a_condition(LISTED)))
    assert card.indicator is Indicator.WARNING
    assert card.detail is not None
    assert "Competing risk of death not modelled" in card.detail
    assert "| Calibration region | other |" in card.detail
    assert [suggestion.label for suggestion in card.suggestions] == ["Order: Referral to nephrology"]


def test_a_risk_below_the_range_for_referral_is_silence() -> None:
    assert summaries(a_chart(a_condition(LISTED), acr=5.0, creatinines=(1.6, 1.6))) == []


def test_without_a_region_the_failure_risk_is_silent() -> None:
    assert summaries(a_chart(a_condition(LISTED)), Site()) == []


def test_a_calibration_of_one_source_is_for_the_pilot_and_says_so() -> None:
    site = Site(kidney_failure_region="united-kingdom")
    assert summaries(a_chart(a_condition(LISTED)), site) == []
    (shown,) = summaries(a_chart(a_condition(LISTED)), site, shows_unverified=True)
    assert shown.startswith("PILOT: Kidney failure risk: ")
    assert shown.endswith("(United Kingdom calibration)")


@pytest.mark.parametrize(
    ("creatinine", "why"),
    [
        (an_observation("2160-0", 2.7, None, on="2024-05-20"), "creatinine unit missing or unknown (last 2024-05-20)"),
        (
            an_observation("2160-0", 2700.0, "mg/dL", on="2024-05-20"),
            "creatinine value not plausible (last 2024-05-20)",
        ),
        (an_observation("2160-0", 4.5, "mg/dL", on="2024-05-20"), "kidney function was not stable in the last 90 days"),
    ],
)
def test_the_newest_value_decides_even_if_it_cannot_be_used(creatinine: dict[str, Any], why: str) -> None:
    (shown,) = summaries(a_chart(creatinine, a_condition(LISTED)))
    assert shown == f"Kidney function not staged: {why}"


@pytest.mark.parametrize(
    ("patient", "why"),
    [
        (a_patient(born=None, sex="male"), "age not found"),
        (a_patient(born="1964-01-10", sex="other"), "sex not found, sex is not recorded as female or male"),
    ],
)
def test_a_creatinine_that_cannot_be_read_for_want_of_sex_or_age_is_said(patient: dict[str, Any], why: str) -> None:
    (shown,) = summaries(a_record(patient, an_observation("2160-0", 1.9, "mg/dL", on="2024-05-01")))
    assert shown == f"Kidney function not staged: {why}"


def test_nothing_known_of_the_kidney_is_silence() -> None:
    assert summaries(a_record(a_patient(born="1964-01-10"))) == []


def test_what_is_left_out_before_presenting_stays_out() -> None:
    record = a_chart(a_condition(LISTED))
    kept = [without_unverified(each.assess(record, Site(kidney_failure_region="other"))) for each in SERVICE.assessors]
    assert [bool(each.results) for each in kept] == [True, True]  # type: ignore[union-attr]
