"""RiskModel: features, scope and results; assess and assess_many."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_client.record import PatientRecord
from fhir_client.search import Search
from models.assessment import Assessment, ModelReference
from models.features.feature import Feature
from models.site import Site


@dataclass(frozen=True, slots=True)
class RiskModel:
    """A published score or trained model: what it needs, whom it is for, what it gives.

    `compute` takes values by feature name (absent optional ones left out) in the features' units and gives the results
    by name, or raises OutOfScope with the reason.
    """

    id: str
    version: str
    title: str
    citation: str
    features: tuple[Feature, ...]
    outputs: tuple["Output", ...]
    compute: Callable[[Mapping[str, Any]], Mapping[str, Any]]

    @property
    def reference(self) -> ModelReference:
        """Give id and version."""
        return ModelReference(self.id, self.version)

    @property
    def searches(self) -> tuple[Search, ...]:
        """Give what must be asked about a patient, derived from the features."""
        raise NotImplementedError

    @property
    def required_keys(self) -> frozenset[str]:
        """Give the keys of the searches without whose answer the model cannot assess anyone."""
        raise NotImplementedError

    def assess(self, record: PatientRecord, site: Site) -> Assessment:
        """Assess one record: a batch of one."""
        return self.assess_many([record], site)[0]

    def assess_many(self, records: Iterable[PatientRecord], site: Site) -> Sequence[Assessment]:
        """Assess each record by itself: order and company do not matter."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Output:
    """One named result: its label, unit, and whether all that goes into it has been verified.

    `unverified` lists the values that are not VERIFIED (with their label and place): empty means it may be live.
    """

    name: str
    label: str
    unit: str = ""
    unverified: tuple[str, ...] = ()
