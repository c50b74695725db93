"""Cards and their parts with made-up defaults, and what a client receives of them."""

import json
from collections.abc import Iterator
from typing import Any

from cds_hooks.protocol.cards import (
    Card,
    ClientProfile,
    CreateAction,
    DeleteAction,
    Indicator,
    Response,
    Source,
    Suggestion,
    UpdateAction,
)

Json = dict[str, Any]

SOURCE = Source("A made-up guideline")
ORDER = {"resourceType": "ServiceRequest", "status": "draft", "subject": {"reference": "Patient/p1"}}
UUIDS = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(10)]

CLIENTS = [
    ClientProfile(specification=version, legacy_delete=legacy, features=features)
    for version in ("1.0", "2.0", "3.0")
    for legacy in (False, True)
    for features in (frozenset[str](), frozenset({"system-actions", "autolaunchable", "action-selection-behavior"}))
]


def a_card(summary: str = "A finding", **more: Any) -> Card:
    given: Json = {"indicator": Indicator.INFO, "source": SOURCE} | more
    return Card(summary, **given)


def a_create(description: str | None = "Order it") -> CreateAction:
    return CreateAction(description, ORDER)


def an_update(description: str | None = "Change it") -> UpdateAction:
    return UpdateAction(description, ORDER | {"id": "s1"})


def a_delete(description: str | None = "Stop it") -> DeleteAction:
    return DeleteAction(description, "ServiceRequest/s1")


def a_suggestion(label: str = "Do it", **more: Any) -> Suggestion:
    given: Json = {"actions": (a_create(),)} | more
    return Suggestion(label, **given)


def sent(response: Response, profile: ClientProfile | None = None) -> Json:
    """What a client receives, parsed by a strict parser."""
    body = response.to_json() if profile is None else response.to_json(profile)
    parsed: Json = json.loads(body, parse_constant=_refuse)
    return parsed


def sent_card(card: Card, profile: ClientProfile | None = None) -> Json:
    """What a client receives of a card."""
    (received,) = sent(Response((card,)), profile)["cards"]
    return dict(received)


def _refuse(constant: str) -> None:
    raise AssertionError(f"not JSON: {constant}")


def empty_values(value: Any, place: str = "") -> Iterator[str]:
    """The places of members that are null or empty."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        where = f"{place}.{name}"
        if member is None or member in ("", [], {}):
            yield where
        yield from empty_values(member, where)
