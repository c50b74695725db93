"""What holds of every card, whichever chart it is about: every service over stories and generated patients."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import pytest

from cds_hooks import presentation as say
from cds_hooks.invocation import Invocation
from cds_hooks.protocol.admissible import addresses_of
from cds_hooks.protocol.cards import Action, Card, CreateAction, DeleteAction, Indicator, Source, UpdateAction
from cds_hooks.protocol.checks import ImpossibleMessage
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.markdown import plain
from cds_hooks.service import Moment, Service
from fhir_client.codes import LOINC, SNOMED_CT, Code
from fhir_client.search import Search
from models.assessment import Findings, NotApplicable
from tests.builders import (
    a_condition,
    a_medication,
    a_patient,
    a_report,
    an_allergy,
    an_observation,
    an_order,
)
from tests.cds_hooks.declared import AnAssessor, a_service
from tests.journeys.answering import POLICY, SERVICES, answer, prefetch_of
from tests.journeys.charts import AChart, generated_charts, story_charts
from tests.spec.messages import INSTANCE

GENERATED = 120
PAYLOAD = "<img src=x onerror=alert(1)> [x](javascript:alert(1)) www.zzmarker.example"


@dataclass(frozen=True)
class Answered:
    """One chart through one service."""

    chart: AChart
    invocation: Invocation

    @property
    def cards(self) -> tuple[Card, ...]:
        return self.invocation.response.cards

    @property
    def actions(self) -> Iterator[Action]:
        for card in self.cards:
            for suggestion in card.suggestions:
                yield from suggestion.actions

    @property
    def proposals(self) -> Iterator[CreateAction]:
        """The resources that are new: what else there is changes or removes a draft."""
        for action in self.actions:
            if isinstance(action, CreateAction):
                yield action
            else:
                assert unseen_targets(iter([action]), named(self.chart)) == []

    @property
    def changes(self) -> Iterator[UpdateAction]:
        """The drafts that are handed back changed."""
        return (action for action in self.actions if isinstance(action, UpdateAction))


@cache
def charts() -> tuple[AChart, ...]:
    return (*story_charts(), *generated_charts(GENERATED))


@cache
def answers() -> tuple[Answered, ...]:
    return tuple(Answered(chart, answer(service, chart)) for service in SERVICES for chart in charts())


def strings(value: Any, name: str) -> Iterator[str]:
    """Every string under a member's name, at any depth."""
    for key, member in value.items() if isinstance(value, dict) else enumerate(value):
        if key == name and isinstance(member, str):
            yield member
        elif isinstance(member, dict | list):
            yield from strings(member, name)


def named(chart: AChart) -> set[str]:
    """Type/id of every resource of a chart."""
    drafted = (*chart.drafts, chart.allergy)
    return {f"{resource['resourceType']}/{resource['id']}" for resource in (*chart.resources, *drafted)}


def unseen_targets(actions: Iterator[Action], seen: set[str]) -> list[str]:
    """What actions change or delete that nobody sent or read."""
    targets = []
    for action in actions:
        match action:
            case UpdateAction():
                targets.append(f"{action.resource['resourceType']}/{action.resource['id']}")
            case DeleteAction():
                targets.append(action.resource_id)
    return [target for target in targets if target not in seen]


# Again


def test_the_same_chart_gives_the_same_cards_to_each_user_at_each_phase() -> None:
    """[ES-1, LIFE-2] May fire several times for one encounter, for each user or phase: deterministic answers."""
    service = next(service for service in SERVICES if Hook.ENCOUNTER_START in service.hooks)
    shown = 0
    for chart in charts():
        if chart.encounter_id is None:
            continue
        for hook in service.hooks:
            said = [
                without_uuids(answer(service, chart, hook=hook, user=user).response.cards)
                for user in ("Practitioner/1", "Practitioner/2", "PractitionerRole/1", "Practitioner/1")
            ]
            assert said == said[:1] * len(said)
            shown += len(said[0])
    assert shown > 0


def without_uuids(cards: tuple[Card, ...]) -> list[Card]:
    """The cards with one uuid for all: all that two answers may differ in."""
    return [
        replace(card, uuid=INSTANCE, suggestions=tuple(replace(each, uuid=INSTANCE) for each in card.suggestions))
        for card in cards
    ]


# Suggestions


def test_proposed_resources_are_valid_and_keep_the_patient() -> None:
    """[ACT-7] Proposed resources validate for FHIR R4 and R4B, and keep the patient reference."""
    types = set()
    for answered in answers():
        for action in answered.proposals:
            resource = dict(action.resource)
            kind = resource["resourceType"]
            types.add(kind)
            model = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
            model.model_validate(resource)
            whose = resource["for" if kind == "Task" else "subject"]
            assert whose == {"reference": f"Patient/{answered.chart.patient_id}"}
    assert types == {"Condition", "MedicationRequest", "ServiceRequest", "Task"}


