"""`chartside replay`."""

import json
import os
import stat
from pathlib import Path

import pytest

from cds_hooks.cli import main
from tests.builders import a_bundle, a_medication, a_patient, an_observation

MARKED = {"name": [{"family": "Zzmarker-Replay"}]}


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in list(os.environ):
        if name.startswith("CHARTSIDE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    charts = tmp_path / "charts"
    charts.mkdir()
    kidneys = an_observation("2160-0", 2.8, "mg/dL", on="2024-05-20")
    metformin = a_medication("6809", status="draft", authored="2024-05-21")
    chart = a_bundle({**a_patient(), **MARKED}, kidneys, metformin)
    (charts / "Zzmarker-Replay.json").write_text(json.dumps(chart), encoding="utf-8")
    return charts


def test_a_replay_prints_what_would_have_been_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(folder)]) == 0

    out, err = capsys.readouterr()
    assert out.startswith("1 charts and 0 requests\n")
    assert "cards per 100 orders signed: 0.0 info, 0.0 warning, 100.0 critical" in out
    assert "2 x critical: metformin-egfr-below-30:6809 (medication-safety)" in out
    assert "1 of 1 files" in err
    assert "Zzmarker" not in out + err


def test_a_replay_for_machines_is_one_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(folder), "--json", "--as-of", "2024-05-31"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert found["charts"] == 1
    assert ("medication-safety", "order-sign") in {(line["service"], line["hook"]) for line in found["services"]}


def test_a_sample_is_a_file_for_its_owner_and_is_never_overwritten(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["replay", str(folder), "--sample", "2", "--sample-file", "cards.txt"]
    assert main(command) == 0
    assert main(command) == 2

    sample = Path("cards.txt")
    assert stat.S_IMODE(sample.stat().st_mode) == 0o600
    assert sample.read_text("utf-8").startswith("1 of 2: document 1, ")
    assert "the sample file exists" in capsys.readouterr().err


def test_any_error_makes_a_replay_fail(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.json").write_text("{", encoding="utf-8")

    assert main(["replay", str(folder)]) == 1
    assert "document 2: not readable" in capsys.readouterr().err


def test_a_replay_of_nothing_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()

    assert main(["replay", str(tmp_path / "empty")]) == 1
    assert "nothing was replayed" in capsys.readouterr().err
    assert main(["replay", str(tmp_path / "none")]) == 2


@pytest.mark.parametrize("size", ["0", "-1", "many", "100000"])
def test_a_sample_has_a_size(folder: Path, size: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["replay", str(folder), "--sample", size])
    assert caught.value.code == 2
