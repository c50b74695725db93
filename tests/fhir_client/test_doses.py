from fractions import Fraction
from typing import Any

import pytest

from fhir_client.codes import SNOMED_CT, Code
from fhir_client.doses import DailyDose, DoseGap, DoseUnknown, daily_doses, doses_of
from fhir_client.strengths import Part, Product
from tests.builders import Resource, a_medication, a_record

UCUM = "http://unitsofmeasure.org"
FORMS = "http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm"
GTS = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"

TABLET = Product("Oral Tablet", (Part("7804", Fraction(5), "mg", "1"),))
COMBINATION = Product("Oral Tablet", (Part("161", Fraction(325), "mg", "1"), Part("7804", Fraction("7.5"), "mg", "1")))
LIQUID = Product("Oral Solution", (Part("7804", Fraction(1), "mg", "mL"),))
CARTRIDGE = Product("Cartridge", (Part("7052", Fraction(10), "mg", "mL"),), millilitres=Fraction(2))
PATCH = Product("Transdermal System", (Part("4337", Fraction("0.025"), "mg", "h"),), hours=Fraction(72))
ENDLESS = Product("Transdermal System", (Part("4337", Fraction("0.025"), "mg", "h"),))
SPRAY = Product("Nasal Spray", (Part("4337", Fraction("0.1"), "mg", "{actuation}"),))
GEL = Product("Topical Gel", (Part("3355", Fraction("0.01"), "mg", "mg"),))
POTASSIUM = Product("Extended Release Oral Tablet", (Part("8591", Fraction(20), "meq", "1"),))
INSULIN = Product("Injectable Solution", (Part("5856", Fraction(100), "[iU]", "mL"),))


def quantity(value: object, code: str | None = "{tbl}", system: str | None = UCUM, **more: Any) -> Resource:
    return {"value": value, "system": system, "code": code, **more}


FOUR_A_DAY = {"numerator": quantity(4), "denominator": quantity(1, "d")}


def a_day(frequency: float = 1, **more: Any) -> Resource:
    return {"repeat": {"frequency": frequency, "period": 1, "periodUnit": "d", **more}}


def every(hours: float, **more: Any) -> Resource:
    return {"repeat": {"frequency": 1, "period": hours, "periodUnit": "h", **more}}


def instruction(dose: Resource | None = None, timing: Resource | None = None, **more: Any) -> Resource:
    amounts = {} if dose is None else {"doseAndRate": [{"doseQuantity": dose}]}
    return {**amounts, **({} if timing is None else {"timing": timing}), **more}


def doses(
    *instructions: Resource, product: Product | None = TABLET, ingredients: frozenset[str] | None = None
) -> tuple[DailyDose, ...] | DoseUnknown:
    own = frozenset({"7804"}) if product is None else frozenset(part.ingredient for part in product.parts)
    return doses_of(instructions, ingredients=ingredients or own, product=product)


def total(
    *instructions: Resource, product: Product | None = TABLET, ingredients: frozenset[str] | None = None
) -> Fraction | DoseGap:
    """The one ingredient's amount a day, in mg."""
    found = doses(*instructions, product=product, ingredients=ingredients)
    if isinstance(found, DoseUnknown):
        return found.reason
    assert {(dose.ingredient, dose.unit) for dose in found} in [{(code, "mg/d")} for code in ("7804", "7052", "4337")]
    return sum((dose.amount for dose in found), Fraction(0))


# ---- what a dose is measured in


