"""The example settings are accepted as they stand, and they are the safe ones."""

from dataclasses import fields
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cds_hooks.policy import ReleaseState
from cds_hooks.web.clients import Client
from cds_hooks.web.settings import Authentication, Settings, unknown_names
from tests.deploy.reading import DEPLOY, env_file, example_settings

NAMES = env_file(DEPLOY / "chartside.example.env")


def test_the_example_settings_are_accepted(tmp_path: Path) -> None:
    settings = Settings.from_environment(example_settings(tmp_path))
    assert settings.authentication is Authentication.REQUIRED
    assert (settings.allow_insecure, settings.discovery, settings.metrics) == (False, "protected", "loopback")
    assert settings.serving_faults("192.0.2.1") == ()
    assert [client.issuer for client in settings.clients] == [
        "https://ehr.hospital.example/cds",
        "https://ehr-test.hospital.example/cds",
    ]


def test_every_name_is_a_setting() -> None:
    assert unknown_names(NAMES) == ()


def test_every_setting_is_shown_but_those_that_a_hospital_does_not_set(tmp_path: Path) -> None:
    text = (DEPLOY / "chartside.example.env").read_text(encoding="utf-8")
    shown = {field.name for field in fields(Settings) if f"CHARTSIDE_{field.name.upper()}=" in text}
    hidden = {field.name for field in fields(Settings)} - shown
    assert hidden <= {"allow_insecure", "now", "signing_keys"}


def test_no_comment_stands_behind_a_value() -> None:
    assert [name for name, value in NAMES.items() if " #" in value or value != value.strip()] == []


def test_the_password_of_the_database_is_a_file_and_the_server_must_prove_its_name() -> None:
    address = urlsplit(NAMES["CHARTSIDE_DATABASE_URL"])
    assert address.password is None
    query = parse_qs(address.query)
    assert query["passfile"] == ["/etc/chartside/pgpass"]
    assert query["sslmode"] == ["verify-full"]
    assert "password" not in query


def test_the_example_clients_have_what_they_need_and_no_more(tmp_path: Path) -> None:
    clients: tuple[Client, ...] = Settings.from_environment(example_settings(tmp_path)).clients
    for client in clients:
        assert client.replay == "enforce"
        assert client.services is not None
        assert client.rate_limit is not None
        assert client.test_hosts == frozenset()
        assert client.algorithms == ("ES384",)
    production, test = clients
    assert production.fhir_servers.isdisjoint(test.fhir_servers)
    assert set(production.private_networks).isdisjoint(test.private_networks)


def test_the_example_site_shows_no_card_before_somebody_decides(tmp_path: Path) -> None:
    site = Settings.from_environment(example_settings(tmp_path)).site
    assert set(site.ceilings.values()) == {ReleaseState.SHADOW}
    assert site.demonstration is False
