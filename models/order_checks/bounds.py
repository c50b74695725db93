"""The bounds that all rules share, each with its source: `bounds.toml`."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from models.errors import ParametersRejected
from models.parameters import checked_label

_FILE: Final = Path(__file__).with_name("bounds.toml")


def bound(name: str) -> float:
    """Give a bound in its own unit.

    Raises:
        ParametersRejected: there is none of that name, or it lacks its citation, or has an unknown label.
    """
    entry = _all().get(name)
    if entry is None or not isinstance(entry.get("value"), int | float):
        raise ParametersRejected(f"{_FILE.name}: {name}", "has no value")
    checked_label(entry, f"{_FILE.name}: {name}")
    return float(entry["value"])


@cache
def _all() -> Mapping[str, Any]:
    with _FILE.open("rb") as file:
        return tomllib.load(file)
