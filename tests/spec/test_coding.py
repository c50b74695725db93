"""CDS Hooks, Coding."""

import pytest

from cds_hooks.protocol.cards import Coding
from cds_hooks.protocol.checks import ImpossibleMessage
from tests.spec.cards import a_card, sent_card


@pytest.mark.parametrize(("code", "system"), [("", "s"), ("c", ""), (" ", "s"), ("c", "\n")])
def test_a_coding_has_code_and_system(code: str, system: str) -> None:
    """[COD-1] `code` and `system` each 1..1. Output strict."""
    with pytest.raises(ImpossibleMessage):
        Coding(code, system)


@pytest.mark.parametrize("display", ["", " ", "a\nb", "<b>"])
def test_a_display_is_a_line_of_words(display: str) -> None:
    """[COD-2] `display` required for override reasons."""
    with pytest.raises(ImpossibleMessage):
        a_card(override_reasons=(Coding("c", "s", display),))


def test_a_coding_is_written_whole() -> None:
    """[COD-1] `code` and `system` each 1..1."""
    (received,) = sent_card(a_card(override_reasons=(Coding("c", "s", "d"),)))["overrideReasons"]
    assert received == {"code": "c", "system": "s", "display": "d"}
