"""Dosage instructions for tests, and products to take."""

from fractions import Fraction
from typing import Any

from fhir_client.doses import DailyDose, DoseGap, DoseUnknown, doses_of
from fhir_client.strengths import Part, Product
from tests.builders import Resource

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
