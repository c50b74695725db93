"""LACE: what it needs, whom it is for, and its points; every number is in parameters.toml."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from fhir_client.codes import ICD_10_CM, Code
from models.assessment import Input, Reading
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


_LETTERS: Final = tuple(each.name for each in (LENGTH_OF_STAY_DAYS, ACUTE_ADMISSION, COMORBIDITY_POINTS, ED_VISITS_6M))


@dataclass(frozen=True, slots=True)
class Known:
    """The points of the letters that are known, and between what the whole score lies."""

    parts: Mapping[str, int]
    least: int
    most: int


def _points(letter: str, value: float) -> int:
    if letter == ACUTE_ADMISSION.name:
        return int(PARAMETERS[letter]) if value else 0
    rows: Sequence[Mapping[str, float]] = PARAMETERS[letter]
    given = round(float(value), _FLOAT_DIGITS)
    return int(next(row["points"] for row in rows if given < row.get("below", float("inf"))))


_MOST: Final = {letter: _points(letter, 1 if letter == ACUTE_ADMISSION.name else float("1e9")) for letter in _LETTERS}


def comorbidity(codes: Iterable[str]) -> int:
    """Give the sum of LACE's weights for dotless ICD-10 codes."""
    given = tuple(codes)
    is_grave = _SEVERE_RENAL.matches(Code(ICD_10_CM, code) for code in given)
    items = set()
    for category in found_categories(given, _SUPERSEDED_BY):
        renal = _GRAVE if is_grave else _MILD
        items.add(renal if category == "renal" else _ITEM_OF.get(category, category))
    return sum(_WEIGHTS.get(item, 0) for item in items)


def _parts(values: Mapping[str, Any]) -> dict[str, int]:
    """Give the points of each letter that is known, by the name of its input."""
    given = dict(values)
    if given.get(COMORBIDITY_POINTS.name) is None and ICD10.name in given:
        given[COMORBIDITY_POINTS.name] = comorbidity(given[ICD10.name])
    return {letter: _points(letter, given[letter]) for letter in _LETTERS if given.get(letter) is not None}


def compute(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the total, and the points of each letter by the name of its input."""
    parts = _parts(values)
    return {"points": sum(parts.values()), "parts": parts}


def known_points(inputs: Iterable[Input]) -> Known:
    """Give the points of what is known, and what the whole score has at least and at most.

    How a patient was admitted is seldom coded, and often makes no difference.
    """
    parts = _parts({each.name: each.reading.used for each in inputs if isinstance(each.reading, Reading)})
    least = sum(parts.values())
    return Known(parts, least, least + sum(most for letter, most in _MOST.items() if letter not in parts))


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
