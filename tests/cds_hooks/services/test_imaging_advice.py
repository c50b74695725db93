"""imaging-advice: what speaks against a study that was picked, and what to look at before it."""

from typing import Any

import pytest

from cds_hooks.protocol.cards import Card, CreateAction, DeleteAction, Indicator
from cds_hooks.services.imaging_advice import SERVICE, SYSTEM
from fhir_client.codes import ICD_10_CM, LOINC, SNOMED_CT, Code
from fhir_client.record import Availability, PatientRecord
from models.assessment import Findings
from models.imaging import ASSESSOR
from models.site import Site
from tests.builders import (
    Resource,
    a_condition,
    a_patient,
    a_reaction,
    a_record,
    a_report,
    an_allergy,
    an_observation,
    an_order,
)
from tests.cds_hooks.services.showing import cards_of

CT_HEAD, CT_CONTRAST, MR_CONTRAST, CTPA, CT_PELVIS, CHEST_XRAY = (
    "30799-1", "36813-4", "24587-8", "36147-7", "36952-0", "36643-5",
)  # fmt: skip
SEVERE = an_observation("2160-0", 2.8, "mg/dL", on="2024-05-20")  # a woman of 63: eGFR 18
WELL = an_observation("2160-0", 0.8, "mg/dL", on="2024-05-20")
INJURY = (
    an_observation("2160-0", 0.8, "mg/dL", on="2024-05-30T08:00:00Z"),
    an_observation("2160-0", 1.7, "mg/dL", on="2024-05-31T20:00:00Z"),
)
CONTRAST = Code(SNOMED_CT, "293637006")
YOUNG = a_patient(born="1994-01-10")
PREGNANT = an_observation("82810-3", Code(LOINC, "LA15173-0"), on="2024-05-20")
D_DIMER = an_observation("48065-7", 0.3, "ug/mL", on="2024-05-31T10:00:00Z")


def picking(code: str, *chart: Resource, draft: dict[str, Any] | None = None, **more: Any) -> PatientRecord:
    order = an_order(code, id="d1", status="draft", authored=None, **(draft or {}))
    return a_record(*chart, drafts=(order,), **more)


def summaries(record: PatientRecord, *, pilot: bool = False) -> list[str]:
    return [card.summary for card in cards_of(SERVICE, record, shows_unverified=pilot)]


def the_card(record: PatientRecord, *, pilot: bool = False) -> Card:
    (card,) = cards_of(SERVICE, record, shows_unverified=pilot)
    return card


def found(record: PatientRecord) -> set[str]:
    """Give the rules that speak, the unverified ones among them."""
    checks = ASSESSOR.assess(record, Site())
    return {finding.rule.id for finding in checks.found} if isinstance(checks, Findings) else set()


# Contrast and kidney


def test_contrast_at_a_low_egfr_is_said_with_its_values_and_never_cancelled() -> None:
    card = the_card(picking(CT_CONTRAST, SEVERE))

    assert card.summary == "Iodinated contrast at eGFR 18.4: CT of abdomen and pelvis with contrast"
    assert card.indicator is Indicator.WARNING
    assert card.findings == ("contrast-low-egfr:ct_abdomen_pelvis_contrast",)
    assert card.source.url == "https://doi.org/10.1148/radiol.2019192094"
    assert card.source.topic is not None
    assert (card.source.topic.system, card.source.topic.code) == (SYSTEM, "contrast-low-egfr")
    for part in (
        "isotonic saline",
        "do not withhold a scan that is needed",
        "| EGFR | 18.4 mL/min/1.73 m² (CKD-EPI 2021 from creatinine) | 2024-05-20 |",
        "Nothing is cancelled",
        "(contrast-low-egfr, version 1)",
    ):
        assert part.lower() in str(card.detail).lower()
    (removal,) = card.suggestions
    assert removal.actions == (DeleteAction("Remove this draft order", "ServiceRequest/d1"),)
    assert removal.is_recommended is None


