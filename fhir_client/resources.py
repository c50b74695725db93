"""One FHIR resource read as a fact as of an instant; None where the row is none that may be used.

Statuses decide first (models.md 0.3.3): what is preliminary, cancelled, refuted or entered in error never becomes a
fact. Then time: what was not yet known at the instant is not there, and what ended later had not ended.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fhir_client import versions
from fhir_client.codes import Code
from fhir_client.elements import (
    Resource,
    absent_reason,
    codings,
    concept_text,
    integer,
    is_modified,
    local_reference,
    mapping,
    mappings,
    quantity,
    reference,
    source,
    text_of,
    words,
)
from fhir_client.facts import Condition, Encounter, Observation, Order, Patient, Quantity, Report, Source
from fhir_client.times import BEGINNING, FOREVER, Interval, read_time

_USABLE_RESULTS: Final = frozenset({"final", "amended", "corrected"})
_READABLE_REPORTS: Final = _USABLE_RESULTS | {"appended"}
ENTERED_IN_ERROR: Final = "entered-in-error"
# Encounter.status of R4: the patient is there, or only away for a while.
_ONGOING: Final = frozenset({"arrived", "triaged", "in-progress", "onleave"})
_SEX_PARAMETER: Final = "http://hl7.org/fhir/StructureDefinition/patient-sexParameterForClinicalUse"
# The codes of the sex parameter since the first extension pack, and the shorter ones of the R5 drafts.
_CLINICAL_SEX: Final = {"female-typical": "female", "male-typical": "male", "female": "female", "male": "male"}
_DAY: Final = timedelta(days=1)

UNDATED: Final = Interval(BEGINNING, FOREVER)
"""The time of a result that has none."""

Local = Callable[[str | None], str | None]


@dataclass(frozen=True, slots=True)
class Horizon:
    """The instant of a record, and what is certainly later than it."""

    instant: datetime
    day_before: str

    @classmethod
    def at(cls, instant: datetime) -> "Horizon":
        """Make one; FHIR's largest offset is 14 hours, so a date before `day_before` is earlier everywhere.

        So is a time whose text comes before it: a text that begins with the day comes after the day.
        """
        return cls(instant, (instant - _DAY).date().isoformat() if instant.year > 1 else "")

    def excludes(self, text: object) -> bool:
        """Tell whether a FHIR time is certainly after the instant; one that cannot be read is not."""
        if isinstance(text, str) and text < self.day_before:
            return False
        time = Interval.parse(text)
        return time is not None and time.start > self.instant

    def hides(self, time: Interval | None) -> bool:
        """Tell whether a time is certainly after the instant."""
        return time is not None and time.start > self.instant


# ---- patient


def read_patient(resource: Resource, horizon: Horizon) -> Patient:
    """Read who the record is about; a death after the instant has not happened."""
    died = resource.get("deceasedDateTime")
    died_at = Interval.parse(died)
    is_deceased = resource.get("deceasedBoolean") is True or died is not None
    if died_at is not None and died_at.is_after(horizon.instant):
        is_deceased, died_at = False, None
    birth = Interval.parse(resource.get("birthDate"))
    return Patient(
        source=source(resource, "Patient"),
        gender=text_of(resource.get("gender")),
        clinical_sex=_clinical_sex(resource, horizon),
        birth=None if birth is None or horizon.hides(birth) else birth,
        is_deceased=is_deceased,
        deceased_at=died_at,
    )


def _clinical_sex(resource: Resource, horizon: Horizon) -> str | None:
    """Give the sex parameter for clinical use that holds at the instant; None where several differ."""
    found: set[str] = set()
    for extension in mappings(resource.get("extension")):
        if extension.get("url") != _SEX_PARAMETER:
            continue
        parts = {part.get("url"): part for part in mappings(extension.get("extension")) if text_of(part.get("url"))}
        holds = versions.period(mapping(parts.get("period")).get("valuePeriod"))
        if holds is None or holds.contains(horizon.instant):
            found |= words(mapping(parts.get("value")).get("valueCodeableConcept"))
    if len(found) != 1:
        return None
    word = found.pop()
    return _CLINICAL_SEX.get(word, word)


# ---- observations


def result_time(resource: Resource, horizon: Horizon) -> Interval | None:
    """Give when an Observation was made, UNDATED if it does not say; None if it may not be used at the instant."""
    status = resource.get("status")
    if not isinstance(status, str) or status not in _USABLE_RESULTS:
        return None
    text, issued = resource.get("effectiveDateTime"), resource.get("issued")
    at = read_time(text) if isinstance(text, str) else versions.observed_at(resource)
    if at is not None and at.start > horizon.instant:
        return None
    if issued is not None and not (isinstance(issued, str) and issued < horizon.day_before):
        return None if horizon.excludes(issued) else at or UNDATED
    return at or UNDATED


class ResultOrigin:
    """Where a result or one of its components comes from, read from the resource whenever it is asked for."""

    __slots__ = ("_element", "_local", "_resource")

    def __init__(self, resource: Resource, element: Resource, local: Local) -> None:
        self._resource: Final = resource
        self._element: Final = element
        self._local: Final = local

    @property
    def source(self) -> Source:
        """Give the Observation."""
        return source(self._resource, "Observation")

    @property
    def codings(self) -> tuple[Code, ...]:
        """Give the codes of the result, or of the component."""
        return codings(self._element.get("code"))

    @property
    def encounter(self) -> str | None:
        """Give the contact in which it was taken."""
        return self._local(versions.encounter(self._resource))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ResultOrigin) and self._told == other._told

    __hash__ = None  # type: ignore[assignment]

    @property
    def _told(self) -> tuple[Source, tuple[Code, ...], str | None]:
        return self.source, self.codings, self.encounter


def read_result(resource: Resource, element: Resource, at: Interval, local: Local) -> Observation:
    """Read an Observation's own value, or that of one of its components, with what they share."""
    measured, concepts, truth, absent = read_value(element)
    origin = ResultOrigin(resource, element, local)
    # By position: in a long chart the names cost as much as the reading.
    return Observation(origin, None if at is UNDATED else at, measured, concepts, truth, absent)


