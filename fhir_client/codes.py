"""Codes, and sets of codes that we treat as one meaning."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

LOINC = "http://loinc.org"
SNOMED_CT = "http://snomed.info/sct"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM = "http://unitsofmeasure.org"

# The same code systems under the other names that clients send (FHIR R4, terminologies-systems; HL7 OIDs).
_ALIASES = {
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED_CT,
    "urn:oid:2.16.840.1.113883.6.90": ICD_10_CM,
    "http://hl7.org/fhir/sid/icd-10": ICD_10_CM,  # WHO ICD-10: the same three-character categories
    "urn:oid:2.16.840.1.113883.6.88": RXNORM,
    "urn:oid:2.16.840.1.113883.6.8": UCUM,
}


def canonical_system(system: str) -> str:
    """Give the one URI that we use for a code system, whichever of its names was sent."""
    return _ALIASES.get(system, system)


class Code(NamedTuple):
    """One code in its code system; equality ignores how a client displayed it."""

    system: str
    code: str


@dataclass(frozen=True, slots=True)
class CodeSet:
    """Codes treated as one meaning: exact codes, and prefixes for hierarchies written into the code (ICD-10)."""

    name: str
    title: str
    codes: frozenset[Code] = frozenset()
    prefixes: tuple[Code, ...] = ()
    systems: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Derive the systems that the set has an opinion about."""
        systems = {code.system for code in self.codes} | {prefix.system for prefix in self.prefixes}
        object.__setattr__(self, "systems", frozenset(systems))

    def matches(self, codings: Iterable[Code]) -> bool:
        """Tell whether any coding belongs to the set; every coding is looked at, not the first."""
        for coding in codings:
            if coding in self.codes:
                return True
            if self.prefixes and any(
                coding.system == prefix.system and coding.code.replace(".", "").startswith(prefix.code)
                for prefix in self.prefixes
            ):
                return True
        return False

    def covers(self, codings: Iterable[Code]) -> bool:
        """Tell whether any coding is in a system the set knows: only then is 'no match' an answer."""
        return any(coding.system in self.systems for coding in codings)

    def __or__(self, other: "CodeSet") -> "CodeSet":
        """Join two sets under the name of the first."""
        return CodeSet(self.name, self.title, self.codes | other.codes, self.prefixes + other.prefixes)
