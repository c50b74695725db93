from fractions import Fraction
from typing import Any

import pytest

from fhir_client.doses import DailyDose, DoseGap, DoseUnknown
from tests.builders import Resource
from tests.dosing import FOUR_A_DAY, a_day, doses, every, instruction, quantity, total


def test_of_a_range_the_higher_end_counts() -> None:
    both = {"doseAndRate": [{"doseRange": {"low": quantity(1), "high": quantity(2)}}], "timing": every(6)}
    same = {"doseAndRate": [{"doseRange": {"low": quantity(2), "high": quantity(2)}}], "timing": every(6)}

    assert doses(both) == (DailyDose("7804", Fraction(40), "mg/d", is_maximum=True, form="Oral Tablet"),)
    assert doses(same) == (DailyDose("7804", Fraction(40), "mg/d", form="Oral Tablet"),)


def test_a_range_without_a_higher_end_has_no_maximum() -> None:
    only_low = {"doseAndRate": [{"doseRange": {"low": quantity(1)}}], "timing": every(6)}

    assert doses(only_low) == DoseUnknown(DoseGap.NO_HIGHER_END)


@pytest.mark.parametrize(
    "as_needed",
    [
        {"asNeededBoolean": True},
        {"asNeededCodeableConcept": {"text": "pain"}},
        {"asNeeded": True},
        {"asNeededFor": [{"text": "pain"}]},
    ],
)
def test_as_needed_counts_as_often_as_it_may_be_taken(as_needed: Resource) -> None:
    assert doses(instruction(quantity(1), every(4, periodMax=6), **as_needed)) == (
        DailyDose("7804", Fraction(30), "mg/d", is_maximum=True, as_needed=True, form="Oral Tablet"),
    )


def test_what_is_not_as_needed_has_to_be_taken() -> None:
    found = doses(instruction(quantity(1), every(4), asNeededBoolean=False))

    assert found == (DailyDose("7804", Fraction(30), "mg/d", form="Oral Tablet"),)


@pytest.mark.parametrize(
    ("limit", "mg_a_day"),
    [
        (FOUR_A_DAY, 20),
        ([FOUR_A_DAY], 20),
        ([FOUR_A_DAY, {"numerator": quantity(7), "denominator": quantity(1, "wk")}], 5),
        ({"numerator": quantity(1), "denominator": quantity(12, "h")}, 10),
        ({"numerator": quantity(20, "mg"), "denominator": quantity(24, "h")}, 20),
        ({"numerator": quantity(100), "denominator": quantity(1, "d")}, 30),
        ({"numerator": quantity(4, "mg/kg"), "denominator": quantity(1, "d")}, 30),
        ({"numerator": quantity(4), "denominator": quantity(0, "d")}, 30),
        ({"numerator": quantity(4)}, 30),
    ],
)  # fmt: skip
def test_no_more_than_may_be_taken_in_a_period(limit: Any, mg_a_day: int) -> None:
    assert total(instruction(quantity(1), every(4), asNeededBoolean=True, maxDosePerPeriod=limit)) == mg_a_day
    assert total(instruction(quantity(1), every(4), maxDosePerPeriod=limit)) == mg_a_day


@pytest.mark.parametrize(
    "said",
    [
        {"asNeededBoolean": True},
        instruction(quantity(1), asNeededBoolean=True),
        instruction(quantity(1), {"code": {"text": "when in pain"}}, asNeededBoolean=True),
        instruction(quantity(1), {"repeat": {"when": ["C"]}}),
        instruction(None, every(4)),
    ],
)
def test_what_may_be_taken_in_a_period_makes_up_for_what_is_not_coded(said: Resource) -> None:
    assert doses(said) in [DoseUnknown(gap) for gap in (DoseGap.NO_DOSE, DoseGap.NO_TIMING, DoseGap.MEALS)]
    assert total({**said, "maxDosePerPeriod": FOUR_A_DAY}) == 20


def test_what_may_be_taken_in_a_period_does_not_make_up_for_what_cannot_be_read() -> None:
    assert total(instruction(quantity(1, "mm[Hg]"), every(4), maxDosePerPeriod=FOUR_A_DAY)) is DoseGap.NO_UNIT


def test_no_more_than_may_be_taken_at_once_and_ever() -> None:
    at_once = instruction(quantity(4), a_day(2), maxDosePerAdministration=quantity(2))
    only_at_once = instruction(None, a_day(2), maxDosePerAdministration=quantity(2))
    ever = instruction(quantity(4), a_day(2), maxDosePerLifetime=quantity(3))

    assert total(at_once) == 20
    assert doses(only_at_once) == (DailyDose("7804", Fraction(20), "mg/d", is_maximum=True, form="Oral Tablet"),)
    assert total(ever) == 15
    assert total(instruction(quantity(1), a_day(2), maxDosePerAdministration=quantity(2, "mg/kg"))) == 10


def test_a_range_that_ends_below_its_beginning_has_no_maximum() -> None:
    """Which of the two ends is meant, nobody can tell: the lower one would be too little."""
    upside_down = {"doseAndRate": [{"doseRange": {"low": quantity(20), "high": quantity(1)}}], "timing": a_day(1)}
    assert doses(upside_down) == DoseUnknown(DoseGap.NO_HIGHER_END)
