"""A truth table for every row, made from its own condition: a new row or name needs its entry here, or this fails."""

from itertools import product
from typing import Any

import pytest

from fhir_client.codes import LOINC, SNOMED_CT, Code
from fhir_client.record import Availability, PatientRecord
from models.assessment import Findings, Missing, NotApplicable, Reading
from models.errors import ParametersRejected
from models.imaging import ASSESSOR
from models.imaging.assessor import RULES, ImagingRule, read_rules
from models.imaging.needs import NEEDS, Wish
from models.imaging.studies import (
    ANY,
    FILE,
    GADOLINIUM,
    IODINATED,
    PELVIS,
    Study,
    kinds,
    read_studies,
    studies,
    study_of,
)
from models.order_checks import expression
from models.site import Site
from tests.builders import (
    Resource,
    a_condition,
    a_patient,
    a_record,
    a_report,
    an_allergy,
    an_observation,
    an_order,
)

SITE = Site()
RULE = [pytest.param(rule, id=rule.advice.id) for rule in ASSESSOR.rules]
WOMAN = a_patient(born="1994-01-10")
EGFR = "98979-8"

# How a chart says that each name holds, and that it does not; of a quantity, how it says a value.
TRUTHS: dict[str, tuple[tuple[Resource, ...], tuple[Resource, ...]]] = {
    "maintenance_dialysis": ((a_condition("Z99.2"),), ()),
    "contrast_reaction": ((an_allergy(Code(SNOMED_CT, "293637006")),), ()),
    "pregnancy": ((an_observation("82810-3", Code(LOINC, "LA15173-0"), on="2024-05-20"),), ()),
    "may_be_pregnant": ((), (an_observation("82810-3", Code(LOINC, "LA26683-5"), on="2024-05-30"),)),
    "d_dimer": ((an_observation("48065-7", 0.3, "ug/mL", on="2024-05-31T08:00:00Z"),), ()),
}


def an_egfr(value: float) -> tuple[Resource, ...]:
    return (an_observation(EGFR, value, "mL/min/{1.73_m2}", on="2024-05-20"),)


def a_stage(value: float) -> tuple[Resource, ...]:
    now = {0: 1.0, 1: 1.6, 2: 2.1, 3: 3.1}[round(value)]
    return (
        an_observation("2160-0", 1.0, "mg/dL", on="2024-05-30T08:00:00Z"),
        an_observation("2160-0", now, "mg/dL", on="2024-05-31T20:00:00Z"),
    )


def wells(value: float) -> tuple[Resource, ...]:
    """Points from previous embolism 1.5, fast heart 1.5, cancer 1, haemoptysis 1: 4 and 5 among their sums."""
    rows = (
        (1.5, a_condition("I26.99", onset="2019-01-01")),
        (1.5, an_observation("8867-4", 118, "/min", on="2024-05-31T22:00:00Z")),
        (1.0, a_condition("C34.90")),
        (1.0, a_condition("R04.2", onset="2024-05-30")),
    )
    chosen = next(
        c for c in product((0, 1), repeat=len(rows)) if sum(u * p for u, (p, _) in zip(c, rows, strict=True)) == value
    )
    return tuple(row for used, (_, row) in zip(chosen, rows, strict=True) if used)


def reported(value: float) -> tuple[Resource, ...]:
    return (a_report("24725-4", f"2024-05-{32 - round(value):02}" if value < 32 else "2024-04-20"),)


def aged(value: float) -> tuple[Resource, ...]:
    return (a_patient(born=f"{2024 - round(value)}-01-10"),)


# For each quantity: how to say it, and how far the next value that a chart can say is from a bound.
QUANTITIES: dict[str, tuple[Any, float]] = {
    "egfr": (an_egfr, 0.1),
    "aki_stage": (a_stage, 1),
    "wells_points": (wells, 1),
    "days_since_report": (reported, 1),
    "age_years": (aged, 1),
}
DRAFTS = {
    ANY: "30799-1",
    IODINATED: "36813-4",
    GADOLINIUM: "24587-8",
    PELVIS: "36952-0",
    "ct_pulmonary_angiography": "36147-7",
}


def holding(comparison: expression.Comparison, *, holds: bool) -> float:
    """Give the value nearest to the bound for which the comparison holds, or does not."""
    step = QUANTITIES[comparison.name][1]
    near = (comparison.bound, comparison.bound - step, comparison.bound + step)
    return next(value for value in near if comparison.holds(value) is holds)


