"""Feature: one named model input; what to ask for, how to read it, and what is refused."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fhir_client.record import PatientRecord
from fhir_client.search import Search
from fhir_client.units import UnknownUnit, convert
from models.assessment import Gap, Input, Missing, Reading
from models.site import Site

Answer = Reading | Missing
Readings = Mapping[str, Answer]
Read = Callable[[PatientRecord, Site], Answer]
ReadTogether = Callable[[PatientRecord, Site], Readings]
Derive = Callable[[PatientRecord, Site, Readings], Answer]


class Kind(StrEnum):
    """What a value is: a quantity has a unit and a plausible range, a choice its words or numbers, a list its rows."""

    QUANTITY = "quantity"
    COUNT = "count"
    TRUTH = "truth"
    CHOICE = "choice"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an entry of a list cannot be used, in fixed words."""

    text: str


@dataclass(frozen=True, slots=True)
class Entries:
    """What the entries of a list input are: their JSON Schema, and how one of them is read."""

    schema: Mapping[str, Any]
    read: Callable[[Any], Any]
    """Gives the row, or a Problem."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One named input: `egfr_ml_min_1_73m2`. The unit is in the name for programs, in `unit` (UCUM) for people.

    `analyte` (creatinine, cholesterol, ...) allows conversion between mass and molar units; `plausible` bounds are
    inclusive; `above_zero` refuses zero and less. `searches` are what to ask about the patient; those whose keys are
    in `optional_keys` only make the reading better. `required` False: the model has a defined meaning for its absence.

    At most one of these reads it from a chart: `read` by itself, `read_together` with others of one observation set,
    `derive` from the readings of the features before it. With none, no chart provides it.
    """

    name: str
    label: str
    kind: Kind
    unit: str = ""
    analyte: str | None = None
    plausible: tuple[float, float] | None = None
    above_zero: bool = False
    choices: tuple[str, ...] | tuple[int, ...] = ()
    entries: Entries | None = None
    required: bool = True
    searches: tuple[Search, ...] = ()
    optional_keys: frozenset[str] = frozenset()
    unverified: tuple[str, ...] = ()
    window: str = ""
    read: Read | None = None
    read_together: ReadTogether | None = None
    derive: Derive | None = None

    @property
    def is_charted(self) -> bool:
        """Tell whether a chart can provide it at all."""
        return not (self.read is None and self.read_together is None and self.derive is None)

    @property
    def required_keys(self) -> frozenset[str]:
        """Give the keys of the searches without whose answer there is no reading."""
        return frozenset(search.key for search in self.searches) - self.optional_keys

    def answer(self, record: PatientRecord, site: Site) -> Answer:
        """Read it by itself. Several models of a service share features: each is read from a record once."""
        read = self.read
        if read is None:
            return Missing(Gap.NOT_RECORDED)
        return record.once((read, site), lambda: read(record, site))

    def in_unit(self, value: float, unit: str | None) -> float | Gap:
        """Convert a value to the feature's unit, or say why it is refused: nothing is guessed, nothing clamped."""
        if unit != self.unit:
            if unit is None:
                return Gap.UNIT
            try:
                value = convert(value, unit, self.unit, self.analyte)
            except UnknownUnit:
                return Gap.UNIT
        return value if self.is_plausible(value) else Gap.IMPLAUSIBLE

    def is_plausible(self, value: float) -> bool:
        """Tell whether a value in the feature's unit can be a measurement at all."""
        if self.above_zero and value <= 0:
            return False
        return self.plausible is None or self.plausible[0] <= value <= self.plausible[1]

    def as_input(self, answer: Answer) -> Input:
        """Name the reading for a reader."""
        return Input(self.name, self.label, self.unit, answer)


def extract(features: Iterable[Feature], record: PatientRecord, site: Site) -> dict[str, Answer]:
    """Read every feature from the record; what no chart provides is not recorded."""
    readings: dict[str, Answer] = {}
    for feature in features:
        if feature.read is not None:
            readings[feature.name] = feature.answer(record, site)
        elif feature.read_together is not None:
            readings[feature.name] = _together(feature.read_together, record, site)[feature.name]
        elif feature.derive is None:
            readings[feature.name] = Missing(Gap.NOT_RECORDED)
    return derived(features, record, site, readings)


def _together(read: ReadTogether, record: PatientRecord, site: Site) -> Readings:
    """Read what belongs together: once from a record, whichever features and models ask."""
    return record.once((read, site), lambda: read(record, site))


def derived(
    features: Iterable[Feature], record: PatientRecord, site: Site, readings: Mapping[str, Answer]
) -> dict[str, Answer]:
    """Add the features that follow from others, in their order."""
    complete = dict(readings)
    for feature in features:
        if feature.derive is not None:
            complete[feature.name] = feature.derive(record, site, complete)
    return complete
