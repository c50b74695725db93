"""Where the patient is cared for now: scores of acute care are silent about everybody else."""

from collections.abc import Iterable
from typing import Final

from fhir_client.facts import Encounter
from fhir_client.record import Availability, PatientRecord
from models.assessment import Gap, Missing, Reading
from models.concepts import concept
from models.features.feature import Answer, Feature, Kind
from models.features.observation_set import CONSCIOUSNESS, was_meant_for_scoring
from models.features.searches import ENCOUNTERS
from models.site import Site

ACUTE: Final = concept("acute_encounter").exact_codes
# Encounter.status of R4: the patient is there, or only away for a while.
_ONGOING: Final = frozenset({"arrived", "triaged", "in-progress", "onleave"})


def is_in_acute_care(record: PatientRecord) -> bool:
    """Tell whether an acute encounter goes on, or is the one that the hook named."""
    return any(encounter.kind in ACUTE for encounter in _present(record))


def _is_outside_acute_care(record: PatientRecord, site: Site) -> Answer:
    """Tell whether no acute encounter goes on and nobody set out to score lately; not known if we could not look."""
    if is_in_acute_care(record) or was_meant_for_scoring(record, site):
        return Reading(value=False)
    if record.availability(ENCOUNTERS.key) is not Availability.COMPLETE:
        return Missing(Gap.UNAVAILABLE)
    return Reading(value=True)


def _present(record: PatientRecord) -> Iterable[Encounter]:
    """Give the encounter that the hook named, whatever its status says yet, and those that are going on."""
    for encounter in record.encounters:
        is_named = encounter.source.reference == f"Encounter/{record.encounter_id}"
        if is_named or encounter.status in _ONGOING:
            yield encounter


OUTSIDE_ACUTE_CARE = Feature(
    "outside_acute_care",
    "outside acute care",
    Kind.TRUTH,
    searches=(ENCOUNTERS, *CONSCIOUSNESS.searches),
    optional_keys=frozenset({ENCOUNTERS.key}),
    window="encounters going on, consciousness recorded within 12 hours",
    read=_is_outside_acute_care,
)
