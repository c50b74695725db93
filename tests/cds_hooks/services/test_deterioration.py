from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cds_hooks.protocol.cards import CreateAction, Indicator
from cds_hooks.services.deterioration import SERVICE
from fhir_client.codes import LOINC, Code
from fhir_client.record import PatientRecord
from tests.builders import a_blood_pressure, a_patient, a_record, an_encounter, an_observation
from tests.cds_hooks.services.showing import cards_of

ALERT = Code(LOINC, "LA9340-6")
UNCHANGED: Mapping[str, Any] = MappingProxyType({})
AT = "2024-05-31T22:00:00Z"
BED = an_encounter("IMP", start="2024-05-30T08:00:00Z", id="e1")


def a_round(on: str = AT, *, systolic: float = 95, changed: Mapping[str, Any] = UNCHANGED) -> list[dict[str, Any]]:
    """The vector of clinical/models.md 16: RR 24, SpO2 90 on oxygen, SBP 95, HR 115, alert, 38.5: 12 points."""
    values = {
        "9279-1": (24, "/min"),
        "59408-5": (90, "%"),
        "3151-8": (2, "L/min"),
        "8867-4": (115, "/min"),
        "67775-7": (ALERT, None),
        "8310-5": (38.5, "Cel"),
        **changed,
    }
    observations = [an_observation(code, value[0], value[1], on=on) for code, value in values.items() if value]
    return [*observations, a_blood_pressure(systolic, 60, on=on)]


def a_chart(*resources: dict[str, Any], **more: Any) -> PatientRecord:
    return a_record(a_patient(born="1954-01-10"), BED, *resources, **more)


def test_a_high_score_is_critical_and_shows_parts_times_and_trend() -> None:
    """[CARD-18] Summary alone carries the message; the detail has every part with value and time."""
    earlier = a_round("2024-05-31T14:00:00Z", changed={"59408-5": (97, "%"), "3151-8": (0, "L/min")})
    (card,) = cards_of(SERVICE, a_chart(*a_round(), *earlier))
    assert card.summary == "NEWS2 = 12 (high): emergency assessment per local policy"
    assert card.indicator is Indicator.CRITICAL
    assert card.detail is not None
    assert "| Heart rate | 115 /min | 2024-05-31 22:00 | 2 |" in card.detail
    assert "**Last 24 hours:** 7 (2024-05-31 14:00) → 12 (2024-05-31 22:00)" in card.detail
    (suggestion,) = card.suggestions
    (action,) = suggestion.actions
    assert isinstance(action, CreateAction)
    assert action.resource["resourceType"] == "Task"


def test_a_low_score_is_silence() -> None:
    calm = {"9279-1": (16, "/min"), "59408-5": (98, "%"), "3151-8": (0, "L/min"), "8867-4": (70, "/min")}
    record = a_chart(*a_round(changed={**calm, "8310-5": (36.8, "Cel")}, systolic=124))
    assert [card.summary for card in cards_of(SERVICE, record)] == []


def test_alertness_and_air_are_never_assumed_and_what_is_known_already_warns() -> None:
    (card,) = cards_of(SERVICE, a_chart(*a_round(changed={"67775-7": None, "3151-8": None})))
    assert card.summary == "NEWS2 not scored, missing: on oxygen, consciousness (ACVPU); the rest alone gives 10"
    assert card.indicator is Indicator.WARNING
    assert card.detail is not None
    assert "alertness and air are never assumed" in card.detail


def test_stale_vital_signs_are_not_scored_as_new() -> None:
    (card,) = cards_of(SERVICE, a_chart(*a_round("2024-05-31T08:00:00Z")))
    assert card.summary.startswith("NEWS2 not scored, missing: ")
    assert card.indicator is Indicator.INFO


def test_a_visit_with_a_blood_pressure_is_no_acute_care() -> None:
    visit = an_encounter("AMB", start="2024-05-31T21:00:00Z", end="2024-05-31T22:00:00Z")
    assert cards_of(SERVICE, a_record(a_patient(born="1954-01-10"), visit, a_blood_pressure(88, 50, on=AT))) == []


def test_the_encounter_that_the_hook_names_counts_before_it_has_begun() -> None:
    planned = an_encounter("IMP", start="2024-06-01T08:00:00Z", status="planned", id="e9")
    record = a_record(a_patient(born="1954-01-10"), planned, encounter_id="e9", as_of="2024-06-01T09:00:00Z")
    assert len(cards_of(SERVICE, record)) == 1


def test_pregnancy_and_childhood_are_silence() -> None:
    child = a_record(a_patient(born="2012-01-10"), BED, *a_round())
    assert cards_of(SERVICE, child) == []
