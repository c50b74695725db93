"""Small frozen readings of one patient, taken from FHIR resources; each says where it came from.

Those of which a call makes hundreds are named tuples: they are made three times as fast as frozen dataclasses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from fhir_client.codes import Code
from fhir_client.times import Interval


class Source(NamedTuple):
    """The resource that a fact was read from: `Observation/17`, and its version if the server gave one."""

    reference: str
    version: str | None = None

    @property
    def cited(self) -> str:
        """Give the reference with its version, so that what was read can be found again (FHIR-62)."""
        return self.reference if self.version is None else f"{self.reference}/_history/{self.version}"


class Quantity(NamedTuple):
    """A measured value; `unit` is a UCUM code, or None where the resource gave none that can be trusted.

    `comparator` is one of `<`, `<=`, `>=`, `>` where only a bound was reported.
    """

    value: float
    unit: str | None
    comparator: str | None = None


@dataclass(frozen=True, slots=True)
class Patient:
    """Who the record is about. `gender` is FHIR's administrative gender, `clinical_sex` the sex parameter."""

    source: Source
    gender: str | None = None
    clinical_sex: str | None = None
    birth: Interval | None = None
    is_deceased: bool = False
    deceased_at: Interval | None = None

    @property
    def sex(self) -> str | None:
        """Give `male` or `female`, the sex parameter for clinical use first; else None (models.md 0.3.6)."""
        for value in (self.clinical_sex, self.gender):
            if value in ("male", "female"):
                return value
        return None


class Origin(Protocol):
    """Where a result comes from: its resource, what it is called, and the contact in which it was taken."""

    @property
    def source(self) -> Source:
        """Give the resource that the result was read from."""

    @property
    def codings(self) -> tuple[Code, ...]:
        """Give every code of the result."""

    @property
    def encounter(self) -> str | None:
        """Give the contact in which it was taken: `Encounter/1`."""


class Observation(NamedTuple):
    """One result: a whole Observation, or one component of a panel with the panel's time and source.

    Exactly one of `quantity`, `concepts` or `truth` holds the value; all empty where there was none
    (`absent` then tells FHIR's dataAbsentReason code, if it was given). Its origin is read when it is asked for: of the
    results of a long chart most are looked at for their value alone, and the rest would cost as much again.
    """

    origin: Origin
    at: Interval | None
    quantity: Quantity | None = None
    concepts: tuple[Code, ...] = ()
    truth: bool | None = None
    absent: str | None = None

    @property
    def source(self) -> Source:
        """Give the resource that it was read from."""
        return self.origin.source

    @property
    def codings(self) -> tuple[Code, ...]:
        """Give every code that it has."""
        return self.origin.codings

    @property
    def encounter(self) -> str | None:
        """Give the contact in which it was taken: `Encounter/1`."""
        return self.origin.encounter

    @property
    def has_value(self) -> bool:
        """Tell whether anything was measured."""
        return self.quantity is not None or bool(self.concepts) or self.truth is not None


@dataclass(frozen=True, slots=True)
class Condition:
    """A problem or diagnosis that was not refuted; `is_active` as of the record's instant."""

    source: Source
    codings: tuple[Code, ...]
    is_active: bool
    onset: Interval | None = None
    recorded: Interval | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Medication:
    """An order for a drug. `ingredients` are RxNorm ingredient codes, None where the drug does not resolve.

    `dosage` are its instructions as they were sent: `doses.daily_doses` reads them, nobody else. `replaces` is the
    order that it takes the place of: `MedicationRequest/1`.
    """

    source: Source
    codings: tuple[Code, ...]
    is_active: bool
    ingredients: frozenset[str] | None
    authored: Interval | None = None
    text: str = ""
    dosage: tuple[Mapping[str, Any], ...] = field(default=(), repr=False, compare=False)
    replaces: str | None = None


class Reaction(NamedTuple):
    """One reaction of an allergy: how bad it was (`mild`, `moderate`, `severe`), and when it began.

    `seen` has the codes of each thing that was seen, none for what was written in words alone: who has read the coded
    ones has not read it all.
    """

    seen: tuple[tuple[Code, ...], ...]
    text: str = ""
    severity: str | None = None
    onset: Interval | None = None

    @property
    def codings(self) -> tuple[Code, ...]:
        """Give every code of it."""
        return tuple(code for each in self.seen for code in each)


@dataclass(frozen=True, slots=True)
class Allergy:
    """An allergy or intolerance that was not refuted; `kind` tells which of the two, None where nobody said.

    `codings` are those of the substance, of the product that caused a reaction among them, `ingredients` its RxNorm
    ingredients, None where it resolves to none. `criticality` and `categories` are FHIR's words: `low`, `high` or
    `unable-to-assess`; `food`, `medication`, `environment`, `biologic`. `last` is when it last happened.
    """

    source: Source
    codings: tuple[Code, ...]
    ingredients: frozenset[str] | None
    is_active: bool
    kind: str | None = None
    criticality: str | None = None
    categories: frozenset[str] = frozenset()
    reactions: tuple[Reaction, ...] = ()
    onset: Interval | None = None
    last: Interval | None = None
    recorded: Interval | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Encounter:
    """A contact with the hospital; `kind` is the ActCode of its class (AMB, EMER, IMP, ...).

    `priority` is how urgent it was, `admitted_from` where the patient came from.
    """

    source: Source
    kind: str | None
    status: str | None
    period: Interval | None = None
    reasons: tuple[Code, ...] = ()
    priority: tuple[Code, ...] = ()
    admitted_from: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A report that is there to be read, of a test or an imaging study; `at` is when that was made, else reported."""

    source: Source
    codings: tuple[Code, ...]
    at: Interval | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An order that is not a drug: a requested test or service, for what is already under way.

    `due` is when it is to be done, where that was said; one that `recurs` is to be done more than once. `replaces` are
    the orders that it takes the place of: `ServiceRequest/1`.
    """

    source: Source
    codings: tuple[Code, ...]
    status: str | None
    intent: str | None = None
    authored: Interval | None = None
    due: Interval | None = None
    recurs: bool = False
    replaces: tuple[str, ...] = ()

    @property
    def is_over(self) -> bool:
        """Tell whether nothing is to be done by it any more, or it ends an order."""
        return self.status in _ORDER_IS_OVER


# The words of every FHIR version for an order by which nothing is to be done.
_ORDER_IS_OVER: Final = frozenset(
    {"revoked", "completed", "entered-in-error", "stopped", "cancelled", "rejected", "failed", "ended"}
)
