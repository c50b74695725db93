"""From a card to its override and back: what is not said again, to whom it is, and that each silence is on record."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from cds_hooks.presentation import OVERRIDE_REASONS
from cds_hooks.protocol.cards import Card, Indicator
from cds_hooks.web.settings import Authentication, Settings
from tests.cds_hooks.declared import SOURCE, a_service
from tests.cds_hooks.web.edge import AnEdge, a_call, an_edge, an_override

TOLERATED = next(reason for reason in OVERRIDE_REASONS if reason.code == "tolerated")
WRONG = next(reason for reason in OVERRIDE_REASONS if reason.code == "data-wrong")
OFF = Settings(authentication=Authentication.OFF)
WARNING = a_service("warns", present=lambda *_: [_card(Indicator.WARNING)])
CRITICAL = a_service("alarms", present=lambda *_: [_card(Indicator.CRITICAL)])


def _card(indicator: Indicator) -> Card:
    return Card("Two drugs", indicator=indicator, source=SOURCE, findings=("a-rule:1:2",))


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[AnEdge]:
    with an_edge(tmp_path, WARNING, CRITICAL) as edge:
        yield edge


def cards(edge: AnEdge, service: str = "warns", **context: Any) -> list[dict[str, Any]]:
    ids = {"userId": "Practitioner/u1", "patientId": "p1", "encounterId": "e1", **context}
    patient = {"resourceType": "Patient", "id": ids["patientId"]}
    body = a_call(context=ids, prefetch={"patient": patient, "laboratory": None})
    answer = edge.call(body, service=service)
    assert answer.status_code == 200
    return list(orjson.loads(answer.data)["cards"])


def override(edge: AnEdge, card: dict[str, Any], reason: Any, service: str = "warns") -> None:
    given = {"reason": {"code": reason.code, "system": reason.system}}
    assert edge.feedback(an_override(card["uuid"], overrideReason=given), service=service).status_code == 200


def held_back(edge: AnEdge) -> list[Any]:
    outcomes = edge.journal.read(lambda it: it.exec_driver_sql("SELECT outcome FROM invocations ORDER BY number").all())
    return [orjson.loads(row[0])["held_back"] for row in outcomes]


def test_what_a_user_has_answered_is_not_said_to_them_again_in_that_encounter(edge: AnEdge) -> None:
    """[HOOK-7] A hook may fire many times in one session; answers depend on the request and on recorded overrides."""
    (card,) = cards(edge)
    assert len(cards(edge)) == 1  # being shown never suppresses
    override(edge, card, TOLERATED)
    assert cards(edge) == []
    assert held_back(edge) == [[], [], [{"key": "a-rule:1:2", "tier": "warning", "why": "overridden"}]]
    for context in ({"encounterId": "e2"}, {"userId": "Practitioner/u2"}, {"patientId": "p2"}):
        assert len(cards(edge, **context)) == 1


def test_a_reason_that_does_not_hold_silences_nothing(edge: AnEdge) -> None:
    (card,) = cards(edge)
    override(edge, card, WRONG)
    assert len(cards(edge)) == 1


def test_a_critical_card_is_shown_however_often_it_was_answered(edge: AnEdge) -> None:
    (card,) = cards(edge, "alarms")
    override(edge, card, TOLERATED, "alarms")
    assert len(cards(edge, "alarms")) == 1


def test_a_site_that_remembers_nothing_says_it_each_time(tmp_path: Path) -> None:
    """[HOOK-7] With `remember_overrides = false` answers depend on the request alone."""
    forgetful = replace(OFF, site=replace(OFF.site, remember_overrides=False))
    with an_edge(tmp_path, WARNING, settings=forgetful) as edge:
        (card,) = cards(edge)
        override(edge, card, TOLERATED)
        assert len(cards(edge)) == 1


def test_the_page_says_how_much_was_not_said_and_why(edge: AnEdge) -> None:
    assert "What was not said" not in edge.http.get("/services/warns").text
    (card,) = cards(edge)
    override(edge, card, TOLERATED)
    cards(edge)
    assert "1 finding: overridden" in edge.http.get("/services/warns").text


def test_a_journal_that_cannot_be_read_fails_the_call(edge: AnEdge) -> None:
    """What the user has answered is not known: silence and noise would both be guesses."""
    edge.journal.write(lambda book: book.connection.exec_driver_sql("DROP TABLE answered"))
    ids = {"userId": "Practitioner/u1", "patientId": "p1", "encounterId": "e1"}
    assert edge.call(a_call(context=ids), service="warns").status_code == 503
