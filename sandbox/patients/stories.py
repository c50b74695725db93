"""What a story is: one synthetic patient, told in a few lines of TOML with times counted back from now."""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any, Final

_AGO: Final = re.compile(r"(\d+) (minute|hour|day|month|year)s?")
_FOLDER: Final = "stories"


@dataclass(frozen=True, slots=True)
class Reading:
    """One result. `unit` replaces the usual UCUM unit; `unit_text` leaves a text that is no code, or nothing at all.

    `stay` is the place, from 1, of the stay in which it was taken; without it the result names no encounter.
    """

    of: str
    ago: str
    value: float | None = None
    answer: str | None = None
    status: str = "final"
    unit: str | None = None
    unit_text: str | None = None
    comparator: str | None = None
    absent: str | None = None
    stay: int | None = None


@dataclass(frozen=True, slots=True)
class VitalSigns:
    """One round of observations; what is None was not taken."""

    ago: str
    respiratory_rate: float | None = None
    spo2: float | None = None
    oxygen_flow: float | None = None
    systolic: float | None = None
    diastolic: float | None = None
    heart_rate: float | None = None
    temperature: float | None = None
    consciousness: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of the problem list, in ICD-10-CM unless it says SNOMED CT."""

    code: str
    text: str
    since: str
    system: str = "icd-10-cm"
    clinical: str = "active"
    verification: str = "confirmed"


@dataclass(frozen=True, slots=True)
class Dosing:
    """How a drug is to be taken: `dose` of `unit` (UCUM), `times` in each `per`; as needed, at most so often.

    `sig` is the sentence that the clinician reads.
    """

    sig: str
    dose: float
    unit: str
    times: int = 1
    per: str = "1 day"
    as_needed: bool = False


@dataclass(frozen=True, slots=True)
class Medication:
    """One medication order; `code` is RxNorm, or None where the chart has a name only."""

    text: str
    since: str
    code: str | None = None
    status: str = "active"
    dosing: Dosing | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """One order that is picked and not signed: an entry of orderables.toml, and where it differs from that.

    `reason` is a diagnosis in ICD-10-CM, `due` how far ahead a test is planned, `more` members of the FHIR resource.
    """

    order: str
    dosing: Dosing | None = None
    reason: str | None = None
    due: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reaction:
    """What was seen when the substance was taken; `code` is SNOMED CT."""

    text: str
    code: str | None = None
    severity: str | None = None


@dataclass(frozen=True, slots=True)
class Allergy:
    """One entry of the allergy list; `code` is RxNorm unless it says SNOMED CT, or None for words only."""

    text: str
    code: str | None = None
    system: str = "rxnorm"
    kind: str | None = None
    category: str | None = None
    criticality: str | None = None
    since: str | None = None
    reactions: tuple[Reaction, ...] = ()


@dataclass(frozen=True, slots=True)
class Stay:
    """One encounter; without `ended` it goes on. `reason` is a diagnosis in ICD-10-CM."""

    began: str
    kind: str = "AMB"
    ended: str | None = None
    status: str = "finished"
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One order that is not a medication, coded in LOINC."""

    code: str
    text: str
    ago: str
    status: str = "active"


@dataclass(frozen=True, slots=True)
class Story:
    """One synthetic patient and what the chart is meant to show.

    `drafts` are the orders that order-select and order-sign are fired with, the last of them just picked;
    `new_allergy` is the entry that allergyintolerance-create is fired with.
    """

    id: str
    story: str
    family: str
    given: str
    sex: str
    age: int | None
    born_year_only: bool = False
    died: str | None = None
    allergies: tuple[Allergy, ...] = ()
    stays: tuple[Stay, ...] = ()
    problems: tuple[Problem, ...] = ()
    medications: tuple[Medication, ...] = ()
    orders: tuple[Order, ...] = ()
    readings: tuple[Reading, ...] = ()
    vitals: tuple[VitalSigns, ...] = ()
    drafts: tuple[Draft, ...] = ()
    new_allergy: Allergy | None = None
    daily_weights: int = field(default=0)


def span(text: str) -> tuple[int, str]:
    """Read how long something takes: `72 hours` is 72 and "hour"."""
    found = _AGO.fullmatch(text)
    if found is None:
        raise ValueError("a time in a story reads like `40 days`")
    return int(found.group(1)), found.group(2)


def before(now: datetime, ago: str) -> datetime:
    """Count back from `now`: "20 minutes", "3 hours", "40 days", "6 months" (of 30 days), "4 years"."""
    count, unit = span(ago)
    if unit == "year":
        # 28 February stands for the 29th, so that every year can be counted back to.
        day = min(now.day, 28) if now.month == 2 else now.day  # noqa: PLR2004 - February
        return now.replace(year=now.year - count, day=day)
    return now - _length(count, unit)


def after(now: datetime, ahead: str) -> datetime:
    """Count ahead from `now`, a year as 365 days."""
    count, unit = span(ahead)
    return now + (timedelta(days=365 * count) if unit == "year" else _length(count, unit))


def _length(count: int, unit: str) -> timedelta:
    return timedelta(**{{"month": "days"}.get(unit, f"{unit}s"): count * (30 if unit == "month" else 1)})


def read_stories() -> tuple[Story, ...]:
    """Read every story file beside this module, in the order of their names."""
    folder = files("sandbox.patients") / _FOLDER
    texts = [file.read_text("utf-8") for file in sorted(folder.iterdir(), key=lambda file: file.name)]
    return tuple(_story(table) for text in texts for table in tomllib.loads(text)["patient"])


def _story(table: dict[str, Any]) -> Story:
    rows: dict[str, Callable[..., Any]] = {
        "allergies": _allergy,
        "stays": Stay,
        "problems": Problem,
        "medications": _dosed(Medication),
        "orders": Order,
        "readings": Reading,
        "vitals": VitalSigns,
        "drafts": _dosed(Draft),
    }
    typed = {name: tuple(_row(kind, row) for row in table.get(name, ())) for name, kind in rows.items()}
    created = {"new_allergy": _allergy(**table["new_allergy"])} if "new_allergy" in table else {}
    return Story(**{"age": None, **table, **typed, **created})


def _row(kind: Callable[..., Any], row: dict[str, Any] | str) -> Any:
    """Make one row; a row that is a text alone has no more to say."""
    return kind(text=row) if isinstance(row, str) else kind(**row)


def _dosed(kind: Callable[..., Any]) -> Callable[..., Any]:
    def made(dosing: dict[str, Any] | None = None, **row: Any) -> Any:
        return kind(**row, dosing=None if dosing is None else Dosing(**dosing))

    return made


def _allergy(reactions: Sequence[dict[str, Any]] = (), **row: Any) -> Allergy:
    return Allergy(**row, reactions=tuple(Reaction(**each) for each in reactions))
