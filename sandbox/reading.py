"""What an EHR checks in an answer before it shows it, and where the answer breaks the CDS Hooks specification."""

from collections.abc import Iterator
from typing import Any, Final

_LONGEST_SUMMARY: Final = 139
_INDICATORS: Final = frozenset({"info", "warning", "critical"})
_SELECTIONS: Final = frozenset({"at-most-one", "any"})
_ACTIONS: Final = frozenset({"create", "update", "delete"})


def breaches(response: Any) -> list[str]:
    """Name each rule that a 200 answer breaks; none for an answer that can be shown."""
    if not isinstance(response, dict) or not isinstance(response.get("cards"), list):
        return ["the answer has no array `cards`"]
    found: list[str] = []
    for place, card in enumerate(response["cards"]):
        faults = _card_breaches(card) if isinstance(card, dict) else ["is not an object"]
        found.extend(f"cards[{place}] {fault}" for fault in faults)
    return found


def _card_breaches(card: dict[str, Any]) -> Iterator[str]:
    summary, source = card.get("summary"), card.get("source")
    if not isinstance(summary, str) or not summary or len(summary) > _LONGEST_SUMMARY:
        yield "needs a summary of fewer than 140 characters"
    if card.get("indicator") not in _INDICATORS:
        yield "needs an indicator of info, warning or critical"
    if not isinstance(source, dict) or not source.get("label"):
        yield "needs a source with a label"
    suggestions = card.get("suggestions", [])
    if suggestions and card.get("selectionBehavior") not in _SELECTIONS:
        yield "has suggestions without a selection behaviour"
    if any(not reason.get("display") for reason in card.get("overrideReasons", [])):
        yield "has an override reason without a display"
    for suggestion in suggestions:
        yield from _suggestion_breaches(suggestion)
    for link in card.get("links", []):
        if not link.get("label") or not link.get("url") or link.get("type") not in ("absolute", "smart"):
            yield "has a link without label, url or type"


def _suggestion_breaches(suggestion: dict[str, Any]) -> Iterator[str]:
    if not suggestion.get("label"):
        yield "has a suggestion without a label"
    for action in suggestion.get("actions", []):
        if action.get("type") not in _ACTIONS or not action.get("description"):
            yield "has an action without type or description"
        elif action["type"] != "delete" and "resourceType" not in action.get("resource", {}):
            yield "has an action without a resource"
