"""What the documents show runs as shown."""

import doctest
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

# Commands that are shown and not run here: the command and why.
NOT_RUN = {
    "make demo": "runs until it is stopped; the journeys start it themselves",
    "make test": "is what runs this",
    "make conformance": "tests/house/test_conformance.py compares the page with the tests",
    "make sbom": "tests/deploy/test_sbom.py writes it, and make may install packages first",
    "make lock": "needs uv and the package registry; tests/house/test_locks.py checks what it wrote",
    "make lock UPGRADE=--upgrade": "as make lock",
}


def _blocks(language: str) -> list[tuple[str, str]]:
    """Every fenced block of this language: the page's name and the text."""
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [(page.name, text) for page in PAGES for text in fence.findall(page.read_text(encoding="utf-8"))]


def _commands() -> list[tuple[str, str]]:
    """Every `$ command` of the console blocks, once, with the output that is shown below it."""
    found = {}
    for _, text in _blocks("console"):
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found[command.split("  #")[0].strip()] = output.strip()
    return list(found.items())


def _environment() -> dict[str, str]:
    """What a reader's shell has: our commands on the path, and no trace of the make that may run these tests."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return {**inherited, "PATH": path, "CHARTSIDE_AUTHENTICATION": "off"}


@pytest.mark.parametrize(("command", "output"), [shown for shown in _commands() if shown[0] not in NOT_RUN])
def test_a_command_runs_as_shown(command: str, output: str) -> None:
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=ROOT,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert output in done.stdout


def test_the_commands_that_are_not_run_are_still_shown() -> None:
    assert set(NOT_RUN) - {command for command, _ in _commands()} == set()


def test_python_on_the_pages_runs() -> None:
    runner = doctest.DocTestRunner()
    for page, text in _blocks("python"):
        if text.startswith("# "):
            continue  # a file of its own: tests/docs/test_contributing.py runs it
        example = doctest.DocTestParser().get_doctest(text, {}, page, page, 0)
        assert example.examples, f"{page}: a python block shows `>>>` lines with what they print"
        runner.run(example)
    assert runner.summarize(verbose=False).failed == 0


def _modules_with_examples() -> list[str]:
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("cds_hooks", "fhir_client", "models", "sandbox", "tools")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"^\s*>>> ", path.read_text(encoding="utf-8"), re.MULTILINE)
    )


@pytest.mark.parametrize("name", _modules_with_examples())
def test_the_examples_in_docstrings_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name.removesuffix(".__init__")))
    assert result.attempted > 0
    assert result.failed == 0


def test_make_alone_explains_the_project_in_ten_lines() -> None:
    done = subprocess.run(["make"], cwd=ROOT, env=_environment(), capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) <= 10
    shown = set(re.findall(r"make ([a-z-]+) ", "\n".join(lines)))
    assert shown >= {"demo", "test", "check", "bench", "conformance", "lock"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
