"""Whatever stands in a draft or a chart: the catalogue answers with cards or a plain refusal, and lets no word out."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from cds_hooks.catalogue import Catalogue
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.markdown import plain
from cds_hooks.service import Service
from cds_hooks.web.settings import Authentication, Settings
from cds_hooks.web.site import SiteFile
from fhir_client.codes import RXNORM, SNOMED_CT
from tests.builders import (
    Resource,
    a_bundle,
    a_condition,
    a_medication,
    a_patient,
    a_reaction,
    a_report,
    an_allergy,
    an_encounter,
    an_observation,
    an_order,
)
from tests.cds_hooks.web.edge import INSTANCE, AnEdge, an_edge
from tests.dosing import GTS, a_day, instruction, quantity
from tests.fhir_client.any_json import JSON, paths, replaced
from tests.privacy.markers import MARKER

HOOKS = (
    Hook.ORDER_SELECT,
    Hook.ORDER_SIGN,
    Hook.ALLERGYINTOLERANCE_CREATE,
    Hook.ENCOUNTER_START,
    Hook.ENCOUNTER_DISCHARGE,
)
CALLS = [(service, hook) for service in Catalogue.found().services for hook in service.hooks if hook in HOOKS]
USER, TODAY = "Practitioner/u1", "2024-05-31T20:00:00Z"
PILOT = SiteFile(pilots={service.id: frozenset({USER}) for service, _ in CALLS})
TEXTS = ("text", "display", "unit", "family")

# Every element of a Dosage, so that each can be broken.
DOSAGE: Resource = {
    "text": MARKER,
    "sequence": 1,
    "asNeededBoolean": True,
    "route": {"coding": [{"system": SNOMED_CT, "code": "26643006"}]},
    "timing": {
        "repeat": {
            "frequency": 1,
            "frequencyMax": 2,
            "period": 4,
            "periodMax": 6,
            "periodUnit": "h",
            "boundsDuration": quantity(3, "d"),
            "dayOfWeek": ["mon"],
            "timeOfDay": ["08:00:00"],
            "when": ["HS"],
        },
        "code": {"coding": [{"system": GTS, "code": "BID"}]},
        "event": ["2024-06-01"],
    },
    "doseAndRate": [
        {
            "doseRange": {"low": quantity(1), "high": quantity(40)},
            "rateRatio": {"numerator": quantity(1, "mg"), "denominator": quantity(1, "h")},
        }
    ],
    "maxDosePerPeriod": {"numerator": quantity(400), "denominator": quantity(1, "d")},
    "maxDosePerAdministration": quantity(40),
    "maxDosePerLifetime": quantity(4000),
}
# What somebody sends where something else is due.
HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1e300, 5e-324, 10**18, "", " ", "NaN", "-5", "x" * 70, "a b", "../x", "é/ü", "{drug}"),
    *(
        "<img src=x>",
        "[x](http:e)",
        "http:evil",
        "https://evil.example",
        "javascript:x",
        "\0",
        "\u202e",
        "a\n# b",
        "||",
    ),
    *("0001-01-01", "9999-12-31T23:59:59Z", "2024-02-30", "MG", "mg", "mg/d", "10*99/L", "1/m", "mg/(", "{x}"),
    *("#", "#m1", "#m2", "urn:uuid:x", "Medication/d5", "MedicationRequest/d1", "stopped", "entered-in-error"),
    *([], {}, [[]], [{}], [None], {"reference": "#m1"}, {"reference": "MedicationRequest/d2"}, {"coding": "x"}),
)


def named(code: str, system: str = RXNORM) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": MARKER}], "text": MARKER}


def a_draft(code: str, id: str, **more: Any) -> Resource:
    return a_medication(named(code), id=id, status="draft", **more)


def by_reference() -> Resource:
    """A drug in a mixture that holds itself."""
    drugs = [
        {"resourceType": "Medication", "id": "m1", "ingredient": [{"itemReference": {"reference": "#m2"}}]},
        {"resourceType": "Medication", "id": "m2", "ingredient": [{"itemReference": {"reference": "#m1"}}]},
    ]
    order = a_draft("0", "d5", contained=drugs, medicationReference={"reference": "#m1", "display": MARKER})
    return {name: value for name, value in order.items() if name != "medicationCodeableConcept"}


def drafts() -> list[Resource]:
    return [
        a_draft("1049621", "d1", dosageInstruction=[DOSAGE]),
        a_draft("6809", "d2", dosageInstruction=[instruction(quantity(500, "mg"), a_day(2))]),
        a_draft("198440", "d3", priorPrescription={"reference": "MedicationRequest/a9"}),
        a_draft("723", "d4"),
        by_reference(),
        a_draft("5640", "d6"),
        *(an_order(named(code, "http://loinc.org"), id=code, status="draft") for code in ("4548-4", "36813-4")),
    ]


def an_entry(**more: Any) -> Resource:
    nausea = a_reaction(named("422587007", SNOMED_CT), severity="mild", onset="2010")
    return an_allergy(named("723"), nausea, category=["medication"], **{"id": "al1", **more})


def chart() -> list[Resource]:
    return [
        a_patient(name=[{"family": MARKER}]),
        *(an_observation("2160-0", value, "mg/dL", on=on) for value, on in ((3.1, TODAY), (1.0, "2024-05-28"))),
        *(an_observation(code, 9, "%", on="2024-05-20") for code in ("4548-4", "17856-6")),
        *(an_observation(code, value, "mmol/L", on=TODAY) for code, value in (("2823-3", 6.2), ("2951-2", 130))),
        *(an_observation("718-7", value, "g/dL", on=on) for value, on in ((8, TODAY), (11, "2024-05-30T20:00:00Z"))),
        *(a_condition(code) for code in ("I48.91", "I50.9", "E66.01", "J18.9")),
        *(a_medication(named(code), id=f"a{code}") for code in ("11289", "6470", "29046", "4603", "0")),
        a_medication(named("1049621"), id="a9", dosageInstruction=[DOSAGE]),
        an_allergy(named("723"), a_reaction(named("39579001", SNOMED_CT), severity="severe")),
        *(an_encounter("IMP", "2024-05-31T08:00:00Z", id="e1"), an_encounter("EMER", "2024-03-01", "2024-03-01")),
        *(an_order("4548-4", authored=TODAY), a_report("24725-4")),
    ]


def a_body(service: Service, hook: Hook, *, ordered: list[Resource] | None = None) -> Resource:
    context: Resource = {"userId": USER, "patientId": "p1", "encounterId": "e1"}
    ordered = drafts() if ordered is None else ordered
    if hook in (Hook.ORDER_SELECT, Hook.ORDER_SIGN):
        context["draftOrders"] = a_bundle(*ordered, type="collection")
    if hook is Hook.ORDER_SELECT:
        context["selections"] = [f"{draft['resourceType']}/{draft['id']}" for draft in ordered]
    if hook is Hook.ALLERGYINTOLERANCE_CREATE:
        context["allergyIntolerance"] = an_entry()
    prefetch: Resource = {}
    for key, search in service.searches.items():
        rows = [row for row in chart() if row["resourceType"] == search.resource_type]
        prefetch[key] = rows[0] if search.is_read else a_bundle(*rows)
    return {"hook": hook.value, "hookInstance": INSTANCE, "context": context, "prefetch": prefetch}


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnEdge]:
    off = Settings(authentication=Authentication.OFF, site=PILOT)
    with an_edge(tmp_path_factory.mktemp("any"), *Catalogue.found().services, settings=off) as edge:
        yield edge


def is_answered(answer: TestResponse) -> bool:
    """Cards, or an OperationOutcome with words; the edge itself looks for a patient's word in errors and logs."""
    if answer.status_code == 200:
        return isinstance(answer.get_json()["cards"], list)
    issues = answer.get_json()["issue"]
    return answer.status_code in {400, 412, 422} and all(issue["details"]["text"] for issue in issues)


