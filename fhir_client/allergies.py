"""Allergies and intolerances read as facts: to what, whether they hold, and what was seen.

FHIR records that a patient has no allergy as an allergy whose code says so; such a row is none.
"""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Final

from fhir_client import versions
from fhir_client.codes import Code, code_of
from fhir_client.elements import Resource, codings, concept_text, is_modified, mappings, source, text_of
from fhir_client.facts import Allergy, Reaction
from fhir_client.medications import ingredients
from fhir_client.resources import Horizon
from fhir_client.times import Interval

_KIND: Final = "AllergyIntolerance"


def read_allergy(resource: Resource, horizon: Horizon) -> Allergy | None:
    """Read an allergy that was neither refuted nor entered in error.

    One that an unknown extension may change stays a fact without codings: a reader must know that there is one.
    """
    recorded, onset = versions.recorded_at(resource), versions.allergy_began_at(resource)
    if versions.is_denied_allergy(resource) or horizon.hides(recorded) or horizon.hides(onset):
        return None
    substance = versions.allergen(resource)
    reactions = [] if is_modified(resource) else mappings(resource.get("reaction"))
    named = () if is_modified(resource) else (codings(substance), *(codings(r.get("substance")) for r in reactions))
    if any(code in no_known_allergy() for code in (named[0] if named else ())):
        return None
    resolved = [drugs for each in named if (drugs := ingredients(each)) is not None]
    return Allergy(
        source=source(resource, _KIND),
        codings=tuple(dict.fromkeys(code for each in named for code in each)),
        ingredients=frozenset().union(*resolved) if resolved else None,
        is_active=versions.is_active_allergy(resource),
        kind=versions.allergy_kind(resource),
        criticality=versions.criticality(resource),
        categories=versions.categories(resource),
        reactions=tuple(_reaction(each) for each in reactions if not is_modified(each)),
        onset=onset,
        last=versions.last_occurred_at(resource),
        recorded=recorded,
        text=concept_text(substance),
    )


def _reaction(reaction: Resource) -> Reaction:
    seen = versions.manifestations(reaction)
    texts = (concept_text(each) for each in seen)
    return Reaction(
        seen=tuple(codings(each) for each in seen),
        text=", ".join(text for text in texts if text) or text_of(reaction.get("description")) or "",
        severity=text_of(reaction.get("severity")),
        onset=Interval.parse(reaction.get("onset")),
    )


@cache
def no_known_allergy() -> frozenset[Code]:
    """Load the codes that say there is none."""
    file = files("fhir_client").joinpath("allergies.snomed.toml")
    groups = tomllib.loads(file.read_text("utf-8"))["group"]
    found = (code_of(group["system"], code) for group in groups for code in group["codes"])
    return frozenset(code for code in found if code is not None)
