"""LACE: what it needs, whom it is for, and its points; every number is in parameters.toml."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from fhir_client.codes import ICD_10_CM, Code
from models.concepts import concept
from models.features.comorbidities import ICD10, found_categories
from models.features.conditions import PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED
from models.features.feature import Feature, Kind
from models.features.stay import ACUTE_ADMISSION, ED_VISITS_6M, LENGTH_OF_STAY_DAYS, WITHOUT_STAY
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion
from models.site import Site

PARAMETERS: Final = load(Path(__file__).parent)

# The sum of LACE's own weights, for those who have it; a chart and a list of codes are weighed here.
COMORBIDITY_POINTS: Final = Feature(
    "comorbidity_points", "comorbidity by the weights of LACE", Kind.COUNT, plausible=(0, 50), required=False
)
_FEATURES: Final = (
    LENGTH_OF_STAY_DAYS,
    ACUTE_ADMISSION,
    COMORBIDITY_POINTS,
    replace(ICD10, required=False),
    ED_VISITS_6M,
)
_WEIGHTS: Final[Mapping[str, int]] = PARAMETERS["weights"]
_SUPERSEDED_BY: Final[Mapping[str, str]] = PARAMETERS["superseded_by"]
_SEVERE_RENAL: Final = concept("lace_severe_renal").codes(Site())
_MILD: Final = "mild_liver_or_renal"
_GRAVE: Final = "moderate_severe_liver_or_renal"
_ITEM_OF: Final = {"mild_liver": _MILD, "moderate_severe_liver": _GRAVE}
_FLOAT_DIGITS: Final = 9  # closer than any clock: 72 hours are three days


def _row(table: str, value: float) -> int:
    rows: Sequence[Mapping[str, float]] = PARAMETERS[table]
    given = round(float(value), _FLOAT_DIGITS)
    return int(next(row["points"] for row in rows if given < row.get("below", float("inf"))))


def comorbidity(codes: Iterable[str]) -> int:
    """Give the sum of LACE's weights for dotless ICD-10 codes."""
    given = tuple(codes)
    is_grave = _SEVERE_RENAL.matches(Code(ICD_10_CM, code) for code in given)
    items = set()
    for category in found_categories(given, _SUPERSEDED_BY):
        renal = _GRAVE if is_grave else _MILD
        items.add(renal if category == "renal" else _ITEM_OF.get(category, category))
    return sum(_WEIGHTS.get(item, 0) for item in items)


def compute(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the total, and the points of each letter by the name of its input."""
    given = values.get(COMORBIDITY_POINTS.name)
    weighed = comorbidity(values[ICD10.name]) if given is None else given
    parts = {
        "length_of_stay_days": _row("length_of_stay_days", values["length_of_stay_days"]),
        "acute_admission": int(PARAMETERS["acute_admission"]) if values["acute_admission"] else 0,
        "comorbidity_points": _row("comorbidity_points", weighed),
        "ed_visits_6m": _row("ed_visits_6m", values["ed_visits_6m"]),
    }
    return {"points": sum(parts.values()), "parts": parts}


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(
        PARAMETERS, _FEATURES, ("points", "LACE points", ""), ("parts", "points of each of its four letters", "")
    ),
    compute=compute,
    chart_domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(WITHOUT_STAY, "no inpatient stay goes on or is named"),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
    ),
    one_of=((COMORBIDITY_POINTS.name, ICD10.name),),
    notes=("ranks the need for a safe transition; no reason to delay a discharge",),
)
