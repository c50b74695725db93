"""How much of each ingredient a quantity of a drug is: 2 tablets, 5 mL, 25 ug/h, in milligrams of what is in it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

from fhir_client.codes import UCUM, canonical_system
from fhir_client.elements import mapping
from fhir_client.numbers import exact
from fhir_client.strengths import Product
from fhir_client.ucum import UnknownUnit, read_unit
from fhir_client.units import is_convertible, ratio

_ORDERABLE_FORMS: Final = frozenset(
    {"http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm", "http://hl7.org/fhir/v3/orderableDrugForm"}
)
_VOLUME: Final = "mL"
_BASES: Final = ("mg", "mmol", "meq", "[iU]")
# Of a substance counted in units of activity, `U` is what is meant: the enzyme unit of UCUM is no dose.
_WRITTEN_OTHERWISE: Final = {"U": "[iU]", "[IU]": "[iU]", "[USP'U]": "[iU]", "[arb'U]": "[iU]"}
_OF_A_BODY: Final = frozenset({("g", -1, 1), ("m", -1, 2)})  # per kilogram, per square metre


class DoseGap(StrEnum):
    """Why a daily dose cannot be computed, in words for a reader."""

    DRUG = "what is in the drug is not known"
    NO_INSTRUCTION = "the order has no dosage instruction"
    TOO_MANY = "the order has more dosage instructions than are read"
    MODIFIED = "the instruction has an extension that may change its meaning"
    NO_DOSE = "the dose is not coded"
    NO_TIMING = "how often is not coded"
    UNREADABLE_TIMING = "how often cannot be read"
    MEALS = "with meals, and not how many"
    UNREADABLE_DOSE = "the dose cannot be read"
    NO_UNIT = "the dose has no unit that is read here"
    NO_HIGHER_END = "the range of the dose has no higher end"
    BODY_SIZE = "the dose goes by body size"
    NO_STRENGTH = "the strength of the product is not known"
    OTHER_UNIT = "the product is not measured in the unit of the dose"
    COMBINATION = "a mass of a product with several ingredients"
    PREPARATION = "a mass of the ingredient or of the whole preparation"


@dataclass(frozen=True, slots=True)
class DoseUnknown:
    """A daily dose that cannot be computed, and why."""

    reason: DoseGap


@dataclass(frozen=True, slots=True)
class Drug:
    """What a quantity is a quantity of: its ingredients (RxNorm), and the product where its strength is known."""

    ingredients: frozenset[str]
    product: Product | None


@dataclass(frozen=True, slots=True)
class Amount:
    """So much of each (ingredient, unit), the unit one of mg, mmol, meq, [iU]; with `by_hour`, in an hour."""

    of: Mapping[tuple[str, str], Fraction]
    by_hour: bool = False

    def times(self, factor: Fraction) -> "Amount":
        """Give so many times as much."""
        return Amount({key: amount * factor for key, amount in self.of.items()}, self.by_hour)

    def at_most(self, cap: "Amount") -> "Amount":
        """Give no more than the cap of what the cap speaks of."""
        return Amount({key: min(amount, cap.of.get(key, amount)) for key, amount in self.of.items()}, self.by_hour)


def amount_of(quantity: object, drug: Drug) -> Amount | DoseUnknown:
    """Read a FHIR Quantity of a drug."""
    sent = mapping(quantity)
    value = exact(sent.get("value"))
    if value is None or value <= 0 or sent.get("comparator") is not None:
        return DoseUnknown(DoseGap.UNREADABLE_DOSE)
    system, code = sent.get("system"), sent.get("code")
    if not isinstance(system, str) or not isinstance(code, str) or not code:
        return DoseUnknown(DoseGap.NO_UNIT)
    if system in _ORDERABLE_FORMS:
        return _counted(value, _kinds("forms").get(code, frozenset()), drug)
    if canonical_system(system) != UCUM:
        return DoseUnknown(DoseGap.NO_UNIT)
    kinds = _kinds("ucum").get(code.lower())
    return _measured(value, code, drug) if kinds is None else _counted(value, kinds, drug)


def amount_by_hour(rate: object, drug: Drug) -> Amount | DoseUnknown:
    """Read a rate: a Quantity over time, or a Ratio of a quantity and a time."""
    sent = mapping(rate)
    if "numerator" not in sent and "denominator" not in sent:
        found = amount_of(sent, drug)
        return found if isinstance(found, DoseUnknown) or found.by_hour else DoseUnknown(DoseGap.UNREADABLE_DOSE)
    found, hours = amount_of(sent.get("numerator"), drug), hours_of(sent.get("denominator"))
    if isinstance(found, DoseUnknown):
        return found
    if hours is None or found.by_hour:
        return DoseUnknown(DoseGap.UNREADABLE_DOSE)
    return Amount(found.times(1 / hours).of, by_hour=True)


def hours_of(duration: object) -> Fraction | None:
    """Give a Duration in hours; None where it is none, or no time at all."""
    sent = mapping(duration)
    value, system, code = exact(sent.get("value")), sent.get("system"), sent.get("code")
    if value is None or value <= 0 or not isinstance(system, str) or canonical_system(system) != UCUM:
        return None
    try:
        return value * ratio(code, "h") if isinstance(code, str) else None
    except UnknownUnit:
        return None


# ---- pieces

_PER: Final = {"piece": "1", "patch": "h", "actuation": "{actuation}", "container": "mL"}


def _counted(value: Fraction, kinds: frozenset[str], drug: Drug) -> Amount | DoseUnknown:
    """Give what so many pieces hold, by the one kind of piece that the product comes in."""
    if not kinds:
        return DoseUnknown(DoseGap.NO_UNIT)
    product = drug.product
    if product is None:
        return DoseUnknown(DoseGap.NO_STRENGTH)
    fitting = next((kind for kind in kinds if all(part.per == _PER[kind] for part in product.parts)), None)
    if fitting == "container":
        value = value * (product.millilitres or 0)
    if fitting is None or not value:
        return DoseUnknown(DoseGap.OTHER_UNIT)
    return Amount(_of_parts(product, value), by_hour=fitting == "patch")


def _of_parts(product: Product, times: Fraction) -> Mapping[tuple[str, str], Fraction]:
    return {(part.ingredient, part.unit): part.amount * times for part in product.parts}


@cache
def _kinds(vocabulary: str) -> Mapping[str, frozenset[str]]:
    """Load which kinds of piece a unit may count."""
    rows: Mapping[str, Any] = tomllib.loads(files("fhir_client").joinpath("dose_units.toml").read_text("utf-8"))
    words = {word for row in rows.values() for word in row[vocabulary]}
    return {word: frozenset(kind for kind, row in rows.items() if word in row[vocabulary]) for word in words}


# ---- measures


@dataclass(frozen=True, slots=True)
class _Measure:
    """What a unit measures: so many of a base (mL or one of those of an amount), at once or in an hour."""

    base: str
    factor: Fraction
    by_hour: bool


def _measured(value: Fraction, unit: str, drug: Drug) -> Amount | DoseUnknown:
    """Give what a volume holds, or take a mass for that of the only ingredient; each may be by the hour."""
    measure = _measure(_WRITTEN_OTHERWISE.get(unit, unit))
    if isinstance(measure, DoseGap):
        return DoseUnknown(measure)
    amount = value * measure.factor
    if measure.base == _VOLUME:
        return _of_volume(amount, drug, by_hour=measure.by_hour)
    return _of_mass(amount, measure.base, drug, by_hour=measure.by_hour)


@lru_cache(maxsize=1024)  # bounded: unit texts come from outside
def _measure(unit: str) -> _Measure | DoseGap:
    try:
        bases = read_unit(unit).bases
    except UnknownUnit:
        return DoseGap.NO_UNIT
    if bases & _OF_A_BODY:
        return DoseGap.BODY_SIZE
    for time, by_hour in (("", False), ("/h", True)):
        for base in (_VOLUME, *_BASES):
            if is_convertible(unit, base + time):
                return _Measure(base, ratio(unit, base + time), by_hour)
    return DoseGap.NO_UNIT


def _of_volume(volume: Fraction, drug: Drug, *, by_hour: bool) -> Amount | DoseUnknown:
    if drug.product is None:
        return DoseUnknown(DoseGap.NO_STRENGTH)
    if any(part.per != "mL" for part in drug.product.parts):
        return DoseUnknown(DoseGap.OTHER_UNIT)
    return Amount(_of_parts(drug.product, volume), by_hour)


def _of_mass(mass: Fraction, base: str, drug: Drug, *, by_hour: bool) -> Amount | DoseUnknown:
    if len(drug.ingredients) != 1:
        return DoseUnknown(DoseGap.COMBINATION)
    if drug.product is not None and any(part.per == "mg" for part in drug.product.parts):
        return DoseUnknown(DoseGap.PREPARATION)
    (ingredient,) = drug.ingredients
    return Amount({(ingredient, base): mass}, by_hour)
