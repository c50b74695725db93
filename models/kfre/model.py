"""KFRE: what it needs, whom it is for, and its equation; every number is in parameters.toml."""

from collections.abc import Mapping
from math import exp, log
from pathlib import Path
from typing import Any, Final

from fhir_client.record import PatientRecord
from models.assessment import Driver, Gap, Missing, Reading
from models.features.conditions import KIDNEY_REPLACEMENT, PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED, SEX
from models.features.feature import Answer, Feature, Kind
from models.features.kidney import STABLE_EGFR_ML_MIN_1_73M2
from models.features.labs import ACR_MG_G
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion
from models.site import Site

PARAMETERS: Final = load(Path(__file__).parent)

_B: Final[Mapping[str, float]] = PARAMETERS["coefficients"]
_CENTRE: Final[Mapping[str, float]] = PARAMETERS["centres"]
_SCALE: Final[Mapping[str, float]] = PARAMETERS["scales"]
_SURVIVAL: Final[Mapping[str, Mapping[str, float]]] = {
    parameter.when["region"]: parameter.value
    for parameter in PARAMETERS.by_name.values()
    if parameter.name.startswith("survival_")
}


def _region(record: PatientRecord, site: Site) -> Answer:  # noqa: ARG001 - every reader takes the record
    if site.kidney_failure_region is None:
        return Missing(Gap.NOT_CONFIGURED)
    return Reading(site.kidney_failure_region)


# Which baseline survival fits is the hospital's decision: there is no default (models.md 4.2).
REGION = Feature("region", "calibration region", Kind.CHOICE, choices=tuple(_SURVIVAL), read=_region)

_FEATURES = (SEX, AGE_YEARS, STABLE_EGFR_ML_MIN_1_73M2, ACR_MG_G, REGION)


def _contributions(values: Mapping[str, Any]) -> dict[str, float]:
    return {
        "sex": _B["male"] * ((values["sex"] == "male") - _CENTRE["male"]),
        "age_years": _B["age"] * (values["age_years"] / _SCALE["age"] - _CENTRE["age"]),
        "egfr_ml_min_1_73m2": _B["egfr"] * (values["egfr_ml_min_1_73m2"] / _SCALE["egfr"] - _CENTRE["egfr"]),
        "acr_mg_g": _B["ln_acr"] * (log(values["acr_mg_g"]) - _CENTRE["ln_acr"]),
    }


def compute(values: Mapping[str, Any]) -> dict[str, float]:
    """Give the probability of dialysis or transplant within 2 and 5 years."""
    hazard = exp(sum(_contributions(values).values()))
    return {name: 1 - survival**hazard for name, survival in _SURVIVAL[values["region"]].items()}


def drive(values: Mapping[str, Any]) -> dict[str, tuple[Driver, ...]]:
    """Give each input's part of the log hazard, against the average patient of the equation; alike for both spans."""
    labels = {feature.name: feature.label for feature in _FEATURES}
    drivers = tuple(Driver(name, labels[name], amount) for name, amount in _contributions(values).items())
    return dict.fromkeys(_SURVIVAL[values["region"]], drivers)


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(
        PARAMETERS,
        _FEATURES,
        ("risk_2y", "dialysis or kidney transplant within 2 years", ""),
        ("risk_5y", "dialysis or kidney transplant within 5 years", ""),
    ),
    compute=compute,
    drive=drive,
    domain=(
        Domain.of(AGE_YEARS, PARAMETERS["age_range"]),
        Domain.of(STABLE_EGFR_ML_MIN_1_73M2, PARAMETERS["egfr_range"]),
    ),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(KIDNEY_REPLACEMENT, "dialysis, end-stage kidney disease or kidney transplant", blocks=True),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
    ),
    notes=("competing risk of death not modelled",),
)
