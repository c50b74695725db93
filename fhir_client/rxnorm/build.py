"""Makes crosswalk.csv.gz and names.csv.gz from the published product and ingredient lists.

    python -m fhir_client.rxnorm.build FOLDER

FOLDER holds rxnorm_product_ingredient.csv.xz and rxnorm_ingredients.csv.gz. The lists have gaps, and a product that
looks complete may not be: so a product is written down only where every part of its name has an ingredient code. What
is left out stays unresolved, and whoever asks is told so.
"""

import csv
import gzip
import io
import lzma
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

TARGET: Final = Path(__file__).with_name("crosswalk.csv.gz")
NAMES: Final = Path(__file__).with_name("names.csv.gz")
_BRAND_NAME: Final = "BN"
# The term types whose name says what is in one product, with form and strength.
NAMED_BY_PARTS: Final = frozenset({"SCD", "SBD"})
# Where a product is in this source, what the others say of it without a code is only another name for the same thing.
_BEST_SOURCE: Final = "prescribe"

BRAND: Final = re.compile(r"\[([^\[\]]+)\]\s*$")
_AMOUNT_BEFORE: Final = re.compile(r"^(?:[\d.,]+ (?:HR|ACTUAT|ML|MG|UNT|MEQ)(?:\s|\)\s*\())+", re.IGNORECASE)
_STRENGTH_ON: Final = re.compile(
    r"\s[\d.,]+\s*(?:%|\[|(?:MG|MCG|UG|G|UNT|MEQ|MMOL|ML|L|CELLS|CFU|MCI|MBQ|BAU|AU|IR|PNU|VP|LF)\b).*$", re.IGNORECASE
)
_PACK_SEAMS: Final = re.compile(r"\)\s*/\s*\d+\s*\(|^\{\s*\d+\s*\(|\)\s*\}\s*Pack.*$")
# The tablets of a pack that hold nothing.
_INERT: Final = frozenset({"inert ingredients", "inert ingredient", "placebo"})


@dataclass(slots=True)
class Product:
    """One product code: its kind, its names, and the ingredients of its rows (name → code, empty where unknown)."""

    kind: str
    names: set[str] = field(default_factory=set)
    best: dict[str, str] = field(default_factory=dict)
    other: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> dict[str, str]:
        """Give the ingredients that count: from the best source all, from others beside it those with a code."""
        if not self.best:
            return self.other
        return {name: code for name, code in self.other.items() if code} | self.best


def read_products(text: Iterable[str]) -> dict[str, Product]:
    """Gather the rows of each product."""
    products: dict[str, Product] = {}
    for row in csv.DictReader(text):
        product = products.setdefault(row["rxcui"], Product(row["tty"]))
        product.names.add(row["name"])
        rows = product.best if row["source"].startswith(_BEST_SOURCE) else product.other
        name = row["ingredient_name"].lower()
        rows[name] = rows.get(name) or row["ingredient_rxcui"]
    return products


def read_ingredients(text: Iterable[str]) -> dict[str, str]:
    """Give the ingredient codes by lower-case name."""
    return {row["name"].lower(): row["rxcui"] for row in csv.DictReader(text)}


def parts_of(name: str) -> frozenset[str]:
    """Give what a product's name says is in it, lower case and without strength, form and brand.

    >>> sorted(parts_of("24 HR trandolapril 2 MG / verapamil hydrochloride 180 MG Extended Release Oral Capsule"))
    ['trandolapril', 'verapamil hydrochloride']
    """
    mixtures = _PACK_SEAMS.split(name) if name.startswith("{") else [BRAND.sub("", name)]
    parts = {
        _STRENGTH_ON.sub("", _AMOUNT_BEFORE.sub("", part.strip())).strip().lower()
        for mixture in mixtures
        for part in mixture.split(" / ")
    }
    return frozenset(parts - _INERT - {""})


