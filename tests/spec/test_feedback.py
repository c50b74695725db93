"""CDS Hooks, feedback: what a client says became of a card."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_hooks.errors import MalformedRequest
from cds_hooks.protocol.feedback import (
    LONGEST_COMMENT,
    CardFeedback,
    Feedback,
    Flag,
    GivenReason,
    Outcome,
    OverrideReason,
)

Json = dict[str, Any]
CARD = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
SUGGESTION = "00000001-0000-4000-8000-000000000000"
REASON = {"code": "known", "system": "https://r.example", "display": "Already known"}


def an_entry(**changed: Any) -> Json:
    usual = {
        "card": CARD,
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": SUGGESTION}],
        "outcomeTimestamp": "2024-05-01T10:00:00Z",
    }
    return {name: value for name, value in (usual | changed).items() if value is not ...}


def overridden(**changed: Any) -> Json:
    return an_entry(**({"outcome": "overridden", "acceptedSuggestions": ...} | changed))


def parse(*entries: Any, strict: bool = False) -> tuple[CardFeedback, ...]:
    return Feedback.from_json(orjson.dumps({"feedback": list(entries)}), strict=strict)


def one(entry: Json, *, strict: bool = False) -> CardFeedback:
    (found,) = parse(entry, strict=strict)
    return found


def refused_places(*entries: Any, strict: bool = False) -> list[str | None]:
    with pytest.raises(MalformedRequest) as refused:
        parse(*entries, strict=strict)
    return [fault.expression for fault in refused.value.faults]


def test_an_entry_is_read() -> None:
    """[FB-3, FB-4, FB-5, FB-6] card, outcome, acceptedSuggestions, their ids."""
    assert one(an_entry(), strict=True) == CardFeedback(
        card_uuid=CARD,
        outcome=Outcome.ACCEPTED,
        accepted_suggestions=(SUGGESTION,),
        override_reason=None,
        outcome_timestamp=datetime(2024, 5, 1, 10, tzinfo=UTC),
    )


def test_a_batch_may_mix_cards() -> None:
    """[FB-2] Batch of three cards stored as three."""
    others = [f"0000000{number}-0000-4000-8000-000000000000" for number in (2, 3)]
    batch = parse(an_entry(), *(overridden(card=card) for card in others), strict=True)
    assert [entry.card_uuid for entry in batch] == [CARD, *others]


def test_an_empty_batch_is_a_no_op() -> None:
    """[FB-2] Empty array accepted as a no-op."""
    assert parse(strict=True) == ()


@pytest.mark.parametrize(
    "body", ["{}", '{"feedback": null}', '{"feedback": {}}', '{"feedback": "x"}', "[]", "1", "{", ""]
)
def test_a_body_without_the_array_is_refused(body: str) -> None:
    """[FB-2] Body is an object with array `feedback`."""
    with pytest.raises(MalformedRequest) as refused:
        Feedback.from_json(body.encode())
    assert refused.value.status == 400


@pytest.mark.parametrize("card", [..., None, "", 5, ["x"], "x" * 256, "a\x00"])
def test_an_entry_without_a_card_is_refused(card: object) -> None:
    """[FB-3] `card`: the card's uuid. Missing: 400."""
    assert refused_places(an_entry(card=card)) == ["feedback[0].card"]


@pytest.mark.parametrize("card", [CARD.upper(), f"urn:uuid:{CARD}"])
def test_a_uuid_written_otherwise_is_the_same_card(card: str) -> None:
    assert one(an_entry(card=card)).card_uuid == CARD


def test_a_card_that_cannot_be_ours_is_read_all_the_same() -> None:
    """[FB-3] Unknown uuid: accepted and quarantined."""
    assert one(an_entry(card="not-a-uuid"), strict=True).card_uuid == "not-a-uuid"


@pytest.mark.parametrize("outcome", [..., None, "", "Accepted", "ignored", 5])
def test_an_outcome_is_one_of_two_words(outcome: object) -> None:
    """[FB-4] `accepted` or `overridden` (cds-fb-1). Other words: 400."""
    assert refused_places(an_entry(outcome=outcome)) == ["feedback[0].outcome"]


@pytest.mark.parametrize("suggestions", [..., None, []])
def test_acceptance_without_suggestions_is_refused_or_flagged(suggestions: object) -> None:
    """[FB-5] accepted without it: 400 strict, stored with a flag lenient."""
    entry = an_entry(acceptedSuggestions=suggestions)
    assert refused_places(entry, strict=True) == ["feedback[0].acceptedSuggestions"]
    assert (one(entry).accepted_suggestions, one(entry).flags) == ((), (Flag.NO_SUGGESTIONS,))


