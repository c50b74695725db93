"""Feedback in the journal: whose card it is, which cards count, and what is found again."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest

from cds_hooks.invocation import Invocation, invoke
from cds_hooks.journal.audit import Caller, Journal
from cds_hooks.journal.feedback import Received, feedback_of, overrides_of, record_feedback
from cds_hooks.policy import Policy, ReleaseState
from cds_hooks.protocol.feedback import CardFeedback, GivenReason, Outcome, OverrideReason
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.requests import HookRequest
from tests.cds_hooks.declared import a_service
from tests.cds_hooks.web.edge import CORRELATION, NOW, a_call

NORTH = Caller("https://ehr.example", "north")
SOUTH = Caller("https://ehr.example", "south")
EVERY_TIME: Mapping[str, str] = MappingProxyType({})
OTHER = Caller("https://other.example", "north")


def recorded(
    journal: Journal, context: Mapping[str, str] = EVERY_TIME, *, caller: Caller = NORTH, policy: Policy | None = None
) -> Invocation:
    ids = {"userId": "Practitioner/u1", "patientId": "p1", **context}
    prefetch = {"patient": {"resourceType": "Patient", "id": ids["patientId"]}, "laboratory": None}
    request = HookRequest.from_object(a_call(context=ids, prefetch=prefetch), service_hooks=[Hook.PATIENT_VIEW])
    service = a_service()
    invocation = invoke(service, request, connect=lambda _: None, now=lambda: NOW, policy=policy or Policy())
    journal.record(invocation, caller=caller, correlation=CORRELATION, duration_ms=1)
    return invocation


def received(journal: Journal, *entries: CardFeedback, caller: Caller = NORTH) -> Received:
    return record_feedback(
        journal, entries, service="test-service", caller=caller, received_at=NOW, correlation=CORRELATION
    )


def an_entry(card: str, code: str | None = None, at: datetime = NOW) -> CardFeedback:
    reason = None if code is None else OverrideReason(GivenReason(code, "urn:test"))
    return CardFeedback(card, Outcome.OVERRIDDEN, (), reason, at)


@pytest.mark.parametrize("caller", [SOUTH, OTHER, Caller("https://ehr.example")])
def test_feedback_for_anothers_card_is_stored_nowhere_and_audited(journal: Journal, caller: Caller) -> None:
    """[FB-18] The caller's issuer and tenant must own the card."""
    card = recorded(journal).response.cards[0].uuid
    assert received(journal, an_entry(card), caller=caller) == Received(unclaimed=1)
    assert feedback_of(journal, card) == ()
    cause = journal.read(lambda it: it.exec_driver_sql("SELECT cause FROM unclaimed_feedback").scalar_one())
    assert cause == "card of another client"
    assert received(journal, an_entry(card)) == Received(stored=1)


def test_a_card_that_was_never_shown_takes_no_feedback(journal: Journal) -> None:
    shadow = Policy(ceilings={"test-service": ReleaseState.SHADOW})
    card = recorded(journal, policy=shadow).held_back[0].uuid
    assert received(journal, an_entry(card)) == Received(unclaimed=1)


def test_a_message_counts_what_was_new_known_and_unclaimed(journal: Journal) -> None:
    card = recorded(journal).response.cards[0].uuid
    assert received(journal, an_entry(card), an_entry(card), an_entry("x")) == Received(1, 1, 1)
    assert received(journal) == Received()


def test_overrides_are_found_by_patient_user_and_caller_newest_first(journal: Journal) -> None:
    first = recorded(journal, {"encounterId": "e1"}).response.cards[0].uuid
    second = recorded(journal).response.cards[0].uuid
    for caller, context in (
        (NORTH, {"patientId": "p2"}),
        (NORTH, {"userId": "Practitioner/u2"}),
        (SOUTH, {}),
    ):
        uuid = recorded(journal, context, caller=caller).response.cards[0].uuid
        assert received(journal, an_entry(uuid), caller=caller).stored == 1
    later = NOW + timedelta(minutes=5)
    received(journal, an_entry(first, "tolerated"), an_entry(second, at=later))
    found = overrides_of(journal, patient="p1", user="Practitioner/u1", caller=NORTH)
    assert [(each.card, each.encounter, each.reason_code, each.outcome_at) for each in found] == [
        (second, None, None, later),
        (first, "e1", "tolerated", NOW.astimezone(UTC)),
    ]
    assert {each.service for each in found} == {"test-service"}
