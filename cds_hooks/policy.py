"""What a site and its release states decide, as frozen values given to the pipeline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from cds_hooks.protocol.cards import Card, Link
from cds_hooks.protocol.hooks import UserId
from cds_hooks.service import Service
from models.assessment import Assessed, Assessment, Findings, HeldBack, ModelReference
from models.risk_model import Output
from models.site import Site

NOT_VERIFIED: Final = "not verified"
_NO_CEILINGS: Mapping[str, "ReleaseState"] = MappingProxyType({})
_NO_PILOTS: Mapping[str, frozenset[str]] = MappingProxyType({})


class ReleaseState(StrEnum):
    """How far a service is released, lowest first (design/contract.md, section 4)."""

    OFF = "off"
    SHADOW = "shadow"
    PAUSED = "paused"
    PILOT = "pilot"
    LIVE = "live"

    @property
    def rank(self) -> int:
        """Give the place in the order: the lower of two states acts."""
        return list(ReleaseState).index(self)

    def capped(self, ceiling: "ReleaseState") -> "ReleaseState":
        """Give the lower of the two."""
        return self if self.rank <= ceiling.rank else ceiling


@dataclass(frozen=True, slots=True)
class Release:
    """Where a service or a model stands, how high it may rise, and why not higher."""

    state: ReleaseState
    ceiling: ReleaseState
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelRelease:
    """Where a model of a service stands; `reasons` name the outputs that may not be live."""

    id: str
    version: str
    state: ReleaseState
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """The decisions of one site. `pilots` are user references (`Practitioner/12`) by service id."""

    site: Site = field(default_factory=Site)
    ceilings: Mapping[str, ReleaseState] = field(default_factory=lambda: _NO_CEILINGS)
    pilots: Mapping[str, frozenset[str]] = field(default_factory=lambda: _NO_PILOTS)
    remember_overrides: bool = True
    demonstration: bool = False
    base_url: str = "http://127.0.0.1:8000"
    # What was worked out already: a call asks several times, and none of it changes while the policy lasts.
    _releases: dict[str, Release] = field(default_factory=dict, init=False, repr=False, compare=False)
    _pages: dict[str, Link] = field(default_factory=dict, init=False, repr=False, compare=False)

    def release(self, service: Service) -> Release:
        """Give the state that acts: the site's ceiling, lowered where the gate does not allow `live`."""
        if service.id not in self._releases:
            self._releases[service.id] = self._release(service)
        return self._releases[service.id]

    def _release(self, service: Service) -> Release:
        ceiling = self.ceilings.get(service.id, ReleaseState.LIVE)
        models = self.models(service)
        reasons = tuple(reason for model in models for reason in model.reasons)
        named = (f"the site file allows {ceiling}",) if service.id in self.ceilings else ()
        if models and all(model.state is not ReleaseState.LIVE for model in models):
            ceiling = ceiling.capped(ReleaseState.PILOT)
        return Release(ceiling, ceiling, named + reasons)

    def models(self, service: Service) -> tuple[ModelRelease, ...]:
        """Give each model's own state: `live` if at least one of its outputs passes the gate, else `pilot`."""
        return tuple(_release_of(assessor.reference, assessor.outputs) for assessor in service.assessors)

    def is_shown_to(self, service: Service, user: UserId | None) -> bool:
        """Tell whether this user sees the service's cards at all; no user is in no pilot."""
        state = self.release(service).state
        return state is ReleaseState.LIVE or (state is ReleaseState.PILOT and self.is_in_pilot(service, user))

    def page_of(self, service: Service) -> Link:
        """Link to the service's documentation: https, or the loopback origin that this installation has."""
        if service.id not in self._pages:
            self._pages[service.id] = self._page(service)
        return self._pages[service.id]

    def _page(self, service: Service) -> Link:
        parts = urlsplit(self.base_url)
        origin = None if parts.scheme == "https" else f"{parts.scheme}://{parts.netloc}"
        return Link(
            "About this service and its models", f"{self.base_url}/services/{service.id}", loopback_origin=origin
        )

    def link_hosts(self, service: Service) -> frozenset[str]:
        """Give the hosts that the service's cards may lead to: those it declares, and that of its own page."""
        return service.link_hosts | {urlsplit(self.page_of(service).url).hostname or ""}

    def marked(self, card: Card) -> Card:
        """Mark a card of a demonstration, whose models may be trained on synthetic data, in its summary."""
        return replace(card, summary=f"DEMONSTRATION: {card.summary}") if self.demonstration else card

    def is_in_pilot(self, service: Service, user: UserId | None) -> bool:
        """Tell whether the user, as sent, is named in the site's pilot of the service."""
        return user is not None and user.reference in self.pilots.get(service.id, frozenset())


def without_unverified(assessment: Assessment) -> Assessment:
    """Leave out the results, and hold back the findings, that rest on values not VERIFIED: they may not be live."""
    if isinstance(assessment, Findings):
        return _only_verified(assessment)
    if not isinstance(assessment, Assessed) or not any(assessment.unverified.values()):
        return assessment
    kept = {name: value for name, value in assessment.results.items() if not assessment.unverified.get(name)}
    alternatives = {
        sex: {name: value for name, value in results.items() if not assessment.unverified.get(name)}
        for sex, results in assessment.alternatives.items()
    }
    return replace(assessment, results=kept, alternatives=alternatives, unverified={})


def _only_verified(findings: Findings) -> Findings:
    if not any(finding.unverified for finding in findings.found) and not any(u.unverified for u in findings.unchecked):
        return findings
    return replace(
        findings,
        found=tuple(each for each in findings.found if not each.unverified),
        unchecked=tuple(each for each in findings.unchecked if not each.unverified),
        held_back=(
            *findings.held_back,
            *(HeldBack(finding.key, finding.tier, NOT_VERIFIED) for finding in findings.found if finding.unverified),
        ),
    )


def _release_of(reference: ModelReference, outputs: Sequence[Output]) -> ModelRelease:
    failing = tuple(output for output in outputs if output.unverified)
    state = ReleaseState.PILOT if outputs and len(failing) == len(outputs) else ReleaseState.LIVE
    reasons = tuple(
        f"{reference.id} {output.name}: pilot at most ({'; '.join(output.unverified)})" for output in failing
    )
    return ModelRelease(reference.id, reference.version, state, reasons)
