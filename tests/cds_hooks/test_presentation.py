"""The words that every card shares, and on whose word a card speaks."""

import pytest

from cds_hooks import presentation as say
from cds_hooks.catalogue import Catalogue
from models.rule_rows import Ruled

ASSESSORS = [assessor for service in Catalogue.found().services for assessor in service.assessors]
CITATIONS = [row.citation for assessor in ASSESSORS if isinstance(assessor, Ruled) for row in assessor.rows]


def test_a_short_citation_is_the_source_as_it_stands() -> None:
    assert say.source_label("NICE KTT17; KDIGO 2012") == "NICE KTT17; KDIGO 2012"


def test_of_a_long_citation_the_source_names_whole_works() -> None:
    first, second = "Raja AS, Ann Intern Med 2015;163:701-711", "Wells PS, Thromb Haemost 2000;83:416-420"
    assert say.source_label(f"{first}; {second}; {'and others ' * 9}") == f"{first}; {second}"


def test_a_single_work_that_is_too_long_is_cut() -> None:
    label = say.source_label("w" * 200 + "; KDIGO 2012")
    assert len(label) == 120
    assert label.endswith("w…")


@pytest.mark.parametrize("citation", sorted(set(CITATIONS)))
def test_no_card_goes_back_to_a_file_that_its_reader_has_not(citation: str) -> None:
    assert ".md" not in citation
    assert "clinical/" not in citation


def test_micrograms_are_written_so_that_nobody_reads_milligrams() -> None:
    assert say.value_with_unit(25.0, "ug/h") == "25 mcg/h"


def test_notes_begin_with_a_capital_letter_and_abbreviations_stay() -> None:
    assert say.notes_list(["urine output is not read", "eGFR was not stable"]) == (
        "- Urine output is not read\n- eGFR was not stable"
    )
