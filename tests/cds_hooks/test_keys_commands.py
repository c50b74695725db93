"""`chartside keys`: what it makes, says and refuses."""

import argparse
import json
from io import StringIO
from pathlib import Path

import pytest

from cds_hooks.cli import main
from cds_hooks.keys_commands import _OVERLAP_HOURS, register
from fhir_client.signing_keys import OVERLAP


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("CHARTSIDE_SIGNING_KEYS", str(tmp_path / "keys"))
    return tmp_path / "keys"


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main(["keys", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert isinstance(rows, list)
    return rows


def curve_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "make", "--algorithm", "ES384"]) == 0
    capsys.readouterr()


def test_the_first_keys_are_one_a_algorithm_and_sign_at_once(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "make"]) == 0
    rows = listed(capsys)
    assert sorted(str(row["algorithm"]) for row in rows) == ["ES384", "RS384"]
    assert all(row["signs"] and row["published"] for row in rows)
    assert {f"{row['id']}.json" for row in rows} == {path.name for path in directory.iterdir()}


class Gone(StringIO):
    """What a pipe is to a writer when its reader has stopped."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_a_reader_who_stops_is_no_fault_of_the_directory(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    curve_keys(capsys)
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    arguments = parser.parse_args(["keys", "show", "--directory", str(directory)])
    monkeypatch.setattr("sys.stdout", Gone())
    with pytest.raises(BrokenPipeError):
        arguments.run(arguments)
    assert capsys.readouterr().err == ""


def test_keys_are_not_made_beside_others(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curve_keys(capsys)
    assert main(["keys", "make"]) == 1
    assert capsys.readouterr().err == "there are keys already: rotate them, so that old and new overlap\n"
    assert len(list(directory.iterdir())) == 1


def test_a_rotation_publishes_a_key_that_does_not_sign_yet(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """[FHIR-21] On rotation old and new keys overlap."""
    curve_keys(capsys)
    assert main(["keys", "rotate"]) == 0
    assert "published now, signs from" in capsys.readouterr().out
    old, new = listed(capsys)
    assert [(row["signs"], row["published"]) for row in (old, new)] == [(True, True), (False, True)]
    assert main(["keys", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{old['id']}: ES384, signs", f"{new['id']}: ES384, published, signs from {new['signs_from']}"]


def test_after_a_leak_the_old_key_goes_at_once(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curve_keys(capsys)
    (old,) = listed(capsys)
    path = directory / f"{old['id']}.json"
    jwk = json.loads(path.read_bytes())
    path.write_text(json.dumps({**jwk, "nbf": jwk["nbf"] - 60}), encoding="utf-8")
    assert main(["keys", "rotate", "--overlap-hours", "0"]) == 0
    assert main(["keys", "retire", str(old["id"])]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"retired {old['id']}"
    (new,) = listed(capsys)
    assert new["signs"]
    assert new["id"] != old["id"]


def test_the_key_that_signs_is_not_retired(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curve_keys(capsys)
    (row,) = listed(capsys)
    assert main(["keys", "retire", str(row["id"])]) == 1
    assert "rotate first" in capsys.readouterr().err
    assert main(["keys", "retire"]) == 0
    assert capsys.readouterr().out == "every key is still published\n"
    assert len(listed(capsys)) == 1


def test_what_is_shown_to_register_is_public(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """[FHIR-20] Register a public key set, by https URL or by value; no private members (`d`, `p`, `q`...)."""
    curve_keys(capsys)
    assert main(["keys", "show"]) == 0
    out = capsys.readouterr().out
    (key,) = json.loads(out)["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert json.loads(next(directory.iterdir()).read_bytes())["d"] not in out


def test_no_command_prints_a_private_key(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """[FHIR-81] Secrets are never logged."""
    for command in (["make", "--algorithm", "ES384"], ["list"], ["list", "--json"], ["rotate"], ["show"], ["retire"]):
        assert main(["keys", *command]) == 0
    told = "".join(capsys.readouterr())
    secrets = [json.loads(path.read_bytes())["d"] for path in directory.iterdir()]
    assert len(secrets) == 2
    assert not any(secret in told for secret in secrets)


@pytest.mark.parametrize("command", ["make", "rotate", "list", "show", "retire"])
def test_without_a_directory_the_usage_is_wrong(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHARTSIDE_SIGNING_KEYS", raising=False)
    assert main(["keys", command]) == 2
    assert "name the directory with --directory or CHARTSIDE_SIGNING_KEYS" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["rotate", "list", "show", "retire"])
def test_a_directory_that_is_not_there_is_said(
    command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["keys", command, "--directory", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err == "the directory of the signing keys cannot be read\n"


def test_a_directory_that_cannot_be_made_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert main(["keys", "make", "--algorithm", "ES384", "--directory", str(tmp_path / "file" / "keys")]) == 1
    assert capsys.readouterr().err == "the directory of the signing keys cannot be written\n"


def test_every_unfit_file_is_named(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """[FHIR-37] Private keys come from files: a file that others may read is refused."""
    curve_keys(capsys)
    (path,) = directory.iterdir()
    path.chmod(0o644)
    (directory / "notes.txt").write_bytes(b"")
    assert main(["keys", "rotate"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{path.name}: others than its owner may read it: its mode must be 0600",
        "notes.txt: is not named like a key: ID.json or ID.pem",
    ]


@pytest.mark.parametrize("hours", ["-1", "x", "2161", "1.5"])
def test_an_overlap_is_whole_hours(hours: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["keys", "rotate", "--overlap-hours", hours])
    assert ended.value.code == 2


def test_the_overlap_of_the_command_is_that_of_the_key_set() -> None:
    assert OVERLAP.total_seconds() == _OVERLAP_HOURS * 3600
