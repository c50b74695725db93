"""Which ingredients a drug code stands for, by the table in `rxnorm/`."""

import csv
import gzip
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

from fhir_client.codes import RXNORM, Code


def ingredients(codings: Iterable[Code]) -> frozenset[str] | None:
    """Give the RxNorm ingredient codes of the first RxNorm coding that resolves, None if none does.

    An ingredient's own code resolves to itself. None is not "no ingredients": what the drug is, is not known here.

    >>> sorted(ingredients([Code(RXNORM, "617311")]))
    ['83367']
    """
    known = crosswalk()
    for coding in codings:
        if coding.system == RXNORM:
            found = known.get(coding.code)
            if found is not None:
                return found
    return None


@cache
def crosswalk() -> Mapping[str, frozenset[str]]:
    """Load the table: RxNorm code → ingredient codes. A few milliseconds, once; worth calling at start-up."""
    packed = files("fhir_client").joinpath("rxnorm", "crosswalk.csv.gz").read_bytes()
    table: dict[str, frozenset[str]] = {}
    for row in csv.DictReader(gzip.decompress(packed).decode("ascii").splitlines()):
        table.update(dict.fromkeys(row["products"].split(), frozenset(row["ingredients"].split())))
    return table


@cache
def ingredient_names() -> Mapping[str, str]:
    """Load the names of the ingredient codes, in lower case, for a reader: a code that no list names has none."""
    packed = files("fhir_client").joinpath("rxnorm", "names.csv.gz").read_bytes()
    listed = {row["code"]: row["name"] for row in csv.DictReader(gzip.decompress(packed).decode("utf-8").splitlines())}
    return listed | {code: row["name"] for code, row in _labels().items()}


@cache
def unverified_ingredients() -> Mapping[str, str]:
    """Give the ingredient codes that rest on one source, with their label: what depends on them may not be live."""
    return {code: row["label"] for code, row in _labels().items() if row["label"] != "VERIFIED"}


def _labels() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads(files("fhir_client").joinpath("rxnorm", "labels.toml").read_text("utf-8"))
