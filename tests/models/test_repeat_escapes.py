"""A truth table for every condition that makes a repeated test right, and every row that has it."""

from collections.abc import Callable

import pytest

from fhir_client.record import Availability
from models.assessment import Missing
from models.repeat_test import ASSESSOR
from models.repeat_test.rows import Orderable
from tests.builders import Resource, a_condition, a_medication, an_encounter, an_observation, an_order
from tests.models.repeating import (
    NOW,
    ORDERABLES,
    SECOND,
    a_draft,
    asked,
    found,
    results,
    row,
    the_finding,
    the_unchecked,
)

# How a chart says that each condition holds. A new condition needs its entry here: the table fails without it.
HOLDS: dict[str, Callable[[], tuple[Resource, ...]]] = {
    "bleeding": lambda: (a_condition("K92.2"),),
    "cancer": lambda: (a_condition("C61"),),
    "emergency": lambda: (an_encounter("EMER"),),
    "acute_kidney_injury": lambda: (
        an_observation("2160-0", 1.0, "mg/dL", on="2024-05-27T08:00:00Z"),
        an_observation("2160-0", 2.0, "mg/dL", on="2024-05-31T23:59:59Z"),
    ),
    "end_stage_kidney_disease": lambda: (a_condition("N18.6"),),
    "abnormal_potassium": lambda: (an_observation("2823-3", 5.1, "mmol/L", on="2024-05-31T23:59:59Z"),),
    "abnormal_sodium": lambda: (an_observation("2951-2", 134, "mmol/L", on="2024-05-31T23:59:59Z"),),
    "diuretic": lambda: (a_medication("4603"),),
    "ketoacidosis": lambda: (a_condition("E10.10"),),
    "suspected_infection": lambda: (
        a_medication("2193", authored="2024-05-31"),
        an_order("600-7", authored="2024-05-31"),
    ),
    "acute_liver_injury": lambda: (a_condition("K72.00"),),
    "electrolyte_replacement": lambda: (a_medication("8591"),),
    "arrhythmia": lambda: (a_condition("I48.0"),),
    "intravenous_iron": lambda: (a_medication("24909"),),
    "pregnancy": lambda: (a_condition("Z33.1"),),
    "new_thyroid_drug": lambda: (a_medication("10582", authored="2024-05-01"),),
    "acute_pancreatitis": lambda: (a_condition("K85.9"),),
    "vasculitis_or_lupus": lambda: (a_condition("M32.10"),),
}
DRAFTED = {
    "diuretic": "4603",
    "electrolyte_replacement": "8591",
    "intravenous_iron": "24909",
    "new_thyroid_drug": "703",
}
ESCAPES = [(each, escape.name) for each in ORDERABLES for escape in each.unless]
EVERY_ESCAPE = [pytest.param(each, name, id=f"{each.reference.id}-{name}") for each, name in ESCAPES]
DRUGS = [pytest.param(each, name, id=f"{each.reference.id}-{name}") for each, name in ESCAPES if name in DRAFTED]
# Those that ask for more than the encounters, which have a case of their own.
CONDITIONAL = sorted({each.reference.id for each, name in ESCAPES if name != "emergency"})


def test_every_condition_has_its_case() -> None:
    assert {escape.name for each in ORDERABLES for escape in each.unless} == set(HOLDS)


@pytest.mark.parametrize(("orderable", "name"), EVERY_ESCAPE)
def test_each_condition_makes_a_repeat_right(orderable: Orderable, name: str) -> None:
    answer = asked(*results(orderable), *HOLDS[name](), drafts=(a_draft(orderable),))
    assert found(answer) == []
    assert answer.unchecked == ()


@pytest.mark.parametrize(("orderable", "name"), DRUGS)
def test_a_drug_that_is_drafted_beside_it_makes_it_right_too(orderable: Orderable, name: str) -> None:
    drug = a_medication(DRAFTED[name], status="draft", authored=None)
    assert found(asked(*results(orderable), drafts=(a_draft(orderable), drug))) == []


@pytest.mark.parametrize("id_", CONDITIONAL)
def test_conditions_that_could_not_be_read_keep_it_unchecked(id_: str) -> None:
    orderable = row(id_)
    kept = {"patient", "laboratory", "service-orders", "encounters"}
    availability = {
        search.key: Availability.COMPLETE if search.key in kept else Availability.DENIED for search in ASSESSOR.searches
    }
    unchecked = the_unchecked(asked(*results(orderable), drafts=(a_draft(orderable),), availability=availability))
    assert unchecked.rule == orderable.reference
    assert unchecked.missing
    assert all(isinstance(item.reading, Missing) for item in unchecked.missing)


def test_an_encounter_list_that_could_not_be_read_keeps_a_blood_count_unchecked() -> None:
    orderable = row("repeat-haemoglobin")
    availability = dict.fromkeys((s.key for s in ASSESSOR.searches), Availability.COMPLETE)
    availability["encounters"] = Availability.UNAVAILABLE
    unchecked = the_unchecked(asked(*results(orderable), drafts=(a_draft(orderable),), availability=availability))
    assert [item.name for item in unchecked.missing] == ["emergency"]


def test_what_a_chart_says_nothing_of_is_said_and_no_reason_to_be_silent() -> None:
    orderable = row("repeat-potassium")
    finding = the_finding(asked(*results(orderable), drafts=(a_draft(orderable),)))
    said = {item.label for item in finding.inputs if item.name.startswith("not told:")}
    assert said == {"acute kidney injury", "abnormal sodium"}
    assert finding.action == (
        "Usually not repeated within 24 hours. "
        "For the clinician to say, as no chart tells: fluids by vein, intensive care."
    )


@pytest.mark.parametrize(("value", "is_found"), [(3.49, False), (3.5, True), (5.0, True), (5.01, False)])
def test_the_range_of_potassium_includes_its_bounds(value: float, is_found: bool) -> None:
    result = an_observation("2823-3", value, "mmol/L", on=(NOW - SECOND).isoformat())
    orderable = row("repeat-potassium")
    assert bool(found(asked(result, drafts=(a_draft(orderable),)))) is is_found


@pytest.mark.parametrize(("authored", "is_found"), [("2024-04-07", False), ("2024-04-05", True), (None, None)])
def test_a_thyroid_drug_of_old_is_no_new_therapy(authored: str | None, is_found: bool | None) -> None:
    orderable = row("repeat-tsh")
    answer = asked(*results(orderable), a_medication("10582", authored=authored), drafts=(a_draft(orderable),))
    if is_found is None:
        assert [item.name for item in the_unchecked(answer).missing] == ["new_thyroid_drug"]
    else:
        assert bool(found(answer)) is is_found
