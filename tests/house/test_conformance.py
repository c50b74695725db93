"""The conformance page says what the tests say."""

from pathlib import Path

import pytest

from tools import conformance

SOURCE = '''
def test_one():
    """[DISC-4] Each entry has hook, description and id."""

class TestCards:
    def test_two(self):
        """[CARD-2, DISC-4] The summary is short."""

def helper():
    """[CARD-3] is no proof: this is no test."""
'''


def test_no_test_cites_a_requirement_that_does_not_exist() -> None:
    known = {row.id for row in conformance.requirements()}
    assert {id_: tests for id_, tests in conformance.citations().items() if id_ not in known} == {}


def test_the_page_is_what_the_tests_say_now() -> None:
    current = conformance.page(conformance.requirements(), conformance.citations())
    assert conformance.PAGE.read_text(encoding="utf-8") == current, "run `make conformance`"


def test_a_docstring_cites_for_its_own_test_only(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_made_up.py").write_text(SOURCE, encoding="utf-8")
    assert conformance.citations(tmp_path / "tests") == {
        "DISC-4": ["tests/test_made_up.py::test_one", "tests/test_made_up.py::TestCards::test_two"],
        "CARD-2": ["tests/test_made_up.py::TestCards::test_two"],
    }


def test_a_requirement_that_no_test_cites_is_a_blank() -> None:
    row = conformance.Requirement("GEN-1", "SHALL", "SC", "JSON", "Bodies are JSON.")
    page = conformance.page([row], {})
    assert "| GEN-1 | SHALL | SC | Bodies are JSON. | |" in page
    assert "| **all** | 1 | 0 | 1 |" in page


def test_a_proven_requirement_names_its_tests() -> None:
    row = conformance.Requirement("GEN-1", "SHALL", "SC", "JSON", "Bodies are JSON.")
    page = conformance.page([row], {"GEN-1": ["tests/a.py::test_b", "tests/a.py::test_c"]})
    assert "| GEN-1 | SHALL | SC | Bodies are JSON. | `tests/a.py::test_b`<br>`tests/a.py::test_c` |" in page
    assert "| **all** | 1 | 1 | 0 |" in page


def test_a_page_out_of_date_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stale = tmp_path / "conformance.md"
    stale.write_text("old", encoding="utf-8")
    monkeypatch.setattr(conformance, "PAGE", stale)
    assert conformance.main(["--check"]) == 1
    assert conformance.main([]) == 0
    assert conformance.main(["--check"]) == 0
