"""Stays in hospital: encounters less than 24 hours apart are one. Source: models.md 3.1."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from fhir_client.facts import Encounter
from fhir_client.record import PatientRecord
from fhir_client.times import Interval
from models.concepts import concept
from models.features.windows import Window

HOSPITAL: Final = concept("acute_encounter").exact_codes
_INPATIENT: Final = concept("inpatient_encounter").exact_codes
EMERGENCY: Final = concept("emergency_encounter").exact_codes
# What did not take place is no stay.
_NOT_BEGUN: Final = frozenset({"planned", "cancelled"})
_CLOSE: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Contact:
    """One hospital encounter with the times that it certainly has."""

    encounter: Encounter
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Stay:
    """Hospital encounters less than 24 hours apart, oldest first: transfers do not end a stay."""

    contacts: tuple[Contact, ...]

    @property
    def start(self) -> datetime:
        """Give when the first of them began, an emergency visit included."""
        return self.contacts[0].start

    @property
    def admission(self) -> Contact | None:
        """Give the first encounter that is no emergency visit, None for a visit that led to no admission."""
        if not any(contact.encounter.kind in _INPATIENT for contact in self.contacts):
            return None
        return next(contact for contact in self.contacts if contact.encounter.kind not in EMERGENCY)

    @property
    def sources(self) -> tuple[str, ...]:
        """Give the resources it was read from."""
        return tuple(contact.encounter.source.cited for contact in self.contacts)


def current_stay(record: PatientRecord) -> Stay | None:
    """Give the stay of the encounter that the hook named, or of the newest admission that goes on."""
    return record.once("current stay", lambda: _current(record))


def _current(record: PatientRecord) -> Stay | None:
    index = _index(record)
    if index is None:
        return None
    return next((stay for stay in _stays(record) if any(c.encounter == index for c in stay.contacts)), None)


def _index(record: PatientRecord) -> Encounter | None:
    named = record.encounter(f"Encounter/{record.encounter_id}") if record.encounter_id else None
    if named is not None and named.kind in _INPATIENT and is_dated(named):
        return named
    ongoing = (e for e in record.encounters if e.kind in _INPATIENT and e.status not in _NOT_BEGUN)
    return next((e for e in ongoing if e.status == "in-progress" and is_dated(e)), None)


def is_dated(encounter: Encounter) -> bool:
    """Tell whether it is known when the encounter began."""
    return encounter.period is not None and not encounter.period.text.startswith("until ")


def _stays(record: PatientRecord) -> tuple[Stay, ...]:
    return record.once("stays", lambda: tuple(_merged(_contacts(record))))


def _contacts(record: PatientRecord) -> list[Contact]:
    """Give the hospital encounters, oldest first.

    Of those still open only the current one is taken to last until now: one that nobody closed years ago would swallow
    all that came after it.
    """
    index = _index(record)
    found = []
    for encounter in record.encounters:
        period = encounter.period
        if encounter.kind not in HOSPITAL or encounter.status in _NOT_BEGUN or period is None:
            continue
        if not is_dated(encounter):
            continue
        end = min(period.end, record.as_of)
        if period.is_open and encounter != index:
            end = period.start
        found.append(Contact(encounter, period.start, end))
    return sorted(found, key=lambda contact: (contact.start, contact.end, contact.encounter.source.reference))


def _merged(contacts: Iterable[Contact]) -> Iterator[Stay]:
    together: list[Contact] = []
    end = None
    for contact in contacts:
        if end is not None and contact.start - end >= _CLOSE:
            yield Stay(tuple(together))
            together = []
            end = None
        together.append(contact)
        end = contact.end if end is None else max(end, contact.end)
    if together:
        yield Stay(tuple(together))


def stays_before(record: PatientRecord, stay: Stay, window: Window) -> Sequence[Stay]:
    """Give the stays and visits that began in the window before this stay."""
    return [
        other
        for other in _stays(record)
        if other != stay and other.start < stay.start and window.includes(_moment(other.start), stay.start)
    ]


def _moment(at: datetime) -> Interval:
    return Interval(at, at)


# ---- days by the calendar


def written(period: Interval, *, first: bool) -> datetime | None:
    """Give an end of a period in the time zone it was written in; None where not even the day is known."""
    text = period.text.removeprefix("since ").partition(" to ")[0 if first else 2]
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def date_in(at: datetime, zone: tzinfo | None) -> date:
    """Give the day in the zone; a time without one is a day as it was written."""
    return at.date() if at.tzinfo is None or zone is None else at.astimezone(zone).date()
