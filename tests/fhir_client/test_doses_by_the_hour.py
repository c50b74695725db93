from fractions import Fraction

import pytest

from fhir_client.doses import DoseGap, DoseUnknown
from fhir_client.strengths import Product
from tests.builders import Resource
from tests.dosing import CARTRIDGE, ENDLESS, FORMS, PATCH, a_day, doses, every, instruction, quantity


@pytest.mark.parametrize(
    ("dose", "timing", "product", "mg_a_day"),
    [
        (quantity(1, "{patch}"), every(72), PATCH, "0.6"),
        (quantity(1, "1"), every(72), PATCH, "0.6"),
        (quantity(1, "TPATH72", FORMS), every(72), PATCH, "0.6"),
        (quantity(2, "{patch}"), every(72), PATCH, "1.2"),
        (quantity(1, "{patch}"), every(48), PATCH, "0.6"),  # changed early: none at the same time
        (quantity(1, "{patch}"), every(144), PATCH, "0.3"),  # nothing left on the second three days
        (quantity(1, "{patch}"), None, PATCH, "0.6"),
        (quantity(1, "{patch}"), a_day(), ENDLESS, "0.6"),
        (quantity(25, "ug/h"), every(72), PATCH, "0.6"),
        (quantity(25, "ug/h"), None, None, "0.6"),
        (quantity(25, "ug/h"), every(72), None, "0.6"),
        (quantity(0.025, "mg/h"), None, None, "0.6"),
        (quantity(0.6, "mg/d"), None, None, "0.6"),
    ],
)  # fmt: skip
def test_a_patch_gives_by_the_hour_while_it_is_worn(
    dose: Resource, timing: Resource | None, product: Product | None, mg_a_day: str
) -> None:
    found = doses(instruction(dose, timing), product=product, ingredients=frozenset({"4337"}))

    assert not isinstance(found, DoseUnknown)
    assert [(each.ingredient, each.amount, each.is_continuous) for each in found] == [
        ("4337", Fraction(mg_a_day), True)
    ]


@pytest.mark.parametrize(
    ("rate", "timing", "mg_a_day", "is_maximum"),
    [
        ({"rateQuantity": quantity(2, "mg/h")}, None, 48, False),
        ({"rateSimpleQuantity": quantity(2, "mg/h")}, None, 48, False),
        ({"rateQuantity": quantity(2, "mL/h")}, None, 480, False),
        ({"rateQuantity": quantity(1, "mg/min")}, a_day(duration=30, durationUnit="min"), 30, False),
        ({"rateQuantity": quantity(2, "mg/h")}, a_day(2, duration=1, durationMax=3, durationUnit="h"), 12, True),
        ({"rateQuantity": quantity(2, "mg/h")}, a_day(2), 48, True),
        ({"rateQuantity": quantity(2, "mg/h")}, a_day(2, duration=0, durationUnit="h"), 48, True),
        ({"rateQuantity": quantity(2, "mg/h")}, {"code": {"text": "at night"}}, 48, True),
        ({"rateQuantity": quantity(2, "mg/h")}, a_day(9, duration=8, durationUnit="h"), 48, False),
        ({"rateRatio": {"numerator": quantity(2, "mg"), "denominator": quantity(1, "h")}}, None, 48, False),
        ({"rateRatio": {"numerator": quantity(1, "mL"), "denominator": quantity(30, "min")}}, None, 480, False),
        ({"rateRatio": {"numerator": quantity(120, "mg"), "denominator": quantity(1, "d")}}, None, 120, False),
        ({"rateRange": {"low": quantity(1, "mg/h"), "high": quantity(3, "mg/h")}}, None, 72, True),
        ({"doseQuantity": quantity(10, "mL"), "rateQuantity": quantity(2, "mL/h")}, a_day(), 100, False),
        ({"doseQuantity": quantity(10, "mL"), "rateQuantity": quantity(2, "mL/h")}, None, 480, True),
    ],
)  # fmt: skip
def test_a_rate_runs_as_long_as_is_said_or_all_day(
    rate: Resource,
    timing: Resource | None,
    mg_a_day: int,
    is_maximum: bool,
) -> None:
    found = doses({"doseAndRate": [rate], "timing": timing}, product=CARTRIDGE)

    assert not isinstance(found, DoseUnknown)
    assert [(each.amount, each.is_maximum) for each in found] == [(Fraction(mg_a_day), is_maximum)]


@pytest.mark.parametrize(
    ("rate", "gap"),
    [
        ({"rateQuantity": quantity(2, "mg")}, DoseGap.UNREADABLE_DOSE),
        ({"rateQuantity": quantity(2, "mg/kg/h")}, DoseGap.BODY_SIZE),
        ({"rateQuantity": {}}, DoseGap.UNREADABLE_DOSE),
        ({"rateRatio": {"numerator": quantity(2, "mg")}}, DoseGap.UNREADABLE_DOSE),
        ({"rateRatio": {"numerator": quantity(2, "mg"), "denominator": quantity(0, "h")}}, DoseGap.UNREADABLE_DOSE),
        ({"rateRatio": {"numerator": quantity(2, "mg"), "denominator": quantity(1, "mL")}}, DoseGap.UNREADABLE_DOSE),
        ({"rateRatio": {"numerator": quantity(2, "mg/h"), "denominator": quantity(1, "h")}}, DoseGap.UNREADABLE_DOSE),
        ({"rateRatio": {"numerator": quantity(2, "mg/kg"), "denominator": quantity(1, "h")}}, DoseGap.BODY_SIZE),
        ({"rateRange": {"low": quantity(2, "mg/h")}}, DoseGap.UNREADABLE_DOSE),
    ],
)
def test_a_rate_that_cannot_be_read(rate: Resource, gap: DoseGap) -> None:
    assert doses({"doseAndRate": [rate]}, product=CARTRIDGE) == DoseUnknown(gap)


def test_a_patch_that_may_be_changed_later_may_give_less() -> None:
    often = doses(instruction(quantity(1, "{patch}"), every(72, periodMax=96)), product=PATCH)
    fewer = {"doseRange": {"low": quantity(1, "{patch}"), "high": quantity(2, "{patch}")}}
    ranged = doses({"doseAndRate": [fewer], "timing": every(72)}, product=PATCH)

    assert not isinstance(often, DoseUnknown)
    assert not isinstance(ranged, DoseUnknown)
    assert [(each.amount, each.is_maximum) for each in (*often, *ranged)] == [
        (Fraction("0.6"), True),
        (Fraction("1.2"), True),
    ]
