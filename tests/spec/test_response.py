"""CDS Hooks, response: the envelope, and what may go to which client."""

import pytest

from cds_hooks.protocol.cards import (
    ActionSelectionBehavior,
    ClientProfile,
    Coding,
    Indicator,
    Link,
    Response,
    SelectionBehavior,
    Source,
)
from cds_hooks.protocol.checks import ImpossibleMessage
from tests.spec.cards import CLIENTS, UUIDS, a_card, a_create, a_delete, a_suggestion, sent, sent_card

EVERYTHING = frozenset({"system-actions", "autolaunchable", "action-selection-behavior"})


def client(version: str, *, legacy_delete: bool = False, features: frozenset[str] = EVERYTHING) -> ClientProfile:
    return ClientProfile(specification=version, legacy_delete=legacy_delete, features=features)


@pytest.mark.parametrize("profile", CLIENTS)
def test_an_answer_always_has_cards(profile: ClientProfile) -> None:
    """[RESP-1] Success is an object that has array `cards`: always present, also with system actions only."""
    assert sent(Response(system_actions=(a_create(),)), profile)["cards"] == []


def test_nothing_to_say_is_no_cards() -> None:
    """[RESP-2] Nothing to say: `cards: []`."""
    assert Response().to_json() == b'{"cards":[]}'


def test_the_most_urgent_card_comes_first_and_equals_keep_their_order() -> None:
    """[CARD-19] Order of cards is deterministic: most urgent first."""
    given = [("a", Indicator.INFO), ("b", Indicator.CRITICAL), ("c", Indicator.WARNING), ("d", Indicator.CRITICAL)]
    response = Response(tuple(a_card(summary, indicator=indicator) for summary, indicator in given))
    assert [card["summary"] for card in sent(response)["cards"]] == ["b", "d", "c", "a"]


@pytest.mark.parametrize(("version", "expected"), [("1.0", "at-most-one"), ("2.0", "any"), ("3.0", "any")])
def test_a_1_0_client_never_sees_the_word_any(version: str, expected: str) -> None:
    """[CARD-12] Never emit other words; `any` withheld from 1.0 clients."""
    card = a_card(suggestions=(a_suggestion(),), selection_behavior=SelectionBehavior.ANY)
    assert sent_card(card, client(version))["selectionBehavior"] == expected


@pytest.mark.parametrize("version", ["1.0", "2.0", "3.0"])
def test_what_an_old_client_ignores_is_sent_to_all(version: str) -> None:
    """[VER-4] Each client has a profile: uuid, isRecommended, topic, overrideReasons are harmless to a 1.0 client."""
    reason = Coding("known", "https://r.example", "Already known")
    card = a_card(
        source=Source("A guideline", topic=Coding("c", "https://t.example")),
        suggestions=(a_suggestion(is_recommended=True),),
        selection_behavior=SelectionBehavior.AT_MOST_ONE,
        override_reasons=(reason,),
        uuid=UUIDS[0],
    )
    received = sent_card(card, client(version, features=frozenset()))
    assert received["uuid"] == UUIDS[0]
    assert received["source"]["topic"] == {"code": "c", "system": "https://t.example"}
    assert received["suggestions"][0]["isRecommended"] is True
    assert received["overrideReasons"] == [{"code": "known", "system": "https://r.example", "display": "Already known"}]


@pytest.mark.parametrize(
    ("version", "features", "expected"),
    [("1.0", EVERYTHING, False), ("2.0", frozenset(), False), ("2.0", EVERYTHING, True), ("3.0", EVERYTHING, True)],
)
def test_system_actions_and_autolaunch_need_an_agreement_and_a_client_that_has_them(
    version: str, features: frozenset[str], expected: bool
) -> None:
    """[SYS-2, LINK-5, VER-4] Off unless the client profile allows it."""
    card = a_card(links=(Link("App", "https://app.example", autolaunchable=True),))
    answer = sent(Response((card,), (a_create(),)), client(version, features=features))
    assert ("systemActions" in answer) is expected
    assert ("autolaunchable" in answer["cards"][0]["links"][0]) is expected


@pytest.mark.parametrize(
    ("version", "features", "expected"),
    [("1.0", EVERYTHING, False), ("2.0", EVERYTHING, False), ("3.0", frozenset(), False), ("3.0", EVERYTHING, True)],
)
def test_the_choice_among_actions_is_sent_to_a_client_that_documents_it(
    version: str, features: frozenset[str], expected: bool
) -> None:
    """[SUG-8] Do not send SUG-7 unless this client is known to support it."""
    suggestion = a_suggestion(action_selection_behavior=ActionSelectionBehavior.AT_MOST_ONE)
    card = a_card(suggestions=(suggestion,), selection_behavior=SelectionBehavior.ANY)
    received = sent_card(card, client(version, features=features))["suggestions"][0]
    assert received.get("actionSelectionBehavior") == ("at-most-one" if expected else None)


def test_an_unknown_client_gets_the_conservative_answer() -> None:
    """[VER-4] Unknown issuer gets the conservative profile."""
    response = Response((a_card(links=(Link("App", "https://a.example", autolaunchable=True),)),), (a_delete(),))
    assert sent(response) == sent(response, ClientProfile("2.0"))
    assert "systemActions" not in sent(response)


def test_a_profile_of_another_version_cannot_be_built() -> None:
    with pytest.raises(ImpossibleMessage):
        ClientProfile("4.0")


def test_a_uuid_is_used_once_in_a_response() -> None:
    """[SUG-2] Unique within response."""
    suggestion = a_suggestion(uuid=UUIDS[1])
    first = a_card(suggestions=(suggestion,), selection_behavior=SelectionBehavior.ANY, uuid=UUIDS[0])
    for second in (a_card(uuid=UUIDS[0]), a_card(uuid=UUIDS[1])):
        with pytest.raises(ImpossibleMessage):
            Response((first, second))
    assert len(Response((first, a_card(uuid=UUIDS[2]))).cards) == 2
