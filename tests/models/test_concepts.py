import gzip
import json
from pathlib import Path

import pytest

from fhir_client.codes import ICD_10_CM, LOINC, RXNORM, SNOMED_CT, Code
from fhir_client.medications import ingredients
from models.concepts import FOLDER, concept
from models.errors import ParametersRejected
from models.site import Site
from tests.shared_data import every, require

NAMES = sorted(path.stem for path in FOLDER.glob("*.toml") if not path.name.endswith(".snomed.toml"))
WITH, WITHOUT = Site(snomed=True), Site(snomed=False)


@pytest.mark.parametrize("name", NAMES)
def test_every_code_set_is_verified(name: str) -> None:
    found = concept(name)
    assert found.unverified == ()
    assert all(group.citation for group in found.groups)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.snomed.toml")), ids=lambda path: path.name)
def test_a_snomed_ct_file_carries_a_licence_notice(path: Path) -> None:
    assert "SNOMED CT content is used under licence" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_site_without_snomed_ct_reads_none_of_it(name: str) -> None:
    codes = concept(name).codes(WITHOUT)
    assert SNOMED_CT not in codes.systems
    assert all(code.system != SNOMED_CT for code in concept(name).answers(WITHOUT))


def test_the_switch_decides_what_a_snomed_ct_code_means() -> None:
    stroke = (Code(SNOMED_CT, "230690007"),)
    assert concept("cardiovascular_disease").judge(stroke, WITH) == (True, True)
    assert concept("cardiovascular_disease").judge(stroke, WITHOUT) == (False, False)


@pytest.mark.parametrize(
    ("name", "code", "belongs"),
    [
        ("diabetes", "E11.9", True),
        ("diabetes", "E12", False),
        ("diabetes", "R73.03", False),
        ("cardiovascular_disease", "I25.2", True),
        ("cardiovascular_disease", "Z86.73", True),
        ("cardiovascular_disease", "I70.211", True),
        ("cardiovascular_disease", "I70.1", False),
        ("cardiovascular_disease", "I48.91", False),
        ("cardiovascular_disease", "I11.0", True),
        ("cardiovascular_disease", "I11.9", False),
        ("chronic_kidney_disease", "N18.31", True),
        ("chronic_kidney_disease", "N17.9", False),
        ("kidney_replacement", "Z99.2", True),
        ("kidney_replacement", "N18.5", False),
        ("pregnancy", "O09.90", True),
        ("pregnancy", "O90.0", False),
        ("pregnancy", "Z34.90", True),
        ("palliative_care", "Z51.5", True),
        ("palliative_care", "Z51.11", False),
        ("hypertension", "I10", True),
        ("atrial_fibrillation", "I48.91", True),
        ("atrial_fibrillation", "I49.9", False),
        ("heart_failure", "I50.22", True),
        ("heart_failure", "I11.9", False),
        ("stroke_tia_thromboembolism", "I69.354", True),
        ("stroke_tia_thromboembolism", "G45.4", False),
        ("stroke_tia_thromboembolism", "I61.9", False),
        ("stroke", "I61.9", True),
        ("stroke", "G45.9", False),
        ("vascular_disease", "I71.40", True),
        ("vascular_disease", "I25.10", False),
        ("major_bleeding", "K25.4", True),
        ("major_bleeding", "K25.9", False),
        ("bleeding_predisposition", "D57.1", True),
        ("bleeding_predisposition", "D57.3", False),
        ("cirrhosis", "K74.60", True),
        ("cirrhosis", "K74.00", False),
        ("pneumonia", "J18.9", True),
        ("pneumonia", "J20.9", False),
        ("venous_thromboembolism", "I26.99", True),
        ("venous_thromboembolism", "I80.201", True),
        ("venous_thromboembolism", "I80.01", False),
        ("venous_thromboembolism", "I82.619", False),
        ("venous_thromboembolism", "I82.629", True),
        ("cancer", "C7A.00", True),
        ("cancer", "C90.00", True),
        ("cancer", "C44.91", False),
        ("cancer", "D05.10", False),
        ("cancer", "Z85.3", False),
        ("thrombophilia", "D68.61", True),
        ("thrombophilia", "D68.9", False),
        ("reduced_mobility", "Z74.01", True),
        ("reduced_mobility", "Z74.1", False),
        ("acute_infection", "A41.9", True),
        ("acute_infection", "N39.0", True),
        ("acute_infection", "A31.0", False),
        ("acute_infection", "J02.9", False),
        ("acute_infection", "N39.41", False),
        ("major_trauma", "S72.001A", True),
        ("major_trauma", "S93.409A", False),
        ("high_glucose", "R73.03", True),
        ("high_glucose", "O24.410", True),
        ("high_glucose", "O24.011", False),
        ("sickle_cell_disease", "D57.1", True),
        ("sickle_cell_disease", "D57.3", False),
    ],
)
def test_icd_10_codes_are_placed(name: str, code: str, belongs: bool) -> None:
    assert concept(name).codes(WITH).matches([Code(ICD_10_CM, code)]) is belongs


