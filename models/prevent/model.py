"""PREVENT: what it needs and whom it is for."""

from models.features.conditions import CARDIOVASCULAR_DISEASE, DIABETES, PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED, SEX
from models.features.kidney import STABLE_EGFR_ML_MIN_1_73M2
from models.features.labs import HDL_CHOLESTEROL_MG_DL, TOTAL_CHOLESTEROL_MG_DL
from models.features.medications import BP_TREATED, STATIN
from models.features.social import SMOKER
from models.features.vitals import BMI_KG_M2, SYSTOLIC_BP_MMHG
from models.prevent.equation import PARAMETERS, compute, drive
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

_FEATURES = (
    SEX,
    AGE_YEARS,
    TOTAL_CHOLESTEROL_MG_DL,
    HDL_CHOLESTEROL_MG_DL,
    SYSTOLIC_BP_MMHG,
    BP_TREATED,
    DIABETES,
    SMOKER,
    BMI_KG_M2,
    STABLE_EGFR_ML_MIN_1_73M2,
    STATIN,
)

MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(
        PARAMETERS,
        _FEATURES,
        ("cvd_10y", "cardiovascular disease within 10 years", ""),
        ("ascvd_10y", "atherosclerotic cardiovascular disease within 10 years", ""),
        ("hf_10y", "heart failure within 10 years", ""),
        ("cvd_30y", "cardiovascular disease within 30 years", ""),
        ("ascvd_30y", "atherosclerotic cardiovascular disease within 30 years", ""),
        ("hf_30y", "heart failure within 30 years", ""),
    ),
    compute=compute,
    drive=drive,
    domain=(
        Domain.of(AGE_YEARS, PARAMETERS["age_range"]),
        Domain.of(TOTAL_CHOLESTEROL_MG_DL, PARAMETERS["total_cholesterol_range"]),
        Domain.of(HDL_CHOLESTEROL_MG_DL, PARAMETERS["hdl_cholesterol_range"]),
        Domain.of(SYSTOLIC_BP_MMHG, PARAMETERS["systolic_bp_range"]),
        Domain.of(BMI_KG_M2, PARAMETERS["bmi_range"]),
        Domain.of(STABLE_EGFR_ML_MIN_1_73M2, PARAMETERS["egfr_range"]),
    ),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        # Made for people without known cardiovascular disease: an unreadable problem list leaves that open.
        Exclusion(CARDIOVASCULAR_DISEASE, "cardiovascular disease is already established", blocks=True),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
    ),
)
