import gzip
import lzma
from functools import cache
from pathlib import Path

import pytest

from fhir_client.medications import crosswalk
from fhir_client.rxnorm.build import (
    NAMES,
    TARGET,
    Product,
    main,
    parts_of,
    read_ingredients,
    read_products,
    resolve,
    write,
    write_names,
)
from tests.shared_data import require

HEADER = "rxcui,tty,name,ingredient_rxcui,ingredient_name,source"
BY_NAME = {"acetaminophen": "161", "hydrocodone": "5489", "codeine": "2670", "ethacrynate": "62349", "oxybate": "7"}


def resolved(*rows: str) -> dict[str, frozenset[str]]:
    table = resolve(read_products([HEADER, *rows]), BY_NAME)
    return {code: codes for code, codes in table.items() if code not in BY_NAME.values()}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("lisinopril 10 MG Oral Tablet", {"lisinopril"}),
        ("Acetaminophen 325 MG / codeine phosphate 30 MG Tablet [T 3]", {"acetaminophen", "codeine phosphate"}),
        ("24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet", {"metformin hydrochloride"}),
        ("60 ACTUAT fluticasone 0.1 MG/ACTUAT / salmeterol 0.05 MG/ACTUAT Inhaler", {"fluticasone", "salmeterol"}),
        ("{21 (ethinyl estradiol 0.02 MG / norethindrone 1 MG Tablet) / 7 (inert ingredients 1 MG Tablet) } Pack",
         {"ethinyl estradiol", "norethindrone"}),
        ("{1 (30 ML) (hydrocortisone 20 MG/ML Topical Lotion) / 1 (118 ML) (sulfur 20 MG/ML Shampoo) } Pack [X]",
         {"hydrocortisone", "sulfur"}),
        ("Vicodin", {"vicodin"}),
    ],
)  # fmt: skip
def test_a_name_says_its_parts(name: str, parts: set[str]) -> None:
    assert parts_of(name) == parts


def test_a_product_with_a_row_for_each_part_is_complete() -> None:
    assert resolved(
        "1,SCD,acetaminophen 325 MG / codeine phosphate 30 MG Oral Tablet,161,acetaminophen,prescribe-2025-10",
        "1,SCD,acetaminophen 325 MG / codeine phosphate 30 MG Oral Tablet,2670,codeine,prescribe-2025-10",
    ) == {"1": {"161", "2670"}}


def test_a_missing_part_is_completed_from_the_name() -> None:
    assert resolved(
        "1,SBD,Acetaminophen 500 MG / Hydrocodone Bitartrate 5 MG Tablet [Vicodin],161,acetaminophen,sandbox-medlist"
    ) == {"1": {"161", "5489"}}


def test_a_missing_part_without_a_code_leaves_the_product_out() -> None:
    assert (
        resolved("1,SBD,acetaminophen 500 MG / pentazocine 25 MG Oral Tablet,161,acetaminophen,sandbox-medlist") == {}
    )


def test_several_salts_of_one_ingredient_are_complete() -> None:
    name = "calcium oxybate 234 MG/ML / sodium oxybate 40 MG/ML Oral Solution"

    assert resolved(f"1,SCD,{name},7,oxybate,prescribe-2025-10") == {"1": {"7"}}


def test_a_row_with_a_name_only_needs_an_ingredient_of_exactly_that_name() -> None:
    assert resolved("1,SCD,codeine 30 MG Oral Tablet,,Codeine,sandbox-medlist-name-only") == {"1": {"2670"}}
    assert resolved("1,SCD,alprazolam 1 MG Oral Tablet,,alprazolam,sandbox-medlist-name-only") == {}
    assert resolved("1,SCD,codeine sulfate 30 MG Oral Tablet,,codeine sulfate,sandbox-medlist-name-only") == {}


def test_another_name_for_what_the_best_source_knows_does_not_count() -> None:
    assert resolved(
        "1,SCD,ethacrynic acid 25 MG Oral Tablet,62349,ethacrynate,prescribe-2025-10",
        "1,SCD,Ethacrynic Acid 25 MG Oral Tablet,,ethacrynic acid,sandbox-medlist-name-only",
    ) == {"1": {"62349"}}


def test_a_brand_name_stands_for_what_all_its_products_hold() -> None:
    product = "SBD,acetaminophen 500 MG / hydrocodone 5 MG Oral Tablet [Vicodin],161,acetaminophen,prescribe-2025-10"
    brand = "9,BN,Vicodin,161,acetaminophen,prescribe-2025-10"
    other = "2,SBD,acetaminophen 500 MG Oral Tablet [Vicodin],161,acetaminophen,prescribe-2025-10"

    assert resolved(f"1,{product}", brand)["9"] == {"161", "5489"}
    assert "9" not in resolved(f"1,{product}", other, brand)
    assert "9" not in resolved(brand)


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    table = {"10": frozenset({"2", "1"}), "1": frozenset({"1"}), "9": frozenset({"1", "2"})}
    write(table, tmp_path / "a")
    write(dict(reversed(table.items())), tmp_path / "b")

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert gzip.decompress((tmp_path / "a").read_bytes()).decode() == "ingredients,products\n1,1\n1 2,9 10\n"


def test_an_ingredient_has_its_shortest_name(tmp_path: Path) -> None:
    write_names({"valproic acid": "40254", "valproate": "40254", "metformin": "6809"}, tmp_path / "names")
    assert gzip.decompress((tmp_path / "names").read_bytes()).decode() == "code,name\n6809,metformin\n40254,valproate\n"


@pytest.mark.shared_data
def test_the_table_in_the_package_is_what_the_program_makes_of_the_lists(tmp_path: Path) -> None:
    said = main(require("rxnorm"), tmp_path / "table", tmp_path / "names")

    assert said == "38021 products, 35770 resolved; 2485 ingredients"
    assert gzip.decompress((tmp_path / "table").read_bytes()) == gzip.decompress(TARGET.read_bytes())
    assert gzip.decompress((tmp_path / "names").read_bytes()) == gzip.decompress(NAMES.read_bytes())


@cache
def lists() -> tuple[dict[str, str], dict[str, Product]]:
    with gzip.open(require("rxnorm/rxnorm_ingredients.csv.gz"), "rt", newline="") as file:
        name_of = {code: name for name, code in read_ingredients(file).items()}
    with lzma.open(require("rxnorm/rxnorm_product_ingredient.csv.xz"), "rt", newline="") as file:
        return name_of, read_products(file)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("brand", "names"),
    [
        ("Vicodin", {"acetaminophen", "hydrocodone"}),
        ("Percocet", {"acetaminophen", "oxycodone"}),
        ("Rifamate", {"isoniazid", "rifampin"}),
        ("Prinzide", {"hydrochlorothiazide", "lisinopril"}),
        ("Augmentin", {"amoxicillin", "clavulanate"}),
        ("Evotaz", {"atazanavir", "cobicistat"}),
        ("Glucovance", {"glyburide", "metformin"}),
        ("Lotrel", {"amlodipine", "benazepril"}),
        ("Adderall", None),
    ],
)
def test_products_that_look_complete_in_the_source_have_all_their_parts(brand: str, names: set[str] | None) -> None:
    name_of, products = lists()
    codes = [code for code, product in products.items() if any(f"[{brand}]" in name for name in product.names)]

    assert codes
    found = [crosswalk().get(code) for code in codes]
    assert [None if codes is None else {name_of[code] for code in codes} for codes in found] == [names] * len(codes)
