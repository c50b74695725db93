from typing import Any

import pytest

from fhir_client.record import Availability
from models.assessment import Gap, Missing
from models.features.suspicion import SUSPECTED_INFECTION
from models.site import Site
from tests.builders import Resource, a_medication, a_record, an_observation, an_order

CEFTRIAXONE = "2193"
CULTURE = "600-7"
GIVEN = "2024-05-30T12:00:00Z"


def read(*resources: Resource, **more: Any) -> Any:
    answer = SUSPECTED_INFECTION.answer(a_record(*resources, **more), Site())
    return answer.gap if isinstance(answer, Missing) else answer.value


def an_antibiotic(authored: str | None = GIVEN, **more: Any) -> Resource:
    return a_medication(CEFTRIAXONE, authored=authored, **more)


@pytest.mark.parametrize(
    ("taken", "suspected"),
    [
        ("2024-05-27T11:59:00Z", False),
        ("2024-05-27T12:00:00Z", True),
        ("2024-05-30T12:00:00Z", True),
        ("2024-05-31T12:00:00Z", True),
        ("2024-05-31T12:01:00Z", False),
    ],
)
def test_a_culture_close_to_an_antibiotic_tells_of_suspicion(taken: str, suspected: bool) -> None:
    assert read(an_antibiotic(), an_order(CULTURE, authored=taken)) is suspected
    assert read(an_antibiotic(), an_observation(CULTURE, "no growth", on=taken)) is suspected


def test_neither_alone_does() -> None:
    assert read(an_antibiotic()) is False
    assert read(an_order(CULTURE, authored=GIVEN)) is False
    assert read(a_medication("161", authored=GIVEN), an_order(CULTURE, authored=GIVEN)) is False
    assert read(an_antibiotic(), an_order("2160-0", authored=GIVEN)) is False


@pytest.mark.parametrize(("given", "suspected"), [("2024-05-25T00:00:00Z", True), ("2024-05-24T23:59:00Z", False)])
def test_an_antibiotic_counts_for_a_week(given: str, suspected: bool) -> None:
    assert read(an_antibiotic(given), an_order(CULTURE, authored=given)) is suspected


def test_what_was_stopped_or_revoked_does_not_count() -> None:
    assert read(an_antibiotic(status="stopped"), an_order(CULTURE, authored=GIVEN)) is False
    assert read(an_antibiotic(), an_order(CULTURE, authored=GIVEN, status="revoked")) is False
    assert read(an_antibiotic(None), an_order(CULTURE, authored=GIVEN)) is False


def test_a_drug_that_is_not_recognised_beside_a_culture_leaves_it_open() -> None:
    strange = a_medication("999999999", authored=GIVEN)
    assert read(strange, an_order(CULTURE, authored=GIVEN)) is Gap.UNREADABLE
    assert read(strange) is False


@pytest.mark.parametrize("key", ["medications", "service-orders", "laboratory"])
def test_suspicion_is_denied_only_where_all_was_looked_at(key: str) -> None:
    complete = {search.key: Availability.COMPLETE for search in SUSPECTED_INFECTION.searches}
    assert read(an_antibiotic(), availability=complete) is False
    assert read(an_antibiotic(), availability={**complete, key: Availability.DENIED}) is Gap.UNAVAILABLE
    found = (an_antibiotic(), an_order(CULTURE, authored=GIVEN))
    assert read(*found, availability={**complete, key: Availability.PARTIAL}) is True


@pytest.mark.parametrize("key", ["service-orders", "laboratory"])
def test_without_an_antibiotic_no_culture_has_to_be_looked_for(key: str) -> None:
    complete = {search.key: Availability.COMPLETE for search in SUSPECTED_INFECTION.searches}
    assert read(availability={**complete, key: Availability.DENIED}) is False
    assert read(availability={**complete, "medications": Availability.DENIED}) is Gap.UNAVAILABLE
