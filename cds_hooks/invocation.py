"""The pipeline: a hook call becomes a record, the record assessments, the assessments cards."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from cds_hooks.gathering import Connect, Gathered, Origin, gather
from cds_hooks.policy import Policy, ReleaseState, without_unverified
from cds_hooks.protocol.admissible import check_admissible
from cds_hooks.protocol.cards import Card, Response
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.quiet import Overridden, Quieted, nothing_overridden, quieted, without_overridden
from cds_hooks.service import Moment, Service
from cds_hooks.stopwatch import untimed
from fhir_client.errors import Reason
from fhir_client.record import Availability, Dropped
from models.assessment import Assessment, HeldBack

_NOTHING_ASKED: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Invocation:
    """The facts of one call: what was asked, known, concluded and shown, and why not more.

    `withheld` says in fixed words why cards were not shown (`shadow`, `paused`, `not in the pilot`, `patient user`);
    `held_back` are the cards that were made and not shown, for that reason or because the quiet rules keep them back;
    `quieted` are the findings that those rules kept back, each with its reason. `availability`, `origins` and `reasons`
    say of each prefetch key how far it was answered, where from, and why not further; `unresolved_drugs` counts the
    active orders whose drug has no ingredient that we know.
    """

    id: str
    service: Service
    request: HookRequest
    as_of: datetime
    state: ReleaseState
    response: Response
    assessments: tuple[Assessment, ...] = ()
    held_back: tuple[Card, ...] = ()
    withheld: str | None = None
    quieted: tuple[HeldBack, ...] = ()
    availability: Mapping[str, Availability] = field(default_factory=lambda: _NOTHING_ASKED)
    origins: Mapping[str, Origin] = field(default_factory=lambda: _NOTHING_ASKED)
    reasons: Mapping[str, Reason] = field(default_factory=lambda: _NOTHING_ASKED)
    dropped: Dropped = Dropped()
    unresolved_drugs: int = 0


def invoke(
    service: Service,
    request: HookRequest,
    *,
    connect: Connect,
    now: Callable[[], datetime],
    policy: Policy,
    overridden: Overridden = nothing_overridden,
    lap: Callable[[str], None] = untimed,
) -> Invocation:
    """Answer one hook call; `lap` is told when data were gathered, models assessed, and cards made.

    `overridden` gives the findings that the user has answered for this patient in this encounter.

    Raises:
        MalformedRequest: the prefetched Patient is another patient.
        DataUnavailable: required data were neither sent nor obtainable.
    """
    as_of = now()
    state = policy.release(service).state
    if state is ReleaseState.PAUSED:
        return Invocation(str(uuid4()), service, request, as_of, state, Response(), withheld="paused")
    user = request.context.user
    if user is not None and user.is_patient_or_proxy:
        # PV-2: the cards are worded for clinicians; a patient or proxy reading the chart is shown none.
        return Invocation(str(uuid4()), service, request, as_of, state, Response(), withheld="patient user")
    gathered = gather(service.searches, request, required=service.required_keys, connect=connect, as_of=as_of)
    lap("gather")
    assessments = tuple(assessor.assess(gathered.record, policy.site) for assessor in service.assessors)
    lap("assess")
    quiet = _cards(service, request, gathered, assessments, policy, overridden)
    lap("present")
    withheld = _why_withheld(service, request, state, policy)
    return Invocation(
        id=str(uuid4()),
        service=service,
        request=request,
        as_of=as_of,
        state=state,
        response=Response() if withheld else Response(cards=quiet.shown),
        assessments=assessments,
        held_back=(*quiet.shown, *quiet.kept) if withheld else quiet.kept,
        withheld=withheld,
        quieted=quiet.held_back,
        availability=gathered.availability,
        origins=gathered.origins,
        reasons=gathered.reasons,
        dropped=gathered.record.dropped,
        unresolved_drugs=gathered.record.drug_orders.active.get(None, 0),
    )


def _cards(
    service: Service,
    request: HookRequest,
    gathered: Gathered,
    assessments: Sequence[Assessment],
    policy: Policy,
    overridden: Overridden,
) -> Quieted:
    sees_unverified = policy.is_in_pilot(service, request.context.user)
    may_show = assessments if sees_unverified else tuple(map(without_unverified, assessments))
    remembered = cache(overridden) if policy.remember_overrides else nothing_overridden  # asked before cards and after
    shown = without_overridden(may_show, remembered)
    moment = Moment(
        request=request,
        record=gathered.record,
        site=policy.site,
        page=policy.page_of(service),
        shows_unverified=sees_unverified,
    )
    cards = tuple(policy.marked(card) for card in service.present(shown, moment))
    hosts = policy.link_hosts(service)
    for card in cards:
        check_admissible(card, request, hosts=hosts)
    return quieted(service.id, cards, shown, remembered)


def _why_withheld(service: Service, request: HookRequest, state: ReleaseState, policy: Policy) -> str | None:
    if state is ReleaseState.SHADOW:
        return "shadow"
    if not policy.is_shown_to(service, request.context.user):
        return "not in the pilot"
    return None
