"""The search parameters this server knows, and how each kind is matched (FHIR R4, 3.1.1)."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from sandbox.ehr.dates import Interval, interval_of, interval_of_value
from sandbox.ehr.errors import Refused

Kind = Literal["token", "date", "reference", "string"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter: how it compares, and the elements it looks at."""

    kind: Kind
    paths: tuple[str, ...]


def _token(*paths: str) -> Parameter:
    return Parameter("token", paths)


def _date(*paths: str) -> Parameter:
    return Parameter("date", paths)


def _reference(*paths: str) -> Parameter:
    return Parameter("reference", paths)


_STATUS: Final = {"status": _token("status")}
_CODED: Final = {"code": _token("code"), "category": _token("category"), **_STATUS}
_ENCOUNTER: Final = {"encounter": _reference("encounter")}
_EVERYWHERE: Final = {
    "_id": _token("id"),
    "_lastUpdated": _date("meta.lastUpdated"),
    "identifier": _token("identifier"),
}
# Whose chart a resource is in. Both names are accepted where R4 has only one of them: EHRs do the same.
_WHOSE: Final = _reference("subject", "patient", "beneficiary", "for", "individual")
_OF_A_PATIENT: Final = {"patient": _WHOSE, "subject": _WHOSE}

PARAMETERS: Final[dict[str, dict[str, Parameter]]] = {
    "Patient": {
        "name": Parameter("string", ("name.family", "name.given", "name.text")),
        "family": Parameter("string", ("name.family",)),
        "given": Parameter("string", ("name.given",)),
        "gender": _token("gender"),
        "birthdate": _date("birthDate"),
        "death-date": _date("deceasedDateTime"),
    },
    "Observation": {
        **_OF_A_PATIENT, **_CODED, **_ENCOUNTER,
        "component-code": _token("component.code"),
        "combo-code": _token("code", "component.code"),
        "value-concept": _token("valueCodeableConcept"),
        "date": _date("effectiveDateTime", "effectivePeriod", "effectiveInstant", "effectiveTiming"),
    },
    "Condition": {
        **_OF_A_PATIENT, **_ENCOUNTER,
        "code": _token("code"),
        "category": _token("category"),
        "clinical-status": _token("clinicalStatus"),
        "verification-status": _token("verificationStatus"),
        "onset-date": _date("onsetDateTime", "onsetPeriod"),
        "recorded-date": _date("recordedDate"),
    },
    "Encounter": {
        **_OF_A_PATIENT, **_STATUS,
        "class": _token("class"),
        "type": _token("type"),
        "date": _date("period"),
    },
    "MedicationRequest": {
        **_OF_A_PATIENT, **_STATUS, **_ENCOUNTER,
        "intent": _token("intent"),
        "category": _token("category"),
        "code": _token("medicationCodeableConcept"),
        "authoredon": _date("authoredOn"),
    },
    "MedicationStatement": {
        **_OF_A_PATIENT, **_STATUS,
        "code": _token("medicationCodeableConcept"),
        "effective": _date("effectiveDateTime", "effectivePeriod"),
    },
    "MedicationAdministration": {
        **_OF_A_PATIENT, **_STATUS,
        "code": _token("medicationCodeableConcept"),
        "effective-time": _date("effectiveDateTime", "effectivePeriod"),
    },
    "AllergyIntolerance": {
        **_OF_A_PATIENT,
        "code": _token("code"),
        "clinical-status": _token("clinicalStatus"),
        "verification-status": _token("verificationStatus"),
        "date": _date("recordedDate"),
    },
    "Procedure": {**_OF_A_PATIENT, **_CODED, **_ENCOUNTER, "date": _date("performedDateTime", "performedPeriod")},
    "DiagnosticReport": {
        **_OF_A_PATIENT, **_CODED, **_ENCOUNTER,
        "date": _date("effectiveDateTime", "effectivePeriod"),
        "issued": _date("issued"),
    },
    "ServiceRequest": {
        **_OF_A_PATIENT, **_CODED, **_ENCOUNTER,
        "intent": _token("intent"),
        "authored": _date("authoredOn"),
        "occurrence": _date("occurrenceDateTime", "occurrencePeriod"),
    },
    "Task": {**_OF_A_PATIENT, **_STATUS, "code": _token("code"), "authored-on": _date("authoredOn")},
    "Immunization": {
        **_OF_A_PATIENT, **_STATUS,
        "vaccine-code": _token("vaccineCode"),
        "date": _date("occurrenceDateTime"),
    },
    "CarePlan": {**_OF_A_PATIENT, **_STATUS, "category": _token("category"), "date": _date("period")},
    "Goal": {**_OF_A_PATIENT, "lifecycle-status": _token("lifecycleStatus"), "category": _token("category")},
    "DocumentReference": {**_OF_A_PATIENT, **_STATUS, "type": _token("type"), "date": _date("date")},
    "FamilyMemberHistory": {**_OF_A_PATIENT, **_STATUS, "date": _date("date")},
    "Coverage": {**_OF_A_PATIENT, **_STATUS},
    "Flag": {**_OF_A_PATIENT, **_STATUS, "date": _date("period")},
    "Medication": {"code": _token("code")},
    "Practitioner": {"name": Parameter("string", ("name.family", "name.given", "name.text"))},
    "PractitionerRole": {"practitioner": _reference("practitioner")},
    "Organization": {"name": Parameter("string", ("name",))},
    "Location": {"name": Parameter("string", ("name",))},
}  # fmt: skip


