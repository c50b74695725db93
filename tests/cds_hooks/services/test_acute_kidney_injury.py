from typing import Any

import pytest

from cds_hooks.protocol.cards import Card, CreateAction, DeleteAction, Indicator
from cds_hooks.protocol.hooks import Hook
from cds_hooks.services.acute_kidney_injury import SERVICE
from fhir_client.record import Availability, PatientRecord
from models.site import Site
from tests.builders import Resource, a_medication, a_record, an_observation, an_order
from tests.cds_hooks.services.showing import cards_of

SITE = Site()
IBUPROFEN, GENTAMICIN, METFORMIN, LISINOPRIL, FUROSEMIDE, GABAPENTIN, NO_PRODUCT = (
    "5640",
    "1596450",
    "6809",
    "29046",
    "4603",
    "25480",
    "99999999",
)
BASELINE = an_observation("2160-0", 1.0, "mg/dL", on="2024-05-29T08:00:00Z")
DOUBLED = an_observation("2160-0", 2.1, "mg/dL", on="2024-05-31T08:00:00Z")


def a_draft(code: str, **more: Any) -> Resource:
    return a_medication(code, status="draft", authored=None, **more)


def ordering(*drafts: Resource, chart: tuple[Resource, ...] = (BASELINE, DOUBLED), **more: Any) -> PatientRecord:
    return a_record(*chart, drafts=drafts, **more)


def the_card(record: PatientRecord, **more: Any) -> Card:
    (card,) = cards_of(SERVICE, record, SITE, **more)
    return card


@pytest.mark.parametrize("hook", [Hook.ORDER_SELECT, Hook.ORDER_SIGN])
def test_an_injury_that_meets_a_harmful_order_says_all_of_it_in_the_summary(hook: Hook) -> None:
    chart = (BASELINE, DOUBLED, a_medication(LISINOPRIL), a_medication(FUROSEMIDE, authored="2024-05-30"))
    card = the_card(ordering(a_draft(IBUPROFEN), chart=chart), hook=hook)
    assert card.summary == (
        "AKI stage 2 (creatinine 2.1, baseline 1 mg/dL): ibuprofen ordered; also lisinopril, furosemide"
    )
    assert card.indicator is Indicator.WARNING
    for part in (
        "**Ibuprofen in acute kidney injury, stage 2.** Avoid NSAIDs",
        "| Lisinopril | active order | 2024-03-01 |",
        "| Furosemide | active order | 2024-05-30 |",
        "| 2.1 mg/dL | 2024-05-31 08:00 UTC |",
        "| 1 mg/dL | 2024-05-29 08:00 UTC |",
        "urine output is not read",
        "(injury-nsaid, version 1)",
        "Model kdigo-aki 1.0.0.",
        "Rules acute-kidney-injury ",
        "does not replace, clinical judgement",
    ):
        assert part in str(card.detail)
    assert card.findings == (f"injury-nsaid:{IBUPROFEN}",)


def test_the_harmful_draft_can_be_removed_and_creatinine_ordered_and_nothing_is_preselected() -> None:
    """[OSIG-3] One card per finding that names its order; update and delete target the draft's `Type/id`."""
    removal, creatinine = the_card(ordering(a_draft(IBUPROFEN, id="d1"))).suggestions
    assert removal.actions == (DeleteAction("Remove the draft order", "MedicationRequest/d1"),)
    (action,) = creatinine.actions
    assert isinstance(action, CreateAction)
    assert action.resource["code"]["coding"][0]["code"] == "2160-0"
    assert [each.is_recommended for each in (removal, creatinine)] == [None, None]


def test_two_harmful_drafts_are_one_card_and_one_removal() -> None:
    drafts = (a_draft(IBUPROFEN, id="d1"), a_draft(GENTAMICIN, id="d2"))
    card = the_card(ordering(*drafts))
    assert card.summary == "AKI stage 2 (creatinine 2.1, baseline 1 mg/dL): ibuprofen, gentamicin ordered"
    assert card.suggestions[0].label == "Remove these 2 draft orders"
    assert [action.resource_id for action in card.suggestions[0].actions if isinstance(action, DeleteAction)] == [
        "MedicationRequest/d1",
        "MedicationRequest/d2",
    ]


def test_a_drug_that_is_taken_already_is_not_named_beside_itself() -> None:
    chart = (BASELINE, DOUBLED, a_medication(IBUPROFEN))
    summary = the_card(ordering(a_draft(IBUPROFEN), chart=chart)).summary
    assert summary == "AKI stage 2 (creatinine 2.1, baseline 1 mg/dL): ibuprofen ordered"


def test_a_drug_that_may_be_needed_is_to_be_reviewed_not_removed() -> None:
    card = the_card(ordering(a_draft(FUROSEMIDE)))
    assert card.indicator is Indicator.INFO
    assert [each.label for each in card.suggestions] == [
        "Review the drugs in acute kidney injury",
        "Order: Creatinine, serum or plasma",
    ]


