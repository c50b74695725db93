"""Where a PREVENT result begins to matter, by the guidelines that use it; the numbers stand in parameters.toml."""

from pathlib import Path

from models.parameters import load

_PARAMETERS = load(Path(__file__).parent)
_CATEGORIES = _PARAMETERS["ascvd_10y_categories"]
_TREATMENT = _PARAMETERS["blood_pressure_treatment_10y"]["at_least"]


def ascvd_category(ascvd_10y: float) -> str:
    """Give the category of a 10-year ASCVD probability: low, borderline, intermediate or high."""
    for row in _CATEGORIES:
        if "below" not in row or ascvd_10y < row["below"]:
            return str(row["category"])
    message = "the last category has no upper bound"
    raise AssertionError(message)


def reaches_blood_pressure_threshold(cvd_10y: float) -> bool:
    """Tell whether a 10-year total CVD probability reaches the threshold for drug treatment of stage 1 hypertension."""
    return bool(cvd_10y >= _TREATMENT)
