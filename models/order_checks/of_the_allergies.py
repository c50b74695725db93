"""Terms about allergies: to an ingredient of the order itself, or to the penicillins as a group."""

from collections.abc import Callable
from typing import Final

from fhir_client.facts import Allergy
from fhir_client.record import Availability, PatientRecord
from models.assessment import Gap, Missing, Reading
from models.features.allergies import (
    ANY_REACTION,
    GRAVE,
    REACTION_CODES,
    ReactionKind,
    allergy_to,
    reaction_kind,
)
from models.features.feature import Answer, Kind
from models.features.readers import nothing_found, partly
from models.features.searches import ALLERGIES
from models.order_checks.orders import Player
from models.order_checks.terms import Term, of_chart
from models.site import Site

_PENICILLIN: Final = "penicillin_allergy"
# Nausea that was recorded as an allergy is none (clinical/safety-rules.md 5).
_NO_SIDE_EFFECT: Final = ANY_REACTION - {ReactionKind.SIDE_EFFECT}
_DELAYED: Final = frozenset({ReactionKind.SEVERE_SKIN, ReactionKind.SEVERE_DELAYED})
_INTOLERANCE: Final = "intolerance"


def _to_the_drug(
    name: str, label: str, kinds: frozenset[ReactionKind], is_meant: Callable[[Allergy], bool] = lambda _: True
) -> Term:
    """Declare a truth: a recorded allergy to an ingredient of the order, after a reaction of these kinds."""

    def ask(record: PatientRecord, site: Site, subject: Player) -> Answer:
        _, ingredients = subject
        is_unknown = False
        for allergy in record.allergies:
            if ingredients.isdisjoint(allergy.ingredients or ()) or not is_meant(allergy):
                continue
            how = reaction_kind(allergy, site)
            if how in kinds:
                at = allergy.last or allergy.onset or allergy.recorded
                note = "; ".join(filter(None, (how.value, partly(record, ALLERGIES.key))))
                return Reading(value=True, at=at, sources=(allergy.source.cited,), note=note)
            is_unknown = is_unknown or how is ReactionKind.UNKNOWN
        return Missing(Gap.NOT_CODED, note=ReactionKind.UNKNOWN.value) if is_unknown else _false(record)

    return Term(name, label, Kind.TRUTH, "", (ALLERGIES,), frozenset({ALLERGIES.key}), REACTION_CODES, ask)


def _false(record: PatientRecord) -> Answer:
    """Say that there is none: only a complete list whose entries were all read tells that."""
    if record.availability(ALLERGIES.key) is not Availability.COMPLETE:
        return nothing_found(record, ALLERGIES.key)
    unread = sum(allergy.ingredients is None for allergy in record.allergies)
    if unread:
        note = f"{unread} of {len(record.allergies)} allergies without a drug code that is read"
        return Missing(Gap.UNREADABLE, note=note)
    return Reading(value=False)


ALLERGY_TERMS: Final = (
    # Anaphylaxis that was recorded as an intolerance counts all the same.
    _to_the_drug("grave_allergy_to_drug", "grave allergy to an ingredient", GRAVE),
    _to_the_drug(
        "allergy_to_drug", "allergy to an ingredient", _NO_SIDE_EFFECT, lambda each: each.kind != _INTOLERANCE
    ),
    *map(
        of_chart,
        (
            allergy_to("penicillin_allergy", "allergy to a penicillin", of=_PENICILLIN, kinds=_NO_SIDE_EFFECT),
            allergy_to(
                "penicillin_anaphylaxis",
                "anaphylaxis to a penicillin",
                of=_PENICILLIN,
                kinds=frozenset({ReactionKind.ANAPHYLAXIS}),
                kind="",
            ),
            allergy_to(
                "penicillin_delayed_reaction",
                "severe delayed reaction to a penicillin",
                of=_PENICILLIN,
                kinds=_DELAYED,
                kind="",
            ),
        ),
    ),
)