@pytest.mark.parametrize(("egfr", "says"), [(29.9, True), (30.0, False)])
def test_an_egfr_of_30_is_not_under_30(egfr: float, says: bool) -> None:
    chart = an_observation("98979-8", egfr, "mL/min/{1.73_m2}", on="2024-05-20")
    assert ("contrast-low-egfr" in found(picking(CT_CONTRAST, chart))) is says


def test_a_study_without_contrast_is_free_of_it() -> None:
    assert found(picking(CT_HEAD, SEVERE)) == set()


def test_without_an_egfr_nothing_is_said_but_what_could_not_be_read_is() -> None:
    assert summaries(picking(CT_CONTRAST)) == []
    assert summaries(picking(CT_CONTRAST, an_observation("2160-0", 2.8, "mg", on="2024-05-20"))) == [
        "Not checked: eGFR for CT of abdomen and pelvis with contrast"
    ]
    unread = dict.fromkeys(SERVICE.searches, Availability.COMPLETE) | {"laboratory": Availability.DENIED}
    card = the_card(picking(CT_CONTRAST, availability=unread))
    assert card.summary == "Not checked: eGFR for CT of abdomen and pelvis with contrast"
    assert "access was denied" in str(card.detail)


def test_dialysis_on_the_list_leaves_no_function_to_protect() -> None:
    assert "contrast-low-egfr" not in found(picking(CT_CONTRAST, SEVERE, a_condition("Z99.2")))
    assert "contrast-low-egfr" in found(picking(CT_CONTRAST, SEVERE, a_condition({"text": "x"})))


def test_in_acute_injury_the_stage_speaks_and_not_the_egfr() -> None:
    assert found(picking(CT_CONTRAST, *INJURY)) == {"contrast-kidney-injury"}
    assert the_card(picking(CT_CONTRAST, *INJURY)).summary == (
        "Iodinated contrast in acute kidney injury, stage 2: CT of abdomen and pelvis with contrast"
    )


def test_gadolinium_asks_for_the_agent_and_does_not_wait() -> None:
    assert found(picking(MR_CONTRAST, SEVERE)) == {"gadolinium-low-egfr"}
    assert found(picking(MR_CONTRAST, *INJURY)) == {"gadolinium-kidney-injury"}
    assert found(picking(MR_CONTRAST, WELL)) == set()


# Earlier reactions


@pytest.mark.parametrize(
    "row",
    [
        an_allergy(CONTRAST, a_reaction("126485001")),
        an_allergy(CONTRAST),
        an_allergy(CONTRAST, a_reaction("126485001"), kind="intolerance"),
        a_condition("Z91.041"),
    ],
    ids=["hives", "unknown", "as-intolerance", "problem-list"],
)
def test_an_earlier_contrast_reaction_is_said(row: Resource) -> None:
    card = the_card(picking(CT_CONTRAST, WELL, row))
    assert card.summary == "CT of abdomen and pelvis with contrast after an earlier reaction to a contrast medium"
    assert card.indicator is Indicator.WARNING
    assert "Shellfish and iodine are no reason" in str(card.detail)


@pytest.mark.parametrize(
    "row",
    [
        an_allergy(CONTRAST, a_reaction("422587007")),
        an_allergy(Code(SNOMED_CT, "300913006"), a_reaction("126485001")),
        an_allergy(CONTRAST, a_reaction("126485001"), verification_status="refuted"),
    ],
    ids=["nausea", "shellfish", "refuted"],
)
def test_nausea_shellfish_and_what_was_refuted_are_no_reason(row: Resource) -> None:
    assert summaries(picking(CT_CONTRAST, WELL, row)) == []


def test_an_earlier_reaction_does_not_concern_a_study_without_iodine() -> None:
    reaction = an_allergy(CONTRAST, a_reaction("126485001"))
    assert found(picking(CT_HEAD, reaction)) == set()
    assert found(picking(MR_CONTRAST, reaction)) == set()