@pytest.mark.parametrize(
    ("dose", "product", "mg_a_day"),
    [
        (quantity(2), TABLET, 20),
        (quantity(0.5), TABLET, 5),
        (quantity(1, "1"), TABLET, 10),
        (quantity(1, "{Tablet}"), TABLET, 10),
        (quantity(1, "{pill}"), TABLET, 10),
        (quantity(1, "{capsule}"), TABLET, 10),
        (quantity(1, "TAB", FORMS), TABLET, 10),
        (quantity(1, "ORTAB", "http://hl7.org/fhir/v3/orderableDrugForm"), TABLET, 10),
        (quantity(10, "mg"), TABLET, 20),
        (quantity(10, "mg", "urn:oid:2.16.840.1.113883.6.8"), TABLET, 20),
        (quantity(0.01, "g"), TABLET, 20),
        (quantity(10_000, "ug"), TABLET, 20),
        (quantity(10, "mg"), None, 20),
        (quantity(10, "mg/{tbl}"), None, 20),
        (quantity(5, "mL"), LIQUID, 10),
        (quantity(0.5, "cL"), LIQUID, 10),
        (quantity(5, "ml"), LIQUID, 10),
        (quantity(5, "cm3"), LIQUID, 10),
        (quantity(5, "mg"), LIQUID, 10),
        (quantity(1, "{cartridge}"), LIQUID, DoseGap.OTHER_UNIT),
        (quantity(1, "{syringe}"), CARTRIDGE, 40),
        (quantity(1, "mL"), CARTRIDGE, 20),
        (quantity(2, "{spray}"), SPRAY, Fraction("0.4")),
        (quantity(2, "{puff}"), SPRAY, Fraction("0.4")),
        (quantity(2, "SPRY", FORMS), SPRAY, Fraction("0.4")),
        (quantity(1, "1"), SPRAY, DoseGap.OTHER_UNIT),
        (quantity(1, "mL"), TABLET, DoseGap.OTHER_UNIT),
        (quantity(1, "{puff}"), TABLET, DoseGap.OTHER_UNIT),
        (quantity(1, "{patch}"), TABLET, DoseGap.OTHER_UNIT),
        (quantity(1), LIQUID, DoseGap.OTHER_UNIT),
        (quantity(1), None, DoseGap.NO_STRENGTH),
        (quantity(1, "mL"), None, DoseGap.NO_STRENGTH),
        (quantity(1, "{drop}"), LIQUID, DoseGap.NO_UNIT),
        (quantity(1, "[drp]"), LIQUID, DoseGap.NO_UNIT),
        (quantity(1, "DROP", FORMS), LIQUID, DoseGap.NO_UNIT),
        (quantity(1, "tablet"), TABLET, DoseGap.NO_UNIT),
        (quantity(1, "{unknownunit}"), TABLET, DoseGap.NO_UNIT),
        (quantity(1, "mm[Hg]"), TABLET, DoseGap.NO_UNIT),
        (quantity(1, "mg", "urn:site"), TABLET, DoseGap.NO_UNIT),
        (quantity(1, None, None, unit="tablet"), TABLET, DoseGap.NO_UNIT),
        (quantity(1, None), TABLET, DoseGap.NO_UNIT),
        (quantity(2, "mg/kg"), TABLET, DoseGap.BODY_SIZE),
        (quantity(2, "mg/m2"), None, DoseGap.BODY_SIZE),
        (quantity(0.1, "ug/kg/min"), None, DoseGap.BODY_SIZE),
        (quantity(0.1, "mL/kg"), LIQUID, DoseGap.BODY_SIZE),
        (quantity(0), TABLET, DoseGap.UNREADABLE_DOSE),
        (quantity(-1), TABLET, DoseGap.UNREADABLE_DOSE),
        (quantity("2"), TABLET, DoseGap.UNREADABLE_DOSE),
        (quantity(None), TABLET, DoseGap.UNREADABLE_DOSE),
        (quantity(float("nan")), TABLET, DoseGap.UNREADABLE_DOSE),
        (quantity(2, comparator="<"), TABLET, DoseGap.UNREADABLE_DOSE),
    ],
)  # fmt: skip
def test_a_dose_twice_a_day(dose: Resource, product: Product | None, mg_a_day: Fraction | DoseGap) -> None:
    assert total(instruction(dose, a_day(2)), product=product) == mg_a_day


def test_a_mass_of_a_gel_is_of_ingredient_or_of_gel() -> None:
    assert doses(instruction(quantity(2, "g"), a_day(4)), product=GEL) == DoseUnknown(DoseGap.PREPARATION)