def says(part: expression.Condition, *, holds: bool) -> tuple[Resource, ...]:
    """Give the chart in which one part of a condition holds, or does not."""
    match part:
        case expression.Truth():
            return TRUTHS[part.name][0 if holds else 1]
        case expression.Comparison():
            rows: tuple[Resource, ...] = QUANTITIES[part.name][0](holding(part, holds=holds))
            return rows
        case expression.Not():
            return says(part.part, holds=not holds)
        case expression.Group():
            raise AssertionError("no row has a group in a group")


def parts(rule: ImagingRule) -> tuple[expression.Condition, ...]:
    condition = rule.condition
    if not isinstance(condition, expression.Group):
        return (condition,)
    assert not condition.decisive, "this table knows `and` alone"
    return condition.parts


def picking(rule: ImagingRule, *chart: Resource, **more: Any) -> PatientRecord:
    patients = [WOMAN, *(row for row in chart if row["resourceType"] == "Patient")]
    others = [row for row in chart if row["resourceType"] != "Patient"]
    draft = an_order(DRAFTS[rule.kind], id="d1", status="draft", authored=None)
    return a_record(patients[-1], *others, drafts=(draft,), **more)


def speaks(rule: ImagingRule, record: PatientRecord) -> bool:
    checks = ASSESSOR.assess(record, SITE)
    assert isinstance(checks, Findings)
    return rule.advice.id in {finding.rule.id for finding in checks.found}


def all_hold(rule: ImagingRule) -> tuple[Resource, ...]:
    return tuple(row for part in parts(rule) for row in says(part, holds=True))


@pytest.mark.parametrize("rule", RULE)
def test_where_all_of_it_holds_the_row_speaks(rule: ImagingRule) -> None:
    checks = ASSESSOR.assess(picking(rule, *all_hold(rule)), SITE)
    assert isinstance(checks, Findings)
    (finding,) = (each for each in checks.found if each.rule.id == rule.advice.id)
    assert finding.orders == ("ServiceRequest/d1",)
    assert finding.message == finding.message.format()  # nothing is left to fill in
    assert "not known" not in finding.message
    assert bool(finding.unverified) is not rule.advice.label.may_be_live
    assert any(isinstance(item.reading, Reading) for item in finding.inputs)


@pytest.mark.parametrize("rule", RULE)
def test_each_part_that_does_not_hold_silences_it(rule: ImagingRule) -> None:
    for place, part in enumerate(parts(rule)):
        others = (row for at, each in enumerate(parts(rule)) if at != place for row in says(each, holds=True))
        assert not speaks(rule, picking(rule, *others, *says(part, holds=False))), place


@pytest.mark.parametrize("rule", RULE)
def test_without_data_it_does_not_speak_and_says_so_only_where_the_row_wants_it(rule: ImagingRule) -> None:
    unread = dict.fromkeys((search.key for search in ASSESSOR.searches), Availability.UNAVAILABLE)
    checks = ASSESSOR.assess(picking(rule, availability={**unread, "patient": Availability.COMPLETE}), SITE)
    assert isinstance(checks, Findings)
    asks_of_the_woman_alone = set(rule.names) == {"may_be_pregnant", "age_years", "pregnancy"}
    assert asks_of_the_woman_alone or not any(each.rule.id == rule.advice.id for each in checks.found)
    unchecked = {each.rule.id for each in checks.unchecked}
    assert (rule.advice.id in unchecked) is rule.says_unknown


@pytest.mark.parametrize("rule", RULE)
def test_a_study_that_it_is_not_about_silences_it(rule: ImagingRule) -> None:
    other = next((each for each in studies().values() if not each.is_a(rule.kind)), None)
    if other is None:
        assert rule.kind == ANY
        return
    code = min(other.meaning.searched).code
    record = a_record(WOMAN, *all_hold(rule), drafts=(an_order(code, id="d1", status="draft"),))
    assert not speaks(rule, record)


def test_an_egfr_in_a_wrong_unit_is_none() -> None:
    (rule,) = (each for each in ASSESSOR.rules if each.advice.id == "contrast-low-egfr")
    assert not speaks(rule, picking(rule, an_observation(EGFR, 18, "mg/dL", on="2024-05-20")))


def test_every_name_and_kind_has_its_cases() -> None:
    asked = {name for rule in ASSESSOR.rules for name in rule.names}
    assert asked == TRUTHS.keys() | QUANTITIES.keys() == NEEDS.keys()
    assert {rule.kind for rule in ASSESSOR.rules} == DRAFTS.keys() <= kinds()


# Studies