def test_two_findings_of_one_order_are_one_card() -> None:
    card = the_card(picking(CT_CONTRAST, SEVERE, an_allergy(CONTRAST)))
    assert card.summary.endswith("at eGFR 18.4: CT of abdomen and pelvis with contrast (and 1 more)")
    assert len(card.findings) == 2
    assert len(card.suggestions) == 1


# Pregnancy


def test_a_known_pregnancy_speaks_where_the_pelvis_is_in_the_beam() -> None:
    card = the_card(picking(CT_PELVIS, YOUNG, PREGNANT))
    assert card.summary == "CT of abdomen and pelvis in pregnancy: the pelvis is in the beam"
    assert card.indicator is Indicator.WARNING
    assert found(picking(CT_HEAD, YOUNG, PREGNANT)) == set()
    assert found(picking(CHEST_XRAY, YOUNG, PREGNANT)) == set()


def test_where_pregnancy_is_not_told_it_is_asked_in_the_pilot() -> None:
    record = picking(CT_PELVIS, YOUNG)
    assert summaries(record) == []
    card = the_card(record, pilot=True)
    assert card.summary == "PILOT: CT of abdomen and pelvis: is she pregnant? The chart does not say"
    (suggestion,) = card.suggestions
    (action,) = suggestion.actions
    assert isinstance(action, CreateAction)
    assert action.resource["code"]["coding"][0]["code"] == "2106-3"


@pytest.mark.parametrize(
    ("born", "sex", "asks"),
    [
        ("2012-06-01", "female", True),
        ("2012-06-02", "female", False),
        ("1973-06-02", "female", True),
        ("1973-06-01", "female", False),
        ("1994-01-10", "male", False),
        ("1994-01-10", "unknown", False),
        (None, "female", False),
    ],
)
def test_it_is_asked_of_women_from_12_to_50(born: str | None, sex: str, asks: bool) -> None:
    chart = a_patient(born=born, sex=sex)
    assert ("radiation-pregnancy-unknown" in found(picking(CT_PELVIS, chart))) is asks


@pytest.mark.parametrize(("on", "asks"), [("2024-05-20", False), ("2024-05-03", True)])
def test_an_answer_of_the_last_four_weeks_is_one(on: str, asks: bool) -> None:
    told = an_observation("82810-3", Code(LOINC, "LA26683-5"), on=on)
    assert ("radiation-pregnancy-unknown" in found(picking(CT_PELVIS, YOUNG, told))) is asks


def test_gadolinium_in_pregnancy_waits_for_the_pilot() -> None:
    record = picking(MR_CONTRAST, YOUNG, PREGNANT)
    assert summaries(record) == []
    assert found(record) == {"gadolinium-in-pregnancy"}


# A rule before a scan


def test_pulmonary_angiography_without_a_d_dimer_says_what_the_chart_gives_of_wells() -> None:
    cancer = a_condition("C34.90")
    card = the_card(picking(CTPA, WELL, cancer))

    assert card.summary.startswith("CT pulmonary angiography without a D-dimer: ")
    assert card.indicator is Indicator.INFO
    assert "two items are yours to judge" in card.summary
    for part in (
        "Add 3 for signs of deep vein thrombosis",
        "above 4 go ahead",
        "| D-dimer in 72 hours | no |",
        "| Malignancy, treated within six months or palliative | yes |",
        "| Clinical signs of deep vein thrombosis | missing: not found |",
    ):
        assert part in str(card.detail)
    (suggestion,) = card.suggestions
    (action,) = suggestion.actions
    assert isinstance(action, CreateAction)
    assert action.resource["code"]["coding"][0]["code"] == "48065-7"


@pytest.mark.parametrize(("on", "says"), [("2024-05-31T10:00:00Z", False), ("2024-05-28T10:00:00Z", True)])
def test_a_d_dimer_of_three_days_is_one(on: str, says: bool) -> None:
    d_dimer = an_observation("48065-7", 0.3, "ug/mL", on=on)
    assert ("angiography-without-wells" in found(picking(CTPA, WELL, d_dimer))) is says


