"""The creatinine rule of KDIGO 2012 with the baseline of NHS England; every number is in parameters.toml."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from models.parameters import load

PARAMETERS: Final = load(Path(__file__).parent)

_RATIOS: Final[Sequence[Mapping[str, float]]] = PARAMETERS["ratios"]
_RISE: Final[Mapping[str, float]] = PARAMETERS["rise"]
_RISE_WITHIN: Final = timedelta(hours=PARAMETERS["rise"]["within_hours"])
_HIGH: Final[Mapping[str, float]] = PARAMETERS["high"]
_RECENT_DAY: Final[int] = PARAMETERS["baseline"]["recent_to_day"]
_EARLIEST_DAY: Final[int] = PARAMETERS["baseline"]["earlier_to_day"]
# Closer than any laboratory reports: in floats 1.4 - 1.1 is less than 0.3.
_FLOAT_DIGITS: Final = 9

REACHES_BACK: Final = timedelta(days=_EARLIEST_DAY + 1)
"""How far before the newest value another one can matter."""


class Creatinine(NamedTuple):
    """One creatinine in mg/dL and when it was taken."""

    at: datetime
    mg_dl: float


@dataclass(frozen=True, slots=True)
class Judged:
    """The stage of the newest value, and the baseline that gave the higher ratio."""

    stage: int
    baseline_mg_dl: float


def judge(series: Iterable[Creatinine]) -> Judged | None:
    """Stage the newest value against those before it; None where there is no baseline.

    Of several values of the newest time the highest counts.
    """
    ordered = sorted(series)
    if not ordered:
        return None
    newest = ordered[-1]
    before = [value for value in ordered if value.at < newest.at]
    baseline = _baseline(newest, before)
    if baseline is None:
        return None
    stage = max(_by_ratio(newest.mg_dl, baseline), _by_rise(newest, before))
    if stage and newest.mg_dl >= _HIGH["at_least"]:
        stage = int(_HIGH["stage"])
    return Judged(stage, baseline)


def _baseline(newest: Creatinine, before: Iterable[Creatinine]) -> float | None:
    recent, earlier = [], []
    for value in before:
        days = (newest.at - value.at).days
        if days <= _RECENT_DAY:
            recent.append(value.mg_dl)
        elif days <= _EARLIEST_DAY:
            earlier.append(value.mg_dl)
    # The lower baseline is the one with the higher ratio.
    return min([*recent, *([median(earlier)] if earlier else [])], default=None)


def _by_ratio(mg_dl: float, baseline: float) -> int:
    ratio = round(mg_dl / baseline, _FLOAT_DIGITS)
    return next((int(row["stage"]) for row in _RATIOS if ratio >= row["from"]), 0)


def _by_rise(newest: Creatinine, before: Iterable[Creatinine]) -> int:
    recent = [value.mg_dl for value in before if newest.at - value.at <= _RISE_WITHIN]
    rise = round(newest.mg_dl - min(recent, default=newest.mg_dl), _FLOAT_DIGITS)
    return int(_RISE["stage"]) if rise >= _RISE["at_least"] else 0
