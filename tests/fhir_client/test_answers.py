from itertools import product

import pytest

from fhir_client.answers import Answer, missing, prefetched
from fhir_client.errors import Reason
from fhir_client.record import Availability
from tests.builders import a_bundle, a_condition

WHOLE = Answer(({"resourceType": "Condition", "id": "a"},))
MORE = Answer(({"resourceType": "Condition", "id": "b"},))


def test_two_complete_parts_are_complete() -> None:
    """[FHIR-6] The result is data plus state."""
    assert WHOLE.joined(MORE) == Answer(WHOLE.resources + MORE.resources)


@pytest.mark.parametrize("reason", [Reason.DENIED, Reason.NO_ANSWER])
def test_a_part_without_the_rest_is_partial(reason: Reason) -> None:
    """[FHIR-6] Each state reaches the caller: partial, with the reason."""
    assert WHOLE.joined(missing(reason)) == Answer(WHOLE.resources, Availability.PARTIAL, reason)
    assert missing(reason).joined(WHOLE) == Answer(WHOLE.resources, Availability.PARTIAL, reason)


def test_only_complete_parts_make_a_complete_whole() -> None:
    for one, other in product(Availability, repeat=2):
        whole = Answer(availability=one).joined(Answer(availability=other)).availability
        assert (whole is Availability.COMPLETE) == (one is other is Availability.COMPLETE)


def test_a_page_says_where_the_rest_is() -> None:
    page = prefetched(a_bundle(a_condition("I10"), next="https://fhir.example/r4?page=2"), "Condition")
    assert page is not None
    assert page.next_link == "https://fhir.example/r4?page=2"
    assert page.joined(MORE).next_link is None
