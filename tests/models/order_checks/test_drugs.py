"""Drugs by name: every code that means the ingredient reaches the rule, text never does."""

import pytest

from fhir_client.codes import RXNORM, Code
from fhir_client.medications import crosswalk, ingredients
from fhir_client.strengths import product_of
from models.errors import ParametersRejected
from models.order_checks.drugs import Drugs, drugs
from models.order_checks.orders import drug_orders
from models.order_checks.rules import all_rules
from tests.builders import a_medication, a_record
from tests.models.order_checks.building import a_draft

NAMED = {part.name: part for rule in all_rules() for part in (rule.drug, *rule.partners) if part is not None}


@pytest.mark.parametrize("meant", NAMED.values(), ids=NAMED)
def test_every_code_of_a_drug_is_an_ingredient(meant: Drugs) -> None:
    for code in meant.codes:
        assert ingredients([Code(RXNORM, code)]) == frozenset({code})


@pytest.mark.parametrize("meant", NAMED.values(), ids=NAMED)
def test_every_product_with_the_ingredient_is_meant(meant: Drugs) -> None:
    """Products, brands and combinations reach it by the crosswalk, and nothing else does."""
    for held in set(crosswalk().values()):
        expected = held & set(meant.codes)
        if meant.together and expected != set(meant.codes):
            expected = frozenset()
        assert meant.matched(held) == expected


def test_a_product_of_several_is_met_by_one_order_that_holds_them_all() -> None:
    both = drugs("co_trimoxazole")
    assert both.matched(frozenset({"10829"})) == frozenset()
    assert both.matched(frozenset({"10829", "10180", "1"})) == {"10829", "10180"}
    assert both.printed(frozenset({"10829", "10180"})) == "trimethoprim/sulfamethoxazole"


def test_a_class_is_printed_by_what_was_met() -> None:
    assert drugs("triptans").printed(frozenset({"37418", "88014"})) == "rizatriptan and sumatriptan"


def test_a_doubtful_code_is_said() -> None:
    assert drugs("acyclovir").remarks(frozenset({"281"})) == ("RxNorm 281: ONE-SOURCE",)
    assert drugs("metformin").remarks(frozenset({"6809"})) == ()


@pytest.mark.parametrize("name", ["moonshine", "creatinine", "pregnancy"])
def test_a_name_that_means_no_drug_is_refused(name: str) -> None:
    with pytest.raises(ParametersRejected):
        drugs(name)


# ---- what of them counts as taken


def of_form(form: str, ingredient: str) -> str:
    """Find a product of one ingredient and this dose form."""
    return min(
        code
        for code, held in crosswalk().items()
        if held == frozenset({ingredient})
        and (product := product_of([Code(RXNORM, code)])) is not None
        and product.form == form
    )


@pytest.mark.parametrize(
    ("form", "ingredient", "is_local"),
    [
        ("Topical Gel", "3355", True),  # diclofenac
        ("Ophthalmic Solution", "3355", True),
        ("Otic Solution", "2551", True),  # ciprofloxacin
        ("Vaginal Gel", "6922", True),  # metronidazole
        ("Delayed Release Oral Tablet", "3355", False),
        ("Transdermal System", "4337", False),  # fentanyl
        ("Nasal Spray", "37418", False),  # sumatriptan
    ],
)
def test_what_stays_where_it_is_put_is_local(form: str, ingredient: str, is_local: bool) -> None:
    (order,) = drug_orders(a_record(drafts=(a_draft(of_form(form, ingredient)),))).asked_about
    assert order.ingredients == frozenset({ingredient})
    assert order.is_local is is_local


def test_an_ingredient_alone_counts_as_taken() -> None:
    (order,) = drug_orders(a_record(drafts=(a_draft("3355"),))).asked_about
    assert not order.is_local


def test_a_draft_without_ingredients_is_counted_as_unresolved() -> None:
    orders = drug_orders(a_record(a_medication("0"), drafts=(a_draft("0"), a_draft("3355"))))
    assert [order.ingredients for order in orders.asked_about] == [frozenset({"3355"})]
    assert (orders.unresolved, orders.unresolved_asked_about) == (2, 1)


def test_without_a_draft_there_is_nothing_to_check() -> None:
    orders = drug_orders(a_record(a_medication("3355")))
    assert (orders.asked_about, orders.others, orders.unresolved) == ((), (), 0)