def test_changed_resources_are_valid_and_keep_the_patient() -> None:
    """[ACT-7] Proposed resources validate for FHIR R4 and R4B, and keep the patient reference."""
    changed = [(answered.chart, dict(action.resource)) for answered in answers() for action in answered.changes]
    for chart, resource in changed:
        kind = resource["resourceType"]
        getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind).model_validate(resource)
        assert resource["patient"] == {"reference": f"Patient/{chart.patient_id}"}
    assert {resource["resourceType"] for _, resource in changed} == {"AllergyIntolerance"}


def test_references_of_a_suggestion_resolve_and_its_order_does_not_matter() -> None:
    """[SUG-5] References resolve; no created resource points at another, so no order dependence in our data."""
    references = 0
    for answered in answers():
        seen = named(answered.chart)
        for action in answered.proposals:
            assert "id" not in action.resource
            found = list(strings(action.resource, "reference"))
            assert set(found) <= seen
            references += len(found)
    assert references > len(charts()) / 4


def test_only_resources_that_were_seen_are_changed_or_deleted() -> None:
    """[ACT-8] update and delete targets are resources seen in the request or read from the client's server."""
    for answered in answers():
        assert unseen_targets(answered.actions, named(answered.chart)) == []
    made_up: list[Action] = [DeleteAction("x", "Task/none"), UpdateAction("x", {"resourceType": "Task", "id": "none"})]
    assert unseen_targets(iter(made_up), {"Task/one"}) == ["Task/none", "Task/none"]


# Words and addresses


def test_a_link_leads_to_a_published_host_and_says_nothing_of_the_patient() -> None:
    """[LINK-7, CARD-7] No PHI in URLs; link hosts come from a configured, published list."""
    hosts: set[str] = set()
    for answered in answers():
        patient = next(r for r in answered.chart.resources if r["resourceType"] == "Patient")
        private = {each for name in ("family", "birthDate", "value") for each in strings(patient, name)}
        private |= {str(resource["id"]) for resource in answered.chart.resources}
        for card in answered.cards:
            addresses = list(addresses_of(card))
            assert addresses
            found = {str(urlsplit(address).hostname) for address in addresses}
            assert found <= POLICY.link_hosts(answered.invocation.service)
            words = {word for address in addresses for word in re.split(r"[/?&=#]", address)}
            assert words.isdisjoint(private)
            hosts |= found
    assert hosts >= {"127.0.0.1", "doi.org", "www.rcplondon.ac.uk"}


@pytest.mark.parametrize(
    "more",
    [
        {"source": Source("x", "https://elsewhere.example/x")},
        {"source": Source("x", icon="https://elsewhere.example/x.png")},
        {"detail": "Read [this](https://elsewhere.example/x)."},
        {"detail": "See http://elsewhere.example"},
        {"detail": "See HTTPS://guideline.example@elsewhere.example/"},
    ],
)
def test_a_card_that_leads_to_an_undeclared_host_is_not_sent(more: dict[str, Any]) -> None:
    """[LINK-7] unknown host fails."""
    usual: dict[str, Any] = {"indicator": Indicator.INFO, "source": Source("x", "https://guideline.example/x")}
    chart = charts()[0]
    fine = a_service(present=lambda *_: [Card("x", **usual, detail="[x](https://guideline.example/y)")])
    assert len(answer(fine, chart).response.cards) == 1
    with pytest.raises(ImpossibleMessage, match="does not declare"):
        answer(a_service(present=lambda *_: [Card("x", **{**usual, **more})]), chart)


# "Current smoker" is the name of an input and promises nothing.
PROMISES = re.compile(
    r"(?i)\b(?:current(?! smok)|currently|up[- ]to[- ]date|real[- ]?time|right now|as of now|always|still valid)\b"
)


def test_no_text_promises_that_it_is_current() -> None:
    """[LIFE-3] Not each change fires a hook: never promise in text that guidance is current."""
    texts = [text for each in SERVICES for text in (each.title, each.description, each.usage_requirements)]
    for answered in answers():
        for card in answered.cards:
            texts += [card.summary, card.detail or "", *(each.label for each in card.suggestions)]
    assert len(texts) > 3 * len(SERVICES)
    assert [found.group() for text in texts if (found := PROMISES.search(text))] == []
    assert PROMISES.search("This risk is always up to date")


def test_a_card_dates_the_data_it_rests_on() -> None:
    """[SEC-44] Guard against decisions on stale data: data timestamps are part of the card."""
    dated = 0
    for answered in answers():
        for assessment in answered.invocation.assessments:
            if isinstance(assessment, NotApplicable | Findings):
                continue
            by = f"Model {assessment.model.id} {assessment.model.version}."
            for card in answered.cards:
                if by not in str(card.detail):
                    continue
                for _, reading in say.read_inputs(assessment.inputs):
                    if reading.at is not None:
                        assert reading.at.text[:10] in str(card.detail)
                        dated += 1
    assert dated > len(charts())