def test_a_renally_cleared_drug_is_named() -> None:
    assert "metformin ordered" in the_card(ordering(a_draft(METFORMIN))).summary


def test_a_creatinine_that_is_drafted_already_is_not_suggested() -> None:
    (removal,) = the_card(ordering(a_draft(IBUPROFEN), an_order("2160-0", status="draft"))).suggestions
    assert removal.label == "Remove this draft order"


def test_a_draft_without_an_id_cannot_be_removed() -> None:
    draft = a_draft(IBUPROFEN)
    del draft["id"]
    card = the_card(ordering(draft), hook=Hook.ORDER_SIGN)
    assert card.suggestions[0].label == "Review the drugs in acute kidney injury"


def test_many_other_drugs_are_counted_where_their_names_do_not_fit() -> None:
    taken = [a_medication(code) for code in ("18867", "214354", "2396", "5487", "10109", "2049549", "11124")]
    card = the_card(ordering(a_draft(IBUPROFEN), chart=(BASELINE, DOUBLED, *taken)))
    assert card.summary.endswith(": ibuprofen ordered; 7 more drugs that matter")
    assert "| Plazomicin | active order | 2024-03-01 |" in str(card.detail)


@pytest.mark.parametrize(
    "record",
    [
        ordering(),
        ordering(a_draft("83367")),
        ordering(an_order("2160-0", status="draft")),
        ordering(a_draft(IBUPROFEN), chart=(BASELINE, an_observation("2160-0", 1.1, "mg/dL", on="2024-05-31"))),
        ordering(a_draft(IBUPROFEN), chart=()),
        ordering(a_draft(IBUPROFEN), chart=(DOUBLED,)),
        ordering(a_draft(IBUPROFEN), chart=(an_observation("2160-0", 2.1, "mg/dL", on="2024-03-01"),)),
        ordering(a_draft(NO_PRODUCT), chart=(BASELINE,)),
        ordering(a_draft("83367"), chart=(BASELINE, DOUBLED, a_medication(IBUPROFEN), a_medication(NO_PRODUCT))),
    ],
    ids=[
        "no draft",
        "a harmless drug",
        "a test",
        "no injury",
        "no creatinine",
        "no baseline",
        "an old creatinine",
        "not recognised, no injury",
        "a harmless drug beside harmful ones",
    ],
)
def test_otherwise_it_is_silent(record: PatientRecord) -> None:
    assert cards_of(SERVICE, record, SITE, hook=Hook.ORDER_SIGN) == []


def test_what_was_not_selected_is_no_reason_for_a_card() -> None:
    """[OSEL-1] Advice is about the selections. Unselected risky draft alone: no card."""
    harmful, harmless = a_draft(IBUPROFEN), a_draft("83367")
    assert cards_of(SERVICE, ordering(harmful, harmless, selected=(harmless,)), SITE) == []


def test_a_drug_that_is_not_recognised_is_said_in_an_injury() -> None:
    card = the_card(ordering(a_draft(NO_PRODUCT)))
    assert card.summary == (
        "AKI stage 2 (creatinine 2.1, baseline 1 mg/dL): 1 ordered drug is not recognised, not checked"
    )
    assert card.indicator is Indicator.INFO


def test_drugs_taken_that_are_not_recognised_are_counted_on_the_card() -> None:
    chart = (BASELINE, DOUBLED, a_medication(NO_PRODUCT))
    assert "1 drug not recognised, so not looked at." in str(the_card(ordering(a_draft(IBUPROFEN), chart=chart)).detail)


def test_creatinine_that_could_not_be_read_is_said_and_not_read_as_no_injury() -> None:
    availability = dict.fromkeys(SERVICE.searches, Availability.COMPLETE) | {"laboratory": Availability.UNAVAILABLE}
    card = the_card(ordering(a_draft(IBUPROFEN), chart=(), availability=availability))
    assert card.summary == "Not checked for acute kidney injury: ibuprofen"
    assert "could not be read" in str(card.detail)


def test_a_creatinine_in_a_unit_that_is_none_is_said() -> None:
    chart = (BASELINE, an_observation("2160-0", 2.1, "g", on="2024-05-31T08:00:00Z"))
    assert the_card(ordering(a_draft(IBUPROFEN), chart=chart)).summary == (
        "Not checked for acute kidney injury: ibuprofen"
    )


def test_a_row_from_memory_is_for_the_pilot_and_marked() -> None:
    record = ordering(a_draft(GABAPENTIN))
    assert cards_of(SERVICE, record, SITE) == []
    card = the_card(record, shows_unverified=True)
    assert card.summary == "PILOT: AKI stage 2 (creatinine 2.1, baseline 1 mg/dL): gabapentin ordered"
