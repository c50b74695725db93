"""Everything known of one patient as of one instant."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from fhir_client.codes import CodeSet
from fhir_client.facts import Condition, Encounter, Medication, Observation, Order, Patient


class Availability(StrEnum):
    """How far a search was answered: only `complete` lets a missing fact count as absent."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    DENIED = "denied"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Dropped:
    """Rows that were left out, counted by reason: they belong to another patient, or could not be read."""

    other_patient: int = 0
    unreadable: int = 0


class PatientRecord:
    """All facts of one patient as of one instant; later facts are not in it. Lazy: a fact is read when asked for."""

    __slots__ = ("as_of",)

    as_of: datetime
    patient_id: str
    encounter_id: str | None
    dropped: Dropped
    drafts: tuple[Mapping[str, Any], ...]

    @classmethod
    def from_resources(  # noqa: PLR0913 - each is a part of what a record is
        cls,
        resources: Iterable[Mapping[str, Any]],
        *,
        patient_id: str,
        as_of: datetime,
        encounter_id: str | None = None,
        availability: Mapping[str, Availability] | None = None,
        drafts: tuple[Mapping[str, Any], ...] = (),
    ) -> "PatientRecord":
        """Index the resources; those of another patient are dropped and counted.

        `availability` is keyed by search key; None (a bundle file) means every search is complete.
        """
        raise NotImplementedError

    @property
    def patient(self) -> Patient | None:
        """Give the Patient resource's facts, None if it is not in the record."""
        raise NotImplementedError

    @property
    def age_years(self) -> int | None:
        """Give completed years as of the instant: with a partial birth date, the middle of the interval."""
        raise NotImplementedError

    @property
    def age_range_years(self) -> tuple[int, int] | None:
        """Give the youngest and oldest age that the birth date allows: equal for a full date."""
        raise NotImplementedError

    def availability(self, key: str) -> Availability:
        """Tell how far the search with this key was answered; a key nobody asked for is unavailable."""
        raise NotImplementedError

    def observations(self, codes: CodeSet) -> tuple[Observation, ...]:
        """Give the usable results (final, amended, corrected; with or without a value), newest first.

        Panels give their components. A result without a time comes last. Ties keep the order of the source.
        """
        raise NotImplementedError

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Give the conditions that are confirmed or unstated, active or not, newest first."""
        raise NotImplementedError

    @property
    def medications(self) -> tuple[Medication, ...]:
        """Give the medication orders that were not entered in error, active or not, newest first."""
        raise NotImplementedError

    @property
    def encounters(self) -> tuple[Encounter, ...]:
        """Give the encounters, newest first."""
        raise NotImplementedError

    @property
    def orders(self) -> tuple[Order, ...]:
        """Give the service requests, newest first."""
        raise NotImplementedError

    def encounter(self, reference: str | None) -> Encounter | None:
        """Find an encounter by reference (`Encounter/1`), None if it is not in the record."""
        raise NotImplementedError
