"""What a hospital decides about clinical content, where the source leaves it to the site."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fhir_client.codes import Code

_NONE: Mapping[Code, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Site:
    """The clinical settings of one hospital; the defaults are those of design/contract.md, section 4.

    `kidney_failure_region` (`north-america`, `other`, `united-kingdom`) has no default: KFRE is silent without it.
    `consciousness_codes` are further Observation codes for the level of consciousness, `consciousness_answers` further
    coded answers, each mapped to one letter of ACVPU.
    """

    kidney_failure_region: str | None = None
    stroke_score: str = "cha2ds2-va"
    unreadable_conditions_limit: float = 0.2
    snomed: bool = True
    news2_window_minutes: int = 60
    consciousness_codes: frozenset[Code] = frozenset()
    consciousness_answers: Mapping[Code, str] = field(default_factory=lambda: _NONE)

    def __hash__(self) -> int:
        """Tell sites apart well enough: a process has one, and it is looked up some thirty times a call."""
        return hash(self.kidney_failure_region)
