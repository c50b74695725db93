"""The creatinine rule of AKI stage 1, read over the last 90 days; every number is in parameters.toml."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

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


class Creatinine(NamedTuple):
    """One creatinine in mg/dL and when it was taken."""

    at: datetime
    mg_dl: float


def reaches_back(as_of: datetime) -> datetime:
    """Give the time before which no value matters."""
    return as_of - _LOOK_BACK - _BASELINE_TO


def unstable_since(series: Iterable[Creatinine], as_of: datetime) -> datetime | None:
    """Give the time of the newest value of the last 90 days that rose as in AKI, None if none did."""
    values = list(series)
    levels = [value.mg_dl for value in values]
    # Most charts have nothing so low that anything could have risen from it: nothing is put in order there.
    if not levels or not _is_far_above(max(levels), min(levels)):
        return None
    values.sort()
    times, levels, lowest = [value.at for value in values], [value.mg_dl for value in values], min(levels)
    for value in reversed(values):
        if as_of - value.at > _LOOK_BACK:
            return None
        if _is_far_above(value.mg_dl, lowest) and _rose(value, times, levels):
            return value.at
    return None


def _rose(value: Creatinine, times: Sequence[datetime], levels: Sequence[float]) -> bool:
    before = bisect_left(times, value.at)
    recent = levels[bisect_left(times, value.at - _RISE_WITHIN) : before]
    week = levels[bisect_left(times, value.at - _LOWEST_IN) : before]
    if (recent and _is_rise(value.mg_dl, min(recent))) or (week and _is_multiple(value.mg_dl, min(week))):
        return True
    year = levels[bisect_left(times, value.at - _BASELINE_TO) : bisect_right(times, value.at - _BASELINE_FROM)]
    return bool(year) and _is_multiple(value.mg_dl, median(year))


def _is_far_above(mg_dl: float, lowest: float) -> bool:
    """Tell whether a value is so far above the lowest of all that it may have risen, whenever that was."""
    return _is_rise(mg_dl, lowest) or _is_multiple(mg_dl, lowest)


def _is_rise(mg_dl: float, before: float) -> bool:
    return round(mg_dl - before, _FLOAT_DIGITS) >= _RISE


def _is_multiple(mg_dl: float, before: float) -> bool:
    return round(mg_dl / before, _FLOAT_DIGITS) >= _RATIO
