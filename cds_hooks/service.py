"""Service: what a service file declares; its prefetch templates follow from what its assessors read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from cds_hooks.protocol.cards import Card, Link
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.requests import HookRequest
from fhir_client.record import PatientRecord
from fhir_client.search import Search, merge
from models.assessment import Assessment, ModelReference
from models.risk_model import Output
from models.site import Site


class Assessor(Protocol):
    """What a service asks for its opinion: a risk model, or anything of this shape."""

    @property
    def reference(self) -> ModelReference:
        """Give id and version."""

    @property
    def outputs(self) -> Sequence[Output]:
        """Give what it may say, each with the values behind it that are not verified."""

    @property
    def searches(self) -> Sequence[Search]:
        """Give what must be asked about a patient."""

    @property
    def required_keys(self) -> frozenset[str]:
        """Give the keys of the searches without whose answer it cannot assess anyone."""

    def assess(self, record: PatientRecord, site: Site) -> Assessment:
        """Assess one record as of its instant."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The moment at which cards are shown: who asked about whom, and where to read more.

    `shows_unverified` is true for users in the service's pilot, who are shown, marked, what rests on unverified values.
    `page` links to the service's documentation page.
    """

    request: HookRequest
    record: PatientRecord
    site: Site
    page: Link
    shows_unverified: bool = False


Present = Callable[[Sequence[Assessment], Moment], Sequence[Card]]


@dataclass(frozen=True)
class Service:
    """One CDS service: an id, the hooks it answers, who assesses, and how assessments become cards.

    `present` is given one assessment for each assessor, in their order, already without what may not be shown; it
    returns no card for what is inapplicable. `link_hosts` are the hosts that its cards may lead to beside its own page:
    they are published, for clients keep lists of them (LINK-7).
    """

    id: str
    hooks: tuple[Hook, ...]
    title: str
    description: str
    assessors: tuple[Assessor, ...]
    present: Present
    usage_requirements: str = ""
    link_hosts: frozenset[str] = frozenset()

    @cached_property
    def searches(self) -> Mapping[str, Search]:
        """Give one search a prefetch key, merged over all assessors."""
        return merge(search for assessor in self.assessors for search in assessor.searches)

    @cached_property
    def required_keys(self) -> frozenset[str]:
        """Give the keys that no assessor can do without (design/contract.md, section 3)."""
        keys = [assessor.required_keys for assessor in self.assessors]
        return frozenset.intersection(*keys) if keys else frozenset()

    @cached_property
    def prefetch(self) -> Mapping[str, str]:
        """Give the prefetch templates of discovery."""
        return {key: search.template() for key, search in self.searches.items()}
