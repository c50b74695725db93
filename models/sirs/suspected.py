"""SIRS of somebody with a suspected infection; it is asked of nobody else (models.md 2)."""

from dataclasses import replace
from typing import Final

from models.features.suspicion import WITHOUT_SUSPECTED_INFECTION
from models.scope import Exclusion
from models.sirs.model import MODEL

SUSPECTED: Final = replace(
    MODEL,
    exclusions=(
        *MODEL.exclusions,
        Exclusion(WITHOUT_SUSPECTED_INFECTION, "no infection is suspected", blocks=True),
    ),
)
