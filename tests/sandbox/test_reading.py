"""What the EHR finds wrong with an answer."""

from typing import Any

import pytest

from sandbox.reading import breaches
from tests.sandbox.fake_service import CARD


def test_a_good_card_breaks_nothing() -> None:
    assert breaches({"cards": [CARD]}) == []
    assert breaches({"cards": []}) == []


@pytest.mark.parametrize("response", [None, [], {}, {"cards": {}}])
def test_an_answer_without_cards_cannot_be_shown(response: Any) -> None:
    assert breaches(response) == ["the answer has no array `cards`"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"summary": "x" * 140}, "fewer than 140"),
        ({"summary": ""}, "summary"),
        ({"indicator": "Warning"}, "indicator"),
        ({"source": {}}, "source"),
        ({"selectionBehavior": "all"}, "selection behaviour"),
        ({"overrideReasons": [{"code": "x"}]}, "display"),
        ({"suggestions": [{"uuid": "1"}]}, "label"),
        ({"suggestions": [{"label": "x", "actions": [{"type": "create"}]}]}, "type or description"),
        ({"suggestions": [{"label": "x", "actions": [{"type": "create", "description": "d"}]}]}, "without a resource"),
        ({"links": [{"label": "x", "url": "https://x.example", "type": "other"}]}, "link"),
    ],
)
def test_a_breach_is_named_with_its_card(change: dict[str, Any], words: str) -> None:
    (found,) = breaches({"cards": [CARD, {**CARD, **change}]})

    assert found.startswith("cards[1] ")
    assert words in found


def test_a_card_that_is_no_object_is_named() -> None:
    assert breaches({"cards": ["text"]}) == ["cards[0] is not an object"]
