"""The elements that every FHIR resource is made of, read with tolerance: what is malformed counts as absent.

Parsed JSON comes from strangers. So nothing here raises, whatever it is given.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from fhir_client.codes import UCUM, Code, canonical_system, code_of
from fhir_client.facts import Quantity, Source

Resource = Mapping[str, Any]

NOTHING: Final[Mapping[str, Any]] = {}
_DATA_ABSENT_REASON: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def mapping(value: object) -> Mapping[str, Any]:
    """Give a JSON object, or an empty one for anything else."""
    return value if isinstance(value, dict) else NOTHING


def mappings(value: object) -> list[Mapping[str, Any]]:
    """Give the JSON objects of a list; a single object, which some servers send for a list of one, is that one."""
    if isinstance(value, list):
        return [item for item in value if isinstance(item, dict)]
    return [value] if isinstance(value, dict) else []


def text_of(value: object) -> str | None:
    """Give a text that is not empty."""
    return value if isinstance(value, str) and value else None


def codings(concept: object) -> tuple[Code, ...]:
    """Give every coding of a CodeableConcept that has a system and a code, in order."""
    try:  # nothing out of the ordinary: the hot path
        sent = concept["coding"]  # type: ignore[index]
        if len(sent) == 1:
            code = code_of(sent[0]["system"], sent[0]["code"])
            return () if code is None else (code,)
        found = [code_of(coding["system"], coding["code"]) for coding in sent]
    except (KeyError, TypeError):
        found = [code_from(coding) for coding in mappings(mapping(concept).get("coding"))]
    return tuple([code for code in found if code is not None])


def code_from(coding: Mapping[str, Any]) -> Code | None:
    """Give the Code of a Coding."""
    try:
        return code_of(coding.get("system"), coding.get("code"))
    except TypeError:  # a list or an object where a text is due
        return None


def words(concept: object) -> frozenset[str]:
    """Give the code words of a status, which is a plain code in some FHIR versions and a CodeableConcept in others."""
    if isinstance(concept, str):
        return frozenset((concept,))
    found = [coding.get("code") for coding in mappings(mapping(concept).get("coding"))]
    return frozenset([word for word in found if isinstance(word, str)])


def concept_text(concept: object) -> str:
    """Give a CodeableConcept in words: its text, else the display of the first coding that has one."""
    concept = mapping(concept)
    text = concept.get("text")
    if isinstance(text, str) and text:
        return text
    displays = (coding.get("display") for coding in mappings(concept.get("coding")))
    return next((display for display in displays if isinstance(display, str) and display), "")


def quantity(value: object) -> Quantity | None:
    """Give a Quantity that has a number; its unit only where it is a UCUM code, never from the printed text."""
    try:  # nothing out of the ordinary: the hot path
        number, unit = value["value"], value["code"]  # type: ignore[index]
        if type(number) is float and type(unit) is str and value["system"] == UCUM and "comparator" not in value:  # type: ignore[index, operator]
            return Quantity(number, unit or None) if isfinite(number) else None
    except (KeyError, TypeError):
        pass
    if not isinstance(value, dict):
        return None
    number, comparator = _number(value.get("value")), value.get("comparator")
    if number is None or not (comparator is None or isinstance(comparator, str)):
        return None
    system, unit = value.get("system"), value.get("code")
    is_ucum = system == UCUM or (isinstance(system, str) and canonical_system(system) == UCUM)
    if not is_ucum or not isinstance(unit, str) or not unit:
        unit = None
    return Quantity(number, unit, comparator or None)


def integer(value: object) -> Quantity | None:
    """Give a plain count (valueInteger) as a Quantity of the unit 1."""
    number = _number(value)
    return None if number is None else Quantity(number, "1")


def absent_reason(*elements: object) -> str | None:
    """Give the code of the data-absent-reason extension on any of the elements."""
    for element in elements:
        for extension in mappings(mapping(element).get("extension")):
            if extension.get("url") == _DATA_ABSENT_REASON:
                return text_of(extension.get("valueCode")) or "unknown"
    return None


def is_modified(element: Mapping[str, Any]) -> bool:
    """Tell whether an extension that we do not know may change, or negate, the meaning of the element."""
    return "modifierExtension" in element and bool(element["modifierExtension"])


def reference(element: object) -> str | None:
    """Give the text of a Reference; None where it is only logical (an identifier) or absent."""
    return text_of(mapping(element).get("reference"))


def local_reference(text: str) -> str:
    """Give `Type/id` of a relative, absolute or versioned reference; `urn:` and contained ones stay as they are.

    >>> local_reference("https://ehr.example/r4/Patient/p1/_history/2")
    'Patient/p1'
    """
    if "/_history/" in text:
        text = text.partition("/_history/")[0]
    return "/".join(text.split("/")[-2:]) if "://" in text else text


def source(resource: Mapping[str, Any], kind: str) -> Source:
    """Give where a fact comes from; a resource without an id is named by its type alone."""
    id_, meta = resource.get("id"), resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return Source(
        f"{kind}/{id_}" if isinstance(id_, str) and id_ else kind, version if isinstance(version, str) else None
    )


def _number(value: object) -> float | None:
    """Give a JSON number; a truth is none, and neither is a text that looks like one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None
