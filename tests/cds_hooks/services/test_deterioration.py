from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from cds_hooks.protocol.cards import Card, CreateAction, Indicator
from cds_hooks.protocol.hooks import Hook
from cds_hooks.services.deterioration import SERVICE
from fhir_client.codes import LOINC, Code
from fhir_client.record import Availability, PatientRecord
from tests.builders import (
    Resource,
    a_blood_pressure,
    a_condition,
    a_medication,
    a_patient,
    a_record,
    an_encounter,
    an_observation,
    an_order,
)
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


# An antibiotic and a culture of the same evening: somebody suspects an infection.
ANTIBIOTIC = a_medication("2193", authored="2024-05-31T21:00:00Z")
CULTURE = an_order("600-7", authored="2024-05-31T20:30:00Z")
CALM: Mapping[str, Any] = MappingProxyType(
    {
        "9279-1": (16, "/min"),
        "59408-5": (98, "%"),
        "3151-8": (0, "L/min"),
        "8867-4": (70, "/min"),
        "8310-5": (37, "Cel"),
    }
)


def a_coma_score(value: int) -> Resource:
    return an_observation("9269-2", value, "{score}", on=AT)


def a_result(code: str, value: float, unit: str) -> Resource:
    return an_observation(code, value, unit, on="2024-05-31T21:00:00Z")


def the_card(*resources: Resource, **more: Any) -> Card:
    (card,) = cards_of(SERVICE, a_chart(*resources, **more))
    return card


@pytest.mark.parametrize("hook", [Hook.PATIENT_VIEW, Hook.ENCOUNTER_START])
def test_a_suspected_infection_puts_both_screens_on_the_same_card(hook: Hook) -> None:
    white_cells, lactate = a_result("6690-2", 18.2, "10*3/uL"), a_result("32693-4", 2.8, "mmol/L")
    record = a_chart(*a_round(), ANTIBIOTIC, CULTURE, a_coma_score(14), white_cells, lactate, encounter_id="e1")
    (card,) = cards_of(SERVICE, record, hook=hook)
    assert card.summary == (
        "NEWS2 = 12 (high): emergency assessment per local policy; infection suspected: qSOFA 3, SIRS 4"
    )
    assert card.indicator is Indicator.CRITICAL
    for part in (
        "An infection is suspected: an antibiotic and a culture",
        "Neither screen is a diagnosis of sepsis",
        "| Screen | Points |\n",
        "| qSOFA | 3 of 3 |\n| SIRS | 4 of 4 |\n",
        "| Glasgow coma score | 14 | 2024-05-31 22:00 |",
        "| White blood cells | 18.2 10⁹/L | 2024-05-31 21:00 |",
        "| Lactate | 2.8 mmol/L | 2024-05-31 21:00 |",
        "Models qsofa 1.0.0, sirs 1.0.0.",
    ):
        assert part in str(card.detail)
    assert [suggestion.label for suggestion in card.suggestions] == ["Observations at least hourly"]


def test_a_screen_that_lacks_an_input_says_at_least_and_what_is_missing() -> None:
    card = the_card(*a_round(), ANTIBIOTIC, CULTURE)
    assert card.summary.endswith("; infection suspected: qSOFA 2+, SIRS 3+")
    assert "| qSOFA | at least 2 of 3 | Glasgow coma score |" in str(card.detail)
    assert "| SIRS | at least 3 of 4 | white blood cells |" in str(card.detail)
    assert "| Lactate | missing: not found |" in str(card.detail)
    assert [suggestion.label for suggestion in card.suggestions] == [
        "Observations at least hourly",
        "Order: Lactate, blood",
    ]


@pytest.mark.parametrize("resources", [[], [ANTIBIOTIC], [CULTURE]], ids=["neither", "antibiotic", "culture"])
def test_without_a_suspected_infection_no_screen_is_named(resources: list[Resource]) -> None:
    card = the_card(*a_round(), a_coma_score(14), *resources)
    assert card.summary == "NEWS2 = 12 (high): emergency assessment per local policy"
    for word in ("qSOFA", "SIRS", "infection", "actate"):
        assert word not in str(card.detail)


