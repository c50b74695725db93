import io
import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

from cds_hooks.cli import main
from models.registry import calculators

MAN = '{"sex": "male", "age_years": 60, "egfr_ml_min_1_73m2": 25, "acr_mg_g": 300, "region": "other"}'

Captured = pytest.CaptureFixture[bytes]


def a_file(folder: Path, *lines: str) -> str:
    path = folder / "lines.ndjson"
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def outcomes(captured: Captured) -> list[str]:
    return [json.loads(line)["outcome"] for line in captured.readouterr().out.splitlines()]


def test_every_line_gets_one_line_in_order(tmp_path: Path, capfdbinary: Captured) -> None:
    low = MAN.replace("25", "72")
    assert main(["calculate", "kfre", a_file(tmp_path, MAN, low, MAN.replace('"acr_mg_g": 300, ', ""), MAN)]) == 0
    assert outcomes(capfdbinary) == ["assessed", "not-applicable", "not-assessable", "assessed"]


def test_an_error_is_of_its_line_only_and_sets_the_exit_status(tmp_path: Path, capfdbinary: Captured) -> None:
    assert main(["calculate", "kfre", a_file(tmp_path, MAN, "{", MAN)]) == 1
    assert outcomes(capfdbinary) == ["assessed", "error", "assessed"]


def test_empty_lines_are_no_lines(tmp_path: Path, capfdbinary: Captured) -> None:
    assert main(["calculate", "kfre", a_file(tmp_path, "", MAN, "  ", "")]) == 0
    assert outcomes(capfdbinary) == ["assessed"]


def test_a_file_from_a_spreadsheet_is_read(tmp_path: Path, capfdbinary: Captured) -> None:
    assert main(["calculate", "kfre", a_file(tmp_path, f"\ufeff{MAN}\r", f"{MAN}\r", f"\ufeff{MAN}")]) == 1
    assert outcomes(capfdbinary) == ["assessed", "assessed", "error"]


@pytest.mark.parametrize("arguments", [["kfre"], ["kfre", "-"]])
def test_without_a_file_standard_input_is_read(
    arguments: list[str], capfdbinary: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(MAN.encode())))
    assert main(["calculate", *arguments]) == 0
    assert outcomes(capfdbinary) == ["assessed"]


def test_an_unknown_model_is_wrong_usage(capfdbinary: Captured) -> None:
    assert main(["calculate", "astrology", "-"]) == 2
    captured = capfdbinary.readouterr()
    assert captured.out == b""
    assert b"no model is called 'astrology'" in captured.err


def test_an_unreadable_file_is_wrong_usage(tmp_path: Path, capfdbinary: Captured) -> None:
    assert main(["calculate", "kfre", str(tmp_path / "absent")]) == 2
    assert main(["calculate", "kfre", str(tmp_path)]) == 2
    captured = capfdbinary.readouterr()
    assert captured.out == b""
    assert captured.err.count(b"cannot be read") == 2


def test_naming_nothing_is_wrong_usage(capfdbinary: Captured) -> None:
    assert main(["calculate"]) == 2
    assert b"--list" in capfdbinary.readouterr().err


def test_the_list_has_one_id_a_line(capfdbinary: Captured) -> None:
    assert main(["calculate", "--list"]) == 0
    assert capfdbinary.readouterr().out.decode().splitlines() == list(calculators())


def test_a_schema_is_printed(capfdbinary: Captured) -> None:
    assert main(["calculate", "--schema", "news2"]) == 0
    described = json.loads(capfdbinary.readouterr().out)
    assert "consciousness" in described["required"]
    assert "spo2_scale" not in described["required"]
    assert main(["calculate", "--schema", "astrology"]) == 2


def test_whoever_sends_one_line_and_waits_gets_one_back() -> None:
    script = "import sys; from cds_hooks.cli import main; sys.exit(main(['calculate', 'kfre']))"
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script], stdin=pipe, stdout=pipe, env=buffered) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        impatient = Timer(30, process.kill)
        impatient.start()
        for _ in range(2):
            process.stdin.write(MAN.encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["outcome"] == "assessed"
        impatient.cancel()
        process.stdin.close()
        assert process.wait(timeout=30) == 0
