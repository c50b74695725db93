"""What a score of readmission asks about the stay that is going on or ends now. Source: models.md 3."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from fhir_client.facts import Encounter
from fhir_client.record import Availability, PatientRecord
from models.assessment import Gap, Missing, Reading
from models.concepts import concept
from models.features.feature import Answer, Feature, Kind, Read
from models.features.readers import agreed, in_one_order, newest_together, nothing_found, partly
from models.features.searches import ENCOUNTERS
from models.features.stays import EMERGENCY, HOSPITAL, Stay, current_stay, date_in, is_dated, stays_before, written
from models.features.windows import Window
from models.site import Site

_NO_STAY: Final = "no inpatient stay"


def _of_stay(read: Callable[[PatientRecord, Stay], Answer]) -> Read:
    def answer(record: PatientRecord, site: Site) -> Answer:  # noqa: ARG001 - every reader takes the site
        stay = current_stay(record)
        return nothing_found(record, ENCOUNTERS.key, note=_NO_STAY) if stay is None else read(record, stay)

    return answer


def _is_without_stay(record: PatientRecord, site: Site) -> Answer:  # noqa: ARG001 - every reader takes the site
    if current_stay(record) is not None:
        return Reading(value=False)
    if record.availability(ENCOUNTERS.key) is not Availability.COMPLETE:
        return nothing_found(record, ENCOUNTERS.key)
    return Reading(value=True)


WITHOUT_STAY: Final = Feature(
    "without_stay",
    "no inpatient stay",
    Kind.TRUTH,
    searches=(ENCOUNTERS,),
    window="going on, or named by the hook",
    read=_is_without_stay,
)


def _length(record: PatientRecord, stay: Stay) -> Answer:
    """Count the nights from the admission to its end, or until now: by the calendar of the hospital's time zone."""
    admission = stay.admission
    if admission is None or admission.encounter.period is None:
        return Missing(Gap.NOT_RECORDED, note="no admission with a date")
    last = max(stay.contacts, key=lambda contact: contact.end)
    first_day = written(admission.encounter.period, first=True)
    if first_day is None:
        return Missing(Gap.NOT_RECORDED, admission.encounter.period, "the day of admission is not known")
    last_period = last.encounter.period
    is_over = last_period is not None and not last_period.is_open
    last_day = written(last_period, first=False) if is_over and last_period else record.as_of
    if last_day is None:
        return Missing(Gap.NOT_RECORDED, last_period, "the day of discharge is not known")
    zone = first_day.tzinfo or last_day.tzinfo
    nights = (date_in(last_day, zone) - date_in(first_day, zone)).days
    note = "" if is_over else "until now"
    return Reading(nights, admission.encounter.period, stay.sources, note)


LENGTH_OF_STAY_DAYS: Final = Feature(
    "length_of_stay_days",
    "length of stay",
    Kind.QUANTITY,
    unit="d",
    plausible=(0, 3_650),
    searches=(ENCOUNTERS,),
    window="this stay",
    read=_of_stay(_length),
)


def _unplanned(record: PatientRecord, stay: Stay) -> Answer:  # noqa: ARG001 - every reader of a stay takes the record
    """Tell how the patient was admitted: an emergency visit that runs into the stay tells it, too."""
    unplanned, elective = concept("unplanned_admission"), concept("elective_admission")
    planned: list[Encounter] = []
    for contact in stay.contacts:
        encounter = contact.encounter
        said = (*encounter.priority, *encounter.admitted_from)
        if encounter.kind in EMERGENCY or unplanned.codes(_ANY_SITE).matches(said):
            return Reading(value=True, at=encounter.period, sources=(encounter.source.cited,))
        if elective.codes(_ANY_SITE).matches(said):
            planned.append(encounter)
    if planned:
        return Reading(value=False, at=planned[0].period, sources=(planned[0].source.cited,))
    return Missing(Gap.NOT_RECORDED, note="how the patient was admitted is not recorded")


_ANY_SITE: Final = Site()  # these codes do not depend on the site
ACUTE_ADMISSION: Final = Feature(
    "acute_admission",
    "unplanned admission",
    Kind.TRUTH,
    searches=(ENCOUNTERS,),
    unverified=(*concept("unplanned_admission").unverified, *concept("elective_admission").unverified),
    window="this stay",
    read=_of_stay(_unplanned),
)
NONELECTIVE: Final = replace(ACUTE_ADMISSION, name="nonelective", label="admission was not elective")


def _counted(name: str, label: str, window: Window, count: Callable[[Sequence[Stay]], int]) -> Feature:
    def read(record: PatientRecord, stay: Stay) -> Answer:
        if record.availability(ENCOUNTERS.key) is not Availability.COMPLETE:
            return nothing_found(record, ENCOUNTERS.key, note="earlier ones may be missing")
        number = count(stays_before(record, stay, window))
        undated = sum(e.kind in HOSPITAL and not is_dated(e) for e in record.encounters)
        note = f"{undated} without a date are not counted" if undated else ""
        return Reading(number, note=note)

    return Feature(
        name,
        label,
        Kind.COUNT,
        plausible=(0, 1_000),
        searches=(ENCOUNTERS,),
        window=f"{window} before this stay",
        read=_of_stay(read),
    )


def _visits(before: Sequence[Stay]) -> int:
    return sum(contact.encounter.kind in EMERGENCY for stay in before for contact in stay.contacts)


def _admissions(before: Sequence[Stay]) -> int:
    return sum(stay.admission is not None for stay in before)


ED_VISITS_6M: Final = _counted("ed_visits_6m", "emergency visits in six months", Window(months=6), _visits)
ADMISSIONS_12M: Final = _counted("admissions_12m", "admissions in twelve months", Window(months=12), _admissions)


def of_the_stay(feature: Feature, *, of: str) -> Feature:
    """Read a laboratory quantity from results of this stay alone; the newest of them decides."""
    meaning = concept(of)
    key = feature.searches[0].key

    def read(record: PatientRecord, site: Site) -> Answer:
        stay = current_stay(record)
        if stay is None:
            return nothing_found(record, ENCOUNTERS.key, note=_NO_STAY)
        together = newest_together(record, meaning.codes(site), key, None)
        if isinstance(together, Missing):
            return together
        at = together[0].at
        if at is None or at.start < stay.start:
            return Missing(Gap.TOO_OLD, at, "not of this stay")
        answer = agreed(feature, in_one_order(together))
        if isinstance(answer, Gap):
            return Missing(answer, at)
        value, used = answer
        return Reading(value, used.at, (used.source.cited,), partly(record, key))

    return replace(feature, searches=(*feature.searches, ENCOUNTERS), window="newest of this stay", read=read)
