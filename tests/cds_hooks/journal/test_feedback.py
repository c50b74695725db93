"""Feedback in the journal: whose card it is, which cards count, and what is found again."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest

from cds_hooks.invocation import Invocation, invoke
from cds_hooks.journal.audit import Caller, Journal
from cds_hooks.journal.feedback import Received, answered_findings, feedback_of, overrides_of, record_feedback
from cds_hooks.policy import Policy, ReleaseState
from cds_hooks.presentation import OVERRIDE_REASONS
from cds_hooks.protocol.cards import Card, Indicator
from cds_hooks.protocol.feedback import CardFeedback, GivenReason, Outcome, OverrideReason
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.requests import HookRequest
from tests.cds_hooks.declared import SOURCE, a_service
from tests.cds_hooks.web.edge import CORRELATION, NOW, a_call

NORTH = Caller("https://ehr.example", "north")
SOUTH = Caller("https://ehr.example", "south")
EVERY_TIME: Mapping[str, str] = MappingProxyType({})
OTHER = Caller("https://other.example", "north")


def recorded(
    journal: Journal,
    context: Mapping[str, str] = EVERY_TIME,
    *,
    caller: Caller = NORTH,
    policy: Policy | None = None,
    findings: tuple[str, ...] = (),
) -> Invocation:
    ids = {"userId": "Practitioner/u1", "patientId": "p1", **context}
    prefetch = {"patient": {"resourceType": "Patient", "id": ids["patientId"]}, "laboratory": None}
    request = HookRequest.from_object(a_call(context=ids, prefetch=prefetch), service_hooks=[Hook.PATIENT_VIEW])
    service = a_service(present=lambda *_: [Card("It", indicator=Indicator.INFO, source=SOURCE, findings=findings)])
    invocation = invoke(service, request, connect=lambda _: None, now=lambda: NOW, policy=policy or Policy())
    journal.record(invocation, caller=caller, correlation=CORRELATION, duration_ms=1)
    return invocation


def received(journal: Journal, *entries: CardFeedback, caller: Caller = NORTH) -> Received:
    return record_feedback(
        journal, entries, service="test-service", caller=caller, received_at=NOW, correlation=CORRELATION
    )


def an_entry(card: str, code: str | None = None, at: datetime = NOW, system: str = "urn:test") -> CardFeedback:
    reason = None if code is None else OverrideReason(GivenReason(code, system))
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


def answered(journal: Journal, encounter: str | None = "e1", **other: str) -> set[str]:
    who = {"patient": "p1", "user": "Practitioner/u1", **other}
    return set(answered_findings(journal, encounter=encounter, caller=NORTH, **who))


HERE = {"encounterId": "e1"}
REASONS = str(OVERRIDE_REASONS[0].system)


@pytest.mark.parametrize(
    ("code", "system", "holds"),
    [
        *((reason.code, REASONS, reason.code != "data-wrong") for reason in OVERRIDE_REASONS),
        ("aware-will-monitor", "urn:test", False),
        (None, "", False),
    ],
)
def test_an_override_answers_its_findings_where_its_reason_holds(
    journal: Journal, code: str | None, system: str, *, holds: bool
) -> None:
    """[HOOK-7] A hook may fire many times in one session; answers depend on the request and on recorded overrides."""
    card = recorded(journal, HERE, findings=("a", "b")).response.cards[0].uuid
    received(journal, an_entry(card, code, system=system))
    assert answered(journal) == ({"a", "b"} if holds else set())


def test_being_shown_answers_nothing(journal: Journal) -> None:
    recorded(journal, HERE, findings=("a",))
    assert answered(journal) == set()


def test_an_override_counts_for_its_user_patient_and_encounter_alone(journal: Journal) -> None:
    card = recorded(journal, HERE, findings=("a",)).response.cards[0].uuid
    received(journal, an_entry(card, "tolerated", system=REASONS))
    assert answered(journal) == {"a"}
    assert answered(journal, "e2") == answered(journal, None) == set()
    assert answered(journal, user="Practitioner/u2") == answered(journal, patient="p2") == set()


def test_without_an_encounter_no_override_is_of_the_same_encounter(journal: Journal) -> None:
    card = recorded(journal, findings=("a",)).response.cards[0].uuid
    received(journal, an_entry(card, "tolerated", system=REASONS))
    assert answered(journal, None) == set()


def test_the_newest_override_of_a_finding_decides(journal: Journal) -> None:
    first = recorded(journal, HERE, findings=("a", "b")).response.cards[0].uuid
    second = recorded(journal, HERE, findings=("a",)).response.cards[0].uuid
    later = NOW + timedelta(minutes=5)
    received(
        journal,
        an_entry(first, "tolerated", system=REASONS),
        an_entry(second, "data-wrong", later, system=REASONS),
    )
    assert answered(journal) == {"b"}


@pytest.mark.parametrize(
    "codes", [("tolerated", "data-wrong"), ("data-wrong", "tolerated"), ("tolerated", "tolerated")]
)
def test_two_answers_of_one_moment_are_both_kept_and_silence_only_where_both_hold(
    journal: Journal, codes: tuple[str, str]
) -> None:
    """A client may send a card's override again with another reason or comment, and the same time."""
    card = recorded(journal, HERE, findings=("a",)).response.cards[0].uuid
    first, second = (an_entry(card, code, system=REASONS) for code in codes)
    commented = replace(second, override_reason=OverrideReason(GivenReason(codes[1], REASONS), "again"))
    assert received(journal, first).stored == received(journal, commented).stored == 1
    assert answered(journal) == ({"a"} if "data-wrong" not in codes else set())
