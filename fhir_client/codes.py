"""Codes, and sets of codes that we treat as one meaning."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

LOINC = "http://loinc.org"
SNOMED_CT = "http://snomed.info/sct"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM = "http://unitsofmeasure.org"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"  # what Encounter.class is coded in
ACT_PRIORITY = "http://terminology.hl7.org/CodeSystem/v3-ActPriority"  # what Encounter.priority is coded in
ROUTE = "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration"  # how a drug is given, beside SNOMED CT
ADMIT_SOURCE = "http://terminology.hl7.org/CodeSystem/admit-source"  # where an inpatient came from

# The same code systems under the other names that clients send (FHIR R4, terminologies-systems; HL7 OIDs).
_ALIASES = {
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED_CT,
    "urn:oid:2.16.840.1.113883.6.90": ICD_10_CM,
    "http://hl7.org/fhir/sid/icd-10": ICD_10_CM,  # WHO ICD-10: the same three-character categories
    "urn:oid:2.16.840.1.113883.6.3": ICD_10_CM,  # WHO ICD-10 by its OID
    "urn:oid:2.16.840.1.113883.6.88": RXNORM,
    "urn:oid:2.16.840.1.113883.6.8": UCUM,
    "http://hl7.org/fhir/v3/ActPriority": ACT_PRIORITY,  # STU3
    "http://hl7.org/fhir/v3/RouteOfAdministration": ROUTE,  # STU3
    "http://hl7.org/fhir/admit-source": ADMIT_SOURCE,  # STU3
}
_SNOMED_CT_EDITION = SNOMED_CT + "/"  # http://snomed.info/sct/731000124108: belongs in `version`, is sent as system


def canonical_system(system: str) -> str:
    """Give the one URI that we use for a code system, whichever of its names was sent."""
    if system.startswith(_SNOMED_CT_EDITION):
        return SNOMED_CT
    return _ALIASES.get(system, system)


class Code(NamedTuple):
    """One code in its code system; equality ignores how a client displayed it."""

    system: str
    code: str


@lru_cache(maxsize=16_384)  # bounded: codes come from outside; a chart repeats the same few
def code_of(system: object, code: object) -> Code | None:
    """Give the Code of a coding's two parts as they were sent; None if either is not a text."""
    if not isinstance(system, str) or not isinstance(code, str) or not code:
        return None
    return Code(canonical_system(system), code)


@dataclass(frozen=True, slots=True)
class CodeSet:
    """Codes treated as one meaning: exact codes, and prefixes for hierarchies written into the code (ICD-10)."""

    name: str
    title: str
    codes: frozenset[Code] = field(default=frozenset(), hash=False)
    prefixes: tuple[Code, ...] = field(default=(), hash=False)
    systems: frozenset[str] = field(init=False, repr=False, compare=False)
    _beginnings: dict[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Derive the systems that the set has an opinion about, and the prefixes of each."""
        beginnings: dict[str, tuple[str, ...]] = {}
        for prefix in self.prefixes:
            beginnings[prefix.system] = (*beginnings.get(prefix.system, ()), prefix.code.replace(".", ""))
        object.__setattr__(self, "_beginnings", beginnings)
        object.__setattr__(self, "systems", frozenset({code.system for code in self.codes} | beginnings.keys()))

    def matches(self, codings: Iterable[Code]) -> bool:
        """Tell whether any coding belongs to the set; every coding is looked at, not the first."""
        for coding in codings:
            if coding in self.codes:
                return True
            beginnings = self._beginnings.get(coding.system)
            if beginnings is not None and coding.code.replace(".", "").startswith(beginnings):
                return True
        return False

    def covers(self, codings: Iterable[Code]) -> bool:
        """Tell whether any coding is in a system the set knows: only then is 'no match' an answer."""
        return any(coding.system in self.systems for coding in codings)

    def __or__(self, other: "CodeSet") -> "CodeSet":
        """Join two sets under the name of the first."""
        return CodeSet(self.name, self.title, self.codes | other.codes, self.prefixes + other.prefixes)