@pytest.mark.parametrize(
    ("dose", "product", "found"),
    [
        (quantity(1), POTASSIUM, DailyDose("8591", Fraction(40), "meq/d", form="Extended Release Oral Tablet")),
        (quantity(10, "meq"), POTASSIUM, DailyDose("8591", Fraction(20), "meq/d", form="Extended Release Oral Tablet")),
        (quantity(0.1, "mL"), INSULIN, DailyDose("5856", Fraction(20), "[iU]/d", form="Injectable Solution")),
        (quantity(12, "U"), INSULIN, DailyDose("5856", Fraction(24), "[iU]/d", form="Injectable Solution")),
        (quantity(12, "[iU]"), INSULIN, DailyDose("5856", Fraction(24), "[iU]/d", form="Injectable Solution")),
        (quantity(12, "[USP'U]"), INSULIN, DailyDose("5856", Fraction(24), "[iU]/d", form="Injectable Solution")),
        (quantity(1, "mmol"), None, DailyDose("7804", Fraction(2), "mmol/d")),
    ],
)
def test_what_is_no_mass_keeps_its_own_measure(dose: Resource, product: Product | None, found: DailyDose) -> None:
    assert doses(instruction(dose, a_day(2)), product=product) == (found,)


def test_each_ingredient_of_a_combination_has_its_own_strength() -> None:
    assert doses(instruction(quantity(2), every(6)), product=COMBINATION) == (
        DailyDose("161", Fraction(2600), "mg/d", form="Oral Tablet"),
        DailyDose("7804", Fraction(60), "mg/d", form="Oral Tablet"),
    )


def test_a_mass_of_a_combination_says_not_of_what() -> None:
    found = doses(instruction(quantity(10, "mg"), a_day()), product=COMBINATION)

    assert found == DoseUnknown(DoseGap.COMBINATION)
    assert (
        doses(instruction(quantity(10, "mg"), a_day()), product=None, ingredients=frozenset({"161", "7804"})) == found
    )


def test_a_strength_of_other_ingredients_is_not_this_drugs() -> None:
    assert doses(instruction(quantity(1), a_day()), ingredients=frozenset({"7052"})) == DoseUnknown(DoseGap.NO_STRENGTH)


def test_a_third_is_a_third() -> None:
    assert total(instruction(quantity(0.1, "mg"), every(8)), product=None) == Fraction(3, 10)
    assert total(instruction(quantity(10, "mg"), every(72)), product=None) == Fraction(10, 3)


# ---- patches, rates


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


# ---- ranges, limits, as needed


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


# ---- several


def test_instructions_with_one_number_or_none_are_taken_together() -> None:
    morning, night = instruction(quantity(1), a_day()), instruction(quantity(2), a_day())

    assert total(morning, night) == 15
    assert total({**morning, "sequence": 1}, {**night, "sequence": 1}) == 15


def test_instructions_with_different_numbers_follow_one_another() -> None:
    first = instruction(quantity(1), a_day(), sequence=1)
    then = instruction(quantity(2), a_day(), sequence=2)
    beside = instruction(quantity(1), a_day(2))

    assert doses(first, then) == (DailyDose("7804", Fraction(10), "mg/d", is_maximum=True, form="Oral Tablet"),)
    assert total(first, then, beside) == 20
    assert doses(first, {**first, "sequence": 2}) == (DailyDose("7804", Fraction(5), "mg/d", form="Oral Tablet"),)


def test_what_is_taken_as_needed_stands_by_itself() -> None:
    rescue = instruction(quantity(1), every(6), asNeededBoolean=True)

    assert doses(instruction(quantity(2), a_day(2)), rescue) == (
        DailyDose("7804", Fraction(20), "mg/d", form="Oral Tablet"),
        DailyDose("7804", Fraction(20), "mg/d", is_maximum=True, as_needed=True, form="Oral Tablet"),
    )


def test_one_instruction_that_is_not_known_leaves_the_whole_unknown() -> None:
    known = instruction(quantity(1), a_day())

    assert doses(known, {"text": "and one more if needed"}) == DoseUnknown(DoseGap.NO_DOSE)
    assert doses({**known, "sequence": 1}, {"sequence": 2}) == DoseUnknown(DoseGap.NO_DOSE)


