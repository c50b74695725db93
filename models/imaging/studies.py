"""The imaging studies that rules speak of: which codes mean which, and what the order asks of the patient."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fhir_client.codes import Code
from models.concepts import Concept, concept
from models.errors import ParametersRejected

FILE: Final = Path(__file__).with_name("studies.toml")
IODINATED, GADOLINIUM, PELVIS, ANY = "iodinated", "gadolinium", "pelvis", "any"
_REQUIRED: Final = frozenset({"title", "modality", "region"})
_OPTIONAL: Final = frozenset({"contrast", "pelvis"})


@dataclass(frozen=True, slots=True)
class Study:
    """One kind of study. `contrast` is the medium asked for, empty without; `pelvis`: ionising, with it in the beam."""

    name: str
    title: str
    modality: str
    region: str
    meaning: Concept
    contrast: str = ""
    pelvis: bool = False

    def is_a(self, kind: str) -> bool:
        """Tell whether a rule for this kind of study speaks of it."""
        return kind in (ANY, self.name, self.contrast) or (kind == PELVIS and self.pelvis)

    def is_answered_by(self, other: "Study") -> bool:
        """Tell whether the other shows what this one would: the same place, with contrast if this one has it."""
        same = (self.modality, self.region) == (other.modality, other.region)
        return same and self.contrast in ("", other.contrast)


@cache
def studies() -> Mapping[str, Study]:
    """Give all studies, by name."""
    return read_studies(FILE)


def read_studies(path: Path) -> Mapping[str, Study]:
    """Read a file of studies, by name.

    Raises:
        ParametersRejected: a study lacks something, or has something unknown.
    """
    with path.open("rb") as file:
        content = tomllib.load(file)["study"]
    for name, row in content.items():
        if not set(row) >= _REQUIRED or set(row) - _REQUIRED - _OPTIONAL:
            raise ParametersRejected(f"{path.name}: {name}", "lacks something, or has an unknown key")
        if row.get("contrast", IODINATED) not in (IODINATED, GADOLINIUM):
            raise ParametersRejected(f"{path.name}: {name}", "has an unknown contrast medium")
    return MappingProxyType({name: Study(name, meaning=concept(name), **row) for name, row in content.items()})


def kinds() -> frozenset[str]:
    """Give what a rule may say it is about."""
    return frozenset({ANY, IODINATED, GADOLINIUM, PELVIS}) | studies().keys()


def study_of(codings: Iterable[Code]) -> Study | None:
    """Give the study that codes mean, None if they mean none of them; with contrast, if they say both."""
    found = [known for code in codings if (known := _by_code().get(code)) is not None]
    return max(found, key=lambda each: bool(each.contrast), default=None)


@cache
def _by_code() -> Mapping[Code, Study]:
    return {code: each for each in studies().values() for code in each.meaning.searched}
