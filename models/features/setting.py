"""Where the patient is cared for now: scores of acute care are silent about everybody else."""

from typing import Final

from fhir_client.record import Availability, PatientRecord
from models.assessment import Reading
from models.concepts import concept
from models.features.feature import Answer, Feature, Kind
from models.features.observation_set import CONSCIOUSNESS, was_meant_for_scoring
from models.features.readers import nothing_found
from models.features.searches import ENCOUNTERS
from models.site import Site

ACUTE: Final = concept("acute_encounter").exact_codes


def is_in_acute_care(record: PatientRecord) -> bool:
    """Tell whether an acute encounter goes on, or is the one that the hook named."""
    return not ACUTE.isdisjoint(record.ongoing_kinds)


def _is_outside_acute_care(record: PatientRecord, site: Site) -> Answer:
    """Tell whether no acute encounter goes on and nobody set out to score lately; not known if we could not look."""
    if is_in_acute_care(record) or was_meant_for_scoring(record, site):
        return Reading(value=False)
    if record.availability(ENCOUNTERS.key) is not Availability.COMPLETE:
        return nothing_found(record, ENCOUNTERS.key)
    return Reading(value=True)


OUTSIDE_ACUTE_CARE = Feature(
    "outside_acute_care",
    "outside acute care",
    Kind.TRUTH,
    searches=(ENCOUNTERS, *CONSCIOUSNESS.searches),
    optional_keys=frozenset({ENCOUNTERS.key}),
    window="encounters going on, consciousness recorded within 12 hours",
    read=_is_outside_acute_care,
)
