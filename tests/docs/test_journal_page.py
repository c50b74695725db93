"""The page for those who run the journal names what there is."""

import re
from pathlib import Path

import pytest

from cds_hooks.cli import main
from cds_hooks.errors import JournalTrouble
from cds_hooks.journal.ledger import Kind
from cds_hooks.journal.rationing import A_MINUTE

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "journal.md").read_text(encoding="utf-8")


def test_every_command_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["journal", "--help"])
    offered = set(re.findall(r"^    ([a-z]+) ", capsys.readouterr().out, re.MULTILINE))
    assert offered == {"show", "verify", "erase", "migrate"}
    assert offered == set(re.findall(r"chartside journal\s([a-z]+)", PAGE))


def test_every_trouble_has_its_remedy() -> None:
    table = PAGE.partition("| in the log |")[2].partition("\n\n")[0]
    listed = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", table, re.MULTILINE)
    assert listed == list(JournalTrouble)


def test_every_kind_of_record_is_explained() -> None:
    table = PAGE.partition("| record | holds |")[2].partition("\n\n")[0]
    listed = re.findall(r"^\| (unclaimed|[a-z]+)(?: feedback)? \|", table, re.MULTILINE)
    assert sorted(listed) == sorted(Kind)
    assert f"at most {A_MINUTE} a minute" in PAGE
