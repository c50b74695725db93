"""What would have been asked of the catalogue about a chart: each hook at the moment at which it would have fired."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.service import Service
from fhir_client.history import Chart, Signing
from models.concepts import concept

_USER: Final = "Practitioner/replay"


@dataclass(frozen=True, slots=True)
class Occasion:
    """One firing of a hook: when, its context, and what was not in the chart yet; `orders` it is about."""

    hook: Hook
    at: datetime
    context: Mapping[str, Any] = field(repr=False)
    without: tuple[str, ...] = field(default=(), repr=False)
    orders: int = 0


def occasions(chart: Chart, as_of: datetime) -> Iterator[Occasion]:
    """Give the firings of a chart up to a moment, oldest first of each kind.

    The chart is opened at `as_of`. A stay in hospital or an emergency visit starts and is discharged at its ends. Every
    order is picked, and signed with what was written at the same moment; a draft of the chart is picked and signed at
    `as_of`.
    """
    yield Occasion(Hook.PATIENT_VIEW, as_of, _context(chart))
    kinds = concept("inpatient_encounter").exact_codes | concept("emergency_encounter").exact_codes
    for stay in chart.stays:
        if stay.kind in kinds:
            context = _context(chart, stay.id)
            if stay.began is not None and stay.began <= as_of:
                yield Occasion(Hook.ENCOUNTER_START, stay.began, context)
            if stay.ended is not None and stay.ended <= as_of:
                yield Occasion(Hook.ENCOUNTER_DISCHARGE, stay.ended, context)
    for signing in chart.signings:
        if signing.at <= as_of:
            yield from _orders(chart, signing)
    drafts = chart.drafts(as_of)
    if drafts:
        yield from _orders(chart, Signing(as_of, None, drafts))


def _orders(chart: Chart, signing: Signing) -> Iterator[Occasion]:
    drafts = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": d} for d in signing.drafts]}
    context = {**_context(chart, signing.encounter_id), "draftOrders": drafts}
    for reference in signing.references:
        picked = {**context, "selections": [reference]}
        yield Occasion(Hook.ORDER_SELECT, signing.at, picked, signing.references, 1)
    yield Occasion(Hook.ORDER_SIGN, signing.at, context, signing.references, len(signing.drafts))


def _context(chart: Chart, encounter: str | None = None) -> dict[str, Any]:
    context = {"userId": _USER, "patientId": chart.patient_id}
    return context if encounter is None else {**context, "encounterId": encounter}


def request_of(service: Service, chart: Chart, occasion: Occasion) -> HookRequest:
    """Write the request that a CDS client would send; MalformedRequest for a chart that none could be made of."""
    prefetch = chart.answers(service.searches, without=occasion.without)
    body = {
        "hook": occasion.hook.value,
        "hookInstance": str(uuid4()),
        "context": occasion.context,
        "prefetch": prefetch,
    }
    return HookRequest.from_object(body, service_hooks=service.hooks, prefetch_keys=service.searches.keys())


def sent_request(service: Service, body: dict[str, Any]) -> HookRequest:
    """Read a request from a file as a service would."""
    return HookRequest.from_object(body, service_hooks=service.hooks, prefetch_keys=service.searches.keys())


def drafts_of(body: Mapping[str, Any]) -> int:
    """Count the orders that a request from a file is about."""
    context = body.get("context")
    drafts = context.get("draftOrders") if isinstance(context, dict) else None
    entries = drafts.get("entry") if isinstance(drafts, dict) else None
    return len(entries) if isinstance(entries, list) else 0
