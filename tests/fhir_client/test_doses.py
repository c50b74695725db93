from fractions import Fraction
from typing import Any

import pytest

from fhir_client.codes import SNOMED_CT, Code
from fhir_client.doses import DailyDose, DoseGap, DoseUnknown, daily_doses, doses_of
from fhir_client.strengths import Part, Product
from fhir_client.timings import Times, TimingGap, most_times_a_day
from tests.builders import Resource, a_medication, a_record
from tests.dosing import (
    CARTRIDGE,
    COMBINATION,
    FORMS,
    GEL,
    GTS,
    INSULIN,
    LIQUID,
    POTASSIUM,
    SPRAY,
    TABLET,
    a_day,
    doses,
    every,
    instruction,
    quantity,
    total,
)


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


@pytest.mark.parametrize("dose", [quantity(1), quantity(1, "mL"), quantity(1, "{puff}")])
def test_a_product_of_which_each_part_is_measured_otherwise_has_no_dose(dose: Resource) -> None:
    mixed = Product("Kit", (Part("161", Fraction(325), "mg", "1"), Part("7804", Fraction(1), "mg", "mL")))

    assert doses(instruction(dose, a_day()), product=mixed) == DoseUnknown(DoseGap.OTHER_UNIT)


def test_a_strength_of_other_ingredients_is_not_this_drugs() -> None:
    assert doses(instruction(quantity(1), a_day()), ingredients=frozenset({"7052"})) == DoseUnknown(DoseGap.NO_STRENGTH)


def test_a_third_is_a_third() -> None:
    assert total(instruction(quantity(0.1, "mg"), every(8)), product=None) == Fraction(3, 10)
    assert total(instruction(quantity(10, "mg"), every(72)), product=None) == Fraction(10, 3)


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


def test_an_order_with_more_instructions_than_anybody_writes_is_not_worked_out() -> None:
    once = instruction(quantity(1), a_day(1))
    assert doses(*[once] * 100) == (DailyDose("7804", Fraction(500), "mg/d", form="Oral Tablet"),)
    assert doses(*[once] * 101) == DoseUnknown(DoseGap.TOO_MANY)
    for count, times in ((100, Times(Fraction(1))), (101, TimingGap.UNREADABLE)):
        (order,) = a_record(a_medication("6851", dosageInstruction=[once] * count)).medications
        assert most_times_a_day(order) == times
