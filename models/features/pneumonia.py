"""What tells how severe a pneumonia is, from one observation set and the day's urea. Code sets: models.md 8."""

from dataclasses import replace
from itertools import takewhile
from typing import Final

from fhir_client.record import PatientRecord
from models.assessment import Gap, Missing, Reading
from models.concepts import concept
from models.features.feature import Answer, Feature, Kind, Readings
from models.features.observation_set import CONSCIOUSNESS, SYSTOLIC_BP_MMHG, read_newest
from models.features.readers import agreed, in_one_order, latest_quantity, nothing_found, partly
from models.features.searches import ENCOUNTERS, laboratory, vital_signs
from models.features.truths import condition
from models.features.windows import Window
from models.site import Site

_PNEUMONIA: Final = concept("pneumonia")
_LISTED: Final = condition("pneumonia", "pneumonia", of="pneumonia")
_ONGOING: Final = "in-progress"


def _is_without_pneumonia(record: PatientRecord, site: Site) -> Answer:
    """Tell whether neither the problem list nor the reason of an encounter that goes on names a pneumonia."""
    codes = _PNEUMONIA.codes(site)
    for encounter in record.encounters:
        is_current = encounter.status == _ONGOING or encounter.source.reference == f"Encounter/{record.encounter_id}"
        if is_current and codes.matches(encounter.reasons):
            return Reading(value=False, sources=(encounter.source.cited,))
    listed = _LISTED.answer(record, site)
    return listed if isinstance(listed, Missing) else replace(listed, value=not listed.value)


WITHOUT_PNEUMONIA = Feature(
    "without_pneumonia",
    "pneumonia",
    Kind.TRUTH,
    searches=(*_LISTED.searches, ENCOUNTERS),
    optional_keys=frozenset({ENCOUNTERS.key}),
    unverified=_LISTED.unverified,
    window="active, or the reason of an encounter going on",
    read=_is_without_pneumonia,
)


def _newest_set(record: PatientRecord, site: Site) -> Readings:
    return record.once((read_newest, site), lambda: read_newest(record, site))


def _confusion(record: PatientRecord, site: Site) -> Answer:
    """Read confusion from an observation of it alone: no diagnosis of dementia, and no guess from a deeper stupor."""
    letter = _newest_set(record, site)[CONSCIOUSNESS.name]
    if isinstance(letter, Missing):
        return letter
    if letter.value in _TELLS_CONFUSION:
        return replace(letter, value=_TELLS_CONFUSION[str(letter.value)], note="from the level of consciousness")
    return Missing(Gap.NOT_CODED, letter.at, "not alert: nobody wrote down whether there is confusion")


_TELLS_CONFUSION: Final = {"A": False, "C": True}  # of ACVPU: C is new confusion
CONFUSION = Feature(
    "confusion",
    "new confusion",
    Kind.TRUTH,
    searches=CONSCIOUSNESS.searches,
    unverified=CONSCIOUSNESS.unverified,
    window=CONSCIOUSNESS.window,
    read=_confusion,
)


def _diastolic(record: PatientRecord, site: Site) -> Answer:
    """Read the diastolic pressure that was taken with the systolic one of the newest set."""
    systolic = _newest_set(record, site)[SYSTOLIC_BP_MMHG.name]
    if isinstance(systolic, Missing) or systolic.at is None:
        return systolic
    at = systolic.at
    # Newest first: what comes after those of that time is older.
    dated = ((o.at.start, o) for o in record.observations(concept("diastolic_bp").codes(site)) if o.at is not None)
    until = takewhile(lambda pair: pair[0] >= at.start, dated)
    together = [o for start, o in until if o.has_value and start == at.start]
    key = DIASTOLIC_BP_MMHG.searches[0].key
    if not together:
        return nothing_found(record, key, note="none was taken with the systolic pressure")
    answer = agreed(DIASTOLIC_BP_MMHG, in_one_order(together))
    if isinstance(answer, Gap):
        return Missing(answer, at)
    value, used = answer
    return Reading(value, used.at, (used.source.cited,), partly(record, key))


DIASTOLIC_BP_MMHG = Feature(
    "diastolic_bp_mmhg",
    "diastolic blood pressure",
    Kind.QUANTITY,
    unit="mm[Hg]",
    above_zero=True,
    searches=(vital_signs("diastolic_bp"), *SYSTOLIC_BP_MMHG.searches),
    unverified=(*concept("diastolic_bp").unverified, *SYSTOLIC_BP_MMHG.unverified),
    window=SYSTOLIC_BP_MMHG.window,
    read=_diastolic,
)

# At presentation, says the score; it sets no window.
_TODAY: Final = Window(hours=24)
# Urea in mg/dL is refused: it may be the mass of urea or that of its nitrogen (design/contract.md section 5).
UREA_MMOL_L = replace(
    latest_quantity(
        "urea_mmol_l",
        "urea",
        laboratory("urea_nitrogen"),
        of="urea_nitrogen",
        unit="mmol/L",
        above_zero=True,
        within=_TODAY,
    ),
    required=False,
)
# Read from a chart only where it is given as a mass: what is molar is urea. Plain values may come in either.
BUN_MG_DL = replace(
    latest_quantity(
        "bun_mg_dl",
        "urea nitrogen (BUN)",
        laboratory("urea_nitrogen"),
        of="urea_nitrogen",
        unit="mg/dL",
        above_zero=True,
        within=_TODAY,
    ),
    required=False,
    analyte="urea",
)
