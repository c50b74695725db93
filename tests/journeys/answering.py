"""Every service, and its answer to one chart as a CDS client would ask."""

from typing import Any

from cds_hooks.catalogue import Catalogue
from cds_hooks.invocation import Invocation, invoke
from cds_hooks.policy import Policy
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.service import Service
from fhir_client.search import Search
from models.site import Site
from tests.builders import a_bundle
from tests.journeys.charts import NOW, AChart
from tests.spec.messages import INSTANCE

POLICY = Policy(site=Site(kidney_failure_region="other"))
SERVICES = Catalogue.found().services


def a_call(service: Service, chart: AChart, prefetch: dict[str, Any], hook: Hook, user: str) -> HookRequest:
    body = {"hook": hook, "hookInstance": INSTANCE, "context": chart.context(hook, user), "prefetch": prefetch}
    return HookRequest.from_object(body, service_hooks=service.hooks)


def prefetch_of(service: Service, chart: AChart) -> dict[str, Any]:
    """What a CDS client would prefetch: each key's type, and of results the codes asked for."""
    return {
        key: next(r for r in chart.resources if r["resourceType"] == "Patient")
        if search.is_read
        else a_bundle(*(resource for resource in chart.resources if _is_found(search, resource)))
        for key, search in service.searches.items()
    }


def _is_found(search: Search, resource: dict[str, Any]) -> bool:
    if resource["resourceType"] != search.resource_type:
        return False
    concepts = [resource.get("code", {}), *(each["code"] for each in resource.get("component", ()))]
    codes = {coding.get("code") for concept in concepts for coding in concept.get("coding", ())}
    return not search.codes or not codes.isdisjoint(code.code for code in search.codes)


def answer(
    service: Service,
    chart: AChart,
    prefetch: dict[str, Any] | None = None,
    *,
    hook: Hook | None = None,
    user: str = "Practitioner/1",
) -> Invocation:
    sent = prefetch_of(service, chart) if prefetch is None else prefetch
    request = a_call(service, chart, sent, hook or service.hooks[0], user)
    return invoke(service, request, connect=lambda _: None, now=lambda: NOW, policy=POLICY)
