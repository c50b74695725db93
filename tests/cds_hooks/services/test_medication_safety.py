"""medication-safety: one card an order, what was not checked, and nothing where nothing was found."""

import pytest

from cds_hooks.orderables import orderable
from cds_hooks.protocol.cards import Card, CreateAction, DeleteAction, Indicator
from cds_hooks.protocol.hooks import Hook
from cds_hooks.services.medication_safety import RULES, SERVICE
from fhir_client.record import Availability, PatientRecord
from models.order_checks.engine import ORDER_CHECKS
from models.order_checks.rules import Rule
from tests.builders import Resource, a_medication, a_patient, a_record, an_allergy, an_observation
from tests.cds_hooks.services.showing import cards_of

METFORMIN, WARFARIN, CO_TRIMOXAZOLE, ATORVASTATIN = "6809", "11289", "198335", "83367"
SELEGILINE, NARATRIPTAN = "9639", "141366"
FEMALE_63_WITH_EGFR_18 = an_observation("2160-0", 2.8, "mg/dL", on="2024-05-20")
WELL = an_observation("2160-0", 0.8, "mg/dL", on="2024-05-20")


def a_draft(code: str, id: str = "d1") -> Resource:
    return a_medication(code, id=id, status="draft")


def signed(record: PatientRecord, *, pilot: bool = False) -> list[Card]:
    return list(cards_of(SERVICE, record, hook=Hook.ORDER_SIGN, shows_unverified=pilot))


def test_a_contraindicated_drug_is_critical_and_can_be_removed() -> None:
    (card,) = signed(a_record(FEMALE_63_WITH_EGFR_18, drafts=(a_draft(METFORMIN),)))
    assert card.summary == "Metformin is contraindicated at eGFR 18.4"
    assert card.indicator is Indicator.CRITICAL
    assert [
        action.resource_id for s in card.suggestions for action in s.actions if isinstance(action, DeleteAction)
    ] == ["MedicationRequest/d1"]
    assert not any(suggestion.is_recommended for suggestion in card.suggestions)
    assert card.detail is not None
    assert "| EGFR | 18.4 mL/min/1.73 m² (CKD-EPI 2021 from creatinine) | 2024-05-20 |".lower() in card.detail.lower()
    assert card.source.topic is not None
    assert (card.source.topic.system, card.source.topic.code) == (RULES, "metformin-egfr-below-30")


def test_a_drug_that_nothing_speaks_against_gives_no_card() -> None:
    assert signed(a_record(WELL, drafts=(a_draft(METFORMIN),))) == []


def test_no_draft_gives_no_card() -> None:
    assert signed(a_record(FEMALE_63_WITH_EGFR_18, a_medication(METFORMIN))) == []


def test_several_findings_of_one_order_are_one_card() -> None:
    record = a_record(
        FEMALE_63_WITH_EGFR_18, a_medication(WARFARIN), drafts=(a_draft(METFORMIN), a_draft(CO_TRIMOXAZOLE, "d2"))
    )
    cards = signed(record, pilot=True)
    assert len({finding for card in cards for finding in card.findings}) >= len(cards) == 2


def test_what_rests_on_unverified_values_is_for_the_pilot_and_says_so() -> None:
    record = a_record(WELL, a_medication(SELEGILINE), drafts=(a_draft(NARATRIPTAN),))
    assert signed(record) == []
    assert any(card.summary.startswith("PILOT: ") for card in signed(record, pilot=True))


def test_a_drug_that_is_not_recognised_is_said() -> None:
    """A medication that resolves to no ingredient: one info card naming the count (design/contract.md, section 4)."""
    (card,) = signed(a_record(WELL, a_medication("0"), drafts=(a_draft("0"), a_draft(METFORMIN, "d2"))))
    assert card.summary == "Not checked: 2 drugs not recognised"
    assert card.indicator is Indicator.INFO


def test_at_a_selection_only_the_selected_drug_is_said_to_be_unknown() -> None:
    """[OSEL-1] Advise on `selections` only; use the other drafts as background."""
    record = a_record(WELL, a_medication("0"), drafts=(a_draft(METFORMIN),))
    assert list(cards_of(SERVICE, record, hook=Hook.ORDER_SELECT)) == []
    unknown = a_record(WELL, a_medication("0"), drafts=(a_draft("0"),))
    assert [card.summary for card in cards_of(SERVICE, unknown, hook=Hook.ORDER_SELECT)] == [
        "Not checked: 1 drug not recognised"
    ]


def test_a_check_that_could_not_be_made_says_what_for() -> None:
    (card,) = signed(a_record(drafts=(a_draft(METFORMIN),)))
    assert card.summary == "Not checked: eGFR for metformin"
    assert card.indicator is Indicator.INFO


