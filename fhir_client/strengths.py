"""How much of each ingredient a product holds, by the table in `rxnorm/`."""

import csv
import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from fhir_client.codes import RXNORM, Code

_UCUM: Final = {"MG": "mg", "MEQ": "meq", "UNT": "[iU]"}  # UNT: units of activity, international or of a pharmacopoeia
_PER: Final = {"": "1", "ML": "mL", "HR": "h", "ACTUAT": "{actuation}", "MG": "mg"}


@dataclass(frozen=True, slots=True)
class Part:
    """One ingredient of a product: so much of it, in a UCUM unit, in each `per`.

    `per` is `1` (a piece), mL, h, {actuation} or mg (of the whole preparation).
    """

    ingredient: str
    amount: Fraction
    unit: str
    per: str


@dataclass(frozen=True, slots=True)
class Product:
    """What a product holds, in which form, how long it works and how much is in one container, where that is known."""

    form: str
    parts: tuple[Part, ...]
    hours: Fraction | None = None
    millilitres: Fraction | None = None


def product_of(codings: Iterable[Code]) -> Product | None:
    """Give what the first RxNorm coding with a known strength stands for; None if none has one.

    An ingredient, a brand name, a component and a pack have no strength.

    >>> from fhir_client.codes import Code, RXNORM
    >>> product_of([Code(RXNORM, "1049502")]).parts
    (Part(ingredient='7804', amount=Fraction(10, 1), unit='mg', per='1'),)
    """
    for coding in codings:
        row = strengths().get(coding.code) if coding.system == RXNORM else None
        if row is not None:
            return _read(row)
    return None


@cache
def strengths() -> Mapping[str, str]:
    """Load the table: RxNorm code → its line. Some milliseconds, once; worth calling at start-up."""
    packed = files("fhir_client").joinpath("rxnorm", "strengths.csv.gz").read_bytes()
    table: dict[str, str] = {}
    for row in csv.reader(gzip.decompress(packed).decode("utf-8").splitlines()[1:]):
        line = "|".join(row[:-1])
        table.update(dict.fromkeys(row[-1].split(), line))
    return table


@lru_cache(maxsize=1024)
def _read(line: str) -> Product:
    form, hours, volume, parts = line.split("|")
    read = (part.split(":") for part in parts.split(";"))
    return Product(
        form,
        tuple(Part(code, Fraction(amount), _UCUM[unit], _PER[per]) for code, amount, unit, per in read),
        Fraction(hours) if hours else None,
        Fraction(volume) if volume else None,
    )
