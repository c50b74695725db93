"""CKD-EPI 2021: what it needs and whom it is for."""

from models.ckd_epi_2021.equation import PARAMETERS, compute
from models.features.conditions import KIDNEY_REPLACEMENT, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED, SEX
from models.features.labs import CREATININE_MG_DL
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

_FEATURES = (SEX, AGE_YEARS, CREATININE_MG_DL)

MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(
        PARAMETERS,
        _FEATURES,
        ("egfr_ml_min_1_73m2", "eGFR", "mL/min/{1.73_m2}"),
        ("g_stage", "KDIGO GFR category", ""),
    ),
    compute=compute,
    domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(KIDNEY_REPLACEMENT, "dialysis, end-stage kidney disease or kidney transplant"),
    ),
)