def test_hostile_text_of_a_chart_arrives_inert() -> None:
    """[SEC-42] Text from FHIR data is escaped before it enters markdown."""
    for service in SERVICES:
        for chart in charts()[:40]:
            hostile = replace(chart, resources=[_hostile(resource) for resource in chart.resources])
            assert _is_inert(answer(service, hostile).response.to_json())


def test_a_hostile_drug_name_on_a_card_arrives_inert() -> None:
    """[SEC-42] Drug name `<img onerror=...>` arrives inert; unescaped it would not be sent at all."""
    orders = Search("medications", "MedicationRequest")
    assessor = AnAssessor(searches=(orders,), required_keys=frozenset())
    drug = a_medication({"text": PAYLOAD})
    chart = AChart("one", [a_patient(), drug])

    def shows(word: Any) -> Service:
        def present(_: Any, moment: Moment) -> list[Card]:
            (medication,) = moment.record.medications
            words = f"Ordered: {word(medication.text)}"
            return [Card(words, indicator=Indicator.INFO, source=Source("x"), detail=words)]

        return a_service(assessors=(assessor,), present=present)

    assert _is_inert(answer(shows(plain), chart).response.to_json())
    with pytest.raises(ImpossibleMessage):
        answer(shows(str), chart)


def _hostile(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _hostile(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [_hostile(member, name) for member in value]
    return PAYLOAD if name in {"text", "display", "unit", "family", "given", "title", "div"} else value


def _is_inert(body: bytes) -> bool:
    text = body.decode()
    return not re.search(r"<[a-zA-Z!/]|\]\(|www\.zzmarker", text)


# What is asked for


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.id)
def test_every_prefetch_key_changes_what_is_said_of_somebody(service: Service) -> None:
    """[PRE-18] Ask for the least data that serves the purpose: each key is read by the code."""
    unread = set(service.searches)
    for chart in (changed(chart) for chart in charts() for changed in (_as_told, _pregnant, _imaged, _watched)):
        whole = prefetch_of(service, chart)
        said = answer(service, chart).assessments
        for key in sorted(unread):
            if answer(service, chart, {**whole, key: None}).assessments != said:
                unread.discard(key)
        if not unread:
            break
    assert unread == set()


def _as_told(chart: AChart) -> AChart:
    return chart


def _pregnant(chart: AChart) -> AChart:
    """The same chart of somebody who said to be pregnant: the one use of the social history in two services."""
    pregnant = an_observation("82810-3", Code(LOINC, "LA15173-0"), on="2026-05-20", patient=chart.patient_id)
    problem = a_condition("O09.90", onset="2026-03-01", patient=chart.patient_id)
    young = [{**r, "birthDate": "1996-01-01"} if r["resourceType"] == "Patient" else r for r in chart.resources]
    return replace(chart, resources=[*young, pregnant if len(chart.resources) % 2 else problem])


def _imaged(chart: AChart) -> AChart:
    """The same chart of somebody who had a scan, and reacted to its contrast: no story tells of either."""
    scan = a_report("24627-2", "2026-05-20", patient=chart.patient_id)
    reaction = an_allergy(Code(SNOMED_CT, "293637006"), patient=chart.patient_id)
    return replace(chart, resources=[*chart.resources, scan, reaction])


def _watched(chart: AChart) -> AChart:
    """The same chart of somebody whose INR is ordered, whose kidneys are weak and whose weight is known."""
    whose = {"patient": chart.patient_id}
    creatinine = an_observation("2160-0", 2.2, "mg/dL", on="2026-05-25", **whose)
    weight = an_observation("29463-7", 60.0, "kg", on="2026-05-20", **whose)
    return replace(
        chart, resources=[*chart.resources, an_order("6301-6", authored="2026-05-31", **whose), creatinine, weight]
    )


# How often


def test_opening_a_chart_is_quiet() -> None:
    """[PV-3] Quiet, since a chart is opened often: of 100 charts at most 80 cards, 20 of them more than information.

    The generated patients are sicker than those of a practice: a quarter are in hospital, most have a long-term
    illness. The budget is what was measured (76 and 18) and a little: a change that speaks oftener has to say so here.
    """
    opened = [
        each
        for each in answers()
        if each.chart.name.startswith("generated") and Hook.PATIENT_VIEW in each.invocation.service.hooks
    ]
    cards = [card for each in opened for card in each.cards]
    urgent = [card for card in cards if card.indicator is not Indicator.INFO]
    assert 0 < len(cards) <= GENERATED * 0.80
    assert 0 < len(urgent) <= GENERATED * 0.20
    assert max(len(each.cards) for each in opened) <= 2
