"""Results of people who are not acutely ill: those of a ward or an emergency department are passed over."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from fhir_client.facts import Observation
from fhir_client.record import PatientRecord
from models.assessment import Gap, Missing, Reading
from models.concepts import concept
from models.features.feature import Answer, Feature
from models.features.readers import agreed, in_one_order, is_inpatient, nothing_found, partly, start_of
from models.features.searches import ENCOUNTERS
from models.features.windows import Window
from models.site import Site


def outpatient(feature: Feature, *, of: str, within: Window) -> Feature:
    """Read a laboratory quantity from outpatient results alone; the newest of them decides.

    A result whose encounter is not known is accepted, and said.
    """
    meaning = concept(of)
    key = feature.searches[0].key

    def read(record: PatientRecord, site: Site) -> Answer:
        results = record.observations(meaning.codes(site))
        usable = (o for o in results if o.has_value and o.at is not None and not is_inpatient(record, o))
        together = next((list(group) for _, group in groupby(usable, key=start_of)), [])
        if not together or together[0].at is None:
            return nothing_found(record, key)
        if not within.includes(together[0].at, record.as_of):
            return Missing(Gap.TOO_OLD, together[0].at)
        return _answer(feature, together, record, key)

    return replace(
        feature,
        searches=(*feature.searches, ENCOUNTERS),
        optional_keys=frozenset({ENCOUNTERS.key}),
        window=f"{within}, outpatient",
        read=read,
    )


def _answer(feature: Feature, together: Sequence[Observation], record: PatientRecord, key: str) -> Answer:
    answer = agreed(feature, in_one_order(together))
    if isinstance(answer, Gap):
        return Missing(answer, together[0].at)
    value, used = answer
    notes = ("" if record.encounter(used.encounter) else "setting not known", partly(record, key))
    return Reading(value, used.at, (used.source.cited,), "; ".join(note for note in notes if note))
