"""The lookup that the shared-data suites stand on."""

import pytest

from tests import shared_data


def test_missing_material_skips_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHARTSIDE_REQUIRE_SHARED_DATA", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no shared data: nowhere/at/all"):
        shared_data.require("nowhere/at/all")


def test_missing_material_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTSIDE_REQUIRE_SHARED_DATA", "1")
    with pytest.raises(pytest.fail.Exception, match="nowhere/at/all"):
        shared_data.require("nowhere/at/all")


def test_a_pattern_without_files_still_gives_one_case_so_that_the_suite_cannot_vanish() -> None:
    assert shared_data.every("nowhere", "*.json") == ["nowhere/*.json"]
