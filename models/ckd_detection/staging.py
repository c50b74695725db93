"""A stages, and what it means that a result has lasted; every number is in parameters.toml."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from fhir_client.codes import ICD_10_CM, Code
from fhir_client.times import Interval
from models.parameters import load

PARAMETERS: Final = load(Path(__file__).parent)

_LOW_EGFR: Final[float] = PARAMETERS["low_egfr"]["below"]
_RAISED_ACR: Final[float] = PARAMETERS["raised_acr"]["at_least"]
_APART: Final = timedelta(days=PARAMETERS["days_apart"])


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a series, with its time and the resource it came from."""

    value: float
    at: Interval
    source: str

    def to_json(self) -> dict[str, Any]:
        """Give value and time, as results show them."""
        return {"value": self.value, "at": self.at.text or self.at.start.isoformat(), "source": self.source}


def a_stage(acr_mg_g: float) -> str:
    """Give the KDIGO albuminuria category: 30 and 300 are both A2."""
    for row in PARAMETERS["a_stages"]:
        if acr_mg_g < row.get("below", float("-inf")) or acr_mg_g <= row.get("up_to", float("-inf")):
            return str(row["stage"])
    return str(PARAMETERS["a_stages"][-1]["stage"])


def is_low_egfr(egfr_ml_min_1_73m2: float) -> bool:
    """Tell whether the value is one of the two that the criteria ask for."""
    return egfr_ml_min_1_73m2 < _LOW_EGFR


def diagnosis(g_stage: str) -> tuple[Code, str]:
    """Give the ICD-10-CM code and display of chronic kidney disease in this GFR category."""
    found = PARAMETERS["diagnoses"][g_stage]
    return Code(ICD_10_CM, found["code"]), str(found["display"])


def egfr_stays_low(series: Sequence[Point]) -> bool:
    """Tell whether the newest eGFR is low and another was 90 or more days before; newest first."""
    return _lasts(series, is_low_egfr)


def acr_stays_raised(series: Sequence[Point]) -> bool:
    """Tell whether the newest ACR is raised and another was 90 or more days before; newest first."""
    return _lasts(series, lambda value: value >= _RAISED_ACR)


def _lasts(series: Sequence[Point], meets: Callable[[float], bool]) -> bool:
    if not series or not meets(series[0].value):
        return False
    newest = series[0].at
    return any(meets(point.value) and newest.start - point.at.start >= _APART for point in series[1:])
