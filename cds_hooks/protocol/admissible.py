"""What a card may not do at the moment it answers, though each of its parts is well made."""

import re
from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from cds_hooks.protocol.cards import Card, DeleteAction, UpdateAction
from cds_hooks.protocol.checks import ImpossibleMessage
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.requests import HookRequest

_ADDRESS = re.compile(r"(?i:https?):[^\s<>()\[\]]+")


def check_admissible(card: Card, request: HookRequest, *, hosts: Collection[str]) -> None:
    """Refuse a card that leads to a host nobody announced, or alters the problem that was just recorded.

    Clients keep lists of the hosts that cards may lead to, so ours are declared and published (LINK-7).
    problem-list-item-create fires after the fact: advice is about next steps, never about the new entry (PLC-1).

    Raises:
        ImpossibleMessage: the card does one of these; its words are fixed.
    """
    if not all(urlsplit(address).hostname in hosts for address in addresses_of(card)):
        raise ImpossibleMessage("a card leads to a host that its service does not declare")
    if request.hook is Hook.PROBLEM_LIST_ITEM_CREATE:
        recorded = {f"{draft['resourceType']}/{draft.get('id')}" for draft in request.context.drafts}
        if not recorded.isdisjoint(_altered(card)):
            raise ImpossibleMessage("a suggestion alters the problem that was just recorded")


def addresses_of(card: Card) -> Iterator[str]:
    """Every address that a card shows: of its source, of its links, and in its text."""
    yield from (address for address in (card.source.url, card.source.icon) if address is not None)
    yield from (link.url for link in card.links)
    yield from _ADDRESS.findall(card.detail or "")


def _altered(card: Card) -> Iterator[str]:
    for suggestion in card.suggestions:
        for action in suggestion.actions:
            match action:
                case UpdateAction():
                    yield f"{action.resource['resourceType']}/{action.resource['id']}"
                case DeleteAction():
                    yield action.resource_id
