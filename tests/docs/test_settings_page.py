"""docs/settings.md says every setting that is read, with its default, and its example files are accepted."""

import dataclasses
import re
from pathlib import Path

import pytest

from cds_hooks.policy import ReleaseState
from cds_hooks.web.clients import read_clients
from cds_hooks.web.settings import Settings
from cds_hooks.web.site import read_site

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(CHARTSIDE_[A-Z_]+)` \| (.+?) \|", PAGE, re.MULTILINE))
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

# Documented, and not read yet: name and reason.
NOT_READ = {"CHARTSIDE_OIDC_ISSUER": "pages with figures from patients answer 404 until there are people to sign in"}


def _default(field: "dataclasses.Field[object]") -> object:
    if field.default_factory is not dataclasses.MISSING:
        return None
    return field.default


def test_every_setting_is_documented_and_nothing_else_is() -> None:
    read = {f"CHARTSIDE_{field.name.upper()}" for field in dataclasses.fields(Settings)}
    assert set(ROWS) == read | set(NOT_READ)
    assert read & set(NOT_READ) == set(), "it is read now: take it off the list"


@pytest.mark.parametrize("field", dataclasses.fields(Settings), ids=lambda field: field.name)
def test_the_default_on_the_page_is_the_default(field: "dataclasses.Field[object]") -> None:
    default = _default(field)
    expected = "none" if default in (None, False, ()) else f"`{default}`"
    assert ROWS[f"CHARTSIDE_{field.name.upper()}"] == expected


def test_the_example_of_a_clients_file_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "clients.toml"
    path.write_text(EXAMPLES[0], encoding="utf-8")
    (tmp_path / "ehr-keys.json").write_text('{"keys": []}', encoding="utf-8")
    faults: list[str] = []
    (client,) = read_clients(path, name="CHARTSIDE_CLIENTS", faults=faults)
    assert faults == []
    assert client.issuer == "https://ehr.example/cds"


def test_the_example_of_a_site_file_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(EXAMPLES[1], encoding="utf-8")
    faults: list[str] = []
    site = read_site(path, name="CHARTSIDE_SITE", faults=faults)
    assert faults == []
    assert site.site.kidney_failure_region == "other"


def test_every_release_state_is_explained() -> None:
    assert set(re.findall(r"^\| `([a-z]+)` \|", PAGE, re.MULTILINE)) == {state.value for state in ReleaseState}