def test_a_panel_is_asked_for_and_never_matched() -> None:
    panel = Code(LOINC, "85354-9")
    assert panel in concept("systolic_bp").searched
    assert not concept("systolic_bp").codes(WITH).matches([panel])


@pytest.mark.parametrize(
    "name",
    [
        "statins",
        "antihypertensives",
        "antiplatelets",
        "nsaids",
        "vitamin_k_antagonists",
        "hormonal_treatment",
        "systemic_antibiotics",
        "opioids",
    ],
)
def test_every_drug_code_is_an_ingredient_that_orders_resolve_to(name: str) -> None:
    for code in concept(name).exact_codes:
        assert ingredients([Code(RXNORM, code)]) == frozenset({code})


# The conditions of the shared patients that a model asks about; every other code there is none of these.
PLACED = {
    "44054006": {"diabetes"},
    "368581000119106": {"diabetes"},
    "38341003": {"hypertension"},
    "53741008": {"cardiovascular_disease"},
    "22298006": {"cardiovascular_disease", "vascular_disease"},
    "399211009": {"cardiovascular_disease", "vascular_disease"},
    "230690007": {"cardiovascular_disease", "stroke", "stroke_tia_thromboembolism"},
    "88805009": {"cardiovascular_disease", "heart_failure"},
    "49436004": {"atrial_fibrillation"},
    "271737000": {"bleeding_predisposition"},
    "72892002": {"pregnancy"},
    "79586000": {"pregnancy"},
}
ASKED = (
    "diabetes",
    "hypertension",
    "cardiovascular_disease",
    "chronic_kidney_disease",
    "kidney_replacement",
    "pregnancy",
    "palliative_care",
    "atrial_fibrillation",
    "valvular_atrial_fibrillation",
    "heart_failure",
    "stroke_tia_thromboembolism",
    "vascular_disease",
    "stroke",
    "major_bleeding",
    "bleeding_predisposition",
    "cirrhosis",
    "pneumonia",
)


@pytest.mark.shared_data
def test_the_sets_place_the_conditions_of_the_shared_patients() -> None:
    require("synthea/smart-r4")
    seen = set()
    for relative in every("synthea/smart-r4", "*.json.gz"):
        bundle = json.loads(gzip.decompress(require(relative).read_bytes()))
        for entry in bundle["entry"]:
            if entry["resource"]["resourceType"] == "Condition":
                seen |= {coding["code"] for coding in entry["resource"]["code"]["coding"]}
    placed = {
        code: {name for name in ASKED if concept(name).codes(WITH).matches([Code(SNOMED_CT, code)])} for code in seen
    }
    assert {code: names for code, names in placed.items() if names} == PLACED


@pytest.mark.parametrize(
    "text",
    [
        'title = "T"\n[[group]]\nsystem = "loinc"\nlabel = "VERIFIED"\n[group.codes]\n"1-8" = "x"\n',
        'title = "T"\n[[group]]\nsystem = "loinc"\ncitation = "C"\nlabel = "SURE"\n[group.codes]\n"1-8" = "x"\n',
        'title = "T"\n[[group]]\nsystem = "else"\ncitation = "C"\nlabel = "VERIFIED"\n[group.codes]\n"1-8" = "x"\n',
        'title = "T"\n[[group]]\nsystem = "loinc"\ncitation = "C"\nlabel = "VERIFIED"\n',
        'title = "T"\n[[group]]\nsystem = "snomed"\ncitation = "C"\nlabel = "VERIFIED"\n[group.codes]\n1 = "x"\n',
        'title = "T"\n',
        'notice = "N"\ntitle = "T"\n[[group]]\nsystem = "loinc"\ncitation = "C"\nlabel = "VERIFIED"\nprefixes=["1"]',
    ],
)
def test_a_code_set_that_cannot_be_traced_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "refused.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr("models.concepts.FOLDER", tmp_path)
    with pytest.raises(ParametersRejected):
        concept("refused")