def test_where_the_chart_alone_makes_it_likely_nothing_is_said() -> None:
    likely = (
        a_condition("I26.99", onset="2019-01-01"),
        a_condition("R04.2", onset="2024-05-30"),
        a_condition("C34.90"),
        an_observation("8867-4", 118, "/min", on="2024-05-31T22:00:00Z"),
    )
    assert "angiography-without-wells" not in found(picking(CTPA, WELL, *likely))
    assert "angiography-without-wells" in found(picking(CTPA, WELL, *likely[:2]))


def test_whom_wells_is_not_for_it_does_not_concern() -> None:
    assert "angiography-without-wells" not in found(picking(CTPA, WELL, a_patient(born="2010-01-01")))


def test_any_other_ct_needs_no_wells() -> None:
    assert found(picking("24628-0", WELL)) == set()


# Repeated studies


@pytest.mark.parametrize(
    ("ordered", "reported", "on", "says"),
    [
        (CT_HEAD, "24725-4", "2024-05-20", True),
        (CT_HEAD, "24727-0", "2024-05-20", True),
        ("24727-0", CT_HEAD, "2024-05-20", False),
        ("24727-0", "24726-2", "2024-05-20", True),
        (CT_HEAD, "24627-2", "2024-05-20", False),
        (CT_HEAD, "24590-2", "2024-05-20", False),
        (CT_HEAD, "24725-4", "2024-05-02", True),
        (CT_HEAD, "24725-4", "2024-05-01", False),
        (CHEST_XRAY, CHEST_XRAY, "2024-05-31", False),
    ],
)
def test_a_report_of_the_same_place_within_30_days_is_named(ordered: str, reported: str, on: str, says: bool) -> None:
    assert ("repeated-study" in found(picking(ordered, a_report(reported, on)))) is says


def test_a_repeated_study_waits_for_the_pilot() -> None:
    record = picking(CT_HEAD, a_report(CT_HEAD, "2024-05-20"))
    assert summaries(record) == []
    card = the_card(record, pilot=True)
    assert card.summary == "PILOT: CT of the head: one was reported 12 days ago"
    assert "2024-05-20" in str(card.detail)


def test_what_is_due_later_counts_from_then_and_what_recurs_is_meant_to() -> None:
    report = a_report(CT_HEAD, "2024-05-20")
    assert found(picking(CT_HEAD, report, draft={"occurrenceDateTime": "2024-06-25"})) == set()
    assert found(picking(CT_HEAD, report, draft={"occurrenceTiming": {"repeat": {"frequency": 1}}})) == set()


def test_a_report_that_is_not_final_answers_nothing() -> None:
    assert found(picking(CT_HEAD, a_report(CT_HEAD, "2024-05-20", status="preliminary"))) == set()


# What is looked at


def test_no_study_that_is_known_gives_no_card() -> None:
    assert summaries(picking("2160-0", SEVERE)) == []
    assert summaries(picking(CHEST_XRAY, SEVERE)) == []
    assert found(a_record(SEVERE, an_order(CT_CONTRAST))) == set()


def test_only_what_was_selected_is_spoken_of() -> None:
    """[OSEL-1] Advise on `selections` only; use the other drafts as background."""
    study = an_order(CT_CONTRAST, id="d1", status="draft", authored=None)
    other = an_order("2160-0", id="d2", status="draft", authored=None)
    assert found(a_record(SEVERE, drafts=(study, other), selected=(other,))) == set()
    assert found(a_record(SEVERE, drafts=(study, other), selected=(study,))) == {"contrast-low-egfr"}


def test_who_has_died_is_not_spoken_of() -> None:
    assert found(picking(CT_CONTRAST, SEVERE, a_patient(deceasedBoolean=True))) == set()


def test_a_code_of_another_system_is_no_study() -> None:
    draft = an_order(Code(ICD_10_CM, CT_CONTRAST), id="d1", status="draft")
    assert found(a_record(SEVERE, drafts=(draft,))) == set()