def parameters_of(resource_type: str) -> dict[str, Parameter]:
    """Name the search parameters of a type; a type without a table of its own has the common ones."""
    return {**_EVERYWHERE, **PARAMETERS.get(resource_type, _OF_A_PATIENT)}


def values_at(resource: Any, path: str) -> Iterator[Any]:
    """Yield what is found at a dotted path, through lists."""
    if isinstance(resource, list):
        for inner in resource:
            yield from values_at(inner, path)
    elif not path:
        yield resource
    elif isinstance(resource, dict):
        first, _, rest = path.partition(".")
        if first in resource:
            yield from values_at(resource[first], rest)


def alternatives(text: str) -> list[str]:
    r"""Split a parameter's value at its commas; `\,` is a comma of the value itself."""
    return re.split(r"(?<!\\),", text)


def matcher(parameter: Parameter, text: str) -> Callable[[dict[str, Any]], bool]:
    """Turn a parameter and its value into a test of a resource; raise Refused when the value cannot be read."""
    tests = [_TESTS[parameter.kind](value) for value in alternatives(text)]
    paths = parameter.paths

    def matches(resource: dict[str, Any]) -> bool:
        return any(test(found) for path in paths for found in values_at(resource, path) for test in tests)

    return matches


def _token_test(text: str) -> Callable[[Any], bool]:
    parts = [re.sub(r"\\([|,$\\])", r"\1", part) for part in re.split(r"(?<!\\)\|", text, maxsplit=1)]
    system, code = (None, parts[0]) if len(parts) == 1 else (parts[0], parts[1])
    return lambda value: any(
        (not code or code == found_code)
        # A plain code has its system from the element; only `|code` asks for codings without one.
        and (system is None or found_system is ... or (found_system or "") == system)
        for found_system, found_code in _tokens_of(value)
    )


def _tokens_of(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, bool):
        yield ..., "true" if value else "false"
    elif isinstance(value, str):
        yield ..., value
    elif isinstance(value, dict):
        for coding in value.get("coding", [value]):
            yield coding.get("system"), coding.get("code", coding.get("value"))


_COMPARISONS: Final[dict[str, Callable[[Interval, Interval], bool]]] = {
    "eq": lambda asked, found: asked.contains(found),
    "ne": lambda asked, found: not asked.contains(found),
    "gt": lambda asked, found: found.end > asked.end,
    "lt": lambda asked, found: found.start < asked.start,
    "ge": lambda asked, found: found.end > asked.end or asked.contains(found),
    "le": lambda asked, found: found.start < asked.start or asked.contains(found),
    "sa": lambda asked, found: found.start >= asked.end,
    "eb": lambda asked, found: found.end <= asked.start,
}


def _date_test(text: str) -> Callable[[Any], bool]:
    prefix, rest = (text[:2], text[2:]) if text[:2].isalpha() else ("eq", text)
    # An unescaped `+` in a query reads as a space: the offset of `…T10:00:00+01:00` is meant.
    asked = interval_of(rest.replace(" ", "+"))
    if asked is None or prefix not in _COMPARISONS:
        raise Refused(400, "invalid", "A date parameter needs eq, ne, gt, lt, ge, le, sa or eb and a FHIR date.")
    compare = _COMPARISONS[prefix]

    def test(value: Any) -> bool:
        found = interval_of_value(value)
        return found is not None and compare(asked, found)

    return test


def _reference_test(text: str) -> Callable[[Any], bool]:
    def test(value: Any) -> bool:
        reference = value.get("reference") if isinstance(value, dict) else None
        if not isinstance(reference, str):
            return False
        return reference == text or reference.endswith(f"/{text}") or text.endswith(f"/{reference}")

    return test


def _string_test(text: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value.casefold().startswith(text.casefold())


_TESTS: Final[dict[Kind, Callable[[str], Callable[[Any], bool]]]] = {
    "token": _token_test,
    "date": _date_test,
    "reference": _reference_test,
    "string": _string_test,
}
