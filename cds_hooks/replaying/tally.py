"""What came of a replay, counted: nothing of a patient is kept, and no more than the catalogue can say."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cds_hooks.invocation import Invocation
from cds_hooks.protocol.cards import Card, Indicator
from cds_hooks.protocol.hooks import Hook
from models.assessment import Assessed, Findings, NotApplicable, NotAssessable

MOST_SHOWN = 20
_OUTCOMES = {
    Assessed: "assessed",
    Findings: "checked",
    NotApplicable: "not applicable",
    NotAssessable: "not assessable",
}


@dataclass(slots=True)
class Line:
    """One service at one hook."""

    service: str
    hook: Hook
    calls: int = 0
    orders: int = 0
    with_cards: int = 0
    errors: int = 0
    cards: Counter[str] = field(default_factory=Counter)
    held_back: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """Write the line for machines."""
        return {
            "service": self.service,
            "hook": self.hook.value,
            "calls": self.calls,
            "orders": self.orders,
            "calls_with_cards": self.with_cards,
            "cards": {indicator.value: self.cards[indicator.value] for indicator in Indicator},
            "cards_per_100_calls": _per_100(self.cards.total(), self.calls),
            "cards_per_100_orders": _per_100(self.cards.total(), self.orders) if self.orders else None,
            "held_back": dict(self.held_back.most_common()),
            "assessments": dict(sorted(self.outcomes.items())),
            "errors": self.errors,
        }


@dataclass(slots=True)
class Tally:
    """All lines, what cards said most, and every error by the place of its document."""

    documents: int = 0
    charts: int = 0
    requests: int = 0
    lines: dict[tuple[str, Hook], Line] = field(default_factory=dict)
    findings: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    errors: list[dict[str, Any]] = field(default_factory=list)

    def answered(self, invocation: Invocation, orders: int) -> None:
        """Count one answer."""
        line = self._line(invocation.service.id, invocation.request.hook)
        shown = invocation.response.cards
        line.calls += 1
        line.orders += orders
        line.with_cards += bool(shown)
        line.cards.update(card.indicator.value for card in shown)
        line.held_back.update(held.why for held in invocation.quieted)
        if invocation.withheld is not None:
            line.held_back[invocation.withheld] += len(invocation.held_back)
        line.outcomes.update(_OUTCOMES[type(assessment)] for assessment in invocation.assessments)
        for card in shown:
            self.findings.update((invocation.service.id, each, card.indicator.value) for each in _said(card))

    def failed(self, place: int, service: str, hook: Hook, error: Exception) -> None:
        """Count one call that had no answer."""
        line = self._line(service, hook)
        line.calls += 1
        line.errors += 1
        self.errors.append({"document": place, "service": service, "hook": hook.value, "error": type(error).__name__})

    def unreadable(self, place: int, why: str) -> None:
        """Count a document that could not be replayed."""
        self.errors.append({"document": place, "service": None, "hook": None, "error": why})

    def as_json(self) -> dict[str, Any]:
        """Write the report for machines."""
        return {
            "charts": self.charts,
            "requests": self.requests,
            "per_100_chart_openings": self._rates(Hook.PATIENT_VIEW, lambda line: line.calls),
            "per_100_orders": self._rates(Hook.ORDER_SIGN, lambda line: line.orders),
            "held_back": dict(sum((line.held_back for line in self.lines.values()), Counter()).most_common()),
            "services": [line.as_json() for _, line in sorted(self.lines.items())],
            "findings": [
                {"service": service, "finding": finding, "indicator": indicator, "count": count}
                for (service, finding, indicator), count in self.findings.most_common(MOST_SHOWN)
            ],
            "errors": self.errors,
        }

    def _rates(self, hook: Hook, of: Callable[[Line], int]) -> dict[str, float]:
        """Give the cards of all services together, by indicator, for 100 of what every one of them was asked about."""
        lines = [line for line in self.lines.values() if line.hook is hook]
        asked = max(map(of, lines), default=0)
        cards: Counter[str] = sum((line.cards for line in lines), Counter())
        return {indicator.value: _per_100(cards[indicator.value], asked) for indicator in Indicator}

    def _line(self, service: str, hook: Hook) -> Line:
        return self.lines.setdefault((service, hook), Line(service, hook))


def _said(card: Card) -> tuple[str, ...]:
    """Name what a card says without its figures: the rules behind it, or where its score comes from."""
    return card.findings or (card.source.label,)


def _per_100(count: int, of: int) -> float:
    return round(100 * count / of, 1) if of else 0.0
