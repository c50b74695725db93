"""The same patient gives the same facts, features and cards through prefetch, pages, a FHIR read and offline.

Nobody in the field proves this; infrastructure shift is what degrades models in practice (Otles 2021).
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from flask import Flask

from cds_hooks.access import connector
from cds_hooks.catalogue import Catalogue
from cds_hooks.gathering import Connect
from cds_hooks.invocation import Invocation, invoke
from cds_hooks.policy import Policy, without_unverified
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.quiet import quieted
from cds_hooks.service import Moment, Service
from fhir_client.bundles import record_from_bundle
from fhir_client.capabilities import Capabilities, read_capabilities
from fhir_client.client import Connections
from fhir_client.dialogue import USUAL, Manners
from fhir_client.questions import Deadline
from fhir_client.releases import Release
from models.assessment import Assessment
from models.site import Site
from sandbox.ehr.routes import create_fhir_app
from sandbox.ehr.server import FhirServer
from sandbox.ehr.store import Store
from sandbox.serving import Serving
from tests.journeys.charts import NOW, AChart, generated_charts, public_charts, story_charts

POLICY = Policy(site=Site(kidney_failure_region="other"))
SERVICES = Catalogue.found().services
URGENCY = ["critical", "warning", "info"]
REQUEST_ID = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"


@dataclass(frozen=True)
class Ehr:
    """A FHIR server on loopback, and access to it for one call."""

    server: FhirServer
    connections: Connections
    origin: str

    @property
    def base(self) -> str:
        return f"{self.origin}/fhir"

    def connect(self, manners: Manners = USUAL) -> Connect:
        deadline = Deadline(time.monotonic() + 30, time.monotonic)
        return connector(
            self.connections,
            servers=[self.base],
            test_hosts=[self.origin],
            deadline=deadline,
            request_id=REQUEST_ID,
            manners=manners,
        )


@pytest.fixture(scope="module")
def ehr() -> Iterator[Ehr]:
    servers: list[FhirServer] = []

    def make(origin: str) -> Flask:
        servers.append(FhirServer(Store(lambda: NOW), f"{origin}/fhir"))
        return create_fhir_app(servers[0])

    with Serving(make) as serving, Connections() as connections:
        yield Ehr(servers[0], connections, serving.origin)


def a_call(service: Service, chart: AChart, **members: Any) -> HookRequest:
    hook = service.hooks[0]
    body = {"hook": hook, "hookInstance": REQUEST_ID, "context": chart.context(hook), **members}
    return HookRequest.from_object(body, service_hooks=service.hooks)


def through_prefetch(service: Service, chart: AChart, ehr: Ehr) -> Invocation:
    prefetch = {
        key: ehr.server.whole(template.replace("{{context.patientId}}", chart.patient_id))
        for key, template in service.prefetch.items()
    }
    request = a_call(service, chart, prefetch=prefetch)
    return invoke(service, request, connect=lambda _: None, now=lambda: NOW, policy=POLICY)


def through_pages(service: Service, chart: AChart, ehr: Ehr) -> Invocation:
    """Send small first pages of every other key; Chartside reads the further pages and the missing keys itself.

    A chart is not cut into more pages than Chartside follows: what lies beyond would rightly be missing.
    """
    size = max(3, len(chart.resources) // 15)
    prefetch = {
        key: ehr.server.ask(template.replace("{{context.patientId}}", chart.patient_id), page_size=size)
        for key, template in list(service.prefetch.items())[::2]
    }
    request = a_call(service, chart, prefetch=prefetch, fhirServer=ehr.base)
    return invoke(service, request, connect=ehr.connect(), now=lambda: NOW, policy=POLICY)


def through_fhir(service: Service, chart: AChart, ehr: Ehr) -> Invocation:
    request = a_call(service, chart, fhirServer=ehr.base)
    return invoke(service, request, connect=ehr.connect(), now=lambda: NOW, policy=POLICY)


def through_batch(service: Service, chart: AChart, ehr: Ehr) -> Invocation:
    request = a_call(service, chart, fhirServer=ehr.base)
    connect = ehr.connect(Manners(batches=True))
    return invoke(service, request, connect=connect, now=lambda: NOW, policy=POLICY)


def offline(service: Service, chart: AChart) -> tuple[tuple[Assessment, ...], list[Any]]:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in chart.resources]}
    record = record_from_bundle(
        bundle,
        as_of=NOW,
        patient_id=chart.patient_id,
        encounter_id=chart.encounter_id,
        drafts=chart.drafts_for(service.hooks[0]),
        selected=chart.selected_for(service.hooks[0]),
    )
    assessments = tuple(assessor.assess(record, POLICY.site) for assessor in service.assessors)
    moment = Moment(request=a_call(service, chart), record=record, site=POLICY.site, page=POLICY.page_of(service))
    shown = tuple(map(without_unverified, assessments))
    return assessments, without_uuids(quieted(service.id, service.present(shown, moment), shown, tuple).shown)


def without_uuids(cards: Any) -> list[Any]:
    """Cards with every fresh uuid replaced by one and the same: all that two calls may differ in."""
    return [
        replace(
            card,
            uuid=REQUEST_ID,
            suggestions=tuple(replace(suggestion, uuid=REQUEST_ID) for suggestion in card.suggestions),
        )
        for card in cards
    ]


def check(chart: AChart, ehr: Ehr, *, paged: bool = True) -> int:
    """Compare the ways over every service; tell how many cards there were."""
    cards = 0
    for service in SERVICES:
        prefetched = through_prefetch(service, chart, ehr)
        fetched = through_fhir(service, chart, ehr)
        assessments, shown = offline(service, chart)
        assert prefetched.assessments == fetched.assessments == assessments
        assert through_batch(service, chart, ehr).assessments == fetched.assessments
        if paged:
            assert through_pages(service, chart, ehr).assessments == assessments
        by_urgency = without_uuids(prefetched.response.cards)
        assert by_urgency == without_uuids(fetched.response.cards)
        assert sorted(map(repr, by_urgency)) == sorted(map(repr, shown))
        assert [card.summary for card in by_urgency] == [
            card.summary
            for card in sorted(shown, key=lambda card: ["critical", "warning", "info"].index(card.indicator))
        ]
        cards += len(shown)
    return cards


def filled(ehr: Ehr, chart: AChart) -> AChart:
    """Give the chart as the server holds it: with the versions of its resources, which the sources of a fact name."""
    ehr.server.store.fill(chart.resources)
    held = [ehr.server.read(each["resourceType"], each["id"]) for each in chart.resources]
    return replace(chart, resources=held)


@pytest.mark.parametrize("chart", list(story_charts()), ids=lambda chart: chart.name)
def test_every_story_is_told_alike_in_every_way(chart: AChart, ehr: Ehr) -> None:
    """[PRE-16, PRE-25, PRE-26, ACC-14] The same data through prefetch and through FHIR give the same cards."""
    check(filled(ehr, chart), ehr)


def test_the_statement_and_the_batches_of_a_stranger_are_understood(ehr: Ehr) -> None:
    """[FHIR-10, FHIR-14, FHIR-55] The sandbox shares no code with us: what it publishes and takes is what we read."""
    assert read_capabilities(ehr.server.capabilities()) == Capabilities(Release.R4, takes_batch=True)
    through_batch(SERVICES[0], filled(ehr, next(story_charts())), ehr)
    assert ehr.connections._habits[ehr.base].takes_batch


def test_generated_patients_are_assessed_alike_in_every_way(ehr: Ehr) -> None:
    """[PRE-16, ACC-14] The whole of a generated population passes in prefetch-only and in FHIR-only mode."""
    cards = sum(check(filled(ehr, chart), ehr) for chart in generated_charts(30))
    assert cards > 0


def test_the_public_patients_are_assessed_alike_in_every_way(ehr: Ehr) -> None:
    """[PRE-16, ACC-14] So does every public synthetic patient."""
    charts = list(public_charts())
    if not charts:
        pytest.skip("no shared data: synthea")
    cards = sum(check(filled(ehr, chart), ehr, paged=False) for chart in charts)
    assert cards > 0
