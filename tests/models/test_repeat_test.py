"""A truth table for every row: made from the row's own data, so that a new row comes with its cases."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fhir_client.codes import Code
from fhir_client.record import Availability
from models.assessment import Findings, NotApplicable, NotAssessable, Reading
from models.errors import ParametersRejected
from models.repeat_test import ASSESSOR
from models.repeat_test.rows import FILE, Orderable, load
from tests.builders import Resource, a_medication, a_patient, an_observation, an_order
from tests.models.repeating import (
    EVERY,
    EVERY_CODE,
    NOW,
    PANELS,
    RESULT_CODES,
    SECOND,
    SINGLE,
    a_draft,
    a_result,
    asked,
    code_of,
    found,
    results,
    row,
    the_finding,
    the_unchecked,
)

# ---- the interval


@pytest.mark.parametrize("orderable", EVERY)
def test_just_inside_the_interval_it_is_found(orderable: Orderable) -> None:
    draft = a_draft(orderable, id="d1")
    finding = the_finding(asked(*results(orderable), drafts=(draft,)))
    assert finding.rule == orderable.reference
    assert finding.message == f"{orderable.meaning.title} already reported"
    assert finding.orders == ("ServiceRequest/d1",)
    assert finding.remedies == ("delete",)
    assert finding.key == orderable.reference.id


@pytest.mark.parametrize("orderable", EVERY)
def test_at_the_end_of_the_interval_it_may_be_done_again(orderable: Orderable) -> None:
    answer = asked(*results(orderable, short_of=timedelta(0)), drafts=(a_draft(orderable),))
    assert found(answer) == []
    assert answer.unchecked == ()


@pytest.mark.parametrize(("orderable", "code"), EVERY_CODE)
def test_every_code_of_a_row_orders_it(orderable: Orderable, code: Code) -> None:
    draft = an_order(code, status="draft", authored=None)
    assert the_finding(asked(*results(orderable), drafts=(draft,))).rule == orderable.reference


@pytest.mark.parametrize(("orderable", "code"), RESULT_CODES)
def test_a_result_by_every_code_of_a_row_counts(orderable: Orderable, code: Code) -> None:
    result = a_result(orderable.parts[0], NOW - SECOND, code)
    assert len(found(asked(result, drafts=(a_draft(orderable),)))) == 1


@pytest.mark.parametrize("orderable", EVERY)
@pytest.mark.parametrize(
    "more",
    [{"status": "preliminary"}, {"status": "entered-in-error"}, {"status": "cancelled"}, {"patient": "somebody-else"}],
    ids=["preliminary", "in error", "cancelled", "another patient"],
)
def test_what_is_no_final_result_of_the_patient_does_not_count(orderable: Orderable, more: dict[str, Any]) -> None:
    chart = tuple(a_result(part, NOW - SECOND, **more) for part in orderable.parts)
    assert found(asked(*chart, drafts=(a_draft(orderable),))) == []


@pytest.mark.parametrize("orderable", EVERY)
def test_a_result_without_a_value_or_a_time_does_not_count(orderable: Orderable) -> None:
    at = (NOW - SECOND).isoformat()
    absent = [an_observation(code_of(part.meaning), absent="error", on=at) for part in orderable.parts]
    undated = [an_observation(code_of(part.meaning), 4.1, "mmol/L", on=None) for part in orderable.parts]
    assert found(asked(*absent, *undated, drafts=(a_draft(orderable),))) == []


@pytest.mark.parametrize("orderable", EVERY)
def test_another_test_does_not_count(orderable: Orderable) -> None:
    assert found(asked(an_observation("10839-9", 0.01, "ng/mL", on="2024-05-31"), drafts=(a_draft(orderable),))) == []


@pytest.mark.parametrize("orderable", SINGLE)
def test_a_result_in_a_unit_that_is_none_of_ours_is_still_a_result(orderable: Orderable) -> None:
    """Nothing is compared but the time; where a condition is read from the value, what cannot be read is said."""
    result = an_observation(code_of(orderable.meaning), 4.1, "[furlong]", on=(NOW - SECOND).isoformat())
    answer = asked(result, drafts=(a_draft(orderable),))
    assert isinstance(answer, Findings)
    assert len(answer.found) + len(answer.unchecked) == 1
    if answer.unchecked:
        assert orderable.meaning.name in ("potassium", "sodium", "creatinine")


# ---- panels


@pytest.mark.parametrize("orderable", PANELS)
def test_a_panel_of_which_one_part_is_not_there_may_be_done(orderable: Orderable) -> None:
    every = results(orderable)
    for number in range(len(every)):
        chart = (*every[:number], *every[number + 1 :])
        assert found(asked(*chart, drafts=(a_draft(orderable),))) == []


@pytest.mark.parametrize("orderable", PANELS)
def test_a_part_is_covered_by_a_pending_panel(orderable: Orderable) -> None:
    panel = a_draft(orderable, status="active", authored=(NOW - SECOND).isoformat())
    for part in orderable.parts:
        single = ASSESSOR.intervals.by_code.get(code_of(part.meaning))
        if single is not None:
            finding = the_finding(asked(panel, drafts=(a_draft(single),)))
            assert finding.message == f"{single.meaning.title} already ordered"


@pytest.mark.parametrize("orderable", PANELS)
def test_a_panel_is_not_covered_by_a_pending_part(orderable: Orderable) -> None:
    part = an_order(code_of(orderable.parts[0].meaning), authored=(NOW - SECOND).isoformat())
    assert found(asked(part, drafts=(a_draft(orderable),))) == []


# ---- orders under way


def pending(orderable: Orderable, **more: Any) -> Resource:
    at = NOW - orderable.interval + SECOND
    return a_draft(orderable, **{"status": "active", "authored": at.isoformat(), **more})


@pytest.mark.parametrize("orderable", EVERY)
def test_the_same_test_under_way_is_found(orderable: Orderable) -> None:
    order = pending(orderable)
    finding = the_finding(asked(order, drafts=(a_draft(orderable),)))
    assert finding.message == f"{orderable.meaning.title} already ordered"
    (reading,) = {item.reading for item in finding.inputs if item.name.startswith("pending:")}
    assert isinstance(reading, Reading)
    assert reading.value == "ordered, no result yet"
    assert reading.sources == (f"ServiceRequest/{order['id']}",)


@pytest.mark.parametrize("orderable", EVERY)
@pytest.mark.parametrize(
    "more",
    [
        {"authored": None},
        {"status": "completed"},
        {"status": "revoked"},
        {"status": "draft"},
        {"intent": "proposal"},
        {"intent": "plan"},
        {"doNotPerform": True},
        {"occurrenceDateTime": "2024-09-01"},
        {"occurrenceTiming": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}},
    ],
    ids=str,
)
def test_an_order_that_is_not_under_way_does_not_count(orderable: Orderable, more: dict[str, Any]) -> None:
    assert found(asked(pending(orderable, **more), drafts=(a_draft(orderable),))) == []


@pytest.mark.parametrize("orderable", EVERY)
def test_an_order_as_old_as_the_interval_does_not_count(orderable: Orderable) -> None:
    order = pending(orderable, authored=(NOW - orderable.interval).isoformat())
    assert found(asked(order, drafts=(a_draft(orderable),))) == []


@pytest.mark.parametrize("orderable", EVERY)
def test_a_revised_order_is_no_repeat_of_itself(orderable: Orderable) -> None:
    """[OSIG-2] A revised order also appears in the active list. Same id in prefetch and draft."""
    order = pending(orderable, id="s1")
    assert found(asked(order, drafts=({**order, "priority": "urgent"},))) == []
    since = tuple(a_result(part, NOW) for part in orderable.parts)
    assert found(asked(order, *since, drafts=(order,))) == []


def test_an_order_that_was_answered_is_not_pending() -> None:
    orderable = row("repeat-crp")
    order = pending(orderable, authored="2024-05-30T12:00:00Z")
    result = a_result(orderable.parts[0], datetime.fromisoformat("2024-05-30T13:00:00Z"))
    assert (
        the_finding(asked(order, result, drafts=(a_draft(orderable),))).message == "C-reactive protein already reported"
    )


def test_an_order_that_was_answered_does_not_stand_against_one_that_is_signed_again() -> None:
    """[OSIG-2] The result may be that of either: nothing is said."""
    crp = row("repeat-crp")
    revised = pending(crp, authored="2024-05-31T05:00:00Z")
    result = a_result(crp.parts[0], datetime.fromisoformat("2024-05-31T06:00:00Z"))
    other = pending(crp, authored="2024-05-31T04:00:00Z")
    assert found(asked(other, result, drafts=(revised,))) == []
    assert len(found(asked(other, drafts=(revised,)))) == 1


# ---- the draft


@pytest.mark.parametrize("orderable", EVERY)
@pytest.mark.parametrize(
    "more",
    [
        {"status": "revoked"},
        {"status": "completed"},
        {"occurrenceDateTime": "2025-06-01"},
        {"occurrenceTiming": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}},
    ],
    ids=str,
)
def test_a_draft_that_asks_for_nothing_now_is_not_found(orderable: Orderable, more: dict[str, Any]) -> None:
    answer = asked(*results(orderable), drafts=(a_draft(orderable, **more),))
    assert isinstance(answer, NotApplicable) or answer.found == ()


@pytest.mark.parametrize("orderable", EVERY)
def test_a_draft_that_is_due_today_is_found(orderable: Orderable) -> None:
    chart = tuple(a_result(part, NOW - SECOND) for part in orderable.parts)
    draft = a_draft(orderable, occurrenceDateTime="2024-06-01T00:00:00Z")
    assert len(found(asked(*chart, drafts=(draft,)))) == 1


@pytest.mark.parametrize("orderable", EVERY)
def test_a_draft_that_was_not_selected_is_not_found(orderable: Orderable) -> None:
    """[OSEL-1] Advice is about the selections."""
    draft, other = a_draft(orderable), an_order("600-7", status="draft", authored=None)
    assert isinstance(asked(*results(orderable), drafts=(draft, other), selected=(other,)), NotApplicable)


def test_each_draft_has_its_finding() -> None:
    crp, tsh = row("repeat-crp"), row("repeat-tsh")
    answer = asked(*results(crp), *results(tsh), drafts=(a_draft(crp), a_draft(tsh)))
    assert [finding.rule.id for finding in found(answer)] == ["repeat-crp", "repeat-tsh"]


def test_troponin_is_never_held_against_anybody() -> None:
    for code in ("10839-9", "6598-7", "49563-0", "67151-1", "89579-7"):
        chart = an_observation(code, 0.01, "ng/mL", on=(NOW - SECOND).isoformat())
        assert isinstance(asked(chart, drafts=(an_order(code, status="draft", authored=None),)), NotApplicable)


# ---- what cannot be looked at, and whom it is not for


@pytest.mark.parametrize("orderable", EVERY)
@pytest.mark.parametrize("key", ["laboratory", "service-orders"])
@pytest.mark.parametrize("state", [state for state in Availability if state is not Availability.COMPLETE])
def test_a_search_that_was_not_answered_leaves_the_draft_unchecked(
    orderable: Orderable, key: str, state: Availability
) -> None:
    availability = dict.fromkeys((search.key for search in ASSESSOR.searches), Availability.COMPLETE) | {key: state}
    unchecked = the_unchecked(asked(drafts=(a_draft(orderable),), availability=availability))
    assert [item.name for item in unchecked.missing] == [key]


def test_children_the_dead_and_people_of_unknown_age_are_not_asked_about() -> None:
    orderable = row("repeat-crp")
    draft = a_draft(orderable)

    def of(patient: Resource) -> Any:
        return asked(patient, *results(orderable), drafts=(draft,))

    assert of(a_patient(born="2010-01-10")) == NotApplicable(ASSESSOR.reference, "age 14 is under 18")
    assert of(a_patient(deceasedBoolean=True)) == NotApplicable(ASSESSOR.reference, "the patient has died")
    for born in (None, "2006"):
        answer = of(a_patient(born=born))
        assert isinstance(answer, NotAssessable)
        assert [item.name for item in answer.missing] == ["age_years"]


def test_without_a_draft_that_has_an_interval_there_is_nothing_to_ask() -> None:
    assert isinstance(asked(drafts=()), NotApplicable)
    assert isinstance(asked(drafts=(a_medication("5640", status="draft"),)), NotApplicable)


# ---- what a reader is shown


def test_the_last_results_are_the_trend_newest_first() -> None:
    series = [
        an_observation("1988-5", value, "mg/L", on=f"2024-05-{day}T08:00:00Z", id=f"o{day}")
        for value, day in ((80.0, "27"), (60.0, "28"), (40.0, "29"), (20.0, "30"), (10.0, "31"))
    ]
    orderable = row("repeat-crp")
    finding = the_finding(asked(*series, drafts=(a_draft(orderable),)))
    shown = [item.reading for item in finding.inputs]
    assert [(r.value, r.sources) for r in shown if isinstance(r, Reading)] == [
        (10.0, ("Observation/o31",)),
        (20.0, ("Observation/o30",)),
        (40.0, ("Observation/o29",)),
        (60.0, ("Observation/o28",)),
    ]
    assert {item.unit for item in finding.inputs} == {"mg/L"}


@pytest.mark.parametrize(
    ("more", "value", "unit"),
    [
        ({"value": 4.0, "unit": "mg/L", "comparator": "<"}, "<4 mg/L", ""),
        ({"value": 4.0, "unit": None}, "4 (unit not stated)", ""),
        ({"value": Code("http://snomed.info/sct", "260385009")}, "a coded result", ""),
        ({"value": False}, False, ""),
        ({"value": 4.0, "unit": "mg/L"}, 4.0, "mg/L"),
    ],
    ids=str,
)
def test_a_result_is_shown_as_it_was_sent(more: dict[str, Any], value: Any, unit: str) -> None:
    orderable = row("repeat-crp")
    result = an_observation("1988-5", on=(NOW - SECOND).isoformat(), **more)
    (item,) = the_finding(asked(result, drafts=(a_draft(orderable),))).inputs
    assert isinstance(item.reading, Reading)
    assert (item.reading.value, item.unit) == (value, unit)


# ---- the file


def test_only_the_row_from_memory_may_not_be_live() -> None:
    assert {output.name for output in ASSESSOR.outputs if output.unverified} == {"repeat-nt-probnp"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('of = "crp"', 'of = "tsh"'),
        ('id = "repeat-crp"', 'id = "repeat-tsh"'),
        ('unless = ["suspected_infection"]', 'unless = ["a full moon"]'),
        ('tier = "info"', 'tier = "loud"'),
        ("hours = 48\n", "hours = 48\ndays = 2\n"),
        ("review = 2027-11-01", 'review = "soon"'),
        ('label = "VERIFIED"', 'label = "SURE"'),
        ('owner = "laboratory"', 'holder = "laboratory"'),
        ('parts = ["hemoglobin", "leukocytes", "platelets"]', 'parts = ["glucose"]'),
        ("[begun]", "[started]"),
    ],
)
def test_a_file_that_is_not_of_its_form_is_refused(old: str, new: str, tmp_path: Path) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    broken = tmp_path / "intervals.toml"
    broken.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ParametersRejected):
        load(broken)


@pytest.mark.parametrize("orderable", SINGLE)
def test_an_order_that_the_draft_replaces_stands_not_against_it(orderable: Orderable) -> None:
    order = pending(orderable, id="s1")
    replacing = a_draft(orderable, replaces=[{"reference": "https://ehr.example/r4/ServiceRequest/s1"}])
    assert found(asked(order, drafts=(replacing,))) == []
    assert found(asked(order, drafts=(a_draft(orderable),))) != []


@pytest.mark.parametrize("orderable", SINGLE)
def test_an_order_and_a_draft_without_an_id_are_two(orderable: Orderable) -> None:
    order, draft = pending(orderable), a_draft(orderable)
    nameless = [{name: value for name, value in each.items() if name != "id"} for each in (order, draft)]
    assert found(asked(nameless[0], drafts=(nameless[1],))) != []
