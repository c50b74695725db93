"""Which rules an order has a part in, and which other orders play the other parts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Final

from fhir_client.medications import ingredient_names
from fhir_client.record import PatientRecord
from models.order_checks.bounds import bound
from models.order_checks.orders import DrugOrder, Player, is_local
from models.order_checks.rules import Rule

REPLACE: Final = "replace:"
_TOLERATED: Final = timedelta(days=bound("tolerated"))


@dataclass(frozen=True, slots=True)
class Case:
    """A rule whose parts are all played: first the rule's drug, then its partners in their order."""

    rule: Rule
    asked_about: DrugOrder
    players: tuple[Player, ...]

    @property
    def identity(self) -> tuple[str, ...]:
        """Give the same for the same rule and orders, whichever of them was asked about first."""
        return (self.rule.id, *sorted(order.reference for order, _ in self.players))

    @property
    def key(self) -> str:
        """Name the rule and the ingredients: what an override is remembered by."""
        return ":".join((self.rule.id, *("+".join(sorted(meant)) for _, meant in self.players)))

    @property
    def subject(self) -> Player:
        """Give the order of the rule's own drug, and what is meant of it: what its dose is asked of."""
        return self.players[0]

    @property
    def orders(self) -> tuple[str, ...]:
        """Give the orders, the one that was asked about first."""
        others = (order.reference for order, _ in self.players if order is not self.asked_about)
        return tuple(dict.fromkeys((self.asked_about.reference, *others)))

    @property
    def remedies(self) -> tuple[str, ...]:
        """Give the rule's remedies; a replacement only where the order that it replaces is the one asked about.

        `replace:drug:NAME` replaces the rule's drug, `replace:with:NAME` its first partner.
        """
        part = next((place for place, (order, _) in enumerate(self.players) if order is self.asked_about), 0)
        other = REPLACE + ("with:" if part == 0 else "drug:")
        return tuple(name for name in self.rule.remedies if not name.startswith(other))

    @property
    def words(self) -> Mapping[str, str]:
        """Name the drugs for a reader, by our own names: a chart's words may be anything."""
        if self.rule.drug is None:
            return {"drug": named(self.asked_about)}
        parts = (self.rule.drug, *self.rule.partners)
        printed = [part.printed(meant) for part, (_, meant) in zip(parts, self.players, strict=True)]
        return {"drug": printed[0], "with": " and ".join(printed[1:])}

    @property
    def unverified(self) -> tuple[str, ...]:
        """Name what keeps the finding from live use: of the rule, and of the codes that were met."""
        if self.rule.drug is None:
            return self.rule.unverified
        parts = zip((self.rule.drug, *self.rule.partners), self.players, strict=True)
        codes = (remark for part, (_, meant) in parts for remark in part.remarks(meant))
        return tuple(dict.fromkeys((*self.rule.unverified, *codes)))

    def is_tolerated(self, record: PatientRecord) -> bool:
        """Tell whether all parts have been taken together for long: each is an active order of that age.

        One that a draft renews counts as well: what it replaces is how long it has been taken.
        """
        if self.rule.is_lasting or len(self.players) == 1:
            return False
        return all(_is_taken_for_long(meant, record) for _, meant in self.players)


def named(order: DrugOrder) -> str:
    """Name an order's drug for a reader, by our own names of its ingredients."""
    known = ingredient_names()
    return " and ".join(sorted(known[code] for code in order.ingredients if code in known)) or "this drug"


def cast(rule: Rule, order: DrugOrder, beside: Sequence[DrugOrder]) -> Iterator[Case]:
    """Try the order in each part of the rule; the first orders that play the other parts will do.

    One order may play several parts (an ACE inhibitor with its diuretic in one tablet), but not all of them. What stays
    on the skin or in the eye plays none, unless the rule says that it counts.
    """
    if order.is_local and not rule.counts_local:
        return
    if rule.drug is None:
        yield Case(rule, order, ((order, order.ingredients),))
        return
    parts = (rule.drug, *rule.partners)
    for own, part in enumerate(parts):
        meant = part.matched(order.ingredients)
        players = _cast_with(rule, order, meant, own, beside) if meant else None
        if players is not None:
            yield Case(rule, order, players)


def _cast_with(
    rule: Rule, order: DrugOrder, meant: frozenset[str], own: int, beside: Sequence[DrugOrder]
) -> tuple[Player, ...] | None:
    """Find who plays the other parts where the order plays this one; None where nobody does."""
    if not rule.partners:
        return ((order, meant),)
    others = (*(each for each in beside if rule.counts_local or not each.is_local), order)
    choices = [
        ((order, meant),) if place == own else tuple(_players(part.matched, others))
        for place, part in enumerate((rule.drug, *rule.partners))
        if part is not None
    ]
    return next((each for each in product(*choices) if _is_cast(rule, each)), None)


def _players(matched: Callable[[frozenset[str]], frozenset[str]], beside: Sequence[DrugOrder]) -> Iterator[Player]:
    for each in beside:
        meant = matched(each.ingredients)
        if meant:
            yield each, meant


def _is_cast(rule: Rule, players: Sequence[Player]) -> bool:
    """Tell whether more than one order is in it, and, where the rule asks for it, an ingredient for each part."""
    if len(players) > 1 and len({id(order) for order, _ in players}) == 1:
        return False
    return not rule.is_distinct or not frozenset.intersection(*(meant for _, meant in players))


def _is_taken_for_long(meant: frozenset[str], record: PatientRecord) -> bool:
    active = record.drug_orders.active
    holding = [drugs for drugs, count in active.items() if count and drugs is not None and meant <= drugs]
    taken = (fact for fact in record.drug_orders.every_active(holding) if not is_local(fact))
    since = record.as_of - _TOLERATED
    return any(fact.authored is not None and fact.authored.end <= since for fact in taken)
