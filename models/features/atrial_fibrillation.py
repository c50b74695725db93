"""What tells of stroke and bleeding in atrial fibrillation. Code sets: models.md 7."""

from typing import Final

from fhir_client.record import PatientRecord
from models.assessment import Gap, Missing, Reading
from models.features.feature import Answer, Feature, Kind
from models.features.logic import any_of, unless
from models.features.readers import latest_quantity
from models.features.searches import social_history
from models.features.truths import active_ingredient, condition
from models.features.windows import Window
from models.site import Site

# Fibrillation comes and goes: one that is marked as over still calls for the question.
ATRIAL_FIBRILLATION = condition("atrial_fibrillation", "atrial fibrillation", of="atrial_fibrillation", ever=True)
WITHOUT_ATRIAL_FIBRILLATION = unless("without_atrial_fibrillation", "atrial fibrillation", ATRIAL_FIBRILLATION)
VALVULAR_ATRIAL_FIBRILLATION = condition(
    "valvular_atrial_fibrillation",
    "rheumatic mitral disease or mechanical valve",
    of="valvular_atrial_fibrillation",
    ever=True,
)

# History counts in all of these (Lip GYH, Chest 2010;137:263; Pisters R, Chest 2010;138:1093).
HEART_FAILURE = condition("heart_failure", "heart failure", of="heart_failure", ever=True)
STROKE_TIA_THROMBOEMBOLISM = condition(
    "stroke_tia_thromboembolism", "stroke, TIA or thromboembolism", of="stroke_tia_thromboembolism", ever=True
)
VASCULAR_DISEASE = condition("vascular_disease", "vascular disease", of="vascular_disease", ever=True)
STROKE = condition("stroke", "stroke", of="stroke", ever=True)
BLEEDING = any_of(
    "bleeding",
    "bleeding history or predisposition",
    condition("major_bleeding", "major bleeding", of="major_bleeding", ever=True),
    condition("bleeding_predisposition", "anaemia or bleeding disorder", of="bleeding_predisposition"),
)

ANTIPLATELET_OR_NSAID = any_of(
    "antiplatelet_or_nsaid",
    "antiplatelet drug or NSAID",
    active_ingredient("antiplatelet", "antiplatelet drug", of="antiplatelets"),
    active_ingredient("nsaid", "NSAID", of="nsaids"),
)
VITAMIN_K_ANTAGONIST = active_ingredient("vitamin_k_antagonist", "vitamin K antagonist", of="vitamin_k_antagonists")
ORAL_ANTICOAGULANT = active_ingredient("oral_anticoagulant", "oral anticoagulant", of="oral_anticoagulants")


def _labile_inr(record: PatientRecord, site: Site) -> Answer:
    """Tell that there is no labile INR where no vitamin K antagonist is taken; a chart tells no more."""
    taken = VITAMIN_K_ANTAGONIST.answer(record, site)
    if isinstance(taken, Missing):
        return taken
    if taken.value:
        return Missing(Gap.NOT_RECORDED, taken.at, "the time in therapeutic range is not read from a chart")
    return Reading(value=False, note="no vitamin K antagonist")


LABILE_INR = Feature(
    "labile_inr",
    "labile INR",
    Kind.TRUTH,
    searches=VITAMIN_K_ANTAGONIST.searches,
    unverified=VITAMIN_K_ANTAGONIST.unverified,
    window=VITAMIN_K_ANTAGONIST.window,
    read=_labile_inr,
)

# The source sets no window; two years, as for other habits of the body that change slowly.
_ALCOHOL_WITHIN: Final = Window(months=24)
ALCOHOL_DRINKS_PER_WEEK = latest_quantity(
    "alcohol_drinks_per_week",
    "alcoholic drinks a week",
    social_history("alcohol_use"),
    of="alcohol_use",
    unit="/wk",
    plausible=(0, 1_000),
    within=_ALCOHOL_WITHIN,
)
