"""Published worked examples, through the command that a pharmacist would use to check us."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cds_hooks.cli import main
from models.registry import calculators

VECTORS = [
    vector
    for file in sorted(Path(__file__).parent.glob("*.toml"))
    for vector in tomllib.loads(file.read_text(encoding="utf-8"))["vector"]
]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["citation"] for vector in VECTORS])
def test_calculate_gives_what_was_printed(
    vector: dict[str, Any], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = tmp_path / "line.ndjson"
    file.write_text(json.dumps(vector["inputs"]), encoding="utf-8")
    assert main(["calculate", vector["model"], str(file)]) == 0
    answer = json.loads(capfdbinary.readouterr().out)
    assert answer["outcome"] == "assessed"
    factor = 100 if vector.get("percent") else 1
    shown = {name: round(answer["results"][name] * factor, vector["decimals"]) for name in vector["printed"]}
    assert shown == vector["printed"]
    assert answer["results"].get("parts") == vector.get("parts")


def test_every_model_has_a_published_example() -> None:
    assert {vector["model"] for vector in VECTORS} == set(calculators())