@pytest.mark.parametrize("study", [pytest.param(each, id=each.name) for each in studies().values()])
def test_every_code_of_a_study_means_it_and_no_other(study: Study) -> None:
    for code in study.meaning.searched:
        assert study_of((Code("urn:site", "1"), code)) == study
    assert study.is_answered_by(study)


def test_of_a_study_with_and_without_contrast_the_one_with_is_meant() -> None:
    without, with_contrast = studies()["ct_head"], studies()["ct_head_contrast"]
    codes = (*without.meaning.searched, *with_contrast.meaning.searched)
    assert study_of(codes) == study_of(codes[::-1]) == with_contrast


def test_an_order_in_the_past_is_one_for_now() -> None:
    (draft,) = a_record(drafts=(an_order("30799-1", occurrenceDateTime="2020-01-01"),)).drafted_orders
    record = a_record()
    assert Wish(draft, studies()["ct_head"]).at(record) == record.as_of


def test_acute_injury_withholds_the_egfr() -> None:
    record = a_record(WOMAN, *a_stage(2), drafts=(an_order("36813-4", id="d1"),))
    (draft,) = record.drafted_orders
    answer = NEEDS["egfr"].ask(record, SITE, Wish(draft, studies()["ct_abdomen_pelvis_contrast"]))
    assert isinstance(answer, Missing)
    assert answer.note == "creatinine rises as in acute kidney injury"


# What the page and the gate are told


def test_every_row_is_shown_and_gated_by_itself() -> None:
    rows, outputs = ASSESSOR.rows, ASSESSOR.outputs
    assert [row.id for row in rows] == [output.name for output in outputs] == [r.advice.id for r in ASSESSOR.rules]
    assert [row.is_pilot_at_most for row in rows] == [bool(output.unverified) for output in outputs]
    assert {row.id for row in rows if row.is_pilot_at_most} == {
        "radiation-pregnancy-unknown",
        "gadolinium-in-pregnancy",
        "repeated-study",
    }


def test_a_chart_without_a_draft_is_not_assessed() -> None:
    assert isinstance(ASSESSOR.assess(a_record(an_order("36813-4")), SITE), NotApplicable)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('tier = "warning"', 'tier = "loud"'),
        ('owner = "radiology and nephrology"', ""),
        ('label = "VERIFIED"', 'label = "SURE"'),
        ("review = 2027-11-01", 'review = "soon"'),
        ('id = "contrast-kidney-injury"', 'id = "contrast-low-egfr"'),
        ('study = "iodinated"', 'strudy = "iodinated"'),
        ('study = "iodinated"', 'study = "barium"'),
        ('\nunknown = "say"', '\nunknown = "shout"'),
        ('when = "aki_stage >= 1"', 'when = "mood >= 1"'),
        ('when = "aki_stage >= 1"', 'when = "aki_stage =="'),
        ('about = "a study with gadolinium"', ""),
        ('title = "imaging"', 'name = "imaging"'),
    ],
)
def test_a_file_that_is_not_of_its_form_is_refused(old: str, new: str, tmp_path: Any) -> None:
    text = RULES.read_text("utf-8")
    assert old in text
    broken = tmp_path / "rules.toml"
    broken.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ParametersRejected):
        tuple(read_rules(broken))


@pytest.mark.parametrize(
    ("old", "new"),
    [('contrast = "iodinated"', 'contrast = "barium"'), ('region = "head"', ""), ("pelvis = true", "pelvic = true")],
)
def test_a_file_of_studies_that_is_not_of_its_form_is_refused(old: str, new: str, tmp_path: Any) -> None:
    text = FILE.read_text("utf-8")
    assert old in text
    broken = tmp_path / "studies.toml"
    broken.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ParametersRejected):
        read_studies(broken)


@pytest.mark.parametrize(("status", "is_asked"), [("draft", True), ("on-hold", True), ("revoked", False)])
def test_a_draft_that_ends_an_order_asks_for_no_study(status: str, is_asked: bool) -> None:
    draft = an_order("36813-4", status=status)
    answer = ASSESSOR.assess(a_record(WOMAN, *an_egfr(20), drafts=(draft,)), SITE)
    assert isinstance(answer, Findings) is is_asked


def test_no_adults_equation_is_used_for_a_child() -> None:
    child = a_record(
        a_patient(born="2012-01-01", sex="male"), an_observation("2160-0", 3.1, "mg/dL"), drafts=(an_order("36813-4"),)
    )
    answer = ASSESSOR.assess(child, SITE)
    assert isinstance(answer, Findings)
    assert answer.found == ()
