"""Features that only order checks need, and that no row of the vocabulary can say."""

from datetime import timedelta
from typing import Final

from fhir_client.record import Availability, PatientRecord
from models.assessment import Gap, Missing, Reading
from models.concepts import concept
from models.features.feature import Answer, Feature, Kind
from models.features.labs import ALBUMIN_G_DL, HEMOGLOBIN_G_DL
from models.features.readers import latest_quantity, measured, nothing_found, partly
from models.features.searches import laboratory, vital_signs
from models.features.vitals import WEIGHT_KG
from models.features.windows import Window
from models.site import Site

# clinical/safety-rules.md 7: a fall within 48 hours; the newest value is of today.
_FALL_WITHIN: Final = timedelta(hours=48)
_NOW: Final = Window(hours=24)
# clinical/safety-rules.md 7: before an ACE inhibitor or ARB, within three months.
_BEFORE_A_START: Final = Window(months=3)
# clinical/safety-rules.md 7: a weight that a dose goes by is no older than 7 days.
_BEFORE_A_DOSE: Final = Window(hours=7 * 24)
# Corrected calcium = total calcium + 0.8 x (4.0 - albumin), mg/dL and g/dL (Payne RB, BMJ 1973;4:643).
_NORMAL_ALBUMIN, _CALCIUM_PER_ALBUMIN = 4.0, 0.8

CALCIUM_MG_DL = latest_quantity(
    "calcium_mg_dl",
    "calcium",
    laboratory("calcium"),
    of="calcium",
    unit="mg/dL",
    analyte="calcium",
    plausible=(2, 20),
    within=Window(months=3),
)


def _corrected_calcium(record: PatientRecord, site: Site) -> Answer:
    calcium, albumin = CALCIUM_MG_DL.answer(record, site), ALBUMIN_G_DL.answer(record, site)
    if isinstance(calcium, Missing):
        return calcium
    if isinstance(albumin, Missing):
        return Missing(albumin.gap, albumin.at, "for albumin")
    value = float(calcium.value) + _CALCIUM_PER_ALBUMIN * (_NORMAL_ALBUMIN - float(albumin.value))
    return Reading(value, calcium.at, (*calcium.sources, *albumin.sources), "corrected for albumin")


CORRECTED_CALCIUM_MG_DL = Feature(
    "corrected_calcium_mg_dl",
    "corrected calcium",
    Kind.QUANTITY,
    unit="mg/dL",
    searches=(laboratory("calcium", "albumin"),),
    unverified=(*CALCIUM_MG_DL.unverified, *ALBUMIN_G_DL.unverified),
    window=CALCIUM_MG_DL.window,
    read=_corrected_calcium,
)


def _hemoglobin_fall(record: PatientRecord, site: Site) -> Answer:
    """Give by how much the newest value, of the last 24 hours, is below the highest of the 48 hours before it."""
    key = laboratory("hemoglobin").key
    series: list[tuple[float, Reading]] = []
    for at, quantity in record.observations(concept("hemoglobin").codes(site)).quantities():
        if series and series[0][1].at is not None and at.start < series[0][1].at.start - _FALL_WITHIN:
            break
        value = measured(HEMOGLOBIN_G_DL, quantity)
        if not series and not _NOW.includes(at, record.as_of):
            return Missing(Gap.TOO_OLD, at)
        if isinstance(value, Gap):
            return Missing(value, at)
        series.append((value, Reading(value, at)))
    if not series:
        return nothing_found(record, key)
    newest, reading = series[0]
    fall = max(value for value, _ in series) - newest
    return Reading(fall, reading.at, note="; ".join(filter(None, (f"now {newest:g} g/dL", partly(record, key)))))


HEMOGLOBIN_FALL_G_DL = Feature(
    "hemoglobin_fall_g_dl",
    "fall of haemoglobin within 48 hours",
    Kind.QUANTITY,
    unit="g/dL",
    searches=HEMOGLOBIN_G_DL.searches,
    unverified=HEMOGLOBIN_G_DL.unverified,
    window="48 hours",
    read=_hemoglobin_fall,
)


def _measured(name: str, label: str, *, of: str) -> Feature:
    """Declare a truth: a result of the last three months, whatever it says; false needs a complete search."""
    meaning, search = concept(of), laboratory(of)

    def read(record: PatientRecord, site: Site) -> Answer:
        for at, _ in record.observations(meaning.codes(site)).quantities():
            if _BEFORE_A_START.includes(at, record.as_of):
                return Reading(value=True, at=at)
            break
        if record.availability(search.key) is not Availability.COMPLETE:
            return nothing_found(record, search.key)
        return Reading(value=False)

    return Feature(
        name,
        label,
        Kind.TRUTH,
        searches=(search,),
        unverified=meaning.unverified,
        window=str(_BEFORE_A_START),
        read=read,
    )


def _weighed(record: PatientRecord, site: Site) -> Answer:
    """Tell whether a weight that can be one was taken within 7 days."""
    for at, quantity in record.observations(concept("weight").codes(site)).quantities():
        if not _BEFORE_A_DOSE.includes(at, record.as_of):
            break
        if not isinstance(measured(WEIGHT_KG, quantity), Gap):
            return Reading(value=True, at=at)
    key = vital_signs("weight").key
    return Reading(value=False) if record.availability(key) is Availability.COMPLETE else nothing_found(record, key)


WEIGHED = Feature(
    "weighed_within_7_days",
    "weighed within 7 days",
    Kind.TRUTH,
    searches=WEIGHT_KG.searches,
    unverified=WEIGHT_KG.unverified,
    window=str(_BEFORE_A_DOSE),
    read=_weighed,
)
CREATININE_MEASURED = _measured("creatinine_measured", "creatinine measured within 3 months", of="creatinine")
POTASSIUM_MEASURED = _measured("potassium_measured", "potassium measured within 3 months", of="potassium")