@pytest.mark.parametrize("id_", ["d1", None])
def test_a_draft_without_an_id_cannot_be_removed_by_a_suggestion(id_: str | None) -> None:
    draft = a_draft(METFORMIN)
    if id_ is None:
        del draft["id"]
    (card,) = signed(a_record(FEMALE_63_WITH_EGFR_18, drafts=(draft,)))
    actions = [action for suggestion in card.suggestions for action in suggestion.actions]
    assert any(isinstance(action, DeleteAction) for action in actions) is (id_ is not None)
    assert all(isinstance(action, CreateAction | DeleteAction) for action in actions)


def test_a_drug_is_named_by_our_own_words_and_never_by_the_drafts() -> None:
    """[SEC-42] Text from FHIR data is escaped before it enters markdown."""
    draft = a_draft("723")
    draft["medicationCodeableConcept"]["text"] = "<img src=x>\u0007 www.example"
    cards = signed(a_record(an_allergy("723"), drafts=(draft,)), pilot=True)
    assert any("moxicillin" in card.summary for card in cards)
    assert not any("example" in f"{card.summary}{card.detail}" for card in cards)


def suggested(card: Card) -> list[tuple[str, list[str]]]:
    return [
        (
            suggestion.label,
            [
                action.resource_id
                if isinstance(action, DeleteAction)
                else str(action.resource["medicationCodeableConcept"]["coding"][0]["code"])
                for action in suggestion.actions
                if isinstance(action, CreateAction | DeleteAction)
            ],
        )
        for suggestion in card.suggestions
    ]


def test_a_safer_drug_is_offered_as_a_pair_with_the_draft_it_replaces() -> None:
    (card,) = signed(a_record(a_medication("21212"), drafts=(a_draft("36567"),)))
    assert suggested(card) == [
        ("Replace by pravastatin", ["MedicationRequest/d1", "904467"]),
        ("Remove this draft order", ["MedicationRequest/d1"]),
    ]


def test_what_is_taken_already_is_not_replaced() -> None:
    """The draft is the antibiotic: to put a statin in its place would treat nothing."""
    (card,) = signed(a_record(a_medication("36567"), drafts=(a_draft("21212"),)))
    assert suggested(card) == [("Remove this draft order", ["MedicationRequest/d1"])]


@pytest.mark.parametrize("rule", ORDER_CHECKS.rules, ids=lambda rule: rule.id)
def test_every_remedy_of_a_rule_can_be_offered(rule: Rule) -> None:
    for remedy in rule.remedies:
        kind, _, name = remedy.rpartition(":")
        assert kind in {"", "order", "replace:drug", "replace:with"}
        assert name == "delete" if kind == "" else orderable(name).display
        assert not kind.startswith("replace") or orderable(name).code is not None


@pytest.mark.parametrize("answered", [Availability.DENIED, Availability.PARTIAL, Availability.UNAVAILABLE])
def test_orders_that_were_not_read_are_said_where_they_could_interact(answered: Availability) -> None:
    known = dict.fromkeys(SERVICE.searches, Availability.COMPLETE) | {"medications": answered}
    (card,) = signed(a_record(WELL, availability=known, drafts=(a_draft(WARFARIN),)))
    assert card.summary == "Not checked: active orders for warfarin"
    assert card.findings == ("not-checked:interactions",)
    alone = a_record(WELL, availability=known, drafts=(a_draft("723"),))
    assert signed(alone) == []


@pytest.mark.parametrize("born", ["2010-01-01", "2006"])
def test_no_adults_equation_is_used_for_a_child_or_who_may_be_one(born: str) -> None:
    record = a_record(a_patient(born=born), FEMALE_63_WITH_EGFR_18, drafts=(a_draft(METFORMIN),))
    assert [card.summary for card in signed(record)] == ["Not checked: eGFR for metformin"]


def test_a_drug_that_is_not_recognised_is_named_as_its_order_names_it() -> None:
    """[SEC-42] Text from FHIR data is escaped before it enters markdown."""
    draft = a_draft("0")
    draft["medicationCodeableConcept"]["text"] = "Simvistatin <b>10 MG</b> [x](https://evil.example)"
    (card,) = signed(a_record(a_medication("0"), drafts=(draft,)))
    assert "Simvistatin" in str(card.detail)
    assert "<b>" not in str(card.detail)
    assert "](http" not in str(card.detail)
    assert "- An order that names no drug in words" in str(card.detail)


def test_a_search_that_failed_is_said_whatever_the_row_says() -> None:
    """[FHIR-6] A failure is never silence: what could not be read is not read as no, for any rule."""
    states = dict.fromkeys(SERVICE.searches, Availability.COMPLETE) | {"laboratory": Availability.DENIED}
    (card,) = signed(a_record(drafts=(a_draft("3407"),), availability=states))
    assert card.summary.startswith("Not checked: ")
    assert "potassium" in card.summary
    assert str(card.detail).count("missing: could not be read: access was denied") >= 1
    assert str(card.detail).count("**Digoxin**") == 1
    assert signed(a_record(WELL, drafts=(a_draft("3407"),))) == []
