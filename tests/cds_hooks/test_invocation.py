"""The pipeline: from a hook call to cards, and what keeps cards from being shown."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from cds_hooks.catalogue import Catalogue
from cds_hooks.errors import DataUnavailable
from cds_hooks.invocation import Invocation, invoke
from cds_hooks.policy import Policy, ReleaseState
from cds_hooks.protocol.cards import Action, CreateAction, DeleteAction, SelectionBehavior, UpdateAction
from cds_hooks.protocol.checks import ImpossibleMessage
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.service import Service
from fhir_client.record import Availability, PatientRecord
from fhir_client.search import Search
from models.assessment import Assessed, Assessment, ModelReference
from models.risk_model import Output
from models.site import Site
from tests.builders import a_bundle, a_medication, a_patient, an_encounter
from tests.cds_hooks.declared import PATIENT, AnAssessor, a_service
from tests.spec.cards import a_card, a_suggestion
from tests.spec.messages import a_context
from tests.spec.messages import a_request as a_message

NOW = datetime(2024, 6, 1, tzinfo=UTC)
DOUBTFUL = Output("risk", "risk", unverified=("S0: ONE-SOURCE",))


def a_request(user: str = "Practitioner/1", **members: Any) -> HookRequest:
    body = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": user, "patientId": "p1"},
        "prefetch": {"patient": a_patient(), "laboratory": a_bundle()},
        **members,
    }
    return HookRequest.from_json(orjson.dumps(body), service_hooks=list(a_service().hooks))


LIVE = Policy()


def invoked(service: Service, policy: Policy = LIVE, user: str = "Practitioner/1") -> Invocation:
    return invoke(service, a_request(user), connect=lambda _: None, now=lambda: NOW, policy=policy)


def summaries(invocation: Invocation) -> list[str]:
    return [card.summary for card in invocation.response.cards]


def test_a_call_becomes_a_record_an_assessment_and_a_card() -> None:
    assessor = AnAssessor()
    invocation = invoked(a_service(assessors=(assessor,)))
    assert summaries(invocation) == ["risk is 0.25"]
    assert [record.as_of for record in assessor.seen] == [NOW]
    assert invocation.assessments == (Assessed(ModelReference("test-model", "1.0.0"), {"risk": 0.25}),)
    assert invocation.withheld is None


@pytest.mark.parametrize(
    ("state", "why", "assessed"),
    [
        (ReleaseState.SHADOW, "shadow", True),
        (ReleaseState.PILOT, "not in the pilot", True),
        (ReleaseState.PAUSED, "paused", False),
    ],
)
def test_a_service_that_is_not_live_answers_without_cards(state: ReleaseState, why: str, *, assessed: bool) -> None:
    invocation = invoked(a_service(), Policy(ceilings={"test-service": state}))
    assert summaries(invocation) == []
    assert invocation.withheld == why
    assert bool(invocation.assessments) is assessed
    assert len(invocation.held_back) == int(assessed)


def test_a_pilot_user_sees_the_cards() -> None:
    policy = Policy(
        ceilings={"test-service": ReleaseState.PILOT}, pilots={"test-service": frozenset({"Practitioner/1"})}
    )
    assert summaries(invoked(a_service(), policy)) == ["risk is 0.25"]


def test_a_patient_opening_the_chart_is_shown_no_clinician_card() -> None:
    """[PV-2] By default no clinician card is shown to Patient or RelatedPerson users."""
    assessor = AnAssessor()
    invocation = invoked(a_service(assessors=(assessor,)), user="Patient/p1")
    assert summaries(invocation) == []
    assert invocation.withheld == "patient user"
    assert assessor.seen == []


def test_an_unverified_result_is_shown_in_the_pilot_alone() -> None:
    says = Assessed(ModelReference("test-model", "1.0.0"), {"risk": 0.25}, unverified={"risk": ("S0: ONE-SOURCE",)})
    sure = AnAssessor(id="sure")
    service = a_service(assessors=(AnAssessor(says, outputs=(DOUBTFUL,)), sure))
    assert summaries(invoked(service)) == ["risk is 0.25"]
    pilot = Policy(pilots={"test-service": frozenset({"Practitioner/1"})})
    assert summaries(invoked(service, pilot)) == ["risk is 0.25", "risk is 0.25"]


def test_a_demonstration_says_so_first() -> None:
    assert summaries(invoked(a_service(), Policy(demonstration=True))) == ["DEMONSTRATION: risk is 0.25"]


def test_required_data_that_nobody_can_give_end_the_call() -> None:
    """[PRE-27] Required data neither supplied nor obtainable: 412, naming the key."""
    request = a_request(prefetch={"laboratory": None})
    with pytest.raises(DataUnavailable) as caught:
        invoke(a_service(), request, connect=lambda _: None, now=lambda: NOW, policy=Policy())
    assert [fault.expression for fault in caught.value.faults] == ["prefetch.patient"]


def test_the_same_call_twice_gives_the_same_cards_but_for_their_uuids() -> None:
    """[HOOK-7, CARD-19, REQ-5] Answers depend on the request: repeated, it gives equal cards."""
    first, second = invoked(a_service()), invoked(a_service())
    assert summaries(first) == summaries(second)
    assert first.response.cards[0].uuid != second.response.cards[0].uuid


def test_an_error_of_an_assessor_is_never_an_empty_list_of_cards() -> None:
    """[RESP-6] An internal failure is never reported as `cards: []`."""

    class Broken(AnAssessor):
        def assess(self, record: PatientRecord, site: Site) -> Assessment:
            del record, site
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        invoked(a_service(assessors=(Broken(),)))


def test_a_patient_who_books_is_shown_no_clinician_card() -> None:
    """[APPT-3] The patient can be the user (self-booking): same as PV-2."""
    hook = Hook.APPOINTMENT_BOOK
    service = a_service(hooks=(hook,))
    for user, expected in (("Patient/p1", []), ("RelatedPerson/r1", []), ("Practitioner/1", ["risk is 0.25"])):
        context = a_context(hook, userId=user)
        prefetch = {"patient": a_patient(), "laboratory": a_bundle()}
        request = HookRequest.from_object(a_message(hook, context=context, prefetch=prefetch), service_hooks=(hook,))
        invocation = invoke(service, request, connect=lambda _: None, now=lambda: NOW, policy=LIVE)
        assert summaries(invocation) == expected


@pytest.mark.parametrize("nothing", [None, a_bundle()])
@pytest.mark.parametrize("service", Catalogue.found().services, ids=lambda service: service.id)
def test_a_discharge_may_be_asked_about_before_its_data_are_complete(service: Service, nothing: Any) -> None:
    """[ED-1] May fire at start, middle or end of discharge: no discharge medications yet is an answer."""
    hook = Hook.ENCOUNTER_DISCHARGE
    at_discharge = replace(service, hooks=(hook,))
    prefetch = dict.fromkeys(service.searches, nothing) | {"patient": a_patient()}
    if "encounters" in prefetch:
        prefetch["encounters"] = a_bundle(an_encounter(id="e1"))  # not ended yet
    request = HookRequest.from_object(a_message(hook, prefetch=prefetch), service_hooks=(hook,))
    invocation = invoke(at_discharge, request, connect=lambda _: None, now=lambda: NOW, policy=LIVE)
    assert len(invocation.assessments) == len(service.assessors)
    assert set(invocation.availability.values()) == {Availability.COMPLETE}


RECORDED = "Condition/c1"


@pytest.mark.parametrize(
    ("action", "is_sent"),
    [
        (DeleteAction("x", RECORDED), False),
        (UpdateAction("x", {"resourceType": "Condition", "id": "c1"}), False),
        (DeleteAction("x", "Condition/c2"), True),
        (UpdateAction("x", {"resourceType": "Condition", "id": "c2"}), True),
        (CreateAction("x", {"resourceType": "Condition"}), True),
    ],
)
def test_no_suggestion_alters_a_problem_that_was_just_recorded(action: Action, *, is_sent: bool) -> None:
    """[PLC-1] No suggestion alters the new Condition."""
    card = a_card(suggestions=(a_suggestion(actions=(action,)),), selection_behavior=SelectionBehavior.ANY)
    hook, prefetch = Hook.PROBLEM_LIST_ITEM_CREATE, {"patient": a_patient(), "laboratory": a_bundle()}
    service = a_service(hooks=(hook, Hook.PATIENT_VIEW), present=lambda *_: [card])
    after = HookRequest.from_object(a_message(hook, prefetch=prefetch), service_hooks=service.hooks)
    assert f"{after.context.drafts[0]['resourceType']}/{after.context.drafts[0]['id']}" == RECORDED
    if is_sent:
        assert invoke(service, after, connect=lambda _: None, now=lambda: NOW, policy=LIVE).response.cards == (card,)
        return
    with pytest.raises(ImpossibleMessage, match="just recorded"):
        invoke(service, after, connect=lambda _: None, now=lambda: NOW, policy=LIVE)
    assert invoked(service).response.cards == (card,)


def test_the_stages_are_told_as_they_end() -> None:
    laps: list[str] = []
    invoke(a_service(), a_request(), connect=lambda _: None, now=lambda: NOW, policy=LIVE, lap=laps.append)
    assert laps == ["gather", "assess", "present"]


def test_active_drugs_that_nobody_knows_are_counted() -> None:
    """A drug that resolves to no ingredient is on record (design/contract.md, section 4)."""
    asking = AnAssessor(searches=(PATIENT, Search("medications", "MedicationRequest")))
    orders = a_bundle(a_medication("no-such-code"), a_medication("no-such-code", status="stopped"))
    request = HookRequest.from_json(
        orjson.dumps(
            {
                "hook": "patient-view",
                "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
                "context": {"userId": "Practitioner/1", "patientId": "p1"},
                "prefetch": {"patient": a_patient(), "medications": orders},
            }
        ),
        service_hooks=[Hook.PATIENT_VIEW],
    )
    service = a_service(assessors=(asking,))
    invocation = invoke(service, request, connect=lambda _: None, now=lambda: NOW, policy=LIVE)
    assert invocation.unresolved_drugs == 1
    assert invoked(a_service()).unresolved_drugs == 0
