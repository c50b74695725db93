"""What can be wrong before the first request is found before it, all at once."""

from dataclasses import replace
from pathlib import Path

import pytest

from cds_hooks.catalogue import Catalogue
from cds_hooks.journal.database import migrate, open_database
from cds_hooks.policy import ReleaseState
from cds_hooks.web.clients import Client
from cds_hooks.web.settings import Authentication, Settings
from cds_hooks.web.site import SiteFile
from cds_hooks.web.startup import CannotStart, check
from cds_hooks.web.wsgi import application, clock_of, compose
from tests.cds_hooks.declared import a_service
from tests.cds_hooks.web.edge import NOW

SERVICES = Catalogue([a_service()])


def settings_in(folder: Path) -> Settings:
    return Settings(authentication=Authentication.OFF, database_url=f"sqlite:///{folder / 'journal.db'}")


def faults_of(settings: Settings, host: str | None = None) -> tuple[str, ...]:
    with pytest.raises(CannotStart) as caught:
        check(settings, host=host, catalogue=SERVICES)
    return caught.value.faults


def test_what_is_right_passes_and_nothing_is_written(tmp_path: Path) -> None:
    assert check(settings_in(tmp_path), host="127.0.0.1", catalogue=SERVICES).catalogue is SERVICES
    assert list(tmp_path.iterdir()) == []


def test_everything_wrong_is_named_at_once(tmp_path: Path) -> None:
    settings = replace(
        settings_in(tmp_path / "nowhere"),
        authentication=Authentication.REQUIRED,
        site=SiteFile(ceilings={"test-servise": ReleaseState.OFF}, pilots={"other": frozenset()}),
        clients=(Client("anonymous", services=frozenset({"test-service", "third"})),),
    )
    assert [fault.partition(":")[0] for fault in faults_of(settings)] == [
        "CHARTSIDE_AUTHENTICATION",
        "CHARTSIDE_SITE",
        "CHARTSIDE_SITE",
        "CHARTSIDE_CLIENTS",
        "CHARTSIDE_DATABASE_URL",
    ]


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("this is a text, and long enough to be read as a header" * 20)
    [fault] = faults_of(settings_in(tmp_path))
    assert fault == "CHARTSIDE_DATABASE_URL: the journal cannot be opened"


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    engine = open_database(settings_in(tmp_path).database_url)
    migrate(engine)
    assert check(settings_in(tmp_path), catalogue=SERVICES).settings == settings_in(tmp_path)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    [fault] = faults_of(settings_in(tmp_path))
    assert fault == "CHARTSIDE_DATABASE_URL: the journal was written by a newer version"


def test_a_database_without_its_driver_is_refused(tmp_path: Path) -> None:
    settings = replace(settings_in(tmp_path), database_url="postgresql+nosuchdriver://db.example/journal")
    assert "nosuchdriver is not installed" in faults_of(settings)[0]


def test_the_application_composes_from_the_environment(tmp_path: Path) -> None:
    environ = {
        "CHARTSIDE_AUTHENTICATION": "off",
        "CHARTSIDE_DATABASE_URL": f"sqlite:///{tmp_path / 'journal.db'}",
    }
    app = application(environ)
    http = app.test_client()
    assert http.get("/health/ready").status_code == 200
    assert b"kidney-risk" in http.get("/cds-services").data


def test_an_application_that_may_not_serve_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="CHARTSIDE_AUTHENTICATION"):
        application({"CHARTSIDE_DATABASE_URL": f"sqlite:///{tmp_path / 'journal.db'}"})


def test_a_journal_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    checked = check(settings_in(tmp_path), catalogue=SERVICES)
    (tmp_path / "journal.db").mkdir()
    with pytest.raises(CannotStart, match="cannot be written"):
        compose(checked)


def test_the_clock_stands_still_only_when_told_to(tmp_path: Path) -> None:
    assert clock_of(replace(settings_in(tmp_path), now=NOW))() == NOW
    assert clock_of(settings_in(tmp_path))() > NOW
