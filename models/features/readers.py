"""How a quantity is read from a record; each way gives the one declaration that everything follows from."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from math import isclose
from statistics import fmean
from typing import Final

from fhir_client.codes import CodeSet
from fhir_client.errors import Reason
from fhir_client.facts import Observation, Quantity
from fhir_client.record import Availability, PatientRecord
from fhir_client.search import Search
from models.assessment import Gap, Missing, Reading
from models.concepts import concept
from models.features.feature import Answer, Feature, Kind
from models.features.searches import ENCOUNTERS
from models.features.windows import Window
from models.site import Site

PARTLY: Final = "the record system answered only in part"
_NO_ANSWER: Final = "the record system did not answer"
# What a clinician can do something about. Any other reason is for those who run the service: the journal has it.
_WHY: Final = {
    Reason.NO_ACCESS: "it was not sent, and no access was given",
    Reason.NO_ANSWER: _NO_ANSWER,
    Reason.BUSY: _NO_ANSWER,
    Reason.RESTING: _NO_ANSWER,
    Reason.FAILED: _NO_ANSWER,
}
_NOT_OUTPATIENT: Final = concept("acute_encounter").exact_codes
_MEANED: Final = 2
# One measurement printed in two units, each rounded, may differ by so much; two measurements differ by more.
_ROUNDING: Final = 0.02


def nothing_found(record: PatientRecord, key: str, *, note: str = "") -> Missing:
    """Say why nothing was found: looked and not there, or could not look, and why not (FHIR-6)."""
    if record.availability(key) is Availability.COMPLETE:
        return Missing(Gap.NOT_RECORDED, note=note)
    why = why_unread(record, key)
    return Missing(Gap.UNAVAILABLE, note=f"{why}; {note}" if why and note else why or note)


def why_unread(record: PatientRecord, key: str) -> str:
    """Say in a clinician's words why a search was not answered, or not in full; empty where there is nothing to add."""
    match record.availability(key):
        case Availability.DENIED:
            return "access was denied"
        case Availability.PARTIAL:
            return PARTLY
        case Availability.UNAVAILABLE:
            reason = record.reason(key)
            return "" if reason is None else _WHY.get(reason, "")
    return ""


def measured(feature: Feature, quantity: Quantity | None) -> float | Gap:
    """Give the value of one result in the feature's unit, or why it is refused."""
    if quantity is None:
        return Gap.NOT_CODED
    if quantity.comparator is not None:
        return Gap.BOUND_ONLY
    return feature.in_unit(quantity.value, quantity.unit)


def newest_together(
    record: PatientRecord, codes: CodeSet, key: str, window: Window | None
) -> Sequence[Observation] | Missing:
    """Find the newest result that holds a value, and those of the same time; no older one is read.

    One that only says why there is no value is passed over.
    """
    undated = False
    for together in record.observations(codes).by_time():
        at = together[0].at
        if at is None:
            undated = True
        elif window is not None and not window.includes(at, record.as_of):
            return Missing(Gap.TOO_OLD, at)
        else:
            return together
    return nothing_found(record, key, note="a result has no date" if undated else "")


def in_one_order(together: Sequence[Observation]) -> Sequence[Observation]:
    """Give results of the same time in an order that does not depend on the source's."""
    return sorted(together, key=lambda each: each.source.reference) if len(together) > 1 else together


def agreed(feature: Feature, together: Sequence[Observation]) -> tuple[float, Observation] | Gap:
    """Give the one value of results of the same time; usable ones that differ contradict each other."""
    if len(together) == 1:
        value = measured(feature, together[0].quantity)
        return value if isinstance(value, Gap) else (value, together[0])
    read = [(measured(feature, each.quantity), each) for each in together]
    usable = [(value, each) for value, each in read if not isinstance(value, Gap)]
    if not usable:
        return next(value for value, _ in read if isinstance(value, Gap))
    values = [value for value, _ in usable]
    return usable[0] if isclose(min(values), max(values), rel_tol=_ROUNDING) else Gap.CONTRADICTORY