@pytest.mark.parametrize(
    ("suggestions", "place"),
    [
        ("x", ""),
        ({"id": "x"}, ""),
        (["x"], "[0]"),
        ([{}], "[0].id"),
        ([{"id": SUGGESTION}, {"id": 5}], "[1].id"),
        ([{"id": None}], "[0].id"),
    ],
)
def test_each_accepted_suggestion_has_its_id(suggestions: object, place: str) -> None:
    """[FB-6] `acceptedSuggestions[].id`: the suggestion's uuid."""
    assert refused_places(an_entry(acceptedSuggestions=suggestions)) == [f"feedback[0].acceptedSuggestions{place}"]


def test_a_suggestions_uuid_may_be_in_capitals() -> None:
    assert one(an_entry(acceptedSuggestions=[{"id": SUGGESTION.upper()}])).accepted_suggestions == (SUGGESTION,)


def test_a_card_may_be_overridden_without_a_reason() -> None:
    """[FB-7] overriding with no reason is valid."""
    assert one(overridden(), strict=True).override_reason is None


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ({"reason": REASON}, OverrideReason(GivenReason("known", "https://r.example", "Already known"), None)),
        ({"userComment": "no"}, OverrideReason(None, "no")),
        (
            {"reason": {"code": "own", "system": "urn:x"}, "userComment": "no"},
            OverrideReason(GivenReason("own", "urn:x"), "no"),
        ),
    ],
)
def test_a_reason_is_a_coding_a_comment_or_both(reason: Json, expected: OverrideReason) -> None:
    """[FB-8, FB-9, FB-10] `reason`, `userComment` or both; unknown code stored as is; free text."""
    assert one(overridden(overrideReason=reason), strict=True).override_reason == expected


def test_an_empty_reason_is_refused_or_flagged() -> None:
    """[FB-8] `{}`: 400 strict."""
    entry = overridden(overrideReason={})
    assert refused_places(entry, strict=True) == ["feedback[0].overrideReason"]
    assert (one(entry).override_reason, one(entry).flags) == (None, (Flag.EMPTY_REASON,))


@pytest.mark.parametrize(
    ("reason", "place"),
    [
        ("known", ""),
        (["known"], ""),
        ({"reason": "known"}, ".reason"),
        ({"reason": {"system": "s"}}, ".reason.code"),
        ({"reason": {"code": 5, "system": "s"}}, ".reason.code"),
        ({"reason": {"code": "c", "system": 5}}, ".reason.system"),
        ({"reason": REASON | {"display": 5}}, ".reason.display"),
        ({"userComment": 5}, ".userComment"),
    ],
)
def test_a_reason_of_the_wrong_type_is_named(reason: object, place: str) -> None:
    """[FB-9, FB-10, REQ-16] An error lists every problem found, with JSON paths."""
    assert refused_places(overridden(overrideReason=reason)) == [f"feedback[0].overrideReason{place}"]


def test_a_reason_without_a_system_is_refused_or_flagged() -> None:
    """[COD-1] Input lenient: some clients leave out `system` in feedback."""
    entry = overridden(overrideReason={"reason": {"code": "known"}})
    assert refused_places(entry, strict=True) == ["feedback[0].overrideReason.reason.system"]
    assert one(entry).override_reason == OverrideReason(GivenReason("known"), None)
    assert one(entry).flags == (Flag.NO_SYSTEM,)


def test_a_comment_is_capped() -> None:
    """[FB-10] Treated as PHI: length-capped."""
    entry = overridden(overrideReason={"userComment": "x" * (LONGEST_COMMENT + 1)})
    assert refused_places(entry, strict=True) == ["feedback[0].overrideReason.userComment"]
    reason = one(entry).override_reason
    assert reason is not None
    assert reason.user_comment == "x" * LONGEST_COMMENT
    assert one(entry).flags == (Flag.SHORTENED,)


