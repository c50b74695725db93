"""docs/fhir-access.md says why something could not be read, for every reason, in the words that the card has."""

import re
from pathlib import Path

import pytest

from cds_hooks.presentation import reason as words_of
from fhir_client.answers import Answer, missing
from fhir_client.breaker import USUAL as USUAL_PATIENCE
from fhir_client.errors import Reason
from fhir_client.questions import USUAL
from fhir_client.retrying import IN_A_CALL
from models.features.readers import nothing_found
from tests.builders import a_record

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "fhir-access.md").read_text(encoding="utf-8")
TOLD = dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", PAGE, re.MULTILINE))
AFTER_A_PAGE = {Reason.TOO_MANY_PAGES, Reason.REPEATED_PAGE, Reason.FOREIGN_PAGE}
# Our own rights are for jobs, never for a call (FHIR-1): these reach no card.
OF_JOBS = {Reason.NOT_AUTHORIZED, Reason.NOT_SMART, Reason.FEWER_SCOPES, Reason.NO_KEY}


def test_every_reason_is_told() -> None:
    assert list(TOLD) != []
    assert set(TOLD) == {reason.name for reason in Reason if reason not in OF_JOBS}


@pytest.mark.parametrize("reason", sorted(set(Reason) - OF_JOBS))
def test_the_words_are_those_of_the_card(reason: Reason) -> None:
    """[FHIR-6] Each state reaches the caller, and the card."""
    answer = Answer().joined(missing(reason)) if reason in AFTER_A_PAGE else missing(reason)
    record = a_record(availability={"x": answer.availability}, reasons={"x": reason})
    assert words_of(nothing_found(record, "x")).removeprefix("could not be read: ") == TOLD[reason.name]


def test_the_numbers_are_those_that_are_used() -> None:
    patience = USUAL_PATIENCE
    for said in (
        f"longer than {IN_A_CALL.longest_seconds:.0f} s",
        f"after about {IN_A_CALL.first_seconds} s",
        f"row within {patience.window_seconds:.0f} s",
        f"alone for {patience.rest_seconds:.0f} s",
        f"up to {patience.longest_rest_seconds:.0f} s",
        f"lately took, {USUAL.stall_seconds[0]} to {USUAL.stall_seconds[1]:.0f} s",
    ):
        assert said in PAGE
    assert (IN_A_CALL.attempts, patience.failures, USUAL.calls) == (1, 10, 2)
