"""The quiet rules: what a user has already answered is not said again, and few cards are said at once.

Being shown never suppresses. Only a recorded override does, with a reason that still holds, by the same user, of the
same finding, for the same patient in the same encounter; never what is critical or a contraindication
(design/contract.md, section 4, Quiet). What is held back is counted, with the reason.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from cds_hooks.protocol.cards import Card, Indicator
from models.assessment import Assessment, Findings, HeldBack, Tier

OVERRIDDEN: Final = "overridden"
TOO_MANY: Final = "too many"
# More than this nobody reads at an order; critical cards are all shown, however many.
MOST_CARDS: Final = 5

Overridden = Callable[[], Collection[str]]
"""Gives the findings that the user has answered, looked up when there is something to say."""

_ORDER: Final = {Indicator.CRITICAL: 0, Indicator.WARNING: 1, Indicator.INFO: 2}
_TIERS: Final = {Indicator.CRITICAL: Tier.CRITICAL, Indicator.WARNING: Tier.WARNING, Indicator.INFO: Tier.INFO}


def nothing_overridden() -> Collection[str]:
    """Remember nothing."""
    return ()


@dataclass(frozen=True, slots=True)
class Quieted:
    """What is shown, most urgent first; the cards that are not; every finding that was held back, with the reason."""

    shown: tuple[Card, ...]
    kept: tuple[Card, ...]
    held_back: tuple[HeldBack, ...]


def without_overridden(assessments: Sequence[Assessment], overridden: Overridden) -> tuple[Assessment, ...]:
    """Hold back the findings of rules that the user has answered, before they are merged into cards."""
    return tuple(_unanswered(each, overridden) if isinstance(each, Findings) else each for each in assessments)


def findings_of(service: str, card: Card) -> tuple[str, ...]:
    """Give what a card is remembered by: its findings, or else its service, source and the very words of its summary.

    So a score is the same finding until it changes: with another number or another urgency it is said again.
    """
    if card.findings:
        return card.findings
    words = f"{card.source.label}\n{card.indicator.value}\n{card.summary}"
    return (f"{service}:{sha256(words.encode(errors='surrogatepass')).hexdigest()[:16]}",)


def quieted(service: str, cards: Sequence[Card], assessments: Sequence[Assessment], overridden: Overridden) -> Quieted:
    """Hold back the cards of which the user has answered every finding, and those beyond what is read at once."""
    held_back = [each for found in assessments if isinstance(found, Findings) for each in found.held_back]
    lasting = {
        each.key for found in assessments if isinstance(found, Findings) for each in found.found if each.is_lasting
    }
    loud = [card for card in cards if card.indicator is not Indicator.CRITICAL and lasting.isdisjoint(card.findings)]
    answered = overridden() if loud else ()
    kept = [card for card in loud if answered and all(each in answered for each in findings_of(service, card))]
    open_ = [card for card in cards if card not in kept]
    held_back += [_of_card(service, card, OVERRIDDEN) for card in kept]
    ranked = sorted(open_, key=lambda card: _ORDER[card.indicator])
    shown = [card for place, card in enumerate(ranked) if place < MOST_CARDS or card.indicator is Indicator.CRITICAL]
    beyond = ranked[len(shown) :]
    held_back += [_of_card(service, card, TOO_MANY) for card in beyond]
    return Quieted(tuple(shown), (*kept, *beyond), tuple(held_back))


def _unanswered(findings: Findings, overridden: Overridden) -> Findings:
    loud = [each for each in findings.found if not each.is_lasting]
    answered = overridden() if loud else ()
    silent = [each for each in loud if each.key in answered]
    if not silent:
        return findings
    return replace(
        findings,
        found=tuple(each for each in findings.found if each not in silent),
        held_back=(*findings.held_back, *(HeldBack(each.key, each.tier, OVERRIDDEN) for each in silent)),
    )


def _of_card(service: str, card: Card, why: str) -> HeldBack:
    return HeldBack(" ".join(findings_of(service, card)), _TIERS[card.indicator], why)
