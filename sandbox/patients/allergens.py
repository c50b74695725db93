"""What the allergy form offers, and an entry of it in FHIR R4."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from sandbox.patients.builder import Resource, write_allergy
from sandbox.patients.stories import Allergy, Reaction

_KINDS: Final = ("allergy", "intolerance")
_SEVERITIES: Final = ("mild", "moderate", "severe")


@dataclass(frozen=True, slots=True)
class Allergens:
    """Substances (RxNorm) and reactions (SNOMED CT): what is read, by code."""

    substances: Mapping[str, str]
    reactions: Mapping[str, str]


@cache
def allergens() -> Allergens:
    """Read allergens.toml."""
    tables = tomllib.loads((files("sandbox.patients") / "allergens.toml").read_text("utf-8"))
    found = [{row["code"]: row["text"] for row in tables[name]} for name in ("substance", "reaction")]
    return Allergens(*found)


def allergy_of(chosen: Mapping[str, str], identity: str, patient: str) -> Resource | None:
    """Write the entry that was chosen: substance and reaction by code, kind and severity; None for no such choice."""
    offered = allergens()
    substance, reaction = offered.substances.get(chosen["substance"]), offered.reactions.get(chosen["reaction"])
    is_known = substance is not None and chosen["kind"] in _KINDS and chosen["severity"] in _SEVERITIES
    if not is_known or substance is None or reaction is None:
        return None
    entry = Allergy(
        text=substance,
        code=chosen["substance"],
        kind=chosen["kind"],
        category="medication",
        reactions=(Reaction(reaction, chosen["reaction"], chosen["severity"]),),
    )
    return write_allergy(patient, identity, entry)
