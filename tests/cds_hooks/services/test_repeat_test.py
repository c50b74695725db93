from typing import Any

import pytest

from cds_hooks.protocol.cards import Card, ClientProfile, DeleteAction, Indicator, Response
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.markdown import plain
from cds_hooks.services.repeat_test import SERVICE
from fhir_client.record import Availability, PatientRecord
from models.site import Site
from tests.builders import Resource, a_condition, a_medication, a_record, an_observation, an_order
from tests.cds_hooks.services.showing import cards_of

SITE = Site()
CRP, POTASSIUM, TROPONIN, LIPIDS = "1988-5", "2823-3", "10839-9", "24331-1"
YESTERDAY = "2024-05-31T07:30:00Z"


def a_draft(code: str, **more: Any) -> Resource:
    return an_order(code, **{"status": "draft", "authored": None, **more})


def ordering(*drafts: Resource, chart: tuple[Resource, ...] = (), **more: Any) -> PatientRecord:
    return a_record(*chart, drafts=drafts, **more)


def the_card(record: PatientRecord, **more: Any) -> Card:
    (card,) = cards_of(SERVICE, record, SITE, **more)
    return card


def summaries(record: PatientRecord) -> list[str]:
    return [card.summary for card in cards_of(SERVICE, record, SITE)]


def crp(value: float, on: str = YESTERDAY) -> Resource:
    return an_observation(CRP, value, "mg/L", on=on)


@pytest.mark.parametrize("hook", [Hook.ORDER_SELECT, Hook.ORDER_SIGN])
def test_a_result_that_is_there_says_all_of_it_in_the_summary(hook: Hook) -> None:
    record = ordering(a_draft(CRP), chart=(crp(12), crp(60, "2024-05-29T07:30:00Z"), crp(88, "2024-05-27T07:30:00Z")))
    card = the_card(record, hook=hook)
    assert card.summary == (
        "C-reactive protein already reported (12 mg/L), 2024-05-31 07:30. Usually not repeated within 48 hours"
    )
    assert card.indicator is Indicator.INFO
    for part in (
        "| C-reactive protein | 12 mg/L | 2024-05-31 07:30 |",
        "| C-reactive protein | 60 mg/L | 2024-05-29 07:30 |",
        "| C-reactive protein | 88 mg/L | 2024-05-27 07:30 |",
        "Leeds Teaching Hospitals Pathology",
        "(repeat-crp, version 1)",
        "Rules repeat-test ",
        "does not replace, clinical judgement",
    ):
        assert part in str(card.detail)
    assert card.findings == ("repeat-crp",)


def test_the_draft_can_be_removed_and_nothing_is_preselected() -> None:
    """[OSIG-3] One card per finding that names its order; update and delete target the draft's `Type/id`."""
    (removal,) = the_card(ordering(a_draft(CRP, id="d1"), chart=(crp(12),))).suggestions
    assert removal.actions == (DeleteAction("Remove this draft order", "ServiceRequest/d1"),)
    assert removal.is_recommended is None


def test_a_client_of_old_gets_its_own_form_of_the_removal() -> None:
    card = the_card(ordering(a_draft(CRP, id="d1"), chart=(crp(12),)))
    (action,) = Response((card,)).to_object(ClientProfile(legacy_delete=True))["cards"][0]["suggestions"][0]["actions"]
    assert action["type"] == "delete"
    assert action["resource"] == "ServiceRequest/d1"


def test_a_draft_without_an_id_cannot_be_removed() -> None:
    draft = a_draft(CRP)
    del draft["id"]
    assert the_card(ordering(draft, chart=(crp(12),)), hook=Hook.ORDER_SIGN).suggestions == ()


def test_each_draft_has_its_card() -> None:
    tsh = an_observation("3016-3", 2.1, "m[IU]/L", on="2024-05-20")
    assert summaries(ordering(a_draft(CRP), a_draft("3016-3"), chart=(crp(12), tsh))) == [
        "C-reactive protein already reported (12 mg/L), 2024-05-31 07:30. Usually not repeated within 48 hours",
        "Thyrotropin (TSH) already reported (2.1 mIU/L), 2024-05-20. Usually not repeated within 28 days",
    ]


