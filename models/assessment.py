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


Assessment = Assessed | NotApplicable | NotAssessable
