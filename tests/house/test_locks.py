"""The lock files hold every dependency, by hash, and say nothing of where it comes from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUN = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
TEST = (ROOT / "requirements" / "test.txt").read_text(encoding="utf-8")
LOCKS = {"run": RUN, "test": TEST}

PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: ; [^\\]+)?((?:\s*\\\n\s+--hash=sha256:[0-9a-f]{64})*)\n?", re.MULTILINE)


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def _pins(lock: str) -> set[tuple[str, str]]:
    return {(_name(match[1]), match[2]) for match in PIN.finditer(lock)}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_address_and_no_option_but_hashes(name: str) -> None:
    assert "://" not in LOCKS[name]
    assert set(re.findall(r"(?<!\S)--[a-z-]+", LOCKS[name])) == {"--hash"}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_nothing_but_pins_each_with_a_hash(name: str) -> None:
    assert PIN.sub("", LOCKS[name]) == ""
    assert [match[1] for match in PIN.finditer(LOCKS[name]) if not match[3]] == []


def test_every_dependency_is_locked_for_running() -> None:
    wanted = {_name(each) for each in PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"]}
    assert wanted - {name for name, _ in _pins(RUN)} == set()


def test_every_dependency_of_the_tests_is_locked_for_testing() -> None:
    wanted = {_name(each) for each in PROJECT["project"]["optional-dependencies"]["test"]}
    assert wanted - {name for name, _ in _pins(TEST)} == set()


def test_the_tests_run_on_exactly_what_is_run() -> None:
    assert _pins(RUN) - _pins(TEST) == set()


def test_what_builds_the_editable_install_is_what_pyproject_asks_for() -> None:
    lines = (ROOT / "requirements" / "build.in").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == PROJECT["build-system"]["requires"]
