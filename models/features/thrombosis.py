"""What tells of venous thrombosis, past or to come. Code sets: their files; windows: models.md 10."""

from typing import Final

from models.features.atrial_fibrillation import HEART_FAILURE
from models.features.logic import any_of, if_recorded, recent
from models.features.truths import active_ingredient, condition
from models.features.windows import Window

_MONTH: Final = Window(months=1)
_NOT_READ: Final = "procedures are not read"
_NOT_WRITTEN: Final = "a problem list need not say so"

PREVIOUS_VTE: Final = condition(
    "previous_vte", "earlier deep vein thrombosis or pulmonary embolism", of="venous_thromboembolism", ever=True
)
ACTIVE_CANCER: Final = condition("active_cancer", "active cancer", of="cancer")
THROMBOPHILIA: Final = condition("thrombophilia", "known thrombophilia", of="thrombophilia")

_REDUCED_MOBILITY: Final = condition("reduced_mobility", "bed rest", of="reduced_mobility")
_MAJOR_TRAUMA: Final = recent(
    "major_trauma",
    "recent injury",
    condition("major_trauma", "injury", of="major_trauma", ever=True),
    within=_MONTH,
)
REDUCED_MOBILITY: Final = if_recorded(
    "reduced_mobility", "bed rest for three days or more", _REDUCED_MOBILITY, if_not=_NOT_WRITTEN
)
RECENT_TRAUMA_OR_SURGERY: Final = if_recorded(
    "recent_trauma_or_surgery", "trauma or surgery within a month", _MAJOR_TRAUMA, if_not=_NOT_READ
)
IMMOBILIZED_OR_SURGERY: Final = if_recorded(
    "immobilized_or_surgery",
    "immobilised for three days, or surgery within four weeks",
    _REDUCED_MOBILITY,
    if_not=_NOT_READ,
)
HEMOPTYSIS: Final = if_recorded(
    "hemoptysis", "haemoptysis", condition("hemoptysis", "haemoptysis", of="hemoptysis"), if_not=_NOT_WRITTEN
)

HEART_OR_RESPIRATORY_FAILURE: Final = any_of(
    "heart_or_respiratory_failure",
    "heart or respiratory failure",
    HEART_FAILURE,
    condition("respiratory_failure", "respiratory failure", of="respiratory_failure"),
)
# Acute is what began within the month: a problem list keeps an infarction for years.
ACUTE_MI_OR_STROKE: Final = recent(
    "acute_mi_or_stroke",
    "acute myocardial infarction or ischaemic stroke",
    condition("infarction_or_stroke", "infarction or stroke", of="infarction_or_ischaemic_stroke", ever=True),
    within=_MONTH,
)
ACUTE_INFECTION_OR_RHEUMATOLOGICAL: Final = any_of(
    "acute_infection_or_rheumatological",
    "acute infection or rheumatological disorder",
    recent(
        "acute_infection",
        "acute infection",
        condition("acute_infection", "acute infection", of="acute_infection"),
        within=_MONTH,
    ),
    condition("rheumatic_disease", "rheumatic disease", of="charlson_rheumatic"),
)
HORMONAL_TREATMENT: Final = active_ingredient("hormonal_treatment", "hormonal treatment", of="hormonal_treatment")
