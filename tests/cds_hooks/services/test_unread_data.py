"""What a card says of data that could not be read, or not in full: the reason, in a clinician's words."""

import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from cds_hooks.catalogue import Catalogue
from cds_hooks.gathering import gather
from cds_hooks.protocol.cards import Card
from cds_hooks.service import Service
from cds_hooks.services.cardiovascular_risk import SERVICE
from fhir_client.client import Connections
from fhir_client.codes import LOINC, SNOMED_CT, Code
from fhir_client.record import Availability
from tests.builders import (
    a_blood_pressure,
    a_bundle,
    a_condition,
    a_medication,
    a_patient,
    a_reaction,
    a_record,
    an_allergy,
    an_encounter,
    an_observation,
    an_order,
)
from tests.cds_hooks.services.showing import cards_of
from tests.fhir_stub import FhirStub, Says, a_fhir_server, an_outcome
from tests.hook_calls import a_call, access_to, no_access

ON = "2024-05-01"
AS_OF = datetime(2024, 6, 1, tzinfo=UTC)
# All that PREVENT asks for, except the drugs: they are what cannot be read.
PREFETCH: Mapping[str, Any] = {
    "patient": a_patient(born="1974-01-10"),
    "conditions": a_bundle(a_condition("E11.9")),
    "encounters": a_bundle(),
    "laboratory": a_bundle(
        an_observation("2093-3", 200.0, "mg/dL", on=ON),
        an_observation("2085-9", 45.0, "mg/dL", on=ON),
        an_observation("98979-8", 90.0, "mL/min/{1.73_m2}", on=ON),
    ),
    "vital-signs": a_bundle(a_blood_pressure(160, 85, on=ON), an_observation("39156-5", 35.0, "kg/m2", on=ON)),
    "social-history": a_bundle(an_observation("72166-2", Code(SNOMED_CT, "266919005"), on=ON)),
}
DRUGS = "MedicationRequest/_search"


@pytest.fixture
def server() -> Iterator[FhirStub]:
    with a_fhir_server() as stub:
        yield stub


def the_card(server: FhirStub | None, *, seconds: float = 3.0, prefetch: Mapping[str, Any] = PREFETCH) -> Card:
    call = a_call(prefetch, server=None if server is None else server.base)
    with Connections() as connections:
        connect = no_access if server is None else access_to(connections, server, seconds=seconds)
        record = gather(SERVICE.searches, call, required=(), connect=connect, as_of=AS_OF).record
    (card,) = cards_of(SERVICE, record)
    return card


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (Says(an_outcome(), 403), "could not be read: access was denied"),
        (Says(an_outcome(code="forbidden")), "could not be read: access was denied"),
        (Says(an_outcome(), 503), "could not be read: the record system did not answer"),
        (Says(an_outcome(), 500), "could not be read: the record system did not answer"),
        (Says(a_bundle(), delay=0.6), "could not be read: the record system did not answer"),
        (Says(a_bundle(next="MedicationRequest?page=2")), "could not be read: the record system answered only in part"),
        (Says(an_outcome(), 400), "could not be read from the record system"),
        (Says(b"<html>", media_type="text/html"), "could not be read from the record system"),
    ],
)
def test_the_card_says_why_an_input_could_not_be_read(server: FhirStub, says: Says, words: str) -> None:
    """[FHIR-6] The result is data plus state: partial, denied and unavailable each reach the card."""
    server.on("POST", DRUGS, says)
    server.on("GET", "MedicationRequest", Says(an_outcome(), 503))
    card = the_card(server, seconds=0.4)
    assert card.summary == "Cardiovascular risk not computed, missing: blood pressure treated, statin"
    assert card.detail is not None
    assert f"| Statin | missing: {words} |" in card.detail


def test_the_card_says_that_nobody_sent_it() -> None:
    """[FHIR-6] Neither prefetched nor readable: the card says so."""
    card = the_card(None)
    assert card.detail is not None
    assert "| Statin | missing: could not be read: it was not sent, and no access was given |" in card.detail


def test_the_card_says_that_what_the_client_tried_was_denied() -> None:
    """[FHIR-6, FHIR-67] The client's own failed prefetch is read like ours."""
    card = the_card(None, prefetch={**PREFETCH, "medications": an_outcome(code="forbidden")})
    assert card.detail is not None
    assert "| Statin | missing: could not be read: access was denied |" in card.detail


def test_a_complete_answer_without_the_drug_is_an_answer(server: FhirStub) -> None:
    """[FHIR-6] Complete, and absent."""
    server.on("POST", DRUGS, Says(a_bundle(a_medication("17767"))))
    card = the_card(server)
    assert card.detail is not None
    assert "| Statin | no |" in card.detail


