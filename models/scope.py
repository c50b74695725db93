"""Scope: whom a model was made for, and how a patient outside it is told so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fhir_client.record import PatientRecord
from models.assessment import Gap, Missing, Value
from models.features.demographics import AGE_YEARS
from models.features.feature import Feature


@dataclass(frozen=True, slots=True)
class Domain:
    """The values of one input that the model was made for; the bounds come from its parameter file."""

    feature: Feature
    at_least: float = float("-inf")
    at_most: float = float("inf")
    below: float = float("inf")
    shown: str = ""

    @classmethod
    def of(cls, feature: Feature, bounds: Mapping[str, Any]) -> "Domain":
        """Read the bounds as a parameter file writes them: `{ at_least = 10, below = 60, shown = "10 to 59" }`."""
        return cls(feature, **bounds)

    def includes(self, value: Value) -> bool:
        """Tell whether the model was made for the value."""
        number = float(value)
        return self.at_least <= number <= self.at_most and number < self.below

    def is_cut_by(self, lowest: float, highest: float) -> bool:
        """Tell whether part of the span lies inside and part outside."""
        return self.includes(lowest) != self.includes(highest)

    def reason(self, value: Value) -> str:
        """Say why the value is outside: `eGFR 72 is outside 10 to 59`."""
        rounded = f"{float(value):.4g}"
        number = f"{value}" if self.includes(float(rounded)) else rounded
        if self.at_most == float("inf") == self.below:
            return f"{self.feature.label} {number} is under {self.at_least:g}"
        return f"{self.feature.label} {number} is outside {self.shown}"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A truth of the chart that puts a patient outside the model's scope; `blocks`: unknown is not assessable."""

    feature: Feature
    reason: str
    blocks: bool = False


def cut_by_birth_date(domain: Domain, record: PatientRecord) -> Missing | None:
    """Withdraw an age from a partial birth date if the model's age range cuts through the years it allows."""
    span = record.age_range_years if domain.feature.name == AGE_YEARS.name else None
    if span is None or not domain.is_cut_by(*span):
        return None
    birth = record.patient.birth if record.patient else None
    return Missing(Gap.NOT_RECORDED, birth, f"between {span[0]} and {span[1]}: a full birth date is needed")
