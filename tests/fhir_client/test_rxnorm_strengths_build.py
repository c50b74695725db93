from pathlib import Path

import pytest

from fhir_client.rxnorm.build import read_products
from fhir_client.rxnorm.strengths_build import TARGET, Strength, main, read_strengths, write_strengths
from tests.shared_data import require

HEADER = "rxcui,tty,name,ingredient_rxcui,ingredient_name,source"
BY_NAME = {
    "acetaminophen": "161",
    "hydrocodone": "5489",
    "codeine": "2670",
    "dihydrocodeine": "23088",
    "fentanyl": "4337",
}
SOURCE = "prescribe-2025-10"


def read(name: str, *ingredients: str, kind: str = "SCD") -> Strength | None:
    rows = (f"1,{kind},{name},{BY_NAME[each]},{each},{SOURCE}" for each in ingredients)
    return read_strengths(read_products([HEADER, *rows]), BY_NAME).get("1")


@pytest.mark.parametrize(
    ("name", "strength"),
    [
        ("codeine sulfate 30 MG Oral Tablet", Strength((("2670", "30", "MG", ""),), "Oral Tablet")),
        ("codeine 15 MG Oral Tablet [Brand]", Strength((("2670", "15", "MG", ""),), "Oral Tablet")),
        ("codeine 2.50 MG/ML Oral Solution", Strength((("2670", "2.5", "MG", "ML"),), "Oral Solution")),
        ("codeine 100 MG Oral Tablet", Strength((("2670", "100", "MG", ""),), "Oral Tablet")),
        ("12 HR codeine 30 MG Oral Tablet", Strength((("2670", "30", "MG", ""),), "Oral Tablet", "12")),
        ("90 DAY codeine 0.1 MG/HR Ring", Strength((("2670", "0.1", "MG", "HR"),), "Ring", "2160")),
        ("1.5 ML codeine 10 MG/ML Injection", Strength((("2670", "10", "MG", "ML"),), "Injection", "", "1.5")),
        ("codeine 0.01 MG/MG Topical Gel", Strength((("2670", "0.01", "MG", "MG"),), "Topical Gel")),
        ("codeine 1 MG/ACTUAT Spray", Strength((("2670", "1", "MG", "ACTUAT"),), "Spray")),
    ],
)  # fmt: skip
def test_a_normal_name_says_what_is_in_the_product(name: str, strength: Strength) -> None:
    assert read(name, "codeine") == strength


def test_each_part_of_a_combination_has_its_own_strength() -> None:
    assert read("acetaminophen 325 MG / codeine phosphate 30 MG Oral Tablet", "acetaminophen", "codeine") == Strength(
        (("161", "325", "MG", ""), ("2670", "30", "MG", "")), "Oral Tablet"
    )


def test_a_part_is_the_ingredient_with_the_longest_name_in_it() -> None:
    name = "codeine 10 MG / dihydrocodeine bitartrate 16 MG Oral Capsule"

    assert read(name, "codeine", "dihydrocodeine") == Strength(
        (("2670", "10", "MG", ""), ("23088", "16", "MG", "")), "Oral Capsule"
    )


def test_two_salts_of_one_ingredient_are_added() -> None:
    assert read("codeine phosphate 2.25 MG / codeine sulfate 0.19 MG Oral Tablet", "codeine") == Strength(
        (("2670", "2.44", "MG", ""),), "Oral Tablet"
    )


@pytest.mark.parametrize(
    "name",
    [
        "codeine Oral Tablet",
        "codeine 30 MG",
        "codeine 2 % Cream",
        "codeine phosphate 2 MG / codeine sulfate 2 MG/ML Oral Solution",
        "codeine 30 MG Oral Tablet / codeine 10 MG Oral Tablet",
    ],
)
def test_a_name_of_another_form_has_no_strength(name: str) -> None:
    assert read(name, "codeine") is None


@pytest.mark.parametrize("kind", ["BN", "SCDC", "GPCK", "BPCK"])
def test_only_a_drug_named_by_its_parts_has_a_strength(kind: str) -> None:
    assert read("codeine 30 MG Oral Tablet", "codeine", kind=kind) is None


def test_names_that_contradict_each_other_have_no_strength() -> None:
    rows = [f"1,SCD,codeine {amount} MG Oral Tablet,2670,codeine,{SOURCE}" for amount in (15, 30)]
    alike = [f"1,SCD,{name} 30 MG Oral Tablet,2670,codeine,{SOURCE}" for name in ("Codeine", "codeine")]

    assert read_strengths(read_products([HEADER, *rows]), BY_NAME) == {}
    assert len(read_strengths(read_products([HEADER, *alike]), BY_NAME)) == 1


def test_a_product_whose_ingredients_do_not_resolve_has_no_strength() -> None:
    row = f"1,SCD,unheardof 30 MG Oral Tablet,,unheardof,{SOURCE}-name-only"

    assert read_strengths(read_products([HEADER, row]), BY_NAME) == {}


def test_the_same_strengths_give_the_same_bytes(tmp_path: Path) -> None:
    strength = Strength((("2670", "30", "MG", ""),), "Oral Tablet")
    write_strengths({"2": strength, "10": strength}, tmp_path / "a.gz")
    write_strengths({"10": strength, "2": strength}, tmp_path / "b.gz")

    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_the_table_in_the_package_is_the_one_that_the_lists_give(tmp_path: Path) -> None:
    target = tmp_path / "strengths.csv.gz"

    said = main(require("rxnorm"), target)

    assert said == "23885 products named by their parts, 21340 with a strength that is read"
    assert target.read_bytes() == TARGET.read_bytes()
