"""CHA2DS2-VASc: CHA2DS2-VA and the point for women; every number is in parameters.toml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from models.assessment import Driver
from models.cha2ds2_va import model as cha2ds2_va
from models.features.demographics import AGE_YEARS, SEX
from models.parameters import load
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain

PARAMETERS: Final = load(Path(__file__).parent)

_FEATURES: Final = (SEX, *cha2ds2_va.FEATURES)
_OF_SEX: Final[Mapping[str, int]] = PARAMETERS["sex_points"]


def _parts(values: Mapping[str, Any]) -> dict[str, int]:
    return {"sex": _OF_SEX[values["sex"]], **cha2ds2_va.parts_of(PARAMETERS, values)}


def compute(values: Mapping[str, Any]) -> dict[str, int]:
    """Give the total."""
    return {"points": sum(_parts(values).values())}


def drive(values: Mapping[str, Any]) -> dict[str, tuple[Driver, ...]]:
    """Give the points of each input."""
    labels = {feature.name: feature.label for feature in _FEATURES}
    return {"points": tuple(Driver(name, labels[name], amount) for name, amount in _parts(values).items())}


MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(PARAMETERS, _FEATURES, ("points", "CHA2DS2-VASc points", "")),
    compute=compute,
    drive=drive,
    domain=(Domain.of(AGE_YEARS, PARAMETERS["age_range"]),),
    exclusions=cha2ds2_va.EXCLUSIONS,
)
