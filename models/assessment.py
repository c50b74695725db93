"""What a model says of a record, including why it will not say: three answers, never a fourth."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from fhir_client.times import Interval

Value = float | int | str | bool
_NONE: Mapping[str, Any] = MappingProxyType({})


class Gap(StrEnum):
    """Why an input has no usable value."""

    # Not "no record of it": a complete answer may still lack what this user may not see (FHIR-69).
    NOT_RECORDED = "not found"
    TOO_OLD = "too old"
    UNIT = "unit missing or unknown"
    IMPLAUSIBLE = "value not plausible"
    BOUND_ONLY = "only a bound is reported"
    NOT_CODED = "answer not in a code we read"
    CONTRADICTORY = "entries contradict each other"
    UNREADABLE = "too many entries without a readable code"
    UNAVAILABLE = "could not be read from the record system"
    UNSTABLE = "kidney function was not stable in the last 90 days"
    NOT_CONFIGURED = "not set by the site"


@dataclass(frozen=True, slots=True)
class Reading:
    """One value that a model used: in the feature's own unit, with the time and the resources it came from.

    `note` is a fixed or derived sentence for the reader (`mean of 2 readings`, `age from a partial birth date`).
    `rows` are the entries of a list, as the model takes them; `value` is then what a reader is shown of it.
    """

    value: Value
    at: Interval | None = None
    sources: tuple[str, ...] = ()
    note: str = ""
    rows: tuple[Any, ...] | None = None

    @property
    def used(self) -> Any:
        """Give what the model takes: the rows of a list, else the value."""
        return self.value if self.rows is None else self.rows


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is no value, and when the newest unusable one was taken."""

    gap: Gap
    at: Interval | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Input:
    """A named input as a reader sees it: label, unit, and its reading or why there is none."""

    name: str
    label: str
    unit: str
    reading: Reading | Missing


@dataclass(frozen=True, slots=True)
class Driver:
    """How much one input moves an additive model away from its reference, on the model's own scale."""

    name: str
    label: str
    amount: float


class Contributions(Mapping[str, tuple[Driver, ...]]):
    """The drivers of each result, worked out when they are first looked at: only a card looks."""

    __slots__ = ("_found", "_values", "_work_out")

    def __init__(
        self, work_out: Callable[[Mapping[str, Any]], Mapping[str, tuple[Driver, ...]]], values: Mapping[str, Any]
    ) -> None:
        self._work_out = work_out
        self._values = values
        self._found: Mapping[str, tuple[Driver, ...]] | None = None

    def __getitem__(self, result: str) -> tuple[Driver, ...]:
        return self._drivers[result]

    def __iter__(self) -> Iterator[str]:
        return iter(self._drivers)

    def __len__(self) -> int:
        return len(self._drivers)

    @property
    def _drivers(self) -> Mapping[str, tuple[Driver, ...]]:
        if self._found is None:
            self._found = self._work_out(self._values)
        return self._found


@dataclass(frozen=True, slots=True)
class ModelReference:
    """Which model, in which version, said it."""

    id: str
    version: str


@dataclass(frozen=True, slots=True)
class Assessed:
    """Named results.

    `drivers` maps a result's name to its contributions, for additive models. `unverified` maps a result's name to the
    values behind it that are not VERIFIED (absent or empty: the result may be live). `values` are the inputs by name in
    the features' units, as `compute` took them: what-if questions start from them. `alternatives` holds the results for
    each sex (`female`, `male`) where the chart names neither; `results` is then empty (models.md 0.3.6).
    """

    model: ModelReference
    results: Mapping[str, Any]
    inputs: tuple[Input, ...] = ()
    drivers: Mapping[str, tuple[Driver, ...]] = field(default_factory=lambda: _NONE)
    notes: tuple[str, ...] = ()
    unverified: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NONE)
    values: Mapping[str, Any] = field(default_factory=lambda: _NONE)
    alternatives: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: _NONE)


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """The patient is outside what the model was made for. `reason` is safe to show, without identifiers."""

    model: ModelReference
    reason: str


@dataclass(frozen=True, slots=True)
class NotAssessable:
    """Required inputs are missing: `missing` names them; `inputs` are all inputs, read or not."""

    model: ModelReference
    missing: tuple[Input, ...]
    inputs: tuple[Input, ...] = ()
    notes: tuple[str, ...] = ()


class Tier(StrEnum):
    """How much a finding matters: it must be answered, it is seen, it is there for whoever looks."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """Give the place in the order, most urgent first."""
        return list(Tier).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says of one order. `orders` are the resources it is about, the draft that was asked about first.

    `key` is the same for the same rule and drugs, whatever the orders are called: an override is remembered by it.
    `message` and `action` are the rule's words with the values filled in. `remedies` are the rule's suggestions by name
    (`delete`, `order:creatinine`). A finding that `is_lasting` (critical, or a contraindication) is shown again after
    an override.
    """

    rule: ModelReference
    key: str
    tier: Tier
    message: str
    action: str
    orders: tuple[str, ...]
    citation: str
    doi: str = ""
    inputs: tuple[Input, ...] = ()
    remedies: tuple[str, ...] = ()
    is_lasting: bool = False
    unverified: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A check that could not be made: of which order, what for, and what was missing."""

    rule: ModelReference
    order: str
    subject: str
    missing: tuple[Input, ...]
    remedies: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A finding that was not shown, and why, in fixed words."""

    key: str
    tier: Tier
    why: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What rules found in the orders that were asked about, most urgent first; without any, nothing was found.

    `unresolved` counts the drugs, asked about or taken, whose ingredients are not known: no check saw them;
    `unresolved_asked_about` those that were asked about. `checked` counts the rules whose drugs were there.
    """

    model: ModelReference
    found: tuple[Finding, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()
    unresolved: int = 0
    unresolved_asked_about: int = 0
    checked: int = 0
    held_back: tuple[HeldBack, ...] = ()


ModelAssessment = Assessed | NotApplicable | NotAssessable
"""What a risk model says of a record."""

Assessment = ModelAssessment | Findings
