"""Laboratory results. Windows and plausible ranges: models.md 0.3.2, 4.2 and 5."""

from models.features.readers import latest_quantity
from models.features.searches import laboratory
from models.features.windows import Window

TOTAL_CHOLESTEROL_MG_DL = latest_quantity(
    "total_cholesterol_mg_dl",
    "total cholesterol",
    laboratory("total_cholesterol"),
    of="total_cholesterol",
    unit="mg/dL",
    analyte="cholesterol",
    above_zero=True,
    within=Window(months=60),
)
HDL_CHOLESTEROL_MG_DL = latest_quantity(
    "hdl_cholesterol_mg_dl",
    "HDL cholesterol",
    laboratory("hdl_cholesterol"),
    of="hdl_cholesterol",
    unit="mg/dL",
    analyte="cholesterol",
    above_zero=True,
    within=Window(months=60),
)
CREATININE_MG_DL = latest_quantity(
    "creatinine_mg_dl",
    "creatinine",
    laboratory("creatinine"),
    of="creatinine",
    unit="mg/dL",
    analyte="creatinine",
    plausible=(0.1, 25),
    within=Window(months=12),
)
REPORTED_EGFR_ML_MIN_1_73M2 = latest_quantity(
    "egfr_ml_min_1_73m2",
    "eGFR",
    laboratory("egfr_reported"),
    of="egfr_reported",
    unit="mL/min/{1.73_m2}",
    within=Window(months=12),
)
ACR_MG_G = latest_quantity(
    "acr_mg_g",
    "urine albumin/creatinine ratio",
    laboratory("urine_acr"),
    of="urine_acr",
    unit="mg/g",
    analyte="albumin_creatinine_ratio",
    above_zero=True,
    within=Window(months=24),
)
