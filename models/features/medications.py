"""What the patient takes, by active order."""

from models.features.truths import active_ingredient

BP_TREATED = active_ingredient("bp_treated", "blood pressure treated", of="antihypertensives")
STATIN = active_ingredient("statin", "statin", of="statins")
