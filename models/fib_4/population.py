"""Of whom FIB-4 is asked without anybody ordering it: people with a reason to have fibrosis and no known cirrhosis."""

from dataclasses import replace
from typing import Final

from models.features.liver import ALCOHOL_DISORDER, CIRRHOSIS, DIABETES_TYPE_2, STEATOSIS
from models.features.logic import any_of, at_least, unless
from models.features.vitals import BMI_KG_M2
from models.fib_4.model import MODEL, PARAMETERS
from models.scope import Exclusion

OBESITY: Final = at_least("obesity", "obesity", BMI_KG_M2, PARAMETERS["obesity"]["bmi_at_least"])
_REASON: Final = "type 2 diabetes, obesity, fatty liver or alcohol-related disorder"
WITHOUT_REASON: Final = unless(
    "without_reason_for_fibrosis",
    "reason to look for liver fibrosis",
    any_of("reason_for_fibrosis", _REASON, DIABETES_TYPE_2, STEATOSIS, ALCOHOL_DISORDER, OBESITY),
)
AT_RISK: Final = replace(
    MODEL,
    exclusions=(
        *MODEL.exclusions,
        Exclusion(CIRRHOSIS, "cirrhosis is known"),
        Exclusion(WITHOUT_REASON, f"no {_REASON}", blocks=True),
    ),
)