def read_value(element: Resource) -> tuple[Quantity | None, tuple[Code, ...], bool | None, str | None]:
    """Read a value: a quantity, coded answers or a truth; or why there is none, if it is told."""
    value = element.get("valueQuantity")
    if value is not None and "dataAbsentReason" not in element:
        measured = quantity(value)
        if measured is not None and "extension" not in value:
            return measured, (), None, None
        absent = absent_reason(value, mapping(value).get("_value"))
        return measured if absent is None else None, (), None, absent
    measured, concepts, truth = (None, (), None) if "dataAbsentReason" in element else _other_value(element)
    absent = None if measured is not None or concepts or truth is not None else _why_absent(element)
    return measured, concepts, truth, absent


def _other_value(element: Resource) -> tuple[Quantity | None, tuple[Code, ...], bool | None]:
    """Read a value that is no Quantity. A number inside a text is no quantity, and a text no coded answer."""
    concept = element.get("valueCodeableConcept")
    if concept is not None:
        return None, (() if absent_reason(concept) else codings(concept)), None
    truth = element.get("valueBoolean")
    if isinstance(truth, bool):
        return None, (), truth
    return integer(element.get("valueInteger")), (), None


def _why_absent(element: Resource) -> str | None:
    """Give the data-absent reason: an element of the resource, or an extension on the value or beside it."""
    reason = element.get("dataAbsentReason")
    if reason is not None:
        return min(words(reason), default="unknown")
    return absent_reason(
        *(element.get(name) for name in ("valueCodeableConcept", "_valueString", "_valueBoolean", "_valueInteger"))
    )


# ---- conditions


def problem_state(resource: Resource, horizon: Horizon) -> bool | None:
    """Tell whether a problem was active at the instant; None where it is no fact: refuted, or not known by then."""
    if (
        not versions.is_confirmed(resource)
        or horizon.hides(versions.began_at(resource))
        or horizon.hides(versions.recorded_at(resource))
    ):
        return None
    # A dated end decides, then the clinical status, then other words.
    ended = versions.abated_at(resource)
    if ended is not None:
        return ended.is_after(horizon.instant)
    is_active = versions.is_active_by_status(resource)
    return not versions.ended_by_words(resource) if is_active is None else is_active


