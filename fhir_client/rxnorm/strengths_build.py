"""Makes strengths.csv.gz: what each product holds, from its RxNorm name.

    python -m fhir_client.rxnorm.strengths_build FOLDER

FOLDER is that of `build.py`, whose crosswalk says which ingredients a product has.

A normal form of RxNorm (term types SCD, SBD) is its name: `acetaminophen 325 MG / oxycodone hydrochloride 5 MG Oral
Tablet`. It is reference data of this project's own; the words of a chart are never read like this. A product is
written down only where every part has a strength that is read here and an ingredient of its own.
"""

import csv
import gzip
import io
import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from fhir_client.rxnorm.build import BRAND, NAMED_BY_PARTS, Product, is_in, read_lists, resolve

TARGET: Final = Path(__file__).with_name("strengths.csv.gz")
HEADER: Final = ("form", "hours", "millilitres", "parts", "products")

_HOURS: Final = re.compile(r"^([\d.]+) (HR|DAY)\s", re.IGNORECASE)
_VOLUME: Final = re.compile(r"^([\d.]+) ML\s", re.IGNORECASE)
_BEFORE: Final = re.compile(r"^(?:[\d.]+ (?:HR|DAY|ML|ACTUAT|MG)\s|Abuse-Deterrent\s|30/70 Release\s)+", re.IGNORECASE)
# What is left of a part: name, amount, unit, and behind the last one the form. Other units are left out.
_PART: Final = re.compile(
    r"^(?P<name>.+?) (?P<amount>\d+(?:\.\d+)?) (?P<unit>MG|UNT|MEQ)(?:/(?P<per>ML|HR|ACTUAT|MG))?(?P<form> [^\d].*)?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Strength:
    """What one product holds. `parts` are (ingredient, amount, unit, per), each per ingredient, sorted.

    `hours` is how long it works and `millilitres` how much is in one container, where the name says so.
    """

    parts: tuple[tuple[str, str, str, str], ...]
    form: str
    hours: str = ""
    millilitres: str = ""


def strength_of(product: Product, codes: frozenset[str], names: Mapping[str, str]) -> Strength | None:
    """Read a product's names; None where one is not of this form, or two say different things.

    `codes` are the product's ingredients, `names` what each may be called, lower case → code.
    """
    if product.kind not in NAMED_BY_PARTS:
        return None
    read = [_read(name, codes, names) for name in sorted(product.names)]
    last = read[-1]  # lower case comes last, and is the newer spelling
    agree = last is not None and all(each is not None and each.parts == last.parts for each in read)
    return last if agree else None


def _read(name: str, codes: frozenset[str], names: Mapping[str, str]) -> Strength | None:
    text = BRAND.sub("", name).strip()
    hours, volume = _HOURS.match(text), _VOLUME.match(text)
    amounts: defaultdict[str, dict[tuple[str, str], Decimal]] = defaultdict(dict)
    form = ""
    for piece in text.split(" / "):
        match = _PART.match(_BEFORE.sub("", piece.strip()))
        code = None if match is None else _ingredient(match["name"].lower(), codes, names)
        if match is None or code is None or form:
            return None
        form = (match["form"] or "").strip()
        measure = (match["unit"].upper(), (match["per"] or "").upper())
        amounts[code][measure] = amounts[code].get(measure, Decimal(0)) + Decimal(match["amount"])  # two salts of one
    if not form or amounts.keys() != codes or any(len(each) != 1 for each in amounts.values()):
        return None
    parts = tuple(
        (code, f"{amount.normalize():f}", unit, per)
        for code, each in sorted(amounts.items(), key=lambda item: int(item[0]))
        for (unit, per), amount in each.items()
    )
    length = "" if hours is None else _in_hours(hours[1], hours[2])
    return Strength(parts, form, length, "" if volume is None else volume[1])


def _in_hours(amount: str, unit: str) -> str:
    return amount if unit.upper() == "HR" else f"{Decimal(amount) * 24:f}"


def _ingredient(part: str, codes: frozenset[str], names: Mapping[str, str]) -> str | None:
    """Find which of the product's ingredients a part of its name is: the one with the longest name that is in it."""
    if len(codes) == 1:
        return next(iter(codes))
    found = [name for name, code in names.items() if code in codes and (is_in(name, part) or part.startswith(name))]
    return names[max(found, key=len)] if found else None


def write_strengths(strengths: Mapping[str, Strength], target: Path = TARGET) -> None:
    """Write one line a strength, with the products that have it; the same input gives the same bytes."""
    products: defaultdict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for code, each in strengths.items():
        parts = ";".join(":".join(part) for part in each.parts)
        products[each.form, each.hours, each.millilitres, parts].append(code)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(HEADER)
    rows.writerows((*key, " ".join(sorted(codes, key=int))) for key, codes in sorted(products.items()))
    target.write_bytes(gzip.compress(text.getvalue().encode("utf-8"), compresslevel=9, mtime=0))


def read_strengths(products: Mapping[str, Product], by_name: Mapping[str, str]) -> dict[str, Strength]:
    """Give the strength of every product whose ingredients resolve and whose name is read."""
    table = resolve(products, by_name)
    of_code: defaultdict[str, list[str]] = defaultdict(list)
    for name, code in by_name.items():
        of_code[code].append(name)
    found: dict[str, Strength] = {}
    for code, product in products.items():
        codes = table.get(code, frozenset())
        names = {name: each for each in codes for name in of_code[each]}
        names |= {name: each for name, each in product.rows.items() if each in codes}
        strength = strength_of(product, codes, names) if codes else None
        if strength is not None:
            found[code] = strength
    return found


def main(folder: Path, target: Path = TARGET) -> str:
    """Make the table from the lists in the folder, and say what came of it."""
    products, by_name = read_lists(folder)
    strengths = read_strengths(products, by_name)
    write_strengths(strengths, target)
    wanted = sum(product.kind in NAMED_BY_PARTS for product in products.values())
    return f"{wanted} products named by their parts, {len(strengths)} with a strength that is read"


if __name__ == "__main__":
    sys.stdout.write(main(Path(sys.argv[1])) + "\n")
