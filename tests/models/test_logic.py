"""Truths made of truths, on made-up parts: what is known of the parts decides."""

from itertools import product
from typing import Any

import pytest

from fhir_client.record import PatientRecord
from models.assessment import Gap, Missing, Reading
from models.features.feature import Answer, Feature, Kind
from models.features.labs import CREATININE_MG_DL
from models.features.logic import any_of, at_least, noted, unless
from models.features.searches import CONDITIONS, ENCOUNTERS, MEDICATIONS
from models.site import Site
from tests.builders import a_record, an_observation

YES = Reading(value=True, sources=("Condition/1",))
NO = Reading(value=False)
UNKNOWN = Missing(Gap.UNREADABLE, note="2 of 3 active conditions without a readable code")


def part(name: str, answer: Answer, **more: Any) -> Feature:
    def given(record: PatientRecord, site: Site) -> Answer:
        return answer

    return Feature(name, f"the {name}", Kind.TRUTH, read=given, **more)


def read(feature: Feature, *resources: Any) -> Answer:
    return feature.answer(a_record(*resources), Site())


@pytest.mark.parametrize(("first", "second"), list(product([YES, NO, UNKNOWN], repeat=2)))
def test_any_is_true_with_one_and_false_only_with_none(first: Answer, second: Answer) -> None:
    answer = read(any_of("either", "either", part("first", first), part("second", second)))
    if YES in (first, second):
        name = "first" if first is YES else "second"
        assert answer == Reading(value=True, sources=("Condition/1",), note=f"the {name}")
    elif UNKNOWN in (first, second):
        name = "first" if first is UNKNOWN else "second"
        assert answer == Missing(Gap.UNREADABLE, note=f"the {name}: {UNKNOWN.note}")
    else:
        assert answer == NO


def test_what_is_said_of_the_parts_is_said_once() -> None:
    said = Reading(value=False, note="1 of 9 active conditions without a readable code")
    both = any_of("either", "either", part("first", said), part("second", said), part("third", NO))
    assert read(both) == said


def test_a_gap_without_words_says_what_is_needed() -> None:
    answer = read(any_of("either", "either", part("first", Missing(Gap.NOT_RECORDED)), part("second", NO)))
    assert answer == Missing(Gap.NOT_RECORDED, note="the first: needed to tell")


@pytest.mark.parametrize(("given", "expected"), [(YES, False), (NO, True)])
def test_unless_turns_a_truth_round(given: Reading, expected: bool) -> None:
    answer = read(unless("other", "other", part("first", given)))
    assert answer == Reading(value=expected, sources=given.sources)


def test_what_is_not_known_is_not_turned_round() -> None:
    assert read(unless("other", "other", part("first", UNKNOWN))) == UNKNOWN
    assert read(noted("other", "other", part("first", UNKNOWN), if_false="nobody looked")) == UNKNOWN


def test_a_note_is_for_what_is_false() -> None:
    assert read(noted("other", "other", part("first", YES), if_false="nobody looked")) == YES
    assert read(noted("other", "other", part("first", NO), if_false="nobody looked")).note == "nobody looked"


@pytest.mark.parametrize(("value", "reached"), [(2.25, False), (2.26, True), (3, True)])
def test_a_bound_is_reached_from_itself_on(value: float, reached: bool) -> None:
    high = at_least("high", "high creatinine", CREATININE_MG_DL, 2.26)
    answer = read(high, an_observation("2160-0", value, "mg/dL"))
    assert isinstance(answer, Reading)
    assert (answer.value, len(answer.sources)) == (reached, 1)
    assert isinstance(read(high), Missing)


def test_the_searches_of_the_parts_are_asked_and_are_optional_only_where_none_needs_them() -> None:
    first = part("first", NO, searches=(CONDITIONS, ENCOUNTERS), optional_keys=frozenset({ENCOUNTERS.key}))
    second = part("second", NO, searches=(MEDICATIONS,), unverified=("codes of x: UNVERIFIED",), window="active")
    either = any_of("either", "either", first, second)
    assert {search.key for search in either.searches} == {CONDITIONS.key, ENCOUNTERS.key, MEDICATIONS.key}
    assert either.required_keys == {CONDITIONS.key, MEDICATIONS.key}
    assert (either.unverified, either.window) == (("codes of x: UNVERIFIED",), "active")
    third = part("third", NO, searches=(ENCOUNTERS,))
    assert ENCOUNTERS.key in any_of("either", "either", first, third).required_keys
