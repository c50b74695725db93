"""The UCUM units that we accept, and their conversions: a unit that is not understood is refused, never guessed.

Safe conversion needs more than dimensions. Mass in mass (mg/g) and substance in substance (mmol/mol) do
not cancel to plain numbers, a percentage is no count, and a clearance indexed to 1.73 m2 of body surface is not one
that is not: none of these turns into another without knowing what was measured (`units.toml`).
"""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final, NamedTuple

_NOT_UCUM: Final = "the unit is not written in UCUM"
_NOT_ALIKE: Final = "the two units do not measure the same thing"


class UnknownUnit(ValueError):
    """A unit that is absent or not understood, or two that do not measure the same thing."""


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


class _Unit(NamedTuple):
    """A unit as a multiple of base units; numerators and denominators are kept apart.

    `bases` are (base, side, count): grams above the line are ("g", 1, n), below it ("g", -1, n).
    """

    factor: Fraction
    bases: frozenset[tuple[str, int, int]]


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
    source, target = _unit(from_unit), _unit(to_unit)
    if source.bases == target.bases:
        return _whole_numbers(source.factor / target.factor, Fraction(0))
    if _is_fraction_and_percent(from_unit, to_unit):
        return _whole_numbers(source.factor / target.factor, Fraction(0))
    known = analyte_factors().get(analyte) if analyte is not None else None
    if known is None:
        raise UnknownUnit(_NOT_ALIKE)
    left, right = _unit(known.from_unit), _unit(known.to_unit)
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


# ---- reading one unit

