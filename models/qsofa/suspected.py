"""qSOFA of somebody with a suspected infection; it is asked of nobody else (models.md 2)."""

from dataclasses import replace
from typing import Final

from models.features.infection import LACTATE_MMOL_L
from models.features.suspicion import SUSPECTED_INFECTION, WITHOUT_SUSPECTED_INFECTION
from models.qsofa.model import MODEL
from models.scope import Exclusion

# What tells of the infection, and the lactate that is shown beside both screens, go into no point.
SUSPECTED: Final = replace(
    MODEL,
    features=(replace(SUSPECTED_INFECTION, required=False), *MODEL.features, LACTATE_MMOL_L),
    exclusions=(
        *MODEL.exclusions,
        Exclusion(WITHOUT_SUSPECTED_INFECTION, "no infection is suspected", blocks=True),
    ),
)
