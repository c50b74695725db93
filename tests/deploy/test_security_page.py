"""SECURITY.md claims nothing that no test proves: what it names exists, and every threat says what is not covered."""

import ast
import json
import re
from functools import cache

import pytest

from tests.deploy.reading import ROOT

PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
THREATS = dict(
    re.findall(r"^### (.+?)\n(.*?)(?=^##)", PAGE[PAGE.index("## Threats and controls") :], re.MULTILINE | re.DOTALL)
)
CITED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
PATHS = set(re.findall(r"`((?:cds_hooks|fhir_client|models|deploy|tools|tests|requirements)/[\w./-]*)`", PAGE))


@cache
def _tests(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_test_that_is_cited_exists() -> None:
    assert len(CITED) > 60
    assert [f"{path}::{name}" for path, name in CITED if name not in _tests(path)] == []


def test_every_module_that_is_named_exists() -> None:
    assert [path for path in PATHS if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("threat", THREATS)
def test_every_threat_says_where_its_control_is_what_proves_it_and_what_is_left(threat: str) -> None:
    parts = re.findall(r"^- (Where|Proven by|Not covered): ", THREATS[threat], re.MULTILINE)
    assert "Where" in parts
    assert "Proven by" in parts
    assert "tests/" in THREATS[threat]
    assert "Not covered" in parts


def test_the_number_of_hostile_addresses_is_what_it_says() -> None:
    corpus = json.loads((ROOT / "tests" / "fhir_client" / "hostile_addresses.json").read_text(encoding="utf-8"))
    assert sum(len(part) for part in corpus.values()) > 100
    assert "over a hundred hostile addresses" in " ".join(PAGE.split())


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", PAGE)
    assert [link for link in links if not (ROOT / link).exists()] == []
