"""Vital signs of an outpatient; those of one observation set are in observation_set. Windows: models.md 5."""

from fhir_client.record import PatientRecord
from models.assessment import Gap, Missing, Reading
from models.features.feature import Answer, Feature, Kind
from models.features.readers import latest_quantity, mean_of_last_two_outpatient
from models.features.searches import vital_signs
from models.features.windows import Window
from models.site import Site

_BMI_WINDOW = Window(months=24)
_CM_A_METRE = 100

SYSTOLIC_BP_MMHG = mean_of_last_two_outpatient(
    "systolic_bp_mmhg",
    "systolic blood pressure",
    vital_signs("systolic_bp"),
    of="systolic_bp",
    unit="mm[Hg]",
    plausible=(40, 300),
    within=Window(months=12),
)
WEIGHT_KG = latest_quantity(
    "weight_kg",
    "body weight",
    vital_signs("weight"),
    of="weight",
    unit="kg",
    plausible=(20, 400),
    within=_BMI_WINDOW,
)
# An adult's height holds: no window is given for it in the source; ten years keep out what was measured in childhood.
HEIGHT_CM = latest_quantity(
    "height_cm",
    "body height",
    vital_signs("height"),
    of="height",
    unit="cm",
    plausible=(100, 250),
    within=Window(months=120),
)
_REPORTED_BMI = latest_quantity(
    "bmi_kg_m2",
    "BMI",
    vital_signs("bmi"),
    of="bmi",
    unit="kg/m2",
    within=_BMI_WINDOW,
)


def _bmi(record: PatientRecord, site: Site) -> Answer:
    """Take the reported index, or where there is none in the window that of height and weight."""
    reported = _REPORTED_BMI.answer(record, site)
    if isinstance(reported, Reading) or reported.gap not in (Gap.NOT_RECORDED, Gap.TOO_OLD):
        return reported
    weight, height = WEIGHT_KG.answer(record, site), HEIGHT_CM.answer(record, site)
    if isinstance(weight, Missing) or isinstance(height, Missing):
        return reported
    metres = float(height.value) / _CM_A_METRE
    note = "from height and weight"
    return Reading(float(weight.value) / metres**2, weight.at, (*weight.sources, *height.sources), note)


BMI_KG_M2 = Feature(
    "bmi_kg_m2",
    "BMI",
    Kind.QUANTITY,
    unit="kg/m2",
    searches=(vital_signs("bmi", "weight", "height"),),
    unverified=(*_REPORTED_BMI.unverified, *WEIGHT_KG.unverified, *HEIGHT_CM.unverified),
    window=str(_BMI_WINDOW),
    read=_bmi,
)
