"""The creatinine rule of AKI stage 1, read over the last 90 days; every number is in parameters.toml."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final

from models.parameters import load

PARAMETERS: Final = load(Path(__file__).parent)

_LOOK_BACK: Final = timedelta(days=PARAMETERS["look_back_days"])
_RATIO: Final[float] = PARAMETERS["ratio"]["at_least"]
_LOWEST_IN: Final = timedelta(days=PARAMETERS["ratio"]["of_lowest_in_days"])
_RISE: Final[float] = PARAMETERS["rise"]["at_least"]
_RISE_WITHIN: Final = timedelta(hours=PARAMETERS["rise"]["within_hours"])
_BASELINE_FROM: Final = timedelta(days=PARAMETERS["baseline"]["from_days"])
_BASELINE_TO: Final = timedelta(days=PARAMETERS["baseline"]["to_days"])
# Closer than any laboratory reports: in floats 1.4 - 1.1 is less than 0.3.
_FLOAT_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Creatinine:
    """One creatinine in mg/dL and when it was taken."""

    at: datetime
    mg_dl: float


def reaches_back(as_of: datetime) -> datetime:
    """Give the time before which no value matters."""
    return as_of - _LOOK_BACK - _BASELINE_TO


def unstable_since(series: Sequence[Creatinine], as_of: datetime) -> datetime | None:
    """Give the time of the newest value of the last 90 days that rose as in AKI, None if none did."""
    flagged = [
        value.at
        for value in series
        if as_of - value.at <= _LOOK_BACK and _rose(value, [earlier for earlier in series if earlier.at < value.at])
    ]
    return max(flagged, default=None)


def _rose(value: Creatinine, before: Sequence[Creatinine]) -> bool:
    recent = [e.mg_dl for e in before if value.at - e.at <= _RISE_WITHIN]
    week = [e.mg_dl for e in before if value.at - e.at <= _LOWEST_IN]
    year = [e.mg_dl for e in before if _BASELINE_FROM <= value.at - e.at <= _BASELINE_TO]
    return (
        (bool(recent) and round(value.mg_dl - min(recent), _FLOAT_DIGITS) >= _RISE)
        or (bool(week) and round(value.mg_dl / min(week), _FLOAT_DIGITS) >= _RATIO)
        or (bool(year) and round(value.mg_dl / median(year), _FLOAT_DIGITS) >= _RATIO)
    )
