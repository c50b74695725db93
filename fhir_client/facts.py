"""Small frozen readings of one patient, taken from FHIR resources; each says where it came from.

Those of which a call makes hundreds are named tuples: they are made three times as fast as frozen dataclasses.
"""

from dataclasses import dataclass
from typing import NamedTuple

from fhir_client.codes import Code
from fhir_client.times import Interval


class Source(NamedTuple):
    """The resource that a fact was read from: `Observation/17`, and its version if the server gave one."""

    reference: str
    version: str | None = None


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


class Observation(NamedTuple):
    """One result: a whole Observation, or one component of a panel with the panel's time and source.

    Exactly one of `quantity`, `concepts` or `truth` holds the value; all empty where there was none
    (`absent` then tells FHIR's dataAbsentReason code, if it was given).
    """

    source: Source
    codings: tuple[Code, ...]
    at: Interval | None
    quantity: Quantity | None = None
    concepts: tuple[Code, ...] = ()
    truth: bool | None = None
    absent: str | None = None
    encounter: str | None = None

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
    """An order for a drug. `ingredients` are RxNorm ingredient codes, None where the drug does not resolve."""

    source: Source
    codings: tuple[Code, ...]
    is_active: bool
    ingredients: frozenset[str] | None
    authored: Interval | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Encounter:
    """A contact with the hospital; `kind` is the ActCode of its class (AMB, EMER, IMP, ...)."""

    source: Source
    kind: str | None
    status: str | None
    period: Interval | None = None
    reasons: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """An order that is not a drug: a requested test or service, for what is already under way."""

    source: Source
    codings: tuple[Code, ...]
    status: str | None
    intent: str | None = None
    authored: Interval | None = None
