"""Comorbidity by ICD-10 codes in the categories of Charlson, as Quan mapped them. Code sets: models.md 11."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from fhir_client.codes import ICD_10_CM, SNOMED_CT, Code, CodeSet
from fhir_client.facts import Condition
from fhir_client.record import Availability, PatientRecord
from models.assessment import Gap, Missing, Reading
from models.concepts import concept
from models.features.feature import Answer, Entries, Feature, Kind, Problem
from models.features.readers import nothing_found
from models.features.searches import CONDITIONS, ENCOUNTERS
from models.features.windows import Window
from models.site import Site

CATEGORIES: Final = (
    "myocardial_infarction",
    "heart_failure",
    "peripheral_vascular",
    "cerebrovascular",
    "dementia",
    "chronic_pulmonary",
    "rheumatic",
    "peptic_ulcer",
    "mild_liver",
    "diabetes_uncomplicated",
    "diabetes_complicated",
    "hemiplegia_or_paraplegia",
    "renal",
    "malignancy",
    "moderate_severe_liver",
    "metastatic",
    "hiv",
)
_SETS: Final = {name: concept(f"charlson_{name}") for name in CATEGORIES}
_FORM: Final = re.compile(r"[A-Za-z][0-9][0-9A-Za-z](?:\.?[0-9A-Za-z]{1,4})?", re.ASCII)
# The problem list, and what was diagnosed in the last 24 months and is over (models.md 11: 12 to 24 months).
_LOOKBACK: Final = Window(months=24)


def found_categories(codes: Iterable[str], superseded_by: Mapping[str, str]) -> tuple[str, ...]:
    """Give the categories that dotless ICD-10 codes fall in, without those that a graver one takes the place of."""
    coded = [Code(ICD_10_CM, code) for code in codes]
    found = {name for name, each in _SETS.items() if each.codes(_ICD_ONLY).matches(coded)}
    return tuple(name for name in CATEGORIES if name in found and superseded_by.get(name) not in found)


def _entry(given: Any) -> str | Problem:
    if not isinstance(given, str) or _FORM.fullmatch(given) is None:
        return Problem("must be an ICD-10 code")
    return _dotless(given)


def _dotless(code: str) -> str:
    return code.replace(".", "").upper()


_ICD_ONLY: Final = Site(snomed=False)


@cache
def _of_any_category(*, with_snomed: bool) -> CodeSet:
    sets = [each.codes(Site(snomed=with_snomed)) for each in _SETS.values()]
    joined = sets[0]
    for each in sets[1:]:
        joined |= each
    return joined


@cache
def _translations(*, with_snomed: bool) -> Mapping[Code, str]:
    """Give the ICD-10-CM code of the same meaning for each SNOMED CT code of the sets."""
    return {code: meant for each in _SETS.values() for code, meant in each.answers(Site(snomed=with_snomed)).items()}


def _as_icd10(codings: Collection[Code], site: Site) -> Iterator[str]:
    """Give the codes that count, in ICD-10-CM; what belongs to no category is left where it is."""
    counted, known = _of_any_category(with_snomed=site.snomed), _translations(with_snomed=site.snomed)
    for code in codings:
        if code in known:
            yield _dotless(known[code])
        elif code.system == ICD_10_CM and counted.matches((code,)):
            yield _dotless(code.code)


def _is_readable(codings: Iterable[Code], site: Site) -> bool:
    return any(code.system == ICD_10_CM or (site.snomed and code.system == SNOMED_CT) for code in codings)


def _counts(condition: Condition, record: PatientRecord) -> bool:
    at = condition.onset or condition.recorded
    return condition.is_active or (at is not None and _LOOKBACK.includes(at, record.as_of))


def _read(record: PatientRecord, site: Site) -> Answer:
    if record.availability(CONDITIONS.key) is not Availability.COMPLETE:
        return nothing_found(record, CONDITIONS.key)
    problems = [each for each in record.conditions if _counts(each, record)]
    active = [each for each in problems if each.is_active]
    unreadable = sum(not _is_readable(each.codings, site) for each in active)
    note = f"{unreadable} of {len(active)} active conditions without a readable code" if unreadable else ""
    if unreadable > site.unreadable_conditions_limit * len(active):
        return Missing(Gap.UNREADABLE, note=note)
    rows: set[str] = set()
    sources = []
    for source, codings in (*((p.source, p.codings) for p in problems), *_reasons(record)):
        codes = tuple(_as_icd10(codings, site))
        rows.update(codes)
        if codes:
            sources.append(source.cited)
    return Reading(len(rows), sources=tuple(dict.fromkeys(sources)), note=note, rows=tuple(sorted(rows)))


def _reasons(record: PatientRecord) -> Iterator[tuple[Any, tuple[Code, ...]]]:
    for encounter in record.encounters:
        if encounter.period is not None and _LOOKBACK.includes(encounter.period, record.as_of):
            yield encounter.source, encounter.reasons


ICD10: Final = Feature(
    "icd10",
    "diagnoses as ICD-10 codes",
    Kind.LIST,
    entries=Entries(schema={"type": "string", "pattern": f"^{_FORM.pattern}$"}, read=_entry),
    searches=(CONDITIONS, ENCOUNTERS),
    optional_keys=frozenset({ENCOUNTERS.key}),
    unverified=tuple(remark for each in _SETS.values() for remark in each.unverified),
    window=f"active, or of the last {_LOOKBACK}",
    read=_read,
)
