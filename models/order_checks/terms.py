"""A term of the vocabulary: what can be asked of a chart, or of the order itself, and how it is answered."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from fhir_client.record import PatientRecord
from fhir_client.search import Search
from models.assessment import Input
from models.features.feature import Answer, Feature, Kind
from models.order_checks.orders import Player
from models.site import Site

Ask: TypeAlias = Callable[[PatientRecord, Site, Player], Answer]
"""Answers for the order of the rule's own drug, and the ingredients of it that are meant."""


@dataclass(frozen=True, slots=True)
class Term:
    """One name: what a reader calls it, its unit, what to ask for, and how it is answered for an order."""

    name: str
    label: str
    kind: Kind
    unit: str
    searches: tuple[Search, ...]
    optional_keys: frozenset[str]
    unverified: tuple[str, ...]
    ask: Ask

    def as_input(self, answer: Answer) -> Input:
        """Name the answer for a reader."""
        return Input(self.name, self.label, self.unit, answer)


def of_chart(feature: Feature) -> Term:
    """Make a term of a feature: it is answered by the chart alone, whichever order is looked at."""

    def ask(record: PatientRecord, site: Site, subject: Player) -> Answer:  # noqa: ARG001 - every term takes the order
        return feature.answer(record, site)

    return Term(
        feature.name,
        feature.label,
        feature.kind,
        feature.unit,
        feature.searches,
        feature.optional_keys,
        feature.unverified,
        ask,
    )
