"""Reads a unit written in UCUM (case sensitive): the atoms that clinical data use, refusing every other."""

import re
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

_NOT_UCUM: Final = "the unit is not written in UCUM"


class UnknownUnit(ValueError):
    """A unit that is absent or not understood, or two that do not measure the same thing."""


class Unit(NamedTuple):
    """A unit as a multiple of base units; numerators and denominators are kept apart.

    `bases` are (base, side, count): grams above the line are ("g", 1, n), below it ("g", -1, n).
    """

    factor: Fraction
    bases: frozenset[tuple[str, int, int]]


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


@lru_cache(maxsize=1024)  # bounded: unit texts come from outside
def read_unit(text: str) -> Unit:
    """Read a UCUM expression: atoms with prefixes and exponents, products, quotients, parentheses, annotations.

    Raises:
        UnknownUnit: it is not written in UCUM, or has an atom that is not read here.
    """
    if text in _NOT_KNOWN or len(text) > _LONGEST:
        raise UnknownUnit(_NOT_UCUM)
    tokens = _tokens(_WRITTEN_OTHERWISE.get(text, text))
    factor, bases = _product(tokens)
    if tokens:
        raise UnknownUnit(_NOT_UCUM)
    return Unit(factor, frozenset((base, side, count) for (base, side), count in bases.items()))


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
