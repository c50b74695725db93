"""The conditions that make a repeated test right, by the names that `intervals.toml` uses."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from fhir_client.record import Availability, PatientRecord
from models.assessment import Assessed, Gap, Missing, NotApplicable, Reading
from models.concepts import concept
from models.features.conditions import END_STAGE_KIDNEY_DISEASE, PREGNANCY
from models.features.feature import Answer, Feature, Kind
from models.features.readers import latest_quantity, nothing_found
from models.features.searches import ENCOUNTERS, MEDICATIONS, laboratory
from models.features.suspicion import SUSPECTED_INFECTION
from models.features.truths import active_ingredient, condition
from models.features.windows import Window
from models.kdigo_aki import MODEL as KDIGO_AKI
from models.site import Site

_EMERGENCY: Final = concept("emergency_encounter").exact_codes
_STAGE: Final = "stage"


def escapes(content: Mapping[str, Any]) -> Mapping[str, Feature]:
    """Declare every condition by name; the numbers come from the file of the rows."""
    begun = Window(hours=24 * content["begun"]["days"])
    found = (
        condition("bleeding", "major bleeding", of="major_bleeding"),
        condition("cancer", "cancer", of="cancer"),
        _emergency(),
        _acute_kidney_injury(),
        END_STAGE_KIDNEY_DISEASE,
        *(_abnormal(name, row) for name, row in content["range"].items()),
        _taken_or_drafted("diuretic", "diuretic", of="diuretics"),
        condition("ketoacidosis", "diabetic ketoacidosis", of="diabetic_ketoacidosis"),
        SUSPECTED_INFECTION,
        condition("acute_liver_injury", "acute liver failure or paracetamol poisoning", of="acute_liver_injury"),
        _taken_or_drafted("electrolyte_replacement", "electrolyte replacement", of="electrolyte_replacement"),
        condition("arrhythmia", "arrhythmia", of="arrhythmia"),
        _taken_or_drafted("intravenous_iron", "iron by infusion", of="intravenous_iron"),
        PREGNANCY,
        _begun("new_thyroid_drug", "a drug that changes thyroid function", of="thyroid_active_drugs", within=begun),
        condition("acute_pancreatitis", "acute pancreatitis", of="acute_pancreatitis"),
        condition("vasculitis_or_lupus", "vasculitis or lupus", of="vasculitis_or_lupus"),
    )
    return MappingProxyType({feature.name: feature for feature in found})


def _emergency() -> Feature:
    def read(record: PatientRecord, site: Site) -> Answer:  # noqa: ARG001 - every reader takes the site
        if not _EMERGENCY.isdisjoint(record.ongoing_kinds):
            return Reading(value=True)
        if record.availability(ENCOUNTERS.key) is not Availability.COMPLETE:
            return nothing_found(record, ENCOUNTERS.key)
        return Reading(value=False)

    return Feature("emergency", "emergency care", Kind.TRUTH, searches=(ENCOUNTERS,), window="going on", read=read)


def _acute_kidney_injury() -> Feature:
    """Declare the truth of a stage of at least 1; whom it is not for has none."""

    def read(record: PatientRecord, site: Site) -> Answer:
        match KDIGO_AKI.assess(record, site):
            case Assessed(results=results, inputs=inputs):
                return Reading(results[_STAGE] > 0, at=next((item.reading.at for item in inputs), None))
            case NotApplicable(reason=reason):
                return Reading(value=False, note=reason)
            case unknown:
                first = unknown.missing[0].reading
                return first if isinstance(first, Missing) else Missing(Gap.NOT_RECORDED)

    return Feature(
        "acute_kidney_injury",
        "acute kidney injury",
        Kind.TRUTH,
        searches=KDIGO_AKI.searches,
        optional_keys=frozenset(search.key for search in KDIGO_AKI.searches) - KDIGO_AKI.required_keys,
        unverified=tuple(r for output in KDIGO_AKI.outputs if output.name == _STAGE for r in output.unverified),
        read=read,
    )


def _abnormal(name: str, row: Mapping[str, Any]) -> Feature:
    quantity = latest_quantity(
        row["of"],
        row["of"],
        laboratory(row["of"]),
        of=row["of"],
        unit=row["unit"],
        analyte=row["analyte"],
        plausible=(row["plausible"][0], row["plausible"][1]),
        within=Window(hours=row["hours"]),
    )

    def read(record: PatientRecord, site: Site) -> Answer:
        answer = quantity.answer(record, site)
        if isinstance(answer, Missing):
            return answer
        return Reading(not row["from"] <= float(answer.value) <= row["to"], answer.at, answer.sources)

    return Feature(
        f"abnormal_{name}",
        f"abnormal {name}",
        Kind.TRUTH,
        searches=quantity.searches,
        unverified=quantity.unverified,
        window=quantity.window,
        read=read,
    )


def _taken_or_drafted(name: str, label: str, *, of: str) -> Feature:
    """Declare a truth: an active order for one of these drugs, or a draft of one."""
    taken, wanted = active_ingredient(name, label, of=of), concept(of).exact_codes

    def read(record: PatientRecord, site: Site) -> Answer:
        return _drafted(record, wanted) or taken.answer(record, site)

    return Feature(
        name, label, Kind.TRUTH, searches=taken.searches, unverified=taken.unverified, window=taken.window, read=read
    )


def _begun(name: str, label: str, *, of: str, within: Window) -> Feature:
    """Declare a truth: a draft of one of these drugs, or an active order for one that was written in the window."""
    taken, wanted = active_ingredient(name, label, of=of), concept(of).exact_codes

    def read(record: PatientRecord, site: Site) -> Answer:
        drafted = _drafted(record, wanted)
        if drafted is not None:
            return drafted
        answer = taken.answer(record, site)
        if isinstance(answer, Missing) or not answer.value:
            return answer
        if answer.at is None:
            return Missing(Gap.UNREADABLE, note="the order has no date")
        return Reading(within.includes(answer.at, record.as_of), answer.at, answer.sources)

    return Feature(
        name, label, Kind.TRUTH, searches=(MEDICATIONS,), unverified=taken.unverified, window=str(within), read=read
    )


def _drafted(record: PatientRecord, wanted: frozenset[str]) -> Reading | None:
    for draft in record.drafted_medications:
        if draft.ingredients is not None and not wanted.isdisjoint(draft.ingredients):
            return Reading(value=True, at=draft.authored, sources=(draft.source.cited,))
    return None
