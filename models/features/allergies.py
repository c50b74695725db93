"""What the patient is allergic to, and how the reaction was: an entry is told by its codes, never by its words."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from fhir_client.codes import RXNORM, Code
from fhir_client.facts import Allergy
from fhir_client.record import Availability, PatientRecord
from models.assessment import Gap, Missing, Reading
from models.concepts import Concept, concept
from models.features.feature import Answer, Feature, Kind
from models.features.readers import nothing_found, partly
from models.features.searches import ALLERGIES
from models.site import Site


class ReactionKind(StrEnum):
    """How a reaction was, the gravest first. What is not coded in a set that we know is `UNKNOWN`, never harmless."""

    ANAPHYLAXIS = "anaphylaxis or angioedema"
    SEVERE_SKIN = "severe skin reaction"
    SEVERE_DELAYED = "serum sickness or haemolysis"
    UNKNOWN = "reaction not known"
    MILD = "mild reaction"
    SIDE_EFFECT = "side effect"


GRAVE: Final = frozenset({ReactionKind.ANAPHYLAXIS, ReactionKind.SEVERE_SKIN, ReactionKind.SEVERE_DELAYED})
"""The kinds after which a drug is not given again."""

ANY_REACTION: Final = frozenset(ReactionKind)
_SETS: Final = {
    ReactionKind.ANAPHYLAXIS: concept("anaphylaxis"),
    ReactionKind.SEVERE_SKIN: concept("severe_cutaneous_reaction"),
    ReactionKind.SEVERE_DELAYED: concept("other_severe_drug_reaction"),
    ReactionKind.MILD: concept("mild_reactions"),
    ReactionKind.SIDE_EFFECT: concept("side_effect_reactions"),
}
_SEVERE: Final = "severe"
# Of these an entry without a code that can be read is no drug.
_NO_DRUG: Final = frozenset({"food", "environment"})
REACTION_CODES: Final = tuple(dict.fromkeys(remark for each in _SETS.values() for remark in each.unverified))
"""What keeps the kinds of reaction from live use."""


def reaction_kind(allergy: Allergy, site: Site) -> ReactionKind:
    """Tell how the reactions were: by the gravest code; harmless only if all that was seen is coded as harmless."""
    codes = [code for reaction in allergy.reactions for code in reaction.codings]
    for kind in ReactionKind:
        if kind in GRAVE and _SETS[kind].codes(site).matches(codes):
            return kind
    seen = [each for reaction in allergy.reactions for each in reaction.seen]
    if not seen or any(reaction.severity == _SEVERE for reaction in allergy.reactions):
        return ReactionKind.UNKNOWN
    harmless = {_harmless(each, site) for each in seen}
    if ReactionKind.UNKNOWN in harmless:
        return ReactionKind.UNKNOWN
    return ReactionKind.MILD if ReactionKind.MILD in harmless else ReactionKind.SIDE_EFFECT


def allergies_to(record: PatientRecord, site: Site, meaning: Concept) -> Iterator[Allergy]:
    """Give the recorded allergies that mean this: by a code of the set, or by an ingredient of it."""
    return (allergy for allergy in record.allergies if is_allergy_to(allergy, site, meaning))


def is_allergy_to(allergy: Allergy, site: Site, meaning: Concept) -> bool:
    """Tell whether an allergy, recorded or drafted, means this."""
    codes = meaning.codes(site)
    wanted = {code.code for code in codes.codes if code.system == RXNORM}
    return codes.matches(allergy.codings) or not wanted.isdisjoint(allergy.ingredients or ())


def allergy_to(
    name: str, label: str, *, of: str, kinds: frozenset[ReactionKind] = ANY_REACTION, kind: str = "allergy"
) -> Feature:
    """Declare a truth: a recorded allergy or intolerance to this, after a reaction of these kinds.

    The note of what is true names the kind. An allergy whose reaction is not known, where only some kinds count, is not
    known; false needs a complete search in which every entry that may be a drug could be read. `kind` is what FHIR
    calls the entries that count: `allergy` leaves out what is recorded as an intolerance, empty takes both.
    """
    meaning = concept(of)

    def read(record: PatientRecord, site: Site) -> Answer:
        found = [(reaction_kind(each, site), each) for each in allergies_to(record, site, meaning)]
        meant = [(how, each) for how, each in found if not (kind and each.kind and each.kind != kind)]
        for how in ReactionKind:
            for how_it_was, allergy in meant:
                if how_it_was is how and how in kinds:
                    return _reading(allergy, how, partly(record, ALLERGIES.key))
        if any(how is ReactionKind.UNKNOWN for how, _ in meant):
            return Missing(Gap.NOT_CODED, note=ReactionKind.UNKNOWN.value)
        return _false(record, site, meaning)

    return Feature(
        name,
        label,
        Kind.TRUTH,
        searches=(ALLERGIES,),
        unverified=tuple(dict.fromkeys((*meaning.unverified, *REACTION_CODES))),
        window="active",
        read=read,
    )


def _harmless(codings: tuple[Code, ...], site: Site) -> ReactionKind:
    """Tell of one thing that was seen whether it is mild or a side effect; UNKNOWN of what is neither, or in words."""
    for kind in (ReactionKind.MILD, ReactionKind.SIDE_EFFECT):
        if _SETS[kind].codes(site).matches(codings):
            return kind
    return ReactionKind.UNKNOWN


def _reading(allergy: Allergy, how: ReactionKind, note: str) -> Reading:
    return Reading(
        value=True,
        at=allergy.last or allergy.onset or allergy.recorded,
        sources=(allergy.source.cited,),
        note="; ".join(filter(None, (how.value, note))),
    )


def _false(record: PatientRecord, site: Site, meaning: Concept) -> Answer:
    if record.availability(ALLERGIES.key) is not Availability.COMPLETE:
        return nothing_found(record, ALLERGIES.key)
    unread = sum(not _is_readable(each, site, meaning) for each in record.allergies)
    if unread:
        return Missing(Gap.UNREADABLE, note=f"{unread} of {len(record.allergies)} allergies without a readable code")
    return Reading(value=False)


def _is_readable(allergy: Allergy, site: Site, meaning: Concept) -> bool:
    is_no_drug = bool(allergy.categories) and allergy.categories <= _NO_DRUG
    return is_no_drug or allergy.ingredients is not None or meaning.codes(site).covers(allergy.codings)
