"""The UCUM units that we accept, and their conversions: a unit that is not understood is refused, never guessed.

Safe conversion needs more than dimensions. Mass in mass (mg/g) and substance in substance (mmol/mol) do
not cancel to plain numbers, a percentage is no count, and a clearance indexed to 1.73 m2 of body surface is not one
that is not: none of these turns into another without knowing what was measured (`units.toml`).
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final, NamedTuple

from fhir_client.ucum import UnknownUnit, read_unit

__all__ = ["AnalyteFactor", "UnknownUnit", "analyte_factors", "convert", "is_convertible", "ratio"]

_NOT_ALIKE: Final = "the two units do not measure the same thing"


@dataclass(frozen=True, slots=True)
class AnalyteFactor:
    """How one analyte's two customary units hang together, with the source: `to = factor * from + offset`."""

    analyte: str
    from_unit: str
    to_unit: str
    factor: Fraction
    offset: Fraction
    citation: str
    label: str


class _Line(NamedTuple):
    """A conversion `(value * multiply + add) / divide`, in whole numbers so that nothing is rounded on the way."""

    multiply: int
    add: int
    divide: int


def convert(value: float, from_unit: str | None, to_unit: str, analyte: str | None = None) -> float:
    """Give the value in another UCUM unit; in the same unit it comes back unchanged, to the last bit.

    >>> convert(1.2, "mg/dL", "umol/L", "creatinine")
    106.08

    Raises:
        UnknownUnit: a unit is missing or not understood, or the two do not measure the same thing.
    """
    if from_unit == to_unit:
        return value
    if from_unit is None:
        raise UnknownUnit("the value has no UCUM unit")
    line = _line(from_unit, to_unit, analyte)
    if line.add == 0 and line.multiply == line.divide:
        return value
    return (value * line.multiply + line.add) / line.divide


def ratio(from_unit: str, to_unit: str) -> Fraction:
    """Give how many of the one unit the other is, exactly.

    >>> ratio("ug/h", "mg/d")
    Fraction(3, 125)

    Raises:
        UnknownUnit: a unit is not understood, the two do not measure the same thing, or have no common zero.
    """
    line = _line(from_unit, to_unit, None)
    if line.add:
        raise UnknownUnit(_NOT_ALIKE)
    return Fraction(line.multiply, line.divide)


def is_convertible(from_unit: str | None, to_unit: str, analyte: str | None = None) -> bool:
    """Tell whether values in the one unit can be given in the other."""
    try:
        convert(1.0, from_unit, to_unit, analyte)
    except UnknownUnit:
        return False
    return True


@cache
def analyte_factors() -> Mapping[str, AnalyteFactor]:
    """Give the conversions that need to know the analyte, by analyte."""
    rows = tomllib.loads(files("fhir_client").joinpath("units.toml").read_text("utf-8"), parse_float=Fraction)
    return {
        analyte: AnalyteFactor(
            analyte=analyte,
            from_unit=row["from"],
            to_unit=row["to"],
            factor=row["factor"],
            offset=row.get("offset", Fraction(0)),
            citation=row["citation"],
            label=row["label"],
        )
        for analyte, row in rows.items()
    }


# ---- between two units

_KELVIN: Final[Mapping[str, tuple[Fraction, Fraction]]] = {  # K = scale * value + shift
    "K": (Fraction(1), Fraction(0)),
    "Cel": (Fraction(1), Fraction("273.15")),
    "[degF]": (Fraction(5, 9), Fraction("459.67") * Fraction(5, 9)),
}


@lru_cache(maxsize=1024)  # bounded: unit texts come from outside
def _line(from_unit: str, to_unit: str, analyte: str | None) -> _Line:
    if from_unit in _KELVIN and to_unit in _KELVIN:
        (scale, shift), (to_scale, to_shift) = _KELVIN[from_unit], _KELVIN[to_unit]
        return _whole_numbers(scale / to_scale, (shift - to_shift) / to_scale)
    source, target = read_unit(from_unit), read_unit(to_unit)
    if source.bases == target.bases:
        return _whole_numbers(source.factor / target.factor, Fraction(0))
    if _is_fraction_and_percent(from_unit, to_unit):
        return _whole_numbers(source.factor / target.factor, Fraction(0))
    known = analyte_factors().get(analyte) if analyte is not None else None
    if known is None:
        raise UnknownUnit(_NOT_ALIKE)
    left, right = read_unit(known.from_unit), read_unit(known.to_unit)
    if (source.bases, target.bases) == (left.bases, right.bases):
        slope = source.factor / left.factor * known.factor * right.factor / target.factor
        return _whole_numbers(slope, known.offset * right.factor / target.factor)
    if (source.bases, target.bases) == (right.bases, left.bases):
        slope = source.factor / right.factor / known.factor * left.factor / target.factor
        return _whole_numbers(slope, -known.offset / known.factor * left.factor / target.factor)
    raise UnknownUnit(_NOT_ALIKE)


def _whole_numbers(slope: Fraction, intercept: Fraction) -> _Line:
    divide = slope.denominator * intercept.denominator
    return _Line(int(slope * divide), int(intercept * divide), divide)


def _is_fraction_and_percent(*units: str) -> bool:
    """Tell whether this is the one step between plain numbers and percent: a fraction written as `1`."""
    return set(units) == {"1", "%"}
