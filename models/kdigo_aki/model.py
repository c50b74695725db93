"""KDIGO-AKI: what it needs and whom it is for."""

from collections.abc import Mapping
from typing import Any, Final

from models.assessment import Gap, Missing
from models.features.conditions import END_STAGE_KIDNEY_DISEASE, PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED
from models.features.feature import Feature, Kind
from models.kdigo_aki.creatinines import CREATININES, TIME, VALUE
from models.kdigo_aki.staging import PARAMETERS, Creatinine, Judged, judge
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

# Dialysis for an acute injury is a procedure of these days: no problem list tells of it, so a chart does not.
DIALYSIS: Final = Feature("dialysis", "dialysis for this injury", Kind.TRUTH, required=False)
_FEATURES: Final = (CREATININES, DIALYSIS)
_BY_DIALYSIS: Final[int] = PARAMETERS["dialysis"]["stage"]


def _judged(values: Mapping[str, Any]) -> Judged | None:
    return judge(Creatinine(row[TIME], row[VALUE]) for row in values[CREATININES.name])


def compute(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the stage, and the baseline it was measured by; dialysis is stage 3 with a baseline or without."""
    judged = _judged(values)
    if judged is None:  # only dialysis gets here without a baseline: see `lacking`
        return {"stage": _BY_DIALYSIS}
    stage = _BY_DIALYSIS if values.get("dialysis") else judged.stage
    return {"stage": stage, "baseline_mg_dl": judged.baseline_mg_dl}


def lacking(values: Mapping[str, Any]) -> dict[str, Missing]:
    """Say that a series without a baseline tells no stage: none is made up from a normal eGFR (models.md 4.3)."""
    if values.get("dialysis") or _judged(values) is not None:
        return {}
    return {CREATININES.name: Missing(Gap.NOT_RECORDED, note="no baseline: no earlier value within 365 days")}


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(
        PARAMETERS,
        _FEATURES,
        ("stage", "stage of acute kidney injury", ""),
        ("baseline_mg_dl", "baseline creatinine", "mg/dL"),
    ),
    compute=compute,
    chart_domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(END_STAGE_KIDNEY_DISEASE, "end-stage kidney disease or chronic dialysis"),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
    ),
    notes=("by creatinine alone: urine output is not read",),
    lacking=lacking,
)
