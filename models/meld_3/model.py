"""MELD 3.0: what it needs and whom it is for."""

from dataclasses import replace
from typing import Final

from models.features.atrial_fibrillation import VITAMIN_K_ANTAGONIST
from models.features.conditions import DIALYSIS, PALLIATIVE_CARE, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED, SEX
from models.features.liver import CIRRHOSIS
from models.features.logic import noted, unless
from models.meld_3.equation import PARAMETERS, compute
from models.meld_3.labs import FEATURES as LABS
from models.risk_model import RiskModel, outputs_of
from models.scope import Domain, Exclusion

AGE: Final = replace(AGE_YEARS, required=False)
DIALYSIS_THIS_WEEK: Final = replace(
    noted("dialysis", "dialysis", DIALYSIS, if_false="from the problem list; acute dialysis is not read"),
    required=False,
)
WITHOUT_CIRRHOSIS: Final = unless("without_cirrhosis", "cirrhosis", CIRRHOSIS)
_FEATURES: Final = (SEX, AGE, *LABS, DIALYSIS_THIS_WEEK)

MODEL = RiskModel(
    parameters=PARAMETERS,
    features=_FEATURES,
    outputs=outputs_of(PARAMETERS, _FEATURES, ("score", "MELD 3.0", "")),
    compute=compute,
    domain=(Domain.of(AGE, PARAMETERS["age_range"]),),
    exclusions=(
        Exclusion(DECEASED, "the patient has died"),
        Exclusion(WITHOUT_CIRRHOSIS, "no cirrhosis on the problem list", blocks=True),
        Exclusion(VITAMIN_K_ANTAGONIST, "the INR is that of a vitamin K antagonist, not of the liver"),
        Exclusion(PREGNANCY, "not made for pregnancy"),
        Exclusion(PALLIATIVE_CARE, "palliative care"),
    ),
)
