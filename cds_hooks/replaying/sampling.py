"""Some cards of a replay, drawn at random, as text for somebody to read."""

import random
from dataclasses import dataclass, field
from datetime import datetime

from cds_hooks.invocation import Invocation
from cds_hooks.protocol.cards import Card


@dataclass(slots=True)
class Sample:
    """A fair draw of `size` cards from however many come; the same charts give the same draw."""

    size: int
    cards: list[str] = field(default_factory=list)
    _seen: int = 0
    _dice: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - a draw, not a secret

    def take(self, place: int, invocation: Invocation) -> None:
        """Consider the cards of one answer."""
        for card in invocation.response.cards:
            self._seen += 1
            chosen = len(self.cards) if len(self.cards) < self.size else self._dice.randrange(self._seen)
            if chosen < self.size:
                text = _text(place, invocation, card)
                self.cards[chosen : chosen + 1] = [text]

    def text(self) -> str:
        """Write the draw, card after card."""
        total = len(self.cards)
        return "\n\n".join(f"{number} of {total}: {card}" for number, card in enumerate(self.cards, 1)) + "\n"


def _text(place: int, invocation: Invocation, card: Card) -> str:
    at: datetime = invocation.as_of
    head = f"document {place}, {invocation.service.id} at {invocation.request.hook.value}, as of {at:%Y-%m-%d %H:%M}"
    suggestions = (f"suggests: {each.label}" for each in card.suggestions)
    source = f"source: {card.source.label}"
    return "\n".join(
        [head, f"[{card.indicator.value}] {card.summary}", "", card.detail or "", "", *suggestions, source]
    )
