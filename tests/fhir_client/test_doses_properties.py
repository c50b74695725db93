"""What holds of every dose, whatever is ordered."""

from fractions import Fraction
from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fhir_client.doses import DailyDose, DoseUnknown, doses_of
from fhir_client.strengths import Part, Product

UCUM = "http://unitsofmeasure.org"
GTS = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
LIQUID = Product("Oral Solution", (Part("7804", Fraction(2), "mg", "mL"),))
Dosage = dict[str, Any]

values = st.integers(1, 4000).map(lambda tenths: tenths / 10)
frequencies = st.integers(1, 12)
periods = st.integers(1, 96)
NAMES = [
    "timing", "repeat", "code", "coding", "system", "value", "doseAndRate", "doseQuantity", "doseRange", "high", "when",
    "frequency", "period", "periodUnit", "dayOfWeek", "timeOfDay", "event", "boundsDuration", "count", "numerator",
    "denominator", "maxDosePerPeriod", "rateRatio", "rateQuantity", "sequence", "duration", "durationUnit",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["mg", "d", UCUM]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)


def a_quantity(value: float, unit: str) -> Dosage:
    return {"value": value, "system": UCUM, "code": unit}


def an_instruction(value: float, unit: str = "mg", **more: Any) -> Dosage:
    return {"doseAndRate": [{"doseQuantity": a_quantity(value, unit)}], **more}


def repeat(frequency: int, period: float, unit: str, **more: Any) -> Dosage:
    return {"repeat": {"frequency": frequency, "period": period, "periodUnit": unit, **more}}


def read(*instructions: Dosage) -> tuple[DailyDose, ...]:
    found = doses_of(instructions, ingredients=frozenset({"7804"}), product=LIQUID)
    assert not isinstance(found, DoseUnknown)
    return found


def total(*instructions: Dosage) -> Fraction:
    return sum((dose.amount for dose in read(*instructions)), Fraction(0))


instructions = st.builds(
    lambda value, frequency, period, more: an_instruction(value, timing=repeat(frequency, period, "h"), **more),
    values,
    frequencies,
    periods,
    st.fixed_dictionaries({}, optional={"sequence": st.integers(1, 3), "asNeededBoolean": st.booleans()}),
)


@given(values, frequencies, periods)
def test_other_units_of_the_same_dose_make_no_difference(value: float, frequency: int, period: int) -> None:
    timing = repeat(frequency, period, "h")
    as_milligrams = total(an_instruction(value, "mg", timing=timing))

    assert total(an_instruction(round(value * 1000), "ug", timing=timing)) == as_milligrams
    assert total(an_instruction(value, "mL", timing=timing)) == 2 * as_milligrams
    assert total(an_instruction(value, "mg", timing=repeat(frequency, period * 60, "min"))) == as_milligrams
    assert total(an_instruction(value, "mg", timing=repeat(frequency, period * 3600, "s"))) == as_milligrams


@given(values)
def test_twice_a_day_is_twice_what_is_given_once(value: float) -> None:
    def coded(code: str) -> Fraction:
        return total(an_instruction(value, timing={"code": {"coding": [{"system": GTS, "code": code}]}}))

    assert coded("BID") == 2 * coded("QD") == coded("QD") + coded("QD")
    assert coded("Q6H") == coded("QID") == 2 * coded("BID")
    assert coded("QOD") * 2 == coded("QD") == total(an_instruction(value, timing=repeat(1, 24, "h")))


@given(values, frequencies, periods, st.integers(0, 12), st.integers(0, 48))
def test_as_needed_is_never_less_than_its_frequency_allows(
    value: float, frequency: int, period: int, more_times: int, longer: int
) -> None:
    bounds = {"frequencyMax": frequency + more_times, "periodMax": period + longer}
    needed = read(an_instruction(value, timing=repeat(frequency, period, "h", **bounds), asNeededBoolean=True))

    assert needed[0].amount >= total(an_instruction(value, timing=repeat(frequency, period, "h")))
    assert needed[0].is_maximum
    assert needed[0].as_needed


@given(values, frequencies, periods, values)
def test_a_limit_is_never_exceeded_and_never_adds(value: float, frequency: int, period: int, limit: float) -> None:
    most = {"numerator": a_quantity(limit, "mg"), "denominator": a_quantity(1, "d")}
    without = an_instruction(value, timing=repeat(frequency, period, "h"))

    assert total({**without, "maxDosePerPeriod": most}) == min(total(without), Fraction(str(limit)))


@given(st.lists(instructions, min_size=1, max_size=4))
def test_the_order_of_instructions_makes_no_difference(given_: list[Dosage]) -> None:
    found = read(*given_)

    assert all(read(*each) == found for each in permutations(given_))


@given(st.lists(instructions, min_size=1, max_size=4))
def test_the_whole_is_at_least_each_part_and_at_most_their_sum(given_: list[Dosage]) -> None:
    parts = [total(each) for each in given_]

    assert max(parts) <= total(*given_) <= sum(parts)


@given(st.lists(JSON.filter(lambda item: isinstance(item, dict)), max_size=3))
def test_whatever_is_sent_there_is_a_dose_above_zero_or_a_reason(sent: list[Any]) -> None:
    found = doses_of(sent, ingredients=frozenset({"7804"}), product=LIQUID)

    assert isinstance(found, DoseUnknown) or (found and all(dose.amount > 0 for dose in found))
