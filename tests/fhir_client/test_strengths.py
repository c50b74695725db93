from fractions import Fraction

import pytest

from fhir_client.codes import RXNORM, SNOMED_CT, Code
from fhir_client.medications import crosswalk
from fhir_client.strengths import Part, Product, product_of, strengths


def of(*codes: str) -> Product | None:
    return product_of([Code(RXNORM, code) for code in codes])


@pytest.mark.parametrize(
    ("code", "product"),
    [
        ("1049604", Product("Oral Solution", (Part("7804", Fraction(1), "mg", "mL"),))),
        ("1731995", Product("Cartridge", (Part("7052", Fraction(10), "mg", "mL"),), millilitres=Fraction(1))),
        ("245134", Product("Transdermal System", (Part("4337", Fraction("0.025"), "mg", "h"),), hours=Fraction(72))),
        ("668363", Product("Buccal Tablet", (Part("4337", Fraction("0.1"), "mg", "1"),))),
    ],
)  # fmt: skip
def test_what_products_hold(code: str, product: Product) -> None:
    assert of(code) == product


def test_a_brand_holds_what_its_product_holds() -> None:
    assert of("1049625") == Product(
        "Oral Tablet", (Part("161", Fraction(325), "mg", "1"), Part("7804", Fraction(10), "mg", "1"))
    )


@pytest.mark.parametrize("code", ["7804", "219740", "328388", "1740009", "0"])
def test_an_ingredient_a_brand_name_a_component_and_a_pack_have_no_strength(code: str) -> None:
    assert of(code) is None


def test_the_first_coding_with_a_strength_counts_and_no_other_system() -> None:
    assert of("7804", "1049604", "245134") == of("1049604")
    assert product_of([Code(SNOMED_CT, "1049604")]) is None


def test_a_strength_is_of_exactly_the_ingredients_of_the_product() -> None:
    different = [
        code
        for code in strengths()
        if {part.ingredient for part in of(code).parts} != crosswalk()[code]  # type: ignore[union-attr]
    ]

    assert len(strengths()) > 21_000
    assert different == []


def test_every_strength_is_above_zero() -> None:
    parts = [part for code in strengths() for part in of(code).parts]  # type: ignore[union-attr]

    assert all(part.amount > 0 for part in parts)
