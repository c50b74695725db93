"""Everything known of one patient as of one instant."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Any, Final, TypeVar

from fhir_client import versions
from fhir_client.allergies import read_allergy
from fhir_client.codes import Code, CodeSet
from fhir_client.drafts import Drafts
from fhir_client.drugs import order_entry, read_medication
from fhir_client.elements import Resource, codings
from fhir_client.errors import Reason
from fhir_client.facts import Allergy, Condition, Encounter, Medication, Order, Patient, Report
from fhir_client.listed import Listed
from fhir_client.pointers import Pointers
from fhir_client.resources import (
    Horizon,
    ongoing_kind,
    problem_entry,
    read_condition,
    read_encounter,
    read_order,
    read_patient,
    read_report,
)
from fhir_client.results import ResultIndex, Results
from fhir_client.rows import Rows
from fhir_client.times import BEGINNING, Interval, age_range_years, age_years
from fhir_client.versions import DRUG_ORDERS, SERVICE_ORDERS

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_NO_REASONS: Final[Mapping[str, Reason]] = MappingProxyType({})
_NOT_ASKED: Final = object()
_Fact = TypeVar("_Fact")
_Answer = TypeVar("_Answer")


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
    """All facts of one patient as of one instant; later facts are not in it. Lazy: a fact is read when asked for.

    Rows keep the state that they had when they were read: FHIR sends no older ones. So a record of the past leaves out
    what came later, and what is dated as ended later is still going on, but an order stopped since then is stopped.
    """

    __slots__ = (
        "_answered",
        "_availability",
        "_drafted",
        "_horizon",
        "_pointers",
        "_read",
        "_reasons",
        "_rows",
        "as_of",
        "drafts",
        "encounter_id",
        "patient_id",
    )

    def __init__(
        self,
        rows: Rows,
        *,
        as_of: datetime,
        encounter_id: str | None,
        availability: Mapping[str, Availability] | None,
        reasons: Mapping[str, Reason],
        drafts: tuple[Mapping[str, Any], ...],
        selected: tuple[Mapping[str, Any], ...] | None,
    ) -> None:
        self.patient_id: Final = rows.patient_id
        self.as_of: Final = as_of
        self.encounter_id: Final = encounter_id
        self.drafts: Final = drafts
        self._availability = availability
        self._reasons = reasons
        self._pointers = Pointers(rows)
        self._drafted: Final = Drafts(drafts, selected, self._pointers)
        self._horizon = Horizon.at(as_of)
        self._rows = rows
        self._read: dict[str, Any] = {}
        self._answered: dict[Hashable, Any] = {}

    @classmethod
    def from_resources(
        cls,
        resources: Iterable[Mapping[str, Any]],
        *,
        patient_id: str,
        as_of: datetime,
        encounter_id: str | None = None,
        availability: Mapping[str, Availability] | None = None,
        reasons: Mapping[str, Reason] = _NO_REASONS,
        drafts: tuple[Mapping[str, Any], ...] = (),
        selected: tuple[Mapping[str, Any], ...] | None = None,
        full_urls: Mapping[str, str] = _NONE,
    ) -> "PatientRecord":
        """Index the resources; those of another patient are dropped and counted.

        `availability` is keyed by search key, and so are the `reasons` why an answer is not complete; None (a bundle
        file) means every search is complete. `drafts` are orders that nobody has placed yet, `selected` those of them
        that are asked about, None for all. `full_urls` maps a Bundle's full URLs to `Type/id`, for those that do not
        end in the id (`bundles.Contents.full_urls`).
        """
        rows = Rows(patient_id, full_urls)
        rows.add(resources)
        return cls(
            rows,
            as_of=as_of,
            encounter_id=encounter_id,
            availability=availability,
            reasons=reasons,
            drafts=drafts,
            selected=selected,
        )

    def __repr__(self) -> str:
        """Show counts only: a record is full of what must not reach a log."""
        counts = (f"{len(rows)} {kind}" for kind, rows in sorted(self._rows.by_kind.items()))
        return f"PatientRecord({', '.join(counts)})"

    @property
    def dropped(self) -> Dropped:
        """Tell how many rows were left out, and why."""
        return Dropped(self._rows.other_patient, self._rows.unreadable)

    def availability(self, key: str) -> Availability:
        """Tell how far the search with this key was answered; a key nobody asked for is unavailable."""
        if self._availability is None:
            return Availability.COMPLETE
        return self._availability.get(key, Availability.UNAVAILABLE)

    def reason(self, key: str) -> Reason | None:
        """Tell why the search with this key was not answered in full, None if that is not known or it was."""
        return self._reasons.get(key)

    def once(self, question: Hashable, work_out: Callable[[], _Answer]) -> _Answer:
        """Answer a question about the record, working it out only the first time: a record does not change.

        A question names what is asked and all that the answer depends on besides the record.
        """
        answer = self._answered.get(question, _NOT_ASKED)
        if answer is _NOT_ASKED:
            answer = self._answered[question] = work_out()
        known: _Answer = answer
        return known

    # ---- the patient

    @property
    def patient(self) -> Patient | None:
        """Give the Patient resource's facts, None if it is not in the record."""
        if "patient" not in self._read:
            resources = self._resources("Patient")
            self._read["patient"] = read_patient(next(iter(resources)), self._horizon) if resources else None
        found: Patient | None = self._read["patient"]
        return found

    @property
    def age_years(self) -> int | None:
        """Give completed years as of the instant: with a partial birth date, the middle of the interval."""
        patient = self.patient
        return None if patient is None or patient.birth is None else age_years(patient.birth, self.as_of)

    @property
    def age_range_years(self) -> tuple[int, int] | None:
        """Give the youngest and oldest age that the birth date allows: equal for a full date."""
        patient = self.patient
        return None if patient is None or patient.birth is None else age_range_years(patient.birth, self.as_of)

    # ---- results

    def observations(self, codes: CodeSet) -> Results:
        """Give the usable results (final, amended, corrected; with or without a value), newest first.

        Panels give their components. A result without a time comes last. Ties keep the order of the source. Each result
        is read when it is reached: asking for the newest costs little in a long chart.
        """
        index: ResultIndex | None = self._read.get("results")
        if index is None:
            index = ResultIndex(self._resources("Observation"), self._horizon, self._pointers.encounter)
            self._read["results"] = index
        return index.find(codes)

    # ---- everything else, read once when it is first asked for

    @property
    def problems(self) -> Listed[tuple[Code, ...], Condition]:
        """Give the conditions by their codings: for a question that few of them answer."""
        if "problems" not in self._read:
            self._read["problems"] = Listed(
                (
                    entry
                    for resource in self._resources("Condition")
                    if (entry := problem_entry(resource, self._horizon)) is not None
                ),
                read=partial(read_condition, horizon=self._horizon),
                time=_problem_time,
            )
        found: Listed[tuple[Code, ...], Condition] = self._read["problems"]
        return found

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Give the conditions that are confirmed or unstated, active or not, newest first."""
        return self.problems.facts

    @property
    def drug_orders(self) -> Listed[frozenset[str] | None, Medication]:
        """Give the medication orders by their ingredients, None where a drug does not resolve."""
        if "drug orders" not in self._read:
            self._read["drug orders"] = Listed(
                (
                    entry
                    for kind in DRUG_ORDERS
                    for resource in self._resources(kind)
                    if (entry := order_entry(resource, self._horizon, self._pointers.resolve)) is not None
                ),
                read=partial(read_medication, horizon=self._horizon, resolve=self._pointers.resolve),
                time=versions.authored_at,
            )
        found: Listed[frozenset[str] | None, Medication] = self._read["drug orders"]
        return found

    @property
    def medications(self) -> tuple[Medication, ...]:
        """Give the medication orders that were not entered in error, active or not, newest first."""
        return self.drug_orders.facts

    @property
    def encounters(self) -> tuple[Encounter, ...]:
        """Give the encounters that had begun and were not entered in error, newest first."""
        return self._facts("encounters", ("Encounter",), self._encounter, lambda encounter: encounter.period)

    @property
    def ongoing_kinds(self) -> frozenset[str]:
        """Give the kinds of the encounters that are going on, and of the one that the hook named, whatever its status.

        Few of a chart's encounters are going on: the others are not read.
        """
        if "ongoing" not in self._read:
            named = self.encounter(f"Encounter/{self.encounter_id}")
            kinds = {ongoing_kind(resource, self._horizon) for resource in self._resources("Encounter")}
            self._read["ongoing"] = frozenset(kinds | {named and named.kind}) - {None}
        found: frozenset[str] = self._read["ongoing"]
        return found

    @property
    def orders(self) -> tuple[Order, ...]:
        """Give the service requests, newest first."""
        return self._facts(
            "orders", SERVICE_ORDERS, lambda resource: read_order(resource, self._horizon), lambda order: order.authored
        )

    @property
    def allergies(self) -> tuple[Allergy, ...]:
        """Give the allergies and intolerances that hold, the last recorded first; that there is none is no allergy."""
        return self._facts("allergies", ("AllergyIntolerance",), self._active_allergy, lambda allergy: allergy.recorded)

    @property
    def reports(self) -> tuple[Report, ...]:
        """Give the reports that may be read, newest first."""
        return self._facts(
            "reports",
            ("DiagnosticReport",),
            lambda resource: read_report(resource, self._horizon),
            lambda each: each.at,
        )

    # ---- drafts: none of them is a recorded fact

    @property
    def drafted_allergies(self) -> tuple[Allergy, ...]:
        """Give the allergies among the drafts, active or not."""
        return self._drafted.allergies

    @property
    def drafted_medications(self) -> tuple[Medication, ...]:
        """Give the drug orders among the drafts."""
        return self._drafted.medications

    @property
    def drafted_orders(self) -> tuple[Order, ...]:
        """Give the orders for tests and services among the drafts."""
        return self._drafted.orders

    @property
    def superseded(self) -> frozenset[str]:
        """Name the drug orders that hold no longer once the drafts are signed: `MedicationRequest/1`."""
        return self._drafted.superseded

    def is_asked_about(self, draft: Medication | Order | Allergy) -> bool:
        """Tell whether advice is to be about this draft: the others are what it is to be seen beside (OSEL-1)."""
        return self._drafted.is_asked_about(draft.source.reference)

    def as_drafted(self, draft: Medication | Order | Allergy) -> Resource | None:
        """Give the resource of a draft as it was sent, for a suggestion that hands it back; None if it has no id."""
        return self._drafted.as_sent(draft.source.reference)

    def encounter(self, reference: str | None) -> Encounter | None:
        """Find an encounter by reference (`Encounter/1`), None if it is not in the record."""
        wanted = self._pointers.encounter(reference) or ""
        kind, _, id_ = wanted.partition("/")
        if kind != "Encounter" or not id_:
            return None
        if wanted not in self._read:
            row = self._rows.named(kind, id_)
            self._read[wanted] = None if row is None else self._encounter(row)
        found: Encounter | None = self._read[wanted]
        return found

    def _encounter(self, resource: Resource) -> Encounter | None:
        return read_encounter(resource, self._horizon, self._condition_codings)

    def _active_allergy(self, resource: Resource) -> Allergy | None:
        allergy = read_allergy(resource, self._horizon)
        return allergy if allergy is not None and allergy.is_active else None

    def _facts(
        self,
        name: str,
        kinds: tuple[str, ...],
        read: Callable[[Resource], _Fact | None],
        time: Callable[[_Fact], Interval | None],
    ) -> tuple[_Fact, ...]:
        if name not in self._read:
            rows = (resource for kind in kinds for resource in self._resources(kind))
            self._read[name] = _newest_first([fact for row in rows if (fact := read(row)) is not None], time)
        found: tuple[_Fact, ...] = self._read[name]
        return found

    def _resources(self, kind: str) -> Collection[Resource]:
        return self._rows.by_kind.get(kind, {}).values()

    # ---- references

    def _condition_codings(self, pointer: str) -> tuple[Code, ...]:
        condition = self._pointers.resolve(pointer, "Condition")
        return () if condition is None else codings(condition.get("code"))


def _problem_time(resource: Resource) -> Interval | None:
    return versions.began_at(resource) or versions.recorded_at(resource)


def _newest_first(facts: list[_Fact], time: Callable[[_Fact], Interval | None]) -> tuple[_Fact, ...]:
    def start(fact: _Fact) -> datetime:
        at = time(fact)
        return BEGINNING if at is None else at.start

    return tuple(sorted(facts, key=start, reverse=True))