def test_an_order_under_way_is_said() -> None:
    order = an_order(CRP, authored=YESTERDAY)
    card = the_card(ordering(a_draft(CRP), chart=(order,)))
    assert card.summary == "C-reactive protein already ordered, 2024-05-31 07:30. Usually not repeated within 48 hours"
    assert "| C-reactive protein | ordered, no result yet | 2024-05-31 07:30 |" in str(card.detail)


def test_a_panel_names_the_part_that_has_waited_longest() -> None:
    chart = tuple(
        an_observation(code, 100, "mg/dL", on=on)
        for code, on in (
            ("2093-3", "2024-05-20"),
            ("2085-9", "2024-05-20"),
            ("13457-7", "2024-05-10"),
            ("2571-8", "2024-05-21"),
        )
    )
    card = the_card(ordering(a_draft(LIPIDS), chart=chart))
    assert card.summary == "Lipid profile already reported, 2024-05-10. Usually not repeated within 28 days"
    assert str(card.detail).count("| 100 mg/dL |") == 4


def test_what_is_not_known_of_the_patient_is_said() -> None:
    potassium = an_observation(POTASSIUM, 4.1, "mmol/L", on="2024-05-31T20:00:00Z")
    detail = str(the_card(ordering(a_draft(POTASSIUM), chart=(potassium,))).detail)
    assert "no chart tells: fluids by vein, intensive care." in detail
    assert "Would make it right, and is not known:" in detail
    assert "- acute kidney injury: not found" in detail


@pytest.mark.parametrize(
    "record",
    [
        ordering(),
        ordering(a_medication("5640", status="draft")),
        ordering(a_draft(CRP)),
        ordering(a_draft(CRP), chart=(crp(12, "2024-05-20"),)),
        ordering(a_draft(TROPONIN), chart=(an_observation(TROPONIN, 0.02, "ng/mL", on=YESTERDAY),)),
        ordering(a_draft("2857-1"), chart=(a_condition("C61"), an_observation("2857-1", 4, "ng/mL", on="2024-05-30"))),
        ordering(a_draft(CRP, occurrenceDateTime="2024-07-01"), chart=(crp(12),)),
    ],
    ids=["no draft", "a drug", "no result", "an old result", "troponin", "a reason", "a test for next month"],
)
def test_otherwise_it_is_silent(record: PatientRecord) -> None:
    assert cards_of(SERVICE, record, SITE, hook=Hook.ORDER_SIGN) == []


def test_what_was_not_selected_is_no_reason_for_a_card() -> None:
    """[OSEL-1] Advice is about the selections."""
    there, other = a_draft(CRP), a_draft("600-7")
    assert cards_of(SERVICE, ordering(there, other, chart=(crp(12),), selected=(other,)), SITE) == []


def test_what_could_not_be_looked_at_is_on_record_and_no_card() -> None:
    availability = dict.fromkeys(SERVICE.searches, Availability.COMPLETE) | {"laboratory": Availability.UNAVAILABLE}
    record = ordering(a_draft(CRP), availability=availability)
    assert cards_of(SERVICE, record, SITE) == []
    assert SERVICE.assessors[0].assess(record, SITE).unchecked  # type: ignore[union-attr]


def test_a_row_from_memory_is_for_the_pilot_and_marked() -> None:
    record = ordering(a_draft("33762-6"), chart=(an_observation("33762-6", 900, "pg/mL", on=YESTERDAY),))
    assert cards_of(SERVICE, record, SITE) == []
    assert the_card(record, shows_unverified=True).summary.startswith("PILOT: NT-proBNP already reported (900 pg/mL)")


@pytest.mark.parametrize("unit", ["%[x](http:evil)", "<b>", "a|b"])
def test_a_unit_that_we_do_not_know_is_shown_inert(unit: str) -> None:
    """[SEC-42] Text from FHIR data is escaped before it enters markdown."""
    record = a_record(an_observation("4548-4", 7, unit, on="2024-05-20"), drafts=(a_draft("4548-4"),))
    (card,) = cards_of(SERVICE, record)
    assert plain(unit) in card.summary
    assert unit not in f"{card.summary}{card.detail}"