def test_ways_to_say_one_dose_are_not_added() -> None:
    ordered, calculated = {"doseQuantity": quantity(2)}, {"doseQuantity": quantity(10, "mg")}
    more, by_weight = {"doseQuantity": quantity(15, "mg")}, {"doseQuantity": quantity(0.1, "mg/kg")}

    def said(*amounts: Resource) -> tuple[DailyDose, ...] | DoseUnknown:
        return doses({"doseAndRate": list(amounts), "timing": a_day()})

    assert said(ordered, calculated) == (DailyDose("7804", Fraction(10), "mg/d", form="Oral Tablet"),)
    assert said(by_weight, ordered) == (DailyDose("7804", Fraction(10), "mg/d", form="Oral Tablet"),)
    assert said(ordered, more) == (DailyDose("7804", Fraction(15), "mg/d", is_maximum=True, form="Oral Tablet"),)
    assert said(by_weight) == DoseUnknown(DoseGap.BODY_SIZE)


# ---- what leaves a dose unknown


@pytest.mark.parametrize(
    ("said", "gap"),
    [
        (instruction(quantity(1)), DoseGap.NO_TIMING),
        (instruction(quantity(1), {"code": {"text": "twice a day"}}), DoseGap.NO_TIMING),
        (instruction(quantity(1), asNeededBoolean=True), DoseGap.NO_TIMING),
        (instruction(quantity(1), every(0)), DoseGap.UNREADABLE_TIMING),
        (instruction(quantity(1), {"repeat": {"when": ["PC"]}}), DoseGap.MEALS),
        (instruction(None, a_day()), DoseGap.NO_DOSE),
        ({"text": "1 tablet twice a day"}, DoseGap.NO_DOSE),
        ({}, DoseGap.NO_DOSE),
        (instruction(quantity(1), a_day(), modifierExtension=[{"url": "urn:not"}]), DoseGap.MODIFIED),
    ],
)  # fmt: skip
def test_a_dose_that_is_not_known_says_why(said: Resource, gap: DoseGap) -> None:
    assert doses(said) == DoseUnknown(gap)


def test_without_instruction_or_ingredient_there_is_no_dose() -> None:
    assert doses() == DoseUnknown(DoseGap.NO_INSTRUCTION)
    assert doses_of([instruction(quantity(1), a_day())], ingredients=None, product=None) == DoseUnknown(DoseGap.DRUG)


# ---- orders


def ordered(rxcui: str, **more: Any) -> tuple[DailyDose, ...] | DoseUnknown:
    (order,) = a_record(a_medication(rxcui, **more)).medications
    return daily_doses(order)


def test_an_order_for_a_product() -> None:
    route = {"coding": [{"system": SNOMED_CT, "code": "26643006"}]}
    said = instruction(quantity(1), {"code": {"coding": [{"system": GTS, "code": "BID"}]}}, route=route)

    assert ordered("1049502", dosageInstruction=[said]) == (
        DailyDose(
            "7804",
            Fraction(20),
            "mg/d",
            form="Extended Release Oral Tablet",
            routes=frozenset({Code(SNOMED_CT, "26643006")}),
        ),
    )


def test_an_order_for_an_ingredient() -> None:
    assert ordered("7804", dosageInstruction=[instruction(quantity(10, "mg"), a_day(2))]) == (
        DailyDose("7804", Fraction(20), "mg/d"),
    )


def test_a_statement_has_dosages() -> None:
    found = ordered("7804", dosage=[instruction(quantity(10, "mg"), a_day(2))])

    assert found == (DailyDose("7804", Fraction(20), "mg/d"),)


def test_a_dose_written_as_in_stu3() -> None:
    quantity_here = {"doseQuantity": quantity(10, "mg"), "timing": a_day(2)}
    simple = {"doseSimpleQuantity": quantity(10, "mg"), "timing": a_day(2)}
    object_for_list = {"doseAndRate": {"doseQuantity": quantity(10, "mg")}, "timing": a_day(2)}

    for said in (quantity_here, simple, object_for_list):
        assert ordered("7804", dosageInstruction=[said]) == (DailyDose("7804", Fraction(20), "mg/d"),)


def test_an_order_without_an_instruction() -> None:
    assert ordered("7804") == DoseUnknown(DoseGap.NO_INSTRUCTION)
    assert ordered("7804", dosageInstruction=[{"sequence": 1, "asNeededBoolean": True}]) == DoseUnknown(DoseGap.NO_DOSE)


def test_an_order_for_a_drug_that_does_not_resolve() -> None:
    assert ordered("0", dosageInstruction=[instruction(quantity(10, "mg"), a_day())]) == DoseUnknown(DoseGap.DRUG)
