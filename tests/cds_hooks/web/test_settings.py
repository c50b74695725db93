"""Settings: everything from the environment at once, every bad value named, none repeated."""

from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest

from cds_hooks.policy import ReleaseState
from cds_hooks.web.clients import Client
from cds_hooks.web.settings import Authentication, Settings, SettingsError, is_loopback
from fhir_client.codes import Code

OFF = {"CHARTSIDE_AUTHENTICATION": "off"}


def faults_of(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environ)
    return caught.value.faults


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_without_any_setting_the_defaults_of_the_contract_hold() -> None:
    settings = Settings.from_environment({"PATH": "/bin", "CHARTSIDE_SITE": "", "CHARTSIDE_NOW": "  "})
    assert settings == Settings()
    assert settings.base_url == "http://127.0.0.1:8000"
    assert settings.authentication is Authentication.REQUIRED
    assert settings.database_url == "sqlite:///chartside.db"
    assert (settings.deadline_ms, settings.max_body_bytes) == (4000, 10485760)
    assert (settings.discovery, settings.metrics, settings.log_level) == ("open", "loopback", "info")
    assert settings.anonymous == Client("anonymous")
    assert settings.policy.remember_overrides


def test_every_setting_is_read(tmp_path: Path) -> None:
    ca_file = written(tmp_path, "ca.pem", "")
    settings = Settings.from_environment(
        {
            **OFF,
            "CHARTSIDE_BASE_URL": "http://localhost:9000/cds/",
            "CHARTSIDE_DISCOVERY": "protected",
            "CHARTSIDE_METRICS": "all",
            "CHARTSIDE_DATABASE_URL": "sqlite:///elsewhere.db",
            "CHARTSIDE_SIGNING_KEYS": str(tmp_path),
            "CHARTSIDE_CA_FILE": ca_file,
            "CHARTSIDE_HTTPS_PROXY": "http://proxy.example:3128",
            "CHARTSIDE_TRUSTED_PROXIES": "10.0.0.1, 10.1.0.0/16",
            "CHARTSIDE_DEADLINE_MS": "1500",
            "CHARTSIDE_MAX_BODY_BYTES": "1000",
            "CHARTSIDE_LOG_LEVEL": "warning",
            "CHARTSIDE_NOW": "2024-05-01T12:00:00Z",
        }
    )
    assert settings == Settings(
        base_url="http://localhost:9000/cds",
        authentication=Authentication.OFF,
        discovery="protected",
        metrics="all",
        database_url="sqlite:///elsewhere.db",
        signing_keys=tmp_path,
        ca_file=Path(ca_file),
        https_proxy="http://proxy.example:3128",
        trusted_proxies=(ip_network("10.0.0.1"), ip_network("10.1.0.0/16")),
        deadline_ms=1500,
        max_body_bytes=1000,
        log_level="warning",
        now=datetime(2024, 5, 1, 12, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BASE_URL", "cds.example"),
        ("BASE_URL", "https://cds.example/?a=b"),
        ("BASE_URL", "https://user:word@cds.example"),
        ("BASE_URL", "http://cds.example"),
        ("AUTHENTICATION", "enabled"),
        ("AUTHENTICATION", "OFF"),
        ("ALLOW_INSECURE", "true"),
        ("DISCOVERY", "closed"),
        ("METRICS", "none"),
        ("CLIENTS", "no-such-file.toml"),
        ("SITE", "no-such-file.toml"),
        ("DATABASE_URL", "journal.db"),
        ("DATABASE_URL", "mysql://db.example/x"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("SIGNING_KEYS", "no-such-directory"),
        ("CA_FILE", "no-such-file"),
        ("HTTPS_PROXY", "proxy.example"),
        ("HTTPS_PROXY", "https://proxy.example:3128"),
        ("HTTPS_PROXY", "http://proxy.example:3128/path"),
        ("HTTPS_PROXY", "http://me:secret@proxy.example:3128"),
        ("TRUSTED_PROXIES", "10.0.0.300"),
        ("DEADLINE_MS", "0000000"),
        ("DEADLINE_MS", "4s"),
        ("DEADLINE_MS", "60001"),
        ("MAX_BODY_BYTES", "-1"),
        ("MAX_BODY_BYTES", "9" * 40),
        ("LOG_LEVEL", "loud"),
        ("NOW", "yesterday"),
        ("NOW", "2024-05-02T13:00:00"),
    ],
)
def test_a_bad_value_is_named_by_its_setting_and_not_repeated(name: str, value: str) -> None:
    [fault] = faults_of({f"CHARTSIDE_{name}": value})
    assert fault.startswith(f"CHARTSIDE_{name}: ")
    assert value not in fault


def test_all_bad_values_are_named_at_once(tmp_path: Path) -> None:
    site = written(tmp_path, "site.toml", 'demonstration = "yes"\nsnomed = 1\nstroke = "x"\n')
    clients = written(tmp_path, "clients.toml", '[[client]]\nissuer = "anonymous"\nmode = "mild"\n')
    faults = faults_of(
        {"CHARTSIDE_SITE": site, "CHARTSIDE_CLIENTS": clients, "CHARTSIDE_METRICS": "x", "CHARTSIDE_DEADLINE_MS": "x"}
    )
    assert sorted(fault.rpartition(": ")[0] for fault in faults) == [
        "CHARTSIDE_CLIENTS: client[0]: mode",
        "CHARTSIDE_DEADLINE_MS",
        "CHARTSIDE_METRICS",
        "CHARTSIDE_SITE: demonstration",
        "CHARTSIDE_SITE: snomed",
        "CHARTSIDE_SITE: stroke",
    ]


@pytest.mark.parametrize(
    ("environ", "setting"),
    [
        ({**OFF, "CHARTSIDE_BASE_URL": "https://cds.example"}, "CHARTSIDE_AUTHENTICATION"),
        ({"CHARTSIDE_NOW": "2024-05-01T12:00:00Z"}, "CHARTSIDE_NOW"),
        ({**OFF, "CHARTSIDE_ALLOW_INSECURE": "yes", "CHARTSIDE_NOW": "2024-05-01T12:00:00Z"}, "CHARTSIDE_NOW"),
        ({"CHARTSIDE_BASE_URL": "https://cds.example", "CHARTSIDE_SITE": "demonstration"}, "CHARTSIDE_SITE"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(tmp_path: Path, environ: dict[str, str], setting: str) -> None:
    if "CHARTSIDE_SITE" in environ:
        environ = {**environ, "CHARTSIDE_SITE": written(tmp_path, "site.toml", "demonstration = true")}
    [fault] = faults_of(environ)
    assert fault.startswith(setting)


def test_without_authentication_loopback_alone_is_served() -> None:
    """[SEC-2] Require authentication: on by default, off only by explicit setting, and then for this machine."""
    required, off = Settings.from_environment({}), Settings.from_environment(OFF)
    assert required.authentication is Authentication.REQUIRED
    assert required.serving_faults("0.0.0.0") == ()  # noqa: S104 - who calls must prove who they are
    for host in ("127.0.0.1", "::1", "localhost", "127.1.2.3"):
        assert off.serving_faults(host) == ()
    for host in ("0.0.0.0", "::", "192.168.0.7", "cds.example", ""):  # noqa: S104 - they are what is refused
        assert "--host" in off.serving_faults(host)[0]


def test_insecure_service_elsewhere_must_be_asked_for() -> None:
    settings = Settings.from_environment(
        {**OFF, "CHARTSIDE_ALLOW_INSECURE": "yes", "CHARTSIDE_BASE_URL": "https://cds.example"}
    )
    assert settings.serving_faults("0.0.0.0") == ()  # noqa: S104 - asked for
    assert not settings.loopback_only


def test_other_machines_reach_the_service_over_https_alone() -> None:
    """[SEC-1] Everything over HTTPS: plain http is refused for every address but loopback."""
    for address in ("http://cds.example", "http://10.1.2.3:8000"):
        [fault] = faults_of({"CHARTSIDE_BASE_URL": address})
        assert fault == "CHARTSIDE_BASE_URL: must be https, unless it is a loopback address"
    assert Settings.from_environment({"CHARTSIDE_BASE_URL": "https://cds.example"}).base_url == "https://cds.example"


def test_a_demonstration_serves_loopback_alone(tmp_path: Path) -> None:
    site = written(tmp_path, "site.toml", "demonstration = true")
    settings = Settings.from_environment({**OFF, "CHARTSIDE_ALLOW_INSECURE": "yes", "CHARTSIDE_SITE": site})
    assert settings.serving_faults("0.0.0.0")  # noqa: S104 - it is what is refused
    assert settings.policy.demonstration


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:secret@db.example/journal",
        "postgresql+psycopg://me@db.example/journal?password=secret",
        "postgresql+psycopg://me@db.example/journal?sslkey=key.pem&sslpassword=secret",
    ],
)
def test_the_password_of_the_database_is_a_file_and_no_value(address: str) -> None:
    with pytest.raises(SettingsError, match="CHARTSIDE_DATABASE_URL: must hold no password") as caught:
        Settings.from_environment({"CHARTSIDE_DATABASE_URL": address})
    assert "secret" not in str(caught.value)
    named = "postgresql+psycopg://me@db.example/journal?passfile=/run/secrets/pgpass"
    assert Settings.from_environment({"CHARTSIDE_DATABASE_URL": named}).database_url == named


SITE = """
demonstration = false
kidney_failure_region = "other"
stroke_score = "cha2ds2-vasc"
unreadable_conditions_limit = 0.1
snomed = false
news2_window_minutes = 30

[release]
cardiovascular-risk = "pilot"

[pilot]
cardiovascular-risk = ["Practitioner/12"]

[quiet]
remember_overrides = false

[consciousness]
observations = ["http://loinc.org|80288-4"]

[consciousness.answers]
"http://snomed.info/sct|248234008" = "A"
"""


def test_a_sites_file_is_read_whole(tmp_path: Path) -> None:
    settings = Settings.from_environment({"CHARTSIDE_SITE": written(tmp_path, "site.toml", SITE)})
    policy = settings.policy
    assert policy.ceilings == {"cardiovascular-risk": ReleaseState.PILOT}
    assert policy.pilots == {"cardiovascular-risk": frozenset({"Practitioner/12"})}
    assert not policy.remember_overrides
    assert policy.site.kidney_failure_region == "other"
    assert policy.site.stroke_score == "cha2ds2-vasc"
    assert policy.site.unreadable_conditions_limit == 0.1
    assert not policy.site.snomed
    assert policy.site.news2_window_minutes == 30
    assert policy.site.consciousness_codes == {Code("http://loinc.org", "80288-4")}
    assert policy.site.consciousness_answers == {Code("http://snomed.info/sct", "248234008"): "A"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("kidney_region = 'other'", "kidney_region"),
        ("kidney_failure_region = 'mars'", "kidney_failure_region"),
        ("unreadable_conditions_limit = 1.5", "unreadable_conditions_limit"),
        ("unreadable_conditions_limit = true", "unreadable_conditions_limit"),
        ("unreadable_conditions_limit = nan", "unreadable_conditions_limit"),
        ("snomed = 'yes'", "snomed"),
        ("news2_window_minutes = 0", "news2_window_minutes"),
        ("[release]\nkidney-risk = 'alive'", "release: kidney-risk"),
        ("release = 'live'", "release"),
        ("[pilot]\nkidney-risk = 'Practitioner/1'", "pilot: kidney-risk"),
        ("[quiet]\nremember = true", "quiet: remember"),
        ("[consciousness]\nobservations = ['80288-4']", "consciousness: observations"),
        ("[consciousness.answers]\n'http://snomed.info/sct|1' = 'X'", "answers: http://snomed.info/sct|1"),
        ("not toml at all", "the file is not TOML"),
    ],
)
def test_what_is_wrong_in_a_sites_file_stops_the_start(tmp_path: Path, text: str, place: str) -> None:
    [fault] = faults_of({"CHARTSIDE_SITE": written(tmp_path, "site.toml", text)})
    assert fault.startswith("CHARTSIDE_SITE: ")
    assert place in fault


@pytest.mark.parametrize(("host", "expected"), [("[::1]", True), ("127.9.9.9", True), ("localhost.example", False)])
def test_loopback_is_this_machine(host: str, *, expected: bool) -> None:
    assert is_loopback(host) is expected
