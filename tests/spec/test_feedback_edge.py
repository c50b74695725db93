"""Section 7 of CDS Hooks at the edge: what is stored of feedback, and what is answered."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from cds_hooks.journal.audit import Caller
from cds_hooks.journal.feedback import FOREIGN_SUGGESTION, OTHER_SERVICE, feedback_of, overrides_of
from cds_hooks.protocol.cards import Card, Indicator, SelectionBehavior, Source, Suggestion
from cds_hooks.protocol.hooks import Hook
from tests.cds_hooks.declared import a_service
from tests.cds_hooks.web.edge import AnEdge, a_call, an_edge, an_override

STRANGER = "11111111-2222-4333-8444-555555555555"
REASON = {"code": "tolerated", "system": "urn:test", "display": "Tolerated"}


def suggesting(*_: Any) -> list[Card]:
    """Show one card with one suggestion."""
    suggestions = (Suggestion("Order it"),)
    return [
        Card(
            "Something is due",
            indicator=Indicator.INFO,
            source=Source("Test"),
            suggestions=suggestions,
            selection_behavior=SelectionBehavior.ANY,
        )
    ]


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[AnEdge]:
    services = (
        a_service(hooks=(Hook.PATIENT_VIEW, Hook.ENCOUNTER_START), present=suggesting),
        a_service("other", present=suggesting),
    )
    with an_edge(tmp_path, *services) as edge:
        yield edge


def accepted(card: dict[str, Any], *suggestions: str) -> dict[str, Any]:
    """Build an entry that accepts suggestions of a card, its own if none are named."""
    ids = suggestions or [each["uuid"] for each in card["suggestions"]]
    return {
        "card": card["uuid"],
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": each} for each in ids],
        "outcomeTimestamp": "2024-06-01T12:01:00Z",
    }


def test_each_service_takes_feedback(edge: AnEdge) -> None:
    """[FB-1] The endpoint exists for each id; unknown id 404."""
    assert edge.feedback(service="test-service").status_code == 200
    assert edge.feedback(service="other").status_code == 200
    assert edge.feedback(service="nobody").status_code == 404


def test_a_message_of_three_cards_is_three_entries(edge: AnEdge) -> None:
    """[FB-2, FB-16] Entries may mix cards and hook instances; 200 with a small JSON body."""
    cards = [edge.a_card() for _ in range(3)]
    answer = edge.feedback(*(an_override(card["uuid"]) for card in cards))
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert orjson.loads(answer.data) == {"status": "received"}
    assert edge.count("feedback") == 3


def test_an_empty_message_is_a_no_op(edge: AnEdge) -> None:
    """[FB-2, FB-16] Empty array accepted as a no-op."""
    assert edge.feedback().status_code == 200
    assert (edge.count("feedback"), edge.count("unclaimed_feedback")) == (0, 0)


@pytest.mark.parametrize("message", [b"{", b"[]", b"{}", b'{"feedback": {}}', b'{"feedback": [1]}'])
def test_a_malformed_message_is_400(edge: AnEdge, message: bytes) -> None:
    """[FB-2] The body is an object with an array `feedback`."""
    answer = edge.http.post("/cds-services/other/feedback", data=message, content_type="application/json")
    assert answer.status_code == 400
    assert orjson.loads(answer.data)["resourceType"] == "OperationOutcome"


def test_feedback_without_a_card_is_400(edge: AnEdge) -> None:
    """[FB-3] Missing card: 400, naming the place."""
    entry = an_override("x")
    del entry["card"]
    answer = edge.feedback(entry)
    assert answer.status_code == 400
    assert orjson.loads(answer.data)["issue"][0]["expression"] == ["feedback[0].card"]


def test_feedback_for_an_unknown_card_is_kept_apart(edge: AnEdge) -> None:
    """[FB-3] Unknown uuid: accepted and quarantined, answer still 200; what it said is not stored."""
    answer = edge.feedback(an_override(STRANGER, overrideReason={"userComment": "Zzmarker"}))
    assert answer.status_code == 200
    assert (edge.count("feedback"), edge.count("unclaimed_feedback")) == (0, 1)
    rows = edge.journal.read(lambda it: it.exec_driver_sql("SELECT * FROM unclaimed_feedback").all())
    assert "Zzmarker" not in repr(rows)


def test_another_outcome_is_400(edge: AnEdge) -> None:
    """[FB-4] `outcome`: other words: 400."""
    assert edge.feedback(an_override(STRANGER, outcome="ignored")).status_code == 400


def test_acceptance_without_suggestions_is_flagged(edge: AnEdge) -> None:
    """[FB-5] accepted without acceptedSuggestions: stored with a flag by a lenient reader."""
    card = edge.a_card()
    assert edge.feedback(an_override(card["uuid"], outcome="accepted")).status_code == 200
    [entry] = feedback_of(edge.journal, card["uuid"])
    assert entry.flags == ("accepted-without-suggestions",)


def test_a_suggestion_of_another_card_is_flagged(edge: AnEdge) -> None:
    """[FB-6] Id of a suggestion not on that card: flagged."""
    card, other = edge.a_card(), edge.a_card()
    edge.feedback(accepted(card, other["suggestions"][0]["uuid"]))
    edge.feedback(accepted(other))
    assert feedback_of(edge.journal, card["uuid"])[0].flags == (FOREIGN_SUGGESTION,)
    assert feedback_of(edge.journal, other["uuid"])[0].flags == ()


def test_an_override_may_have_no_reason(edge: AnEdge) -> None:
    """[FB-7] Overriding with no reason is valid."""
    card = edge.a_card()
    assert edge.feedback(an_override(card["uuid"])).status_code == 200
    [entry] = feedback_of(edge.journal, card["uuid"])
    assert (entry.outcome, entry.reason_code, entry.comment) == ("overridden", None, None)


def test_an_empty_reason_is_flagged(edge: AnEdge) -> None:
    """[FB-8] An override reason has a reason or a comment; a lenient reader stores an empty one with a flag."""
    card = edge.a_card()
    edge.feedback(an_override(card["uuid"], overrideReason={}))
    assert feedback_of(edge.journal, card["uuid"])[0].flags == ("empty-override-reason",)


def test_a_reason_of_the_clients_own_is_stored_as_it_is(edge: AnEdge) -> None:
    """[FB-9, FB-10] Unknown code stored as is; the comment is kept as it was written."""
    card = edge.a_card()
    edge.feedback(an_override(card["uuid"], overrideReason={"reason": REASON, "userComment": "<b>no</b>"}))
    [entry] = feedback_of(edge.journal, card["uuid"])
    assert (entry.reason_system, entry.reason_code, entry.comment) == ("urn:test", "tolerated", "<b>no</b>")


def test_a_comment_has_a_length(edge: AnEdge) -> None:
    """[FB-10] The comment is length-capped."""
    card = edge.a_card()
    edge.feedback(an_override(card["uuid"], overrideReason={"userComment": "x" * 100_000}))
    [entry] = feedback_of(edge.journal, card["uuid"])
    assert len(entry.comment or "") < 5000
    assert entry.flags == ("comment-shortened",)


def test_a_local_time_is_stored_in_utc(edge: AnEdge) -> None:
    """[FB-11] outcomeTimestamp: local offset normalised."""
    card = edge.a_card()
    edge.feedback(an_override(card["uuid"], outcomeTimestamp="2024-06-01T14:01:00+02:00"))
    [entry] = feedback_of(edge.journal, card["uuid"])
    assert entry.outcome_at.isoformat() == "2024-06-01T12:01:00+00:00"


def test_feedback_finds_its_card_at_any_hook_of_the_service(edge: AnEdge) -> None:
    """[FB-12] Correlation by uuid across hooks that share an id."""
    context = {"userId": "Practitioner/u1", "patientId": "p1", "encounterId": "e1"}
    answer = edge.call(a_call(hook="encounter-start", context=context))
    card = orjson.loads(answer.data)["cards"][0]
    edge.feedback(an_override(card["uuid"].upper()))
    assert len(feedback_of(edge.journal, card["uuid"])) == 1


def test_a_card_of_which_nothing_is_heard_is_not_overridden(edge: AnEdge) -> None:
    """[FB-13] "No feedback" is never counted as override."""
    silent, rejected = edge.a_card(), edge.a_card()
    edge.feedback(an_override(rejected["uuid"]))
    found = overrides_of(edge.journal, patient="p1", user="Practitioner/u1", caller=Caller("anonymous"))
    assert [override.card for override in found] == [rejected["uuid"]]
    assert feedback_of(edge.journal, silent["uuid"]) == ()


def test_the_same_entry_twice_is_one_and_another_outcome_a_second(edge: AnEdge) -> None:
    """[FB-14] Post twice: one row; later different outcome: second row."""
    card = edge.a_card()
    for _ in range(2):
        assert edge.feedback(an_override(card["uuid"]), an_override(card["uuid"])).status_code == 200
    assert [entry.outcome for entry in feedback_of(edge.journal, card["uuid"])] == ["overridden"]
    edge.feedback(accepted(card))
    assert [entry.outcome for entry in feedback_of(edge.journal, card["uuid"])] == ["overridden", "accepted"]


def test_one_bad_entry_fails_the_message(edge: AnEdge) -> None:
    """[FB-17] One bad entry fails the batch with 400 and nothing stored, so a retry is safe."""
    card = edge.a_card()
    answer = edge.feedback(an_override(card["uuid"]), an_override(card["uuid"], outcome="?"), 7)
    assert answer.status_code == 400
    places = [issue["expression"] for issue in orjson.loads(answer.data)["issue"]]
    assert places == [["feedback[1].outcome"], ["feedback[2]"]]
    assert edge.count("feedback") == 0


def test_feedback_at_another_service_is_kept_with_its_card_and_flagged(edge: AnEdge) -> None:
    card = edge.a_card()
    edge.feedback(an_override(card["uuid"]), service="other")
    assert feedback_of(edge.journal, card["uuid"])[0].flags == (OTHER_SERVICE,)
