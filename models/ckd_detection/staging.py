"""A stages, and what it means that a result has lasted; every number is in parameters.toml."""

from collections.abc import Callable, Iterable
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
_READ_AT_LEAST: Final = 4


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a series, with its time and the resource it came from."""

    value: float
    at: Interval
    source: str

    def to_json(self) -> dict[str, Any]:
        """Give value and time, as results show them."""
        return {"value": self.value, "at": self.at.text or self.at.start.isoformat(), "source": self.source}


@dataclass(frozen=True, slots=True)
class History:
    """A series, newest first, as far back as it was read, and whether what it shows has lasted.

    At least the newest four are read where there are so many, for a reader; further only what the criteria need.
    """

    points: tuple[Point, ...]
    lasts: bool


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


def egfr_history(points: Iterable[Point]) -> History:
    """Read back to the first that shows a low eGFR to have lasted: the newest is low, and one 90 days before it."""
    return _history(points, is_low_egfr)


def acr_history(points: Iterable[Point]) -> History:
    """Read back to the first that shows a raised ACR to have lasted: the newest is raised, and one 90 days before."""
    return _history(points, lambda value: value >= _RAISED_ACR)


def _history(points: Iterable[Point], meets: Callable[[float], bool]) -> History:
    read: list[Point] = []
    lasts = False
    for point in points:
        read.append(point)
        newest = read[0]
        is_decided = lasts or not meets(newest.value)
        if not is_decided and newest.at.start - point.at.start >= _APART and meets(point.value):
            lasts = is_decided = True
        if is_decided and len(read) >= _READ_AT_LEAST:
            break
    return History(tuple(read), lasts)