_PREFIXES: Final[Mapping[str, Fraction]] = {
    name: Fraction(10) ** exponent
    for name, exponent in (
        *(("Y", 24), ("Z", 21), ("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("h", 2), ("da", 1)),
        *(("d", -1), ("c", -2), ("m", -3), ("u", -6), ("n", -9), ("p", -12), ("f", -15), ("a", -18)),
    )
}

_Atom = tuple[Fraction, tuple[tuple[str, int], ...]]
_METRE_OF_MERCURY: Final = Fraction(133322)  # Pa (UCUM, table 17)


def _times(factor: int | str | Fraction, *bases: tuple[str, int]) -> _Atom:
    return Fraction(factor), bases


# UCUM atoms, case sensitive. Those that take SI prefixes, and those that do not.
_METRIC: Final[Mapping[str, _Atom]] = {
    "g": _times(1, ("g", 1)),
    "m": _times(1, ("m", 1)),
    "s": _times(1, ("s", 1)),
    "K": _times(1, ("K", 1)),
    "mol": _times(1, ("mol", 1)),
    "eq": _times(1, ("eq", 1)),
    "osm": _times(1, ("osm", 1)),
    "L": _times(Fraction(1, 1000), ("m", 3)),
    "l": _times(Fraction(1, 1000), ("m", 3)),
    "Pa": _times(1, ("Pa", 1)),
    "bar": _times(100_000, ("Pa", 1)),
    "m[Hg]": _times(_METRE_OF_MERCURY, ("Pa", 1)),
    "m[H2O]": _times("9806.65", ("Pa", 1)),
    "V": _times(1, ("V", 1)),
    "Hz": _times(1, ("s", -1)),
    "[IU]": _times(1, ("IU", 1)),
    "[iU]": _times(1, ("IU", 1)),
    "U": _times(Fraction(1, 60_000_000), ("mol", 1), ("s", -1)),
    "kat": _times(1, ("mol", 1), ("s", -1)),
    "J": _times(1, ("J", 1)),
    "cal": _times("4.184", ("J", 1)),
    "Gy": _times(1, ("Gy", 1)),
}
_PLAIN: Final[Mapping[str, _Atom]] = {
    "%": _times(Fraction(1, 100), ("%", 1)),
    "min": _times(60, ("s", 1)),
    "h": _times(3600, ("s", 1)),
    "d": _times(86_400, ("s", 1)),
    "wk": _times(604_800, ("s", 1)),
    "mo": _times(2_629_800, ("s", 1)),
    "a": _times(31_557_600, ("s", 1)),
    "[lb_av]": _times("453.59237", ("g", 1)),
    "[oz_av]": _times("28.349523125", ("g", 1)),
    "[in_i]": _times("0.0254", ("m", 1)),
    "[ft_i]": _times("0.3048", ("m", 1)),
    "[pH]": _times(1, ("pH", 1)),
}

# Annotations in braces carry no meaning in UCUM, with one exception that clinical data cannot do without.
_BODY_SURFACE: Final = frozenset({"{1.73_m2}", "{1.73m2}", "{1.73.m2}", "{1.73_m^2}"})
# Not UCUM, but with one possible meaning, and sent as UCUM by laboratory systems.
_WRITTEN_OTHERWISE: Final[Mapping[str, str]] = {
    "mL/min/1.73m2": "mL/min/{1.73_m2}",
    "mL/min/1.73.m2": "mL/min/{1.73_m2}",
}

_TOKEN: Final = re.compile(
    r"(?P<annotation>\{[^{}]*\})"
    r"|(?P<operator>[./()])"
    r"|10[*^](?P<power>[+-]?\d{1,2})?"
    r"|(?P<number>\d{1,9})(?![*^\d])"
    r"|(?P<atom>(?:[a-zA-Z%]|\[[^\[\]{}]+\])+)(?P<exponent>[+-]?\d)?"
)


# Oracle Health sends this annotation where the unit is not known; to UCUM it would be the plain number 1.
_NOT_KNOWN: Final = frozenset({"{unknownunit}"})
_LONGEST: Final = 40

_Product = tuple[Fraction, Counter[tuple[str, int]]]


@lru_cache(maxsize=1024)
def _unit(text: str) -> _Unit:
    """Read a UCUM expression: atoms with prefixes and exponents, products, quotients, parentheses, annotations."""
    if text in _NOT_KNOWN or len(text) > _LONGEST:
        raise UnknownUnit(_NOT_UCUM)
    tokens = _tokens(_WRITTEN_OTHERWISE.get(text, text))
    factor, bases = _product(tokens)
    if tokens:
        raise UnknownUnit(_NOT_UCUM)
    return _Unit(factor, frozenset((base, side, count) for (base, side), count in bases.items()))


def _tokens(text: str) -> list[re.Match[str]]:
    tokens: list[re.Match[str]] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise UnknownUnit(_NOT_UCUM)
        tokens.append(match)
        position = match.end()
    tokens.reverse()  # so that the next one is popped off the end
    return tokens


def _product(tokens: list[re.Match[str]]) -> _Product:
    """Read terms joined by `.` and `/`, from the left, up to the end or a closing parenthesis."""
    factor = Fraction(1)
    bases: Counter[tuple[str, int]] = Counter()
    sign = 1
    if tokens and tokens[-1]["operator"] == "/":
        tokens.pop()
        sign = -1
    while True:
        term_factor, term_bases = _term(tokens)
        factor *= term_factor**sign
        for (base, side), count in term_bases.items():
            bases[base, side * sign] += count
        if not tokens or tokens[-1]["operator"] == ")":
            return factor, bases
        operator = tokens.pop()["operator"]
        if operator not in (".", "/"):
            raise UnknownUnit(_NOT_UCUM)
        sign = -1 if operator == "/" else 1


def _term(tokens: list[re.Match[str]]) -> _Product:
    """Read one number, power of ten, atom or expression in parentheses, with the annotation behind it, if any."""
    if not tokens:
        raise UnknownUnit(_NOT_UCUM)
    token = tokens.pop()
    if token["annotation"] is not None:
        is_indexed = token["annotation"] in _BODY_SURFACE
        return Fraction(1), Counter({("body surface", 1): 1} if is_indexed else {})
    if token["operator"] == "(":
        inside = _product(tokens)
        if not tokens or tokens.pop()["operator"] != ")":
            raise UnknownUnit(_NOT_UCUM)
        return inside
    if token["operator"] is not None:
        raise UnknownUnit(_NOT_UCUM)
    term = _number_or_atom(token)
    if tokens and tokens[-1]["annotation"] is not None and tokens.pop()["annotation"] in _BODY_SURFACE:
        raise UnknownUnit(_NOT_UCUM)  # `min{1.73_m2}`: a term of its own, or nothing
    return term


def _number_or_atom(token: re.Match[str]) -> _Product:
    if token["atom"] is not None:
        factor, bases = _atom(token["atom"])
        exponent = int(token["exponent"] or 1)
    elif token["number"] is not None:
        factor, bases, exponent = Fraction(int(token["number"])), (), 1
    else:
        factor, bases, exponent = Fraction(10), (), int(token["power"] or 1)
    if factor == 0 or exponent == 0:
        raise UnknownUnit(_NOT_UCUM)
    sides: Counter[tuple[str, int]] = Counter()
    for base, power in bases:
        total = power * exponent
        sides[base, 1 if total > 0 else -1] += abs(total)
    return factor**exponent, sides


def _atom(text: str) -> _Atom:
    known = _PLAIN.get(text) or _METRIC.get(text)
    if known is not None:
        return known
    for length in (1, 2):
        prefix, metric = _PREFIXES.get(text[:length]), _METRIC.get(text[length:])
        if prefix is not None and metric is not None:
            return prefix * metric[0], metric[1]
    raise UnknownUnit("the unit is not one that is read here")
