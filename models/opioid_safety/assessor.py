"""Opioids with benzodiazepines: the shared engine over a row of our own, for those whom the model `mme` is for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from fhir_client.record import PatientRecord
from fhir_client.search import Search, merge
from models.assessment import Assessment, Finding, Findings, HeldBack, ModelReference, Reading
from models.concepts import concept
from models.mme import MODEL as MME
from models.mme.orders import OPIOID_USE_DISORDER, TREATMENT
from models.order_checks.engine import OrderChecks
from models.order_checks.rules import Rule
from models.risk_model import Output
from models.rule_rows import RuleRow
from models.site import Site

FILE: Final = Path(__file__).with_name("rules.toml")
OUT_OF_SCOPE: Final = "cancer, sickle-cell disease or palliative care"
TREATED: Final = "treatment of opioid use disorder"
_OPIOIDS: Final = concept("opioids").exact_codes


@dataclass(frozen=True)
class OpioidChecks:
    """An assessor: the row over the drafts; what is found in people whom the advice is not for is held back."""

    engine: OrderChecks

    @property
    def reference(self) -> ModelReference:
        """Give id and version."""
        return self.engine.reference

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Give the rows."""
        return self.engine.rules

    @property
    def rows(self) -> Sequence[RuleRow]:
        """Give every rule as a reader is shown it."""
        return self.engine.rows

    @property
    def outputs(self) -> Sequence[Output]:
        """Give one output a row: the gate is per row."""
        return self.engine.outputs

    @property
    def searches(self) -> Sequence[Search]:
        """Give what must be asked about a patient: the drugs, and whom the advice is not for."""
        scope = (*(each.feature for each in MME.exclusions), OPIOID_USE_DISORDER)
        asked = (search for feature in scope for search in feature.searches)
        return tuple(merge((*self.engine.searches, *asked)).values())

    @property
    def required_keys(self) -> frozenset[str]:
        """Give no key: what was not read is said where a draft makes it matter."""
        return self.engine.required_keys

    def assess(self, record: PatientRecord, site: Site) -> Assessment:
        """Check the drafts that were asked about."""
        checked = self.engine.assess(record, site)
        if not isinstance(checked, Findings) or not checked.found:
            return checked
        held_back = {each: why for each in checked.found if (why := _why_not(each, record, site))}
        return replace(
            checked,
            found=tuple(each for each in checked.found if each not in held_back),
            held_back=(*checked.held_back, *(HeldBack(each.key, each.tier, why) for each, why in held_back.items())),
        )


def _why_not(finding: Finding, record: PatientRecord, site: Site) -> str:
    """Say why a finding is not for this patient; empty where it is."""
    for exclusion in MME.exclusions:
        answer = exclusion.feature.answer(record, site)
        if isinstance(answer, Reading) and answer.value:
            return OUT_OF_SCOPE
    opioids = {code for part in finding.key.split(":")[1:] for code in part.split("+")} & _OPIOIDS
    treated = OPIOID_USE_DISORDER.answer(record, site)
    is_treatment = opioids <= TREATMENT and isinstance(treated, Reading) and bool(treated.value)
    return TREATED if is_treatment else ""


ASSESSOR: Final = OpioidChecks(OrderChecks.of_file("opioid-safety", FILE))
