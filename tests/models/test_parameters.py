from pathlib import Path

import pytest

from models.errors import ParametersRejected
from models.kfre.model import MODEL as KFRE
from models.parameters import CARD_NAME, FILE_NAME, Label, load

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[2] / "models").glob(f"*/{FILE_NAME}"))

HEADER = 'id = "m"\nversion = "1.0.0"\ntitle = "M"\ncitation = "C"\n'
ENTRY = '[parameter.a]\nvalue = 1\nlabel = "VERIFIED"\ncitation = "C"\n'


def a_file(folder: Path, text: str) -> Path:
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_value_has_a_citation_and_a_known_label(folder: Path) -> None:
    parameters = load(folder)
    assert parameters.by_name
    for parameter in parameters.by_name.values():
        assert parameter.citation.strip()
        assert parameter.label in set(Label)


@pytest.mark.parametrize("folder", [f for f in FOLDERS if f.name != "kidney_stability"], ids=lambda folder: folder.name)
def test_every_model_has_a_card_with_the_fields_of_governance(folder: Path) -> None:
    card = (folder / CARD_NAME).read_text(encoding="utf-8")
    assert card == load(folder).card
    for heading in ("Identity", "Intended use", "Out of scope", "Inputs", "Validation", "Known failures", "Licence"):
        assert f"\n## {heading}" in card
    assert load(folder).version in card


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    parameters = load(
        a_file(tmp_path, HEADER + ENTRY + 'unit = "mg/dL"\noutputs = ["risk"]\nwhen = { region = "x" }\n')
    )
    assert (parameters.id, parameters.version, parameters["a"]) == ("m", "1.0.0", 1)
    parameter = parameters.by_name["a"]
    assert parameter.unit == "mg/dL"
    assert parameter.goes_into("risk")
    assert not parameter.goes_into("other")
    assert parameter.is_used({"region": "x"})
    assert not parameter.is_used({"region": "y"})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (HEADER + ENTRY.replace("VERIFIED", "SURE"), "unknown label"),
        (HEADER + ENTRY.replace('label = "VERIFIED"\n', ""), "has no label"),
        (HEADER + ENTRY.replace('citation = "C"\n', ""), "has no citation"),
        (HEADER + ENTRY.replace('citation = "C"', 'citation = " "'), "has no citation"),
        (HEADER + ENTRY.replace("value = 1\n", ""), "has no value"),
        (HEADER + ENTRY + "extra = 1\n", "unknown key"),
        (HEADER + "extra = 1\n" + ENTRY, "unknown key"),
        (HEADER, "has no parameter"),
        (HEADER.replace('version = "1.0.0"\n', "") + ENTRY, "has no version"),
    ],
)
def test_a_file_that_cannot_be_traced_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ParametersRejected, match=fault):
        load(a_file(tmp_path, text))


@pytest.mark.parametrize(
    ("label", "may_be_live"),
    [(Label.VERIFIED, True), (Label.DEFINITION, True), (Label.ONE_SOURCE, False), (Label.UNVERIFIED, False)],
)
def test_only_verified_values_and_definitions_may_be_live(label: Label, may_be_live: bool) -> None:
    assert label.may_be_live is may_be_live


def test_a_doubtful_value_is_named_only_where_it_is_used() -> None:
    parameters = KFRE.parameters
    assert parameters.unverified("risk_5y") == ()
    assert parameters.unverified("risk_5y", {"region": "other"}) == ()
    assert parameters.unverified("risk_5y", {"region": "united-kingdom"}) == ("survival_united_kingdom: ONE-SOURCE",)


def test_a_threshold_for_the_reader_goes_into_no_result() -> None:
    threshold = KFRE.parameters.by_name["multidisciplinary_2y"]
    assert threshold.label is Label.UNVERIFIED
    assert not any(threshold.goes_into(output.name) for output in KFRE.outputs)
