"""MME: what it needs and how it is counted; every factor is in parameters.toml.

For comparing doses with a threshold, never for changing one opioid into another (MMWR Recomm Rep 2022;71(3)).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fhir_client.units import convert
from models.assessment import Gap, Missing
from models.features.conditions import PALLIATIVE_CARE
from models.features.demographics import DECEASED
from models.features.thrombosis import ACTIVE_CANCER
from models.features.truths import condition
from models.mme.opioids import DAILY_DOSE, MG_A_DAY, PATCH, RXCUI, UNIT, opioids_in
from models.mme.orders import OPIOIDS
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Exclusion

PARAMETERS: Final = load(Path(__file__).parent)

SICKLE_CELL_DISEASE: Final = condition("sickle_cell_disease", "sickle-cell disease", of="sickle_cell_disease")
_FEATURES: Final = (OPIOIDS,)
_FACTORS: Final[Mapping[str, float]] = PARAMETERS["factors"]
_PATCH_FACTORS: Final[Mapping[str, float]] = PARAMETERS["patch_factors"]
# Closer than any tablet: takes away what floats add, so that 33.33 mg thrice is not above the threshold by a hair.
_FLOAT_DIGITS: Final = 9


def equivalent(row: Mapping[str, Any]) -> float | None:
    """Give what one opioid amounts to a day; None where the source has no factor for the drug as it is given.

    Micrograms an hour are a patch. The same fentanyl by mouth or vein has no factor, and neither has any other patch.
    """
    found = opioids_in(row[RXCUI])
    if found is None or len(found) != 1:
        return None
    (ingredient,) = found
    if row[UNIT] == PATCH:
        factor, dose = _PATCH_FACTORS.get(ingredient), row[DAILY_DOSE]
    else:
        factor, dose = _FACTORS.get(ingredient), convert(row[DAILY_DOSE], row[UNIT], MG_A_DAY)
    return None if factor is None else round(dose * factor, _FLOAT_DIGITS)


def compute(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the sum, what each opioid adds to it, and the codes of those that could not be converted.

    Where there are any of those, the sum is `at least`.
    """
    parts, not_convertible = [], []
    for row in values[OPIOIDS.name]:
        amount = equivalent(row)
        if amount is None:
            not_convertible.append(row[RXCUI])
        else:
            parts.append({RXCUI: row[RXCUI], "mme_per_day": amount})
    total = round(sum(part["mme_per_day"] for part in parts), _FLOAT_DIGITS)
    return {"mme_per_day": total, "parts": parts, "not_convertible": not_convertible}


def lacking(values: Mapping[str, Any]) -> dict[str, Missing]:
    """Say that a list of which nothing converts tells no sum: zero would read as harmless."""
    if any(equivalent(row) is not None for row in values[OPIOIDS.name]):
        return {}
    return {OPIOIDS.name: Missing(Gap.NOT_RECORDED, note="none of them can be converted")}


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(
        PARAMETERS,
        _FEATURES,
        ("mme_per_day", "morphine milligram equivalents a day", "mg/d"),
        ("parts", "equivalents of each opioid", "mg/d"),
        ("not_convertible", "opioids without a factor", ""),
    ),
    compute=compute,
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(ACTIVE_CANCER, "cancer on the problem list"),
        Exclusion(SICKLE_CELL_DISEASE, "sickle-cell disease"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
    ),
    notes=("never for changing one opioid into another",),
    lacking=lacking,
)
