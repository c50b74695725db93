"""Laboratory results. Windows and plausible ranges: models.md 0.3.2, 4.2 and 5; where those set none, a year."""

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
SODIUM_MMOL_L = latest_quantity(
    "sodium_mmol_l",
    "sodium",
    laboratory("sodium"),
    of="sodium",
    unit="mmol/L",
    analyte="sodium",
    plausible=(90, 200),
    within=Window(months=12),
)
HEMOGLOBIN_G_DL = latest_quantity(
    "hemoglobin_g_dl",
    "haemoglobin",
    laboratory("hemoglobin"),
    of="hemoglobin",
    unit="g/dL",
    plausible=(2, 25),
    within=Window(months=12),
)
BILIRUBIN_MG_DL = latest_quantity(
    "bilirubin_mg_dl",
    "bilirubin",
    laboratory("bilirubin"),
    of="bilirubin",
    unit="mg/dL",
    analyte="bilirubin",
    above_zero=True,
    within=Window(months=12),
)
INR = latest_quantity(
    "inr", "INR", laboratory("inr"), of="inr", unit="{INR}", above_zero=True, within=Window(months=12)
)
ALBUMIN_G_DL = latest_quantity(
    "albumin_g_dl",
    "albumin",
    laboratory("albumin"),
    of="albumin",
    unit="g/dL",
    above_zero=True,
    within=Window(months=12),
)
