"""Services and assessors declared for tests: the smallest things that fit where the real ones do."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cds_hooks.protocol.cards import Card, Indicator, Source
from cds_hooks.protocol.hooks import HOOKS, Hook
from cds_hooks.service import Moment, Service
from fhir_client.codes import LOINC, Code
from fhir_client.record import PatientRecord
from fhir_client.search import Search
from models.assessment import Assessed, Assessment, ModelReference
from models.risk_model import Output
from models.site import Site

PATIENT = Search("patient", "Patient")
RESULTS = Search("laboratory", "Observation", (Code(LOINC, "2160-0"),), (("_sort", "-date"), ("_count", "200")))
SOURCE = Source("Test guideline", "https://guideline.example/")


@dataclass(frozen=True)
class AnAssessor:
    """Says of every record what it was told to say; keeps the records that it saw."""

    says: Assessment | None = None
    id: str = "test-model"
    outputs: tuple[Output, ...] = (Output("risk", "risk"),)
    searches: tuple[Search, ...] = (PATIENT, RESULTS)
    required_keys: frozenset[str] = frozenset({"patient"})
    seen: list[PatientRecord] = field(default_factory=list)

    @property
    def reference(self) -> ModelReference:
        return ModelReference(self.id, "1.0.0")

    def assess(self, record: PatientRecord, site: Site) -> Assessment:
        del site
        self.seen.append(record)
        return self.says or Assessed(self.reference, {"risk": 0.25})


def one_card(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show one card a result, worded by its name and value."""
    del moment
    return [
        Card(f"{name} is {value}", indicator=Indicator.INFO, source=SOURCE)
        for assessment in assessments
        if isinstance(assessment, Assessed)
        for name, value in assessment.results.items()
    ]


def a_service(
    id: str = "test-service",
    *,
    hooks: tuple[Hook, ...] = (Hook.PATIENT_VIEW,),
    assessors: tuple[AnAssessor, ...] | None = None,
    present: object = one_card,
) -> Service:
    """Declare a service of one assessor that shows one card."""
    return Service(
        id=id,
        hooks=hooks,
        title="Test",
        description="A service for tests.",
        assessors=assessors if assessors is not None else (AnAssessor(),),
        present=present,  # type: ignore[arg-type]
        usage_requirements=" ".join(f"{hook} is deprecated." for hook in hooks if HOOKS[hook].deprecated),
        link_hosts=frozenset({"guideline.example"}),
    )