def problem_entry(resource: Resource, horizon: Horizon) -> tuple[tuple[Code, ...], bool, Resource] | None:
    """Give a problem's codings and whether it was active, with the problem; None where it is no fact."""
    is_active = versions.is_plainly_active(resource, horizon.day_before)
    if is_active is None:
        is_active = problem_state(resource, horizon)
        if is_active is None:
            return None
    return problem_codings(resource), is_active, resource


def problem_codings(resource: Resource) -> tuple[Code, ...]:
    """Give the codings of a problem; none where an unknown extension may change its meaning.

    Such a problem stays a fact: a reader must know that there is one it cannot read before it says that there is none.
    """
    return () if is_modified(resource) else codings(resource.get("code"))


def read_condition(resource: Resource, horizon: Horizon) -> Condition | None:
    """Read a problem that is confirmed or unstated."""
    is_active = problem_state(resource, horizon)
    if is_active is None:
        return None
    return Condition(
        source(resource, "Condition"),
        problem_codings(resource),
        is_active,
        versions.began_at(resource),
        versions.recorded_at(resource),
        concept_text(resource.get("code")),
    )


# ---- orders that are no drugs


def read_order(resource: Resource, horizon: Horizon) -> Order | None:
    """Read an order for a test or service that was not entered in error and does not forbid it."""
    status = text_of(resource.get("status"))
    authored = versions.authored_at(resource)
    if status == ENTERED_IN_ERROR or versions.is_prohibition(resource) or horizon.hides(authored):
        return None
    return Order(
        source=source(resource, text_of(resource.get("resourceType")) or "ServiceRequest"),
        codings=() if is_modified(resource) else versions.order_codings(resource),
        status=status,
        intent=text_of(resource.get("intent")),
        authored=authored,
        due=versions.due_at(resource),
        recurs=versions.recurs(resource),
        replaces=tuple(
            local_reference(text) for each in mappings(resource.get("replaces")) if (text := reference(each))
        ),
    )


# ---- reports


def read_report(resource: Resource, horizon: Horizon) -> Report | None:
    """Read a report that is final, amended, corrected or added to."""
    if text_of(resource.get("status")) not in _READABLE_REPORTS:
        return None
    issued = Interval.parse(resource.get("issued"))
    at = versions.observed_at(resource) or issued
    if horizon.hides(at) or horizon.hides(issued):
        return None
    return Report(source(resource, "DiagnosticReport"), codings(resource.get("code")), at)


# ---- encounters


def read_encounter(
    resource: Resource, horizon: Horizon, codings_of: Callable[[str], tuple[Code, ...]]
) -> Encounter | None:
    """Read a contact that had begun at the instant; if it ended later, it was still in progress and its end unknown."""
    status = versions.encounter_status(resource)
    period = versions.encounter_period(resource)
    if status == ENTERED_IN_ERROR or is_modified(resource) or horizon.hides(period):
        return None
    if horizon.excludes(versions.encounter_end(resource)):
        period = None if period is None or period.start == BEGINNING else period.left_open()
        status = "in-progress" if status == "finished" else status
    reasons, pointers = versions.encounter_reasons(resource)
    return Encounter(
        source=source(resource, "Encounter"),
        kind=versions.encounter_kind(resource),
        status=status,
        period=period,
        reasons=reasons + tuple(code for pointer in pointers for code in codings_of(pointer)),
        priority=codings(resource.get("priority")),
        admitted_from=versions.admitted_from(resource),
    )


def ongoing_kind(resource: Resource, horizon: Horizon) -> str | None:
    """Give the kind of a contact that was going on at the instant, as `read_encounter` would; None of any other."""
    status = versions.encounter_status(resource)
    is_ongoing = horizon.excludes(versions.encounter_end(resource)) if status == "finished" else status in _ONGOING
    if not is_ongoing or is_modified(resource) or horizon.hides(versions.encounter_period(resource)):
        return None
    return versions.encounter_kind(resource)
