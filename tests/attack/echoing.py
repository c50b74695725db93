"""Two services that repeat what a chart calls a drug, in every place of a card: one minds its words, one does not."""

from collections.abc import Callable, Sequence
from typing import Any

from cds_hooks.protocol.cards import Card, Coding, Indicator, Link, SelectionBehavior, Source, Suggestion
from cds_hooks.protocol.markdown import plain
from cds_hooks.service import Moment, Service
from fhir_client.search import Search
from tests.cds_hooks.declared import AnAssessor, a_service

ORDERS = Search("medications", "MedicationRequest")


def _repeating(word: Callable[[str], str]) -> Callable[[Any, Moment], Sequence[Card]]:
    def present(_: Any, moment: Moment) -> Sequence[Card]:
        return [_card(word(medication.text or "")) for medication in moment.record.medications]

    return present


def _card(words: str) -> Card:
    return Card(
        f"Ordered: {words}"[:130],
        indicator=Indicator.INFO,
        source=Source(words[:80], "https://guideline.example/"),
        detail=f"| Drug | Since |\n| --- | --- |\n| {words} | today |\n\n- {words}\n\n{words}\n",
        suggestions=(Suggestion(f"Stop {words}"),),
        selection_behavior=SelectionBehavior.ANY,
        links=(Link(f"About {words}", "https://guideline.example/about"),),
        override_reasons=(Coding("x", "urn:x", words),),
    )


def _service(id: str, word: Callable[[str], str]) -> Service:
    assessor = AnAssessor(searches=(ORDERS,), required_keys=frozenset())
    return a_service(id, assessors=(assessor,), present=_repeating(word))


MINDFUL = _service("mindful", plain)
CARELESS = _service("careless", str)