def latest_quantity(
    name: str,
    label: str,
    search: Search,
    *,
    of: str,
    unit: str,
    within: Window,
    analyte: str | None = None,
    plausible: tuple[float, float] | None = None,
    above_zero: bool = False,
) -> Feature:
    """Declare a quantity: the newest result decides, usable or not; an older one never stands in for it."""
    meaning = concept(of)

    def read(record: PatientRecord, site: Site) -> Answer:
        together = newest_together(record, meaning.codes(site), search.key, within)
        if isinstance(together, Missing):
            return together
        answer = agreed(feature, in_one_order(together))
        if isinstance(answer, Gap):
            return Missing(answer, together[0].at)
        value, used = answer
        return Reading(value, used.at, (used.source.cited,), partly(record, search.key))

    feature = Feature(
        name,
        label,
        Kind.QUANTITY,
        unit=unit,
        analyte=analyte,
        plausible=plausible,
        above_zero=above_zero,
        searches=(search,),
        unverified=meaning.unverified,
        window=str(within),
        read=read,
    )
    return feature


def mean_of_last_two_outpatient(
    name: str,
    label: str,
    search: Search,
    *,
    of: str,
    unit: str,
    within: Window,
    plausible: tuple[float, float],
) -> Feature:
    """Declare a quantity: the mean of the last two outpatient readings taken at different times.

    Readings in the emergency department or on a ward are passed over; one whose encounter is not known is accepted and
    said. Readings of one time are averaged first. The newest outpatient reading decides whether there is a value at
    all; if the one before it is unusable or too old, the newest stands alone and the note says so.
    """
    meaning = concept(of)

    def read(record: PatientRecord, site: Site) -> Answer:
        used: list[tuple[float, Observation]] = []
        notes: list[str] = []
        outpatient = (
            each
            for each in record.observations(meaning.codes(site))
            if each.has_value and each.at is not None and not is_inpatient(record, each)
        )
        for _, group in groupby(outpatient, key=start_of):
            together = in_one_order(list(group))
            first = together[0]
            inside = first.at is not None and within.includes(first.at, record.as_of)
            value = _averaged(feature, together) if inside else Gap.TOO_OLD
            if isinstance(value, Gap):
                if not used:
                    return Missing(value, first.at)
                notes.append("the one before was not usable" if inside else "the one before is too old")
                break
            used.append((value, first))
            if len(used) == _MEANED:
                break
        if not used:
            return nothing_found(record, search.key)
        return _mean(record, used, notes, search.key)

    feature = Feature(
        name,
        label,
        Kind.QUANTITY,
        unit=unit,
        plausible=plausible,
        searches=(search, ENCOUNTERS),
        optional_keys=frozenset({ENCOUNTERS.key}),
        unverified=meaning.unverified,
        window=str(within),
        read=read,
    )
    return feature


def partly(record: PatientRecord, key: str) -> str:
    """Say that a reading came from a search that was not answered in full."""
    return "" if record.availability(key) is Availability.COMPLETE else PARTLY


def start_of(observation: Observation) -> datetime | None:
    """Give the time at which a reading began."""
    return None if observation.at is None else observation.at.start


def _averaged(feature: Feature, together: Sequence[Observation]) -> float | Gap:
    values = [measured(feature, each.quantity) for each in together]
    usable = [value for value in values if not isinstance(value, Gap)]
    return fmean(usable) if usable else next(value for value in values if isinstance(value, Gap))


def is_inpatient(record: PatientRecord, observation: Observation) -> bool:
    """Tell whether a result is known to have been taken in acute care."""
    encounter = record.encounter(observation.encounter)
    return encounter is not None and encounter.kind in _NOT_OUTPATIENT


def _mean(record: PatientRecord, used: Sequence[tuple[float, Observation]], notes: Sequence[str], key: str) -> Reading:
    newest = used[0][1]
    count = "mean of 2 readings" if len(used) == _MEANED else "one reading"
    setting = "" if all(record.encounter(o.encounter) for _, o in used) else "setting not known"
    return Reading(
        sum(value for value, _ in used) / len(used),
        newest.at,
        tuple(observation.source.cited for _, observation in used),
        "; ".join(part for part in (count, *notes, setting, partly(record, key)) if part),
    )
