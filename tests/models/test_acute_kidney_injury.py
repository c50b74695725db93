"""A truth table for every row: made from the row's own data, so that a new row comes with its cases."""

from typing import Any

import pytest

from fhir_client.codes import RXNORM, Code
from fhir_client.medications import ingredients
from fhir_client.record import PatientRecord
from models.acute_kidney_injury import ASSESSOR as CHECKS
from models.assessment import Findings, Gap, Missing, NotApplicable
from models.order_checks.rules import Rule
from models.site import Site
from tests.builders import Resource, a_condition, a_medication, a_record, an_observation

SITE = Site()
RULES = CHECKS.rules
EVERY_DRUG = [
    pytest.param(rule, code, id=f"{rule.id}-{name}")
    for rule in RULES
    for code, name in (rule.drug.codes.items() if rule.drug else ())
]
EVERY_RULE = [pytest.param(rule, id=rule.id) for rule in RULES]
BASELINE = an_observation("2160-0", 1.0, "mg/dL", on="2024-05-29T08:00:00Z")


def a_draft(code: str, **more: Any) -> Resource:
    return a_medication(code, status="draft", authored=None, **more)


def now(value: float, unit: str | None = "mg/dL", code: str = "2160-0") -> Resource:
    return an_observation(code, value, unit, on="2024-05-31T08:00:00Z")


def checked(*chart: Resource, drafts: tuple[Resource, ...], selected: tuple[Resource, ...] | None = None) -> Any:
    return CHECKS.assess(a_record(*chart, drafts=drafts, selected=selected), SITE)


def first_code(rule: Rule) -> str:
    assert rule.drug is not None
    return min(rule.drug.codes)


def found_by(rule: Rule, answer: Any) -> list[str]:
    assert isinstance(answer, Findings)
    return [finding.message for finding in answer.found if finding.rule.id == rule.id]


@pytest.mark.parametrize(("rule", "code"), EVERY_DRUG)
def test_each_drug_of_a_row_is_found_in_an_injury(rule: Rule, code: str) -> None:
    assert ingredients([Code(RXNORM, code)]) == frozenset({code})
    assert rule.drug is not None
    found = found_by(rule, checked(BASELINE, now(1.5), drafts=(a_draft(code),)))
    assert found == [f"{rule.drug.codes[code]} in acute kidney injury, stage 1"]


@pytest.mark.parametrize("rule", EVERY_RULE)
def test_just_below_stage_1_nothing_is_found(rule: Rule) -> None:
    assert found_by(rule, checked(BASELINE, now(1.29), drafts=(a_draft(first_code(rule)),))) == []


@pytest.mark.parametrize("rule", EVERY_RULE)
def test_a_rise_of_0_3_within_48_hours_is_found(rule: Rule) -> None:
    assert len(found_by(rule, checked(BASELINE, now(1.3), drafts=(a_draft(first_code(rule)),)))) == 1


@pytest.mark.parametrize("rule", EVERY_RULE)
def test_molar_units_are_converted(rule: Rule) -> None:
    chart = (BASELINE, now(180.0, "umol/L", "14682-9"))
    assert found_by(rule, checked(*chart, drafts=(a_draft(first_code(rule)),)))[0].endswith("stage 2")


@pytest.mark.parametrize(
    ("chart", "gap"),
    [
        ((), Gap.NOT_RECORDED),
        ((BASELINE,), Gap.NOT_RECORDED),
        ((BASELINE, now(2.0, "g")), Gap.UNIT),
        ((BASELINE, now(200.0)), Gap.IMPLAUSIBLE),
        ((BASELINE, now(2.0, code="2823-3")), Gap.NOT_RECORDED),
        ((an_observation("2160-0", 2.0, "mg/dL", on="2024-04-01"),), Gap.TOO_OLD),
    ],
    ids=["nothing", "no baseline", "wrong unit", "implausible", "another code", "too old"],
)
@pytest.mark.parametrize("rule", EVERY_RULE)
def test_what_cannot_be_staged_is_on_record(rule: Rule, chart: tuple[Resource, ...], gap: Gap) -> None:
    answer = checked(*chart, drafts=(a_draft(first_code(rule)),))
    assert found_by(rule, answer) == []
    (unchecked,) = (each for each in answer.unchecked if each.rule.id == rule.id)
    (missing,) = unchecked.missing
    assert isinstance(missing.reading, Missing)
    assert missing.reading.gap is gap


@pytest.mark.parametrize("rule", EVERY_RULE)
@pytest.mark.parametrize("code", ["Z99.2", "O80", "Z51.5"])
def test_whom_the_stage_is_not_for_is_not_found(rule: Rule, code: str) -> None:
    chart = (BASELINE, now(2.0), a_condition(code))
    assert found_by(rule, checked(*chart, drafts=(a_draft(first_code(rule)),))) == []


@pytest.mark.parametrize("rule", EVERY_RULE)
def test_a_draft_that_was_not_selected_is_not_found(rule: Rule) -> None:
    draft, other = a_draft(first_code(rule)), a_draft("83367")
    assert found_by(rule, checked(BASELINE, now(2.0), drafts=(draft, other), selected=(other,))) == []


@pytest.mark.parametrize("rule", EVERY_RULE)
def test_an_active_order_alone_is_no_reason_to_speak(rule: Rule) -> None:
    assert isinstance(checked(BASELINE, now(2.0), a_medication(first_code(rule)), drafts=()), NotApplicable)


def a_chart(*more: Resource) -> tuple[Resource, ...]:
    return (BASELINE, now(2.0), *more)


def beside(record: PatientRecord) -> list[tuple[str, Any]]:
    answer = CHECKS.assess(record, SITE)
    assert isinstance(answer, Findings)
    (finding,) = answer.found
    return [(item.label, getattr(item.reading, "value", None)) for item in finding.inputs[2:]]


def test_a_finding_names_what_else_matters_with_its_orders() -> None:
    lisinopril, atorvastatin = a_medication("29046"), a_medication("83367")
    ibuprofen, gentamicin = a_draft("5640"), a_draft("1596450")
    record = a_record(*a_chart(lisinopril, atorvastatin), drafts=(ibuprofen, gentamicin), selected=(ibuprofen,))
    assert beside(record) == [("gentamicin", "draft order"), ("lisinopril", "active order")]
    answer = CHECKS.assess(record, SITE)
    assert isinstance(answer, Findings)
    assert answer.found[0].orders == tuple(
        f"MedicationRequest/{order['id']}" for order in (ibuprofen, gentamicin, lisinopril)
    )


def test_a_combination_is_named_by_all_that_matters_of_it() -> None:
    """Lisinopril with hydrochlorothiazide: one product, two rows."""
    assert beside(a_record(*a_chart(a_medication("197885")), drafts=(a_draft("5640"),))) == [
        ("lisinopril and hydrochlorothiazide", "active order")
    ]


def test_what_only_a_pilot_may_see_is_not_named_beside_what_everybody_sees() -> None:
    assert beside(a_record(*a_chart(a_medication("25480")), drafts=(a_draft("5640"),))) == []


def test_rows_from_memory_may_not_be_live() -> None:
    doubtful = {output.name for output in CHECKS.outputs if output.unverified}
    assert doubtful == {"injury-renally-cleared-unchecked", "injury-other-nephrotoxic"}
