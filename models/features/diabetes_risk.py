"""What tells of diabetes to come. What people eat, how they move and their families are not read from a chart."""

from dataclasses import replace
from typing import Final

from models.features.logic import noted
from models.features.medications import BP_TREATED
from models.features.readers import latest_quantity
from models.features.searches import vital_signs
from models.features.truths import active_ingredient, condition
from models.features.windows import Window

# As for the body weight (models.md 5): the source sets no window and gives no plausible range.
WAIST_CM: Final = latest_quantity(
    "waist_cm",
    "waist circumference",
    vital_signs("waist"),
    of="waist",
    unit="cm",
    plausible=(40, 250),
    within=Window(months=24),
)
ANTIHYPERTENSIVE: Final = replace(BP_TREATED, name="antihypertensive", label="drug for blood pressure")
HIGH_GLUCOSE_EVER: Final = noted(
    "high_glucose_ever",
    "high blood glucose ever",
    condition("high_glucose", "high blood glucose", of="high_glucose", ever=True),
    if_false="from the problem list; laboratory results are not read",
)
GLUCOSE_LOWERING_DRUG: Final = replace(
    active_ingredient("glucose_lowering_drug", "glucose-lowering drug", of="glucose_lowering_drugs"), required=False
)
