"""`make sbom`: what Chartside runs on, as CycloneDX."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools.sbom import Mismatch, document, main, pins

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements" / "postgres.txt").read_text(encoding="utf-8")
HASH = "0" * 64


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return document(LOCK, project=PROJECT)


def _by_name(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {component["name"].lower(): component for component in made["components"]}


def test_every_pin_of_the_lock_is_a_component_with_its_hashes(made: dict[str, Any]) -> None:
    locked = {pin.purl: set(pin.hashes) for pin in pins(LOCK)}
    names = {name.lower().replace("_", "-").replace(".", "-") for name in re.findall(r"^(\S+)==", LOCK, re.MULTILINE)}
    assert [pin.name for pin in pins(LOCK)] == sorted(names), "each package in the one version for this platform"
    assert {each["purl"]: {one["content"] for one in each["hashes"]} for each in made["components"]} == locked
    assert {one["alg"] for each in made["components"] for one in each["hashes"]} == {"SHA-256"}


def test_every_component_declares_a_licence(made: dict[str, Any]) -> None:
    assert [each["name"] for each in made["components"] if not each.get("licenses")] == []
    assert _by_name(made)["flask"]["licenses"] == [{"acknowledgement": "declared", "expression": "BSD-3-Clause"}]


def test_what_the_product_asks_for_is_what_it_depends_on(made: dict[str, Any]) -> None:
    (root,) = (each for each in made["dependencies"] if each["ref"] == made["metadata"]["component"]["bom-ref"])
    names = {re.split(r"[^a-z.-]", re.sub(r"[.]", "-", text.lower()))[0] for text in PROJECT["dependencies"]}
    assert {ref.removeprefix("pkg:pypi/").partition("@")[0] for ref in root["dependsOn"]} == names | {"psycopg"}


def test_the_graph_leads_from_the_product_to_all_that_is_needed_and_nowhere_else(made: dict[str, Any]) -> None:
    graph = {each["ref"]: set(each["dependsOn"]) for each in made["dependencies"]}
    reached, waiting = set(), {made["metadata"]["component"]["bom-ref"]}
    while waiting:
        reached |= waiting
        waiting = set().union(*(graph[ref] for ref in waiting)) - reached
    assert reached == set(graph)
    needed = {each["bom-ref"] for each in made["components"] if each["scope"] == "required"}
    assert needed == reached - {made["metadata"]["component"]["bom-ref"]}
    assert {each["name"] for each in made["components"] if each["scope"] == "excluded"} == {"setuptools"}


def test_an_extra_of_a_package_brings_what_it_needs(made: dict[str, Any]) -> None:
    graph = {each["ref"].partition("@")[0]: " ".join(each["dependsOn"]) for each in made["dependencies"]}
    assert "pkg:pypi/cryptography@" in graph["pkg:pypi/pyjwt"]


def test_it_is_the_same_every_time_and_says_no_time_of_its_own(made: dict[str, Any]) -> None:
    assert document(LOCK, project=PROJECT) == made
    assert "timestamp" not in made["metadata"]
    dated = document(LOCK, project=PROJECT, epoch=1_700_000_000)
    assert dated["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    assert dated["serialNumber"] != made["serialNumber"]


def test_it_is_valid_by_the_schema_of_cyclonedx(made: dict[str, Any]) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(made)) is None
    assert validator.validate_str(json.dumps({**made, "licence": "MIT"})) is not None, "it would be seen"


def test_it_has_the_shape_that_cyclonedx_names(made: dict[str, Any]) -> None:
    assert (made["bomFormat"], made["specVersion"], made["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(
        r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", made["serialNumber"]
    )
    references = [made["metadata"]["component"]["bom-ref"], *(each["bom-ref"] for each in made["components"])]
    assert len(references) == len(set(references)), "a reference names one thing"
    pointed_at = {ref for each in made["dependencies"] for ref in (each["ref"], *each["dependsOn"])}
    assert pointed_at <= set(references)
    for each in (made["metadata"]["component"], *made["components"]):
        assert re.fullmatch(r"pkg:pypi/[a-z0-9-]+@[\w.!~-]+", each["purl"])
        for licence in each["licenses"]:
            assert licence.keys() in ({"expression", "acknowledgement"}, {"license"})
    assert made.keys() <= {
        "bomFormat",
        "specVersion",
        "serialNumber",
        "version",
        "metadata",
        "components",
        "dependencies",
    }


def test_it_names_no_address(made: dict[str, Any]) -> None:
    assert "://" not in json.dumps(made)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("flask==0.0.1", "flask 0.0.1 is locked and "),
        ("no-such-package==1.0", "no-such-package 1.0 is locked and not installed"),
    ],
)
def test_a_lock_that_is_not_what_is_installed_is_refused(line: str, words: str) -> None:
    with pytest.raises(Mismatch, match=words):
        document(f"{line} \\\n    --hash=sha256:{HASH}\n", project=PROJECT)


def test_a_lock_that_lacks_what_is_needed_is_refused() -> None:
    without = re.sub(r"^werkzeug==.*\n(?:    --hash.*\n)+", "", LOCK, flags=re.MULTILINE)
    with pytest.raises(Mismatch, match="needs werkzeug, which is not locked"):
        document(without, project=PROJECT)


def test_a_pin_for_another_platform_is_left_out() -> None:
    assert pins(f"colorama==0.4.6 ; sys_platform == 'win32' \\\n    --hash=sha256:{HASH}\n") == []


def test_the_command_writes_the_file_and_says_how_much_is_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], made: dict[str, Any]
) -> None:
    assert main(["--output", str(tmp_path / "out" / "bom.json")], environ={}) == 0
    assert json.loads((tmp_path / "out" / "bom.json").read_text(encoding="utf-8")) == made
    assert capsys.readouterr().out.startswith(f"{len(made['components'])} components: ")


def test_the_command_refuses_a_lock_that_is_not_installed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lock.txt").write_text(f"flask==0.0.1 \\\n    --hash=sha256:{HASH}\n", encoding="utf-8")
    assert main(["--lock", str(tmp_path / "lock.txt")], environ={}) == 1
    assert "flask 0.0.1 is locked" in capsys.readouterr().err
