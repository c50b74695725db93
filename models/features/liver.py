"""What tells of the liver: enzymes and platelets of an outpatient, cirrhosis. Windows: models.md 9."""

from typing import Final

from models.features.feature import Feature
from models.features.outpatient import outpatient
from models.features.readers import latest_quantity
from models.features.searches import laboratory
from models.features.truths import condition
from models.features.windows import Window

_WITHIN: Final = Window(months=6)
# The source gives no plausible ranges: these keep out what is no measurement (a zero, a count in single cells).
_ENZYME: Final = (1, 50_000)
_PLATELETS: Final = (1, 5_000)


def _laboratory(name: str, label: str, *, of: str, unit: str, plausible: tuple[float, float]) -> Feature:
    newest = latest_quantity(name, label, laboratory(of), of=of, unit=unit, plausible=plausible, within=_WITHIN)
    return outpatient(newest, of=of, within=_WITHIN)


AST_U_L = _laboratory("ast_u_l", "AST", of="ast", unit="U/L", plausible=_ENZYME)
ALT_U_L = _laboratory("alt_u_l", "ALT", of="alt", unit="U/L", plausible=_ENZYME)
PLATELETS_10E9_L = _laboratory("platelets_10e9_l", "platelets", of="platelets", unit="10*9/L", plausible=_PLATELETS)
# Cirrhosis does not heal: one that is marked as over still counts.
CIRRHOSIS = condition("cirrhosis", "cirrhosis", of="cirrhosis", ever=True)
DIABETES_TYPE_2 = condition("diabetes_type_2", "type 2 diabetes", of="diabetes_type_2")
STEATOSIS = condition("steatosis", "fatty liver", of="steatosis")
ALCOHOL_DISORDER = condition("alcohol_disorder", "alcohol-related disorder", of="alcohol_disorder")
