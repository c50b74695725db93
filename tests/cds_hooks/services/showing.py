"""Runs one declared service over a record, as the pipeline does."""

from collections.abc import Sequence
from typing import Any

from cds_hooks.policy import Policy, without_unverified
from cds_hooks.protocol.cards import Card
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.service import Moment, Service
from fhir_client.record import PatientRecord
from models.site import Site
from tests.builders import a_bundle

OTHER_REGION = Site(kidney_failure_region="other")


def cards_of(
    service: Service,
    record: PatientRecord,
    site: Site = OTHER_REGION,
    *,
    hook: Hook | None = None,
    shows_unverified: bool = False,
) -> Sequence[Card]:
    """Assess and present; what is not verified is left out unless the user is in the pilot.

    The hook is the service's first, or the one named; the record's drafts go into its context.
    """
    hook = hook or service.hooks[0]
    context: dict[str, Any] = {"userId": "Practitioner/1", "patientId": record.patient_id}
    if hook in (Hook.ORDER_SELECT, Hook.ORDER_SIGN):
        context["draftOrders"] = a_bundle(*map(dict, record.drafts))
    if hook is Hook.ORDER_SELECT:
        context["selections"] = [f"{draft['resourceType']}/{draft['id']}" for draft in record.drafts]
    if hook is Hook.ALLERGYINTOLERANCE_CREATE:
        context["allergyIntolerance"] = next(d for d in record.drafts if d["resourceType"] == "AllergyIntolerance")
    if record.encounter_id is not None or hook in (Hook.ENCOUNTER_START, Hook.ENCOUNTER_DISCHARGE):
        context["encounterId"] = record.encounter_id or "none"
    body = {"hook": hook, "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "context": context}
    moment = Moment(
        request=HookRequest.from_object(body, service_hooks=service.hooks),
        record=record,
        site=site,
        page=Policy().page_of(service),
        shows_unverified=shows_unverified,
    )
    assessments = [assessor.assess(record, site) for assessor in service.assessors]
    return service.present(assessments if shows_unverified else [*map(without_unverified, assessments)], moment)
