"""What suggestions order: tests, referrals and drugs by name, their codes in orderables.toml."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fhir_client.codes import LOINC, RXNORM, Code
from models.parameters import checked_label

_SYSTEMS = {"loinc": LOINC, "rxnorm": RXNORM}
_FILE = Path(__file__).with_name("orderables.toml")


@dataclass(frozen=True, slots=True)
class Orderable:
    """A test, referral or drug: what the clinician reads, and the LOINC or RxNorm code where there is one."""

    display: str
    code: Code | None


@cache
def orderable(name: str) -> Orderable:
    """Look an orderable up.

    Raises:
        KeyError: there is none of that name.
        ParametersRejected: it lacks its citation or has an unknown label.
    """
    return _all()[name]


@cache
def _all() -> dict[str, Orderable]:
    with _FILE.open("rb") as file:
        entries = tomllib.load(file)
    for name, entry in entries.items():
        checked_label(entry, f"{_FILE.name}: {name}")
    return {name: Orderable(entry["display"], _code(entry)) for name, entry in entries.items()}


def _code(entry: Mapping[str, str]) -> Code | None:
    return Code(_SYSTEMS[entry.get("system", "loinc")], entry["code"]) if "code" in entry else None