def test_a_value_from_a_part_says_so(server: FhirStub) -> None:
    """[FHIR-6] Partial: what was found is used, and its row says that there may be more."""
    first = {**a_bundle(next="Observation?page=2"), "entry": PREFETCH["laboratory"]["entry"]}
    server.on("POST", DRUGS, Says(a_bundle()))
    server.on("POST", "Observation/_search", Says(first))
    server.on("GET", "Observation", Says(an_outcome(), 503))
    card = the_card(server, prefetch={key: value for key, value in PREFETCH.items() if key != "laboratory"})
    assert card.detail is not None
    assert f"| Total cholesterol | 200 mg/dL (the record system answered only in part) | {ON} |" in card.detail


def test_a_hanging_server_costs_the_deadline_and_no_more(server: FhirStub) -> None:
    server.on("POST", DRUGS, Says(a_bundle(), delay=1.0))
    started = time.monotonic()
    the_card(server, seconds=0.3)
    assert time.monotonic() - started < 0.5


# A short result may be legal: labels and filters hide rows, and nobody says so.
_CLAIMS = re.compile(r"no record|not recorded|never (had|been)|does not (have|take)|not on record", re.IGNORECASE)
_CHARTS: tuple[list[dict[str, Any]], ...] = (
    [entry["resource"] for bundle in PREFETCH.values() if "entry" in bundle for entry in bundle["entry"]],
    [an_observation("2160-0", 2.4, "mg/dL", on=ON), an_observation("2160-0", 2.3, "mg/dL", on="2024-01-01")],
    [an_observation("67775-7", Code(LOINC, "LA9340-6"), on="2024-05-31T22:00:00Z")],
    [a_condition("I48.0"), a_condition("I10"), a_condition("I63.9")],
    [
        a_condition("J18.9"),
        an_observation("67775-7", Code(LOINC, "LA6560-2"), on="2024-05-31T22:00:00Z"),
        an_observation("9279-1", 32, "/min", on="2024-05-31T22:00:00Z"),
        a_blood_pressure(118, 70, on="2024-05-31T22:00:00Z"),
        an_observation("3094-0", 30, "mg/dL", on="2024-05-31T22:00:00Z"),
    ],
    [
        a_condition("K74.60"),
        an_observation("1975-2", 3.0, "mg/dL", on=ON),
        an_observation("6301-6", 1.8, "{INR}", on=ON),
        an_observation("2160-0", 1.6, "mg/dL", on=ON),
        an_observation("2951-2", 130, "mmol/L", on=ON),
        an_observation("1751-7", 2.8, "g/dL", on=ON),
    ],
    [
        an_observation("2160-0", 1.0, "mg/dL", on="2024-05-29T08:00:00Z"),
        an_observation("2160-0", 2.0, "mg/dL", on="2024-05-31T08:00:00Z"),
        an_observation("1988-5", 12, "mg/L", on="2024-05-31T08:00:00Z"),
    ],
    [an_observation("4548-4", 7.1, "%", on=ON), an_observation("4548-4", 6.8, "%", on="2024-01-01")],
    [
        an_encounter("EMER", "2024-05-12T03:00:00Z", "2024-05-12T09:00:00Z"),
        an_encounter("IMP", "2024-05-12T09:30:00Z"),
        a_condition("I50.9"),
        a_condition("J44.9"),
    ],
    [an_encounter("IMP", "2024-05-31T18:00:00Z"), a_condition("C34.90"), a_condition("Z74.01", onset="2024-05-30")],
    [],
)
# What services at order entry speak of: a drug that harms the kidney, an opioid without its dose, one that nobody
# knows, a test that was done, CT with contrast; and an allergy that is being entered, a side effect.
_DRAFTS: tuple[dict[str, Any], ...] = (
    a_medication("5640", status="draft", authored=None),
    a_medication("7804", status="draft", authored=None),
    a_medication("0", status="draft", authored=None),
    an_order("1988-5", status="draft", authored=None),
    an_order("36813-4", status="draft", authored=None),
    an_allergy("7980", a_reaction("422587007")),
)


@pytest.mark.parametrize("service", Catalogue.found().services, ids=lambda service: service.id)
def test_no_card_claims_that_there_is_no_record(service: Service) -> None:
    """[FHIR-69] A short result may be legal; never claim "no record of"."""
    shown: list[Card] = []
    for state in Availability:
        states = dict.fromkeys(service.searches, state) | {"patient": Availability.COMPLETE}
        for rows in _CHARTS:
            record = a_record(a_patient(born="1974-01-10"), *rows, availability=states, drafts=_DRAFTS)
            shown += cards_of(service, record, shows_unverified=True)
    assert shown
    assert not [claim for card in shown if (claim := _CLAIMS.search(f"{card.summary}\n{card.detail}"))]
