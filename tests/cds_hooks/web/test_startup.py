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
from tests.cds_hooks.web.signing import a_key, a_key_set

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
        now=NOW,
        site=SiteFile(ceilings={"test-servise": ReleaseState.OFF}, pilots={"other": frozenset()}),
        clients=(Client("anonymous", services=frozenset({"test-service", "third"})),),
    )
    assert [fault.partition(":")[0] for fault in faults_of(settings, "cds.example")] == [
        "--host",
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


def test_without_a_single_client_the_service_starts_and_trusts_nobody(tmp_path: Path) -> None:
    """[SEC-2] Default config answers 401 without a token."""
    http = application({"CHARTSIDE_DATABASE_URL": f"sqlite:///{tmp_path / 'journal.db'}"}).test_client()
    assert http.post("/cds-services/kidney-risk", json={}).status_code == 401
    assert http.get("/cds-services").status_code == 200


def test_an_application_that_may_not_serve_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("[release]\nno-such-service = 'off'\n", encoding="utf-8")
    environ = {
        "CHARTSIDE_DATABASE_URL": f"sqlite:///{tmp_path / 'journal.db'}",
        "CHARTSIDE_SITE": str(tmp_path / "site.toml"),
    }
    with pytest.raises(CannotStart, match="no-such-service"):
        application(environ)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"-----BEGIN", "the key set is not a JSON object"),
        (b'{"keys": {}}', "the key set has no list of keys, or too long a one"),
        (b'{"keys": []}', "holds no public key that may be used with the client's algorithms"),
        (a_key_set(a_key("RS256")), "holds no public key that may be used with the client's algorithms"),
    ],
)
def test_a_key_file_of_no_use_stops_the_start(tmp_path: Path, content: bytes, words: str) -> None:
    """[SEC-21] Keys that are exchanged out of band are checked before anybody depends on them."""
    (tmp_path / "keys.json").write_bytes(content)
    client = Client("https://ehr.example", jwks_file=tmp_path / "keys.json")
    [fault] = faults_of(replace(settings_in(tmp_path), clients=(client,)))
    assert fault == f"CHARTSIDE_CLIENTS: client[0]: jwks_file: {words}"


def test_a_key_file_that_can_be_used_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_bytes(a_key_set(a_key("RS256"), a_key("ES384", kid="key-2")))
    client = Client("https://ehr.example", jwks_file=tmp_path / "keys.json")
    by_url = Client("https://other.example", jwks_url="https://other.example/keys.json")
    settings = replace(settings_in(tmp_path), clients=(client, by_url))
    assert check(settings, catalogue=SERVICES).settings is settings


def test_a_journal_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    checked = check(settings_in(tmp_path), catalogue=SERVICES)
    (tmp_path / "journal.db").mkdir()
    with pytest.raises(CannotStart, match="cannot be written"):
        compose(checked)


def test_the_clock_stands_still_only_when_told_to(tmp_path: Path) -> None:
    assert clock_of(replace(settings_in(tmp_path), now=NOW))() == NOW
    assert clock_of(settings_in(tmp_path))() > NOW