def ingredients_of(product: Product, by_name: Mapping[str, str]) -> frozenset[str] | None:
    """Give the codes of all ingredients of a product that is named by what is in it; None if any part has none.

    As many ingredients as parts are complete. With fewer, each part must be one of them, by name, or begin with the
    name of another that has a code.
    """
    codes = {name: code or by_name.get(name, "") for name, code in product.rows.items()}
    if not all(codes.values()):
        return None
    parts = max((parts_of(name) for name in sorted(product.names)), key=len)
    if len(parts) > len(set(codes.values())):
        for part in sorted(parts):
            if any(is_in(name, part) for name in codes):
                continue
            found = max((name for name in by_name if part == name or part.startswith(name + " ")), key=len, default="")
            if not found:
                return None
            codes[found] = by_name[found]
    return frozenset(codes.values())


def is_in(ingredient: str, part: str) -> bool:
    """Tell whether a part of a name is this ingredient: itself, or a salt of it."""
    return re.search(rf"(?<![\w-]){re.escape(ingredient)}(?![\w-])", part) is not None


def resolve(products: Mapping[str, Product], by_name: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Give the ingredients of every product that resolves, and of every ingredient itself."""
    table = {code: frozenset({code}) for code in by_name.values()}
    of_brand: defaultdict[str, set[frozenset[str] | None]] = defaultdict(set)
    for code, product in products.items():
        if product.kind == _BRAND_NAME:
            continue
        found = ingredients_of(product, by_name)
        for brand in {match[1].lower() for name in product.names if (match := BRAND.search(name))}:
            of_brand[brand].add(found)
        if found is not None:
            table[code] = found
    for code, product in products.items():
        if product.kind == _BRAND_NAME:
            found = _of_all_products(of_brand, product)
            if found is not None:
                table[code] = found
    return table


def _of_all_products(of_brand: Mapping[str, set[frozenset[str] | None]], product: Product) -> frozenset[str] | None:
    """Give a brand name's ingredients: a brand name does not say its parts, so all its products must agree on them."""
    found = {item for name in product.names for item in of_brand.get(name.lower(), ())}
    return found.pop() if len(found) == 1 else None


def write(table: Mapping[str, frozenset[str]], target: Path) -> None:
    """Write one line a set of ingredients, with the products that have it; the same input gives the same bytes."""
    products: defaultdict[str, list[str]] = defaultdict(list)
    for code, codes in table.items():
        products[" ".join(sorted(codes, key=int))].append(code)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("ingredients", "products"))
    rows.writerows((key, " ".join(sorted(codes, key=int))) for key, codes in sorted(products.items()))
    target.write_bytes(gzip.compress(text.getvalue().encode("ascii"), compresslevel=9, mtime=0))


def write_names(by_name: Mapping[str, str], target: Path) -> None:
    """Write the name of each ingredient code: the shortest, where there are several."""
    names: dict[str, str] = {}
    for name, code in sorted(by_name.items(), key=lambda item: (len(item[0]), item[0])):
        names.setdefault(code, name)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("code", "name"))
    in_order = sorted(names.items(), key=lambda item: int(item[0]))
    rows.writerows(in_order)
    target.write_bytes(gzip.compress(text.getvalue().encode("utf-8"), compresslevel=9, mtime=0))


def read_lists(folder: Path) -> tuple[dict[str, Product], dict[str, str]]:
    """Read both lists."""
    with lzma.open(folder / "rxnorm_product_ingredient.csv.xz", "rt", encoding="utf-8", newline="") as file:
        products = read_products(file)
    with gzip.open(folder / "rxnorm_ingredients.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return products, read_ingredients(file)


def main(folder: Path, target: Path = TARGET, names: Path = NAMES) -> str:
    """Make the tables from the lists in the folder, and say what came of it."""
    products, by_name = read_lists(folder)
    table = resolve(products, by_name)
    write(table, target)
    write_names(by_name, names)
    return f"{len(products)} products, {len(products.keys() & table.keys())} resolved; {len(by_name)} ingredients"


if __name__ == "__main__":
    sys.stdout.write(main(Path(sys.argv[1])) + "\n")
