"""Filling in a rule's words: the drugs by name, the conditions by value and unit."""

from collections.abc import Iterable, Mapping
from typing import Final

from models.assessment import Input, Missing

_NOT_KNOWN: Final = "not known"


def filled(text: str, drugs: Mapping[str, str], inputs: Iterable[Input]) -> str:
    """Fill in a message or an action."""
    return text.format_map(_Words({**drugs, **{item.name: _value(item) for item in inputs}}))


class _Words(dict[str, str]):
    """What a message may name; of a condition that did not have to be asked nothing is known."""

    def __missing__(self, key: str) -> str:
        return _NOT_KNOWN


def _value(item: Input) -> str:
    if isinstance(item.reading, Missing):
        return _NOT_KNOWN
    value = item.reading.value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
