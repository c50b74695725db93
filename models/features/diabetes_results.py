"""The results that diabetes is told by: the newest HbA1c and fasting glucose, and of each the one of a day before.

Windows: models.md 6 sets only that of a recent test (12 months); the others are ours. Fasting glucose of a ward or an
emergency department is passed over: acute illness raises it. A glucose that is not said to be fasting tells nothing
without symptoms, and is not read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from fhir_client.facts import Observation
from fhir_client.record import Availability, PatientRecord
from fhir_client.search import Search
from fhir_client.times import Interval
from models.assessment import Gap, Missing, Reading
from models.concepts import Concept, concept
from models.features.feature import Answer, Feature, Kind
from models.features.readers import agreed, in_one_order, is_inpatient, nothing_found, partly
from models.features.searches import ENCOUNTERS, laboratory
from models.features.windows import Window
from models.site import Site

_NEWEST: Final = Window(months=24)
_BEFORE: Final = Window(months=60)
_RECENT: Final = Window(months=12)
_HBA1C, _FASTING = concept("hba1c"), concept("fasting_glucose")
_SEARCH: Final = laboratory("hba1c", "fasting_glucose")

_Dated = tuple[Interval, Sequence[Observation]]


def _by_time(record: PatientRecord, meaning: Concept, site: Site, *, outpatient: bool) -> Iterator[_Dated]:
    """Give the dated results that hold a value, those of one time together, newest first."""
    for together in record.observations(meaning.codes(site)).by_time():
        counted = [each for each in together if not (outpatient and is_inpatient(record, each))]
        if counted and counted[0].at is not None:
            yield counted[0].at, counted


def _is_of_an_earlier_day(at: Interval, than: Interval) -> bool:
    return at.end <= than.start and at.start.date() < than.start.date()


def _answer(feature: Feature, found: _Dated | None, within: Window, record: PatientRecord) -> Answer:
    if found is None:
        return nothing_found(record, _SEARCH.key)
    at, together = found
    if not within.includes(at, record.as_of):
        return Missing(Gap.TOO_OLD, at)
    answer = agreed(feature, in_one_order(together))
    if isinstance(answer, Gap):
        return Missing(answer, at)
    value, used = answer
    return Reading(value, at, (used.source.cited,), partly(record, _SEARCH.key))


def _newest_and_before(feature: Feature, meaning: Concept, *, outpatient: bool) -> tuple[Feature, Feature]:
    """Declare the newest result, and the one before it that was taken on another day: a copy confirms nothing."""

    def read_newest(record: PatientRecord, site: Site) -> Answer:
        found = next(_by_time(record, meaning, site, outpatient=outpatient), None)
        return _answer(feature, found, _NEWEST, record)

    def read_before(record: PatientRecord, site: Site) -> Answer:
        results = _by_time(record, meaning, site, outpatient=outpatient)
        newest = next(results, None)
        earlier = (each for each in results if newest and _is_of_an_earlier_day(each[0], newest[0]))
        return _answer(feature, next(earlier, None), _BEFORE, record)

    searches: tuple[Search, ...] = (_SEARCH, ENCOUNTERS) if outpatient else (_SEARCH,)
    setting = ", outpatient" if outpatient else ""
    newest = replace(
        feature,
        searches=searches,
        optional_keys=frozenset({ENCOUNTERS.key}) if outpatient else frozenset(),
        unverified=meaning.unverified,
        window=f"{_NEWEST}{setting}",
        required=False,
        read=read_newest,
    )
    before = replace(
        newest,
        name=f"earlier_{feature.name}",
        label=f"{feature.label} of an earlier day",
        window=f"the one before, {_BEFORE}{setting}",
        read=read_before,
    )
    return newest, before


# No source gives plausible ranges: these keep out what is no measurement (a fraction of 1, say).
HBA1C_PERCENT, EARLIER_HBA1C_PERCENT = _newest_and_before(
    Feature("hba1c_percent", "HbA1c", Kind.QUANTITY, unit="%", analyte="hba1c", plausible=(2, 25)),
    _HBA1C,
    outpatient=False,
)
FASTING_GLUCOSE_MG_DL, EARLIER_FASTING_GLUCOSE_MG_DL = _newest_and_before(
    Feature(
        "fasting_glucose_mg_dl",
        "fasting glucose",
        Kind.QUANTITY,
        unit="mg/dL",
        analyte="glucose",
        plausible=(10, 2_000),
    ),
    _FASTING,
    outpatient=True,
)


def _was_tested(record: PatientRecord, site: Site) -> Answer:
    """Tell whether somebody tested lately and the result can be used; false needs a complete answer."""
    unusable = []
    for feature in (HBA1C_PERCENT, FASTING_GLUCOSE_MG_DL):
        answer = feature.answer(record, site)
        if answer.at is None or not _RECENT.includes(answer.at, record.as_of):
            continue
        if isinstance(answer, Reading):
            return Reading(value=True, at=answer.at, sources=answer.sources, note=feature.label)
        unusable.append(f"{feature.label} {answer.at.text[:10]}: {answer.gap}")
    if record.availability(_SEARCH.key) is not Availability.COMPLETE:
        return nothing_found(record, _SEARCH.key)
    return Reading(value=False, note="; ".join(unusable))


TESTED_FOR_DIABETES: Final = Feature(
    "tested_for_diabetes",
    "HbA1c or fasting glucose",
    Kind.TRUTH,
    searches=(_SEARCH, ENCOUNTERS),
    optional_keys=frozenset({ENCOUNTERS.key}),
    unverified=(*_HBA1C.unverified, *_FASTING.unverified),
    window=str(_RECENT),
    read=_was_tested,
)