def test_no_repr_shows_a_comment() -> None:
    """[FB-10] Treated as PHI."""
    assert "Zzmarker" not in repr(one(overridden(overrideReason={"userComment": "Zzmarker"})))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01T10:00:00Z", datetime(2024, 5, 1, 10, tzinfo=UTC)),
        ("2024-05-01t10:00:00z", datetime(2024, 5, 1, 10, tzinfo=UTC)),
        ("2024-05-01T10:00:00.25Z", datetime(2024, 5, 1, 10, 0, 0, 250_000, tzinfo=UTC)),
        ("2024-05-01T10:00:00.123456789Z", datetime(2024, 5, 1, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("2024-05-01T10:00:00+02:00", datetime(2024, 5, 1, 8, tzinfo=UTC)),
        ("2024-05-01T10:00:00-05:30", datetime(2024, 5, 1, 15, 30, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_a_time_is_normalised_to_utc(text: str, expected: datetime) -> None:
    """[FB-11] RFC 3339 in UTC. `Z`, fractions and lower-case accepted; local offset normalised."""
    found = one(an_entry(outcomeTimestamp=text), strict=True).outcome_timestamp
    assert found == expected
    assert found.tzinfo is UTC


def test_a_time_without_an_offset_is_refused_or_flagged() -> None:
    """[FB-11] no offset: 400 strict."""
    entry = an_entry(outcomeTimestamp="2024-05-01T10:00:00")
    assert refused_places(entry, strict=True) == ["feedback[0].outcomeTimestamp"]
    assert one(entry).outcome_timestamp == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert one(entry).flags == (Flag.NO_OFFSET,)


@pytest.mark.parametrize(
    "text",
    [
        ...,
        None,
        "",
        "2024-05-01",
        "20240501T100000Z",
        "2024-13-01T10:00:00Z",
        "now",
        1714557600,
        "2024-05-01T10:00Z",
        "0001-01-01T00:00:00+10:00",
    ],
)
def test_anything_else_is_no_time(text: object) -> None:
    """[FB-11] `outcomeTimestamp`: RFC 3339 date-time."""
    assert refused_places(an_entry(outcomeTimestamp=text)) == ["feedback[0].outcomeTimestamp"]


def test_the_same_entry_written_otherwise_has_the_same_key() -> None:
    two = [{"id": SUGGESTION}, {"id": CARD}]
    first = one(an_entry(acceptedSuggestions=two))
    again = one(
        an_entry(
            card=CARD.upper(), acceptedSuggestions=two[::-1], outcomeTimestamp="2024-05-01T12:00:00.000+02:00", zzz=1
        )
    )
    assert first.key == again.key


def test_entries_that_differ_in_anything_have_different_keys() -> None:
    entries = [
        an_entry(),
        an_entry(card=SUGGESTION),
        an_entry(acceptedSuggestions=[{"id": CARD}]),
        an_entry(outcomeTimestamp="2024-05-01T10:00:01Z"),
        overridden(),
        overridden(overrideReason={"reason": REASON}),
        overridden(overrideReason={"reason": REASON | {"code": "other"}}),
        overridden(overrideReason={"reason": REASON | {"system": "https://other.example"}}),
        overridden(overrideReason={"reason": REASON, "userComment": "no"}),
        overridden(overrideReason={"reason": REASON, "userComment": "yes"}),
        overridden(overrideReason={"userComment": "no"}),
    ]
    keys = {one(entry).key for entry in entries}
    assert len(keys) == len(entries)
    assert {len(key) for key in keys} == {64}


def test_one_bad_entry_fails_the_batch_and_all_faults_are_named() -> None:
    """[FB-17, REQ-16] One bad entry fails the batch with 400."""
    bad = {"outcome": "maybe", "acceptedSuggestions": 5}
    assert refused_places(an_entry(), bad, "x", overridden(overrideReason=5)) == [
        "feedback[1].card",
        "feedback[1].outcome",
        "feedback[1].acceptedSuggestions",
        "feedback[1].outcomeTimestamp",
        "feedback[2]",
        "feedback[3].overrideReason",
    ]


def test_members_that_feedback_does_not_define_are_ignored() -> None:
    """[GEN-8, EXT-4] Unknown members and extensions change nothing."""
    assert one(an_entry(zzz=[None], extension={"a.b": 1}), strict=True) == one(an_entry())


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["card", "outcome", "acceptedSuggestions", "overrideReason", "outcomeTimestamp"])


@given(st.dictionaries(NAMES, JSON, max_size=5), st.booleans())
def test_any_json_at_any_member_is_refused_or_read(changes: Json, strict: bool) -> None:
    body = json.dumps({"feedback": [an_entry() | changes, overridden() | changes]}).encode()
    try:
        found = Feedback.from_json(body, strict=strict)
    except MalformedRequest as error:
        found = ()
        places = [fault.expression or "" for fault in error.faults]
        assert places
        assert all(place.startswith("feedback[") for place in places)
    assert all(len(entry.key) == 64 for entry in found)
