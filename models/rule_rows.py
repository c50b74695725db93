"""A rule as a reader is shown it, whichever assessor applies it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol, runtime_checkable

from models.assessment import Tier


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule in words: what it is about, where it applies, what it says, on whose word, and who keeps it."""

    id: str
    version: str
    topic: str
    tier: Tier
    about: str
    where: str
    says: str
    citation: str
    label: str
    is_pilot_at_most: bool
    owner: str
    review: date


@runtime_checkable
class Ruled(Protocol):
    """An assessor that applies rules of rows: its page shows them."""

    @property
    def rows(self) -> Sequence[RuleRow]:
        """Give every rule."""