def test_beside_a_raised_score_an_unknown_suspicion_is_said_with_its_reason() -> None:
    keys = dict.fromkeys(SERVICE.searches, Availability.COMPLETE)
    card = the_card(*a_round(), availability={**keys, "medications": Availability.DENIED})
    assert card.summary == "NEWS2 = 12 (high): emergency assessment per local policy"
    assert "Whether an infection is suspected is not known (could not be read: access was denied)" in str(card.detail)


def test_where_the_score_is_low_an_unknown_suspicion_is_silence() -> None:
    keys = dict.fromkeys(SERVICE.searches, Availability.COMPLETE)
    low = a_chart(*a_round(changed=CALM, systolic=124), availability={**keys, "medications": Availability.DENIED})
    assert cards_of(SERVICE, low) == []


def test_a_positive_qsofa_speaks_though_news2_is_low() -> None:
    changed = {**CALM, "9279-1": (22, "/min")}
    card = the_card(*a_round(changed=changed, systolic=124), a_coma_score(14), ANTIBIOTIC, CULTURE)
    assert card.summary == "Infection suspected: qSOFA 2, SIRS 1+, while NEWS2 = 2 (low)"
    assert card.indicator is Indicator.WARNING
    assert card.source.url == "https://doi.org/10.1001/jama.2016.0287"
    assert "**NEWS2 2 of 20 (low)**" in str(card.detail)


def test_sirs_alone_makes_no_card() -> None:
    changed = {**CALM, "8867-4": (94, "/min"), "8310-5": (38.4, "Cel")}
    white_cells = a_result("6690-2", 14, "10*3/uL")
    record = a_chart(*a_round(changed=changed, systolic=124), a_coma_score(15), white_cells, ANTIBIOTIC, CULTURE)
    assert cards_of(SERVICE, record) == []


def test_a_score_that_is_not_complete_still_shows_the_screens() -> None:
    card = the_card(*a_round(changed={"3151-8": None}), a_coma_score(14), ANTIBIOTIC, CULTURE)
    assert card.summary.endswith("; infection suspected: qSOFA 3, SIRS 3+")
    assert card.summary.startswith("NEWS2 not scored, missing: on oxygen")
    assert "| qSOFA | 3 of 3 |" in str(card.detail)
    calm = the_card(*a_round(changed={**CALM, "3151-8": None}, systolic=124), a_coma_score(15), ANTIBIOTIC, CULTURE)
    assert calm.summary == "NEWS2 not scored, missing: on oxygen"
    assert calm.indicator is Indicator.INFO
    assert "| qSOFA | 0 of 3 |  |" in str(calm.detail)


def test_a_positive_qsofa_makes_an_incomplete_score_a_warning() -> None:
    changed = {**CALM, "9279-1": (22, "/min"), "3151-8": None}
    card = the_card(*a_round(changed=changed, systolic=124), a_coma_score(14), ANTIBIOTIC, CULTURE)
    assert card.indicator is Indicator.WARNING


def test_palliative_care_is_silence_with_an_infection_too() -> None:
    assert cards_of(SERVICE, a_chart(*a_round(), a_condition("Z51.5"), a_coma_score(14), ANTIBIOTIC, CULTURE)) == []


def test_a_stay_that_begins_with_nothing_measured_is_silence() -> None:
    """Nothing is measured yet: that is how every stay begins."""
    assert [*cards_of(SERVICE, a_chart(), hook=Hook.ENCOUNTER_START)] == []
    (card,) = cards_of(SERVICE, a_chart(), hook=Hook.PATIENT_VIEW)
    assert card.summary.startswith("NEWS2 not scored, missing: ")


def test_a_stay_that_begins_with_one_value_or_an_unread_chart_is_told() -> None:
    measured = a_chart(an_observation("8867-4", 132.0, "/min", on=AT))
    unread = a_chart(
        availability=dict.fromkeys(SERVICE.searches, Availability.COMPLETE) | {"vital-signs": Availability.DENIED}
    )
    for record in (measured, unread):
        assert len(cards_of(SERVICE, record, hook=Hook.ENCOUNTER_START)) == 1
