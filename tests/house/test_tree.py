"""What no tracked file may hold, and how long a module may be."""

import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

LONGEST = 400
# A file may be longer where cutting it would hide what belongs together: path and reason.
LONG_FILES: dict[str, str] = {
    "tests/fhir_client/test_client.py": "one file a module: tables of everything that a server can answer",
    "tests/fhir_client/test_record.py": "one file a module: tables of every rule by which a row becomes a fact",
}

FORBIDDEN = {
    "an absolute path of somebody's machine": re.compile(r"(?<![\w.:/~}<>-])/(?:home|root|Users|work|tmp)/\w"),
    "work that was put off": re.compile(r"\b(?:TO[D]O|FIX[M]E)\b"),
    "a package registry's host": re.compile(r"py(?:pi\.org|thonhosted\.org)"),
}


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def _texts() -> dict[str, str]:
    """Every tracked text file by its path; what is not UTF-8 is an image or an archive."""
    texts = {}
    for path in _tracked():
        try:
            texts[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return texts


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_holds(what: str) -> None:
    texts = _texts()
    assert "pyproject.toml" in texts
    found = [
        f"{name}:{number}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if FORBIDDEN[what].search(line)
    ]
    assert found == []


def test_a_module_is_short_or_says_why_it_is_long() -> None:
    long = {name for name, text in _texts().items() if name.endswith((".py", ".js")) and text.count("\n") > LONGEST}
    assert long - set(LONG_FILES) == set()
    assert set(LONG_FILES) - long == set(), "no longer long: take it off the list"


def test_every_data_file_of_a_package_is_installed_with_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    globs = project["tool"]["setuptools"]["package-data"]["*"]
    packages = ("cds_hooks", "fhir_client", "models", "sandbox")
    data = [path for path in _tracked() if path.relative_to(ROOT).parts[0] in packages and path.suffix != ".py"]
    assert [path.name for path in data if not any(fnmatch(path.name, glob) for glob in globs)] == []


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("an absolute path of somebody's machine", "see " + "/" + "home/ada/notes"),
        ("work that was put off", "# " + "TO" + "DO: later"),
        ("a package registry's host", "https://" + "pypi" + ".org/simple"),
    ],
)
def test_the_search_finds_what_it_looks_for(what: str, line: str) -> None:
    assert FORBIDDEN[what].search(line)