BODIES = [(service.id, a_body(service, hook)) for service, hook in CALLS]
PLACES = [[path for path in paths(body) if len(path) > 1] for _, body in BODIES]


def test_what_is_broken_below_makes_cards_while_it_is_whole(edge: AnEdge) -> None:
    """Nothing is learned from a chart about which there is nothing to say."""
    speaking = {id_ for id_, body in BODIES if edge.call(body, service=id_).get_json()["cards"]}
    orders = {"acute-kidney-injury", "imaging-advice", "medication-safety", "opioid-safety", "repeat-test"}
    assert speaking >= orders | {"allergy-record"}


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_value_in_any_place_is_answered(edge: AnEdge, data: st.DataObject) -> None:
    """Malformed input never ends in an error of ours."""
    which = data.draw(st.integers(0, len(BODIES) - 1))
    service, body = BODIES[which]
    place = data.draw(st.sampled_from(PLACES[which]))
    broken = replaced(body, place, data.draw(st.sampled_from(HOSTILE) | JSON))
    assert is_answered(edge.call(broken, service=service))


@pytest.mark.parametrize("text", [text for text in HOSTILE if isinstance(text, str)])
def test_any_text_in_place_of_every_word_is_answered(edge: AnEdge, text: str) -> None:
    for which, (service, body) in enumerate(BODIES):
        broken = body
        for place in PLACES[which]:
            if place[-1] in TEXTS or place[-2:] == ("valueQuantity", "code"):
                broken = replaced(broken, place, text)
        answer = edge.call(broken, service=service)
        assert is_answered(answer)
        assert answer.status_code == 200
        said = [f"{card['summary']}\n{card['detail']}" for card in answer.get_json()["cards"]]
        assert len(text) < 3 or plain(text) == text.strip() or not any(text in each for each in said)


@pytest.mark.parametrize("id_", ["a b", "é", "../x", "x" * 3000, "{id}", "MedicationRequest/d1", "", "<b>", "d1"])
def test_a_draft_is_checked_whatever_its_id_and_only_a_plain_one_is_named(edge: AnEdge, id_: str) -> None:
    for service in (service for service, hook in CALLS if hook is Hook.ORDER_SIGN):
        body = a_body(service, Hook.ORDER_SIGN)
        for entry in body["context"]["draftOrders"]["entry"]:
            entry["resource"]["id"] = id_
        cards = edge.call(body, service=service.id).get_json()["cards"]
        actions = [action for card in cards for each in card.get("suggestions", ()) for action in each["actions"]]
        removed = {action["resourceId"] for action in actions if action["type"] == "delete"}
        assert removed <= {f"{kind}/d1" for kind in ("MedicationRequest", "ServiceRequest") if id_ == "d1"}
        assert cards or service.id == "thrombosis-risk"


@pytest.mark.parametrize("id_", ["a b", "{id}", "x" * 3000])
def test_an_entry_whose_id_fhir_does_not_allow_is_not_handed_back(edge: AnEdge, id_: str) -> None:
    (service,) = (service for service, hook in CALLS if hook is Hook.ALLERGYINTOLERANCE_CREATE)
    body = a_body(service, Hook.ALLERGYINTOLERANCE_CREATE)
    body["context"]["allergyIntolerance"] = an_entry(id=id_)
    (card,) = edge.call(body, service=service.id).get_json()["cards"]
    assert "suggestions" not in card
