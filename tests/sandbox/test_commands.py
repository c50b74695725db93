"""`chartside demo`, `chartside sandbox serve` and `chartside sandbox run`, as a user starts them."""

import argparse
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests

from sandbox.commands import register
from sandbox.launching import ServiceFailed, ServiceProcess, Setting, free_port, free_ports
from sandbox.patients.stories import read_stories
from sandbox.serving import Serving
from sandbox.signing import Registration
from sandbox.stopping import Stopped
from tests.sandbox.fake_service import CARD, create_fake_service
from tests.sandbox.gatekeeper import Gatekeeper

ROOT = Path(__file__).resolve().parent.parent.parent

BUNDLE = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {"resource": {"resourceType": "Patient", "id": "a", "birthDate": "1950-02-01"}},
        {
            "resource": {
                "resourceType": "Encounter",
                "id": "e",
                "status": "finished",
                "class": {"code": "AMB"},
                "subject": {"reference": "Patient/a"},
                "period": {"start": "2010-05-01T10:00:00Z", "end": "2010-05-02T10:00:00Z"},
            },
        },
    ],
}


def chartside(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers(required=True))
    parsed = parser.parse_args(arguments)
    return int(parsed.run(parsed))


@pytest.fixture
def patients(tmp_path: Path) -> str:
    (tmp_path / "a.json").write_bytes(orjson.dumps(BUNDLE))
    return str(tmp_path)


@pytest.fixture
def service() -> Iterator[str]:
    with Serving(lambda _: create_fake_service()) as serving:
        yield serving.origin


def serving_badly(**options: Any) -> Serving:
    return Serving(lambda _: create_fake_service(**options))


def test_a_run_prints_a_table_and_succeeds(service: str, patients: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = chartside("sandbox", "run", "--discovery", service, "--patients", patients)

    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert status == 0
    assert lines[0].split()[:5] == ["service", "hook", "calls", "skipped", "errors"]
    assert lines[1].split()[:9] == ["fake", "patient-view", "1", "0", "0", "1", "0", "1", "0"]
    assert lines[2].split()[:6] == ["quiet", "encounter-start", "1", "0", "0", "0"]
    assert lines[-1] == "      1 x One thing to consider"
    assert "3 of 3 calls" in err


def test_a_run_for_machines_has_a_row_for_each_call(
    service: str, patients: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert chartside("sandbox", "run", "--discovery", service, "--patients", patients, "--json") == 0

    document = orjson.loads(capsys.readouterr().out)
    assert [
        (row["patient"], row["service"], row["hook"], row["status"], row["skipped"]) for row in document["rows"]
    ] == [
        ("a", "fake", "patient-view", 200, None),
        ("a", "quiet", "encounter-start", 200, None),
        ("a", "orders", "order-sign", None, "nothing is ordered"),
    ]
    assert document["rows"][0]["cards"] == [{"indicator": "warning", "summary": "One thing to consider"}]
    assert document["services"][0]["indicators"] == {"info": 0, "warning": 1, "critical": 0}


def test_the_stories_are_what_runs_when_no_patients_are_named(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert chartside("sandbox", "run", "--discovery", service, "--json") == 0

    rows = orjson.loads(capsys.readouterr().out)["rows"]
    assert {story.id for story in read_stories()} <= {row["patient"] for row in rows}
    assert [row["skipped"] for row in rows if row["patient"] == "goose"] == [None, "no encounter", "nothing is ordered"]
    signed = {row["patient"] for row in rows if row["hook"] == "order-sign" and row["status"] == 200}
    assert signed == {story.id for story in read_stories() if story.drafts}


def test_a_run_signs_the_draft_orders_that_a_bundle_brings(
    service: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draft = {"resourceType": "ServiceRequest", "id": "d1", "status": "draft", "subject": {"reference": "Patient/a"}}
    brought = {**BUNDLE, "entry": [*BUNDLE["entry"], {"resource": draft}]}
    (tmp_path / "a.json").write_bytes(orjson.dumps(brought))

    assert chartside("sandbox", "run", "--discovery", service, "--patients", str(tmp_path), "--json") == 0

    rows = orjson.loads(capsys.readouterr().out)["rows"]
    assert [row["status"] for row in rows if row["hook"] == "order-sign"] == [200]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"status": 412}, "412: A fixed sentence."),
        ({"card": {**CARD, "indicator": "hard-stop"}}, "cards[0] needs an indicator"),
    ],
)
def test_any_error_makes_a_run_fail_and_is_named(
    patients: str, capsys: pytest.CaptureFixture[str], options: dict[str, Any], words: str
) -> None:
    with serving_badly(**options) as serving:
        status = chartside("sandbox", "run", "--discovery", serving.origin, "--patients", patients)

    assert status == 1
    assert f"a at fake (patient-view): {words}" in capsys.readouterr().err


def test_a_run_without_a_service_fails(patients: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = chartside("sandbox", "run", "--discovery", f"http://127.0.0.1:{free_port()}", "--patients", patients)

    assert status == 1
    assert "discovery could not be read" in capsys.readouterr().err


def test_patients_that_cannot_be_read_are_wrong_usage(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert chartside("sandbox", "run", "--discovery", service, "--patients", "/nowhere") == 2
    assert "/nowhere" in capsys.readouterr().err


def test_recent_says_by_how_many_days_each_chart_moved(
    service: str, patients: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--patients", patients, "--recent", "--now", "2026-05-01T08:00:00+00:00"]
    assert chartside("sandbox", "run", "--discovery", service, *arguments) == 0

    err = capsys.readouterr().err
    assert "1 of 1 charts moved by whole days" in err
    assert "+5842 days  a.json" in err


@pytest.mark.parametrize(
    "arguments",
    ["sandbox", "sandbox run --prefetch magic", "sandbox run --now noon", "sandbox run --now 2026-05-01T08:00:00"],
)
def test_wrong_arguments_end_with_two(arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        chartside(*arguments.split())

    assert ended.value.code == 2


@pytest.mark.parametrize(
    "command",
    ["demo --ehr-port {busy} --port {free}", "demo --ehr-port {free} --port {busy}", "sandbox serve --port {busy}"],
)
def test_a_busy_port_is_named(
    command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = taken.getsockname()[1]

        assert chartside(*command.format(busy=busy, free=free_port()).split()) == 1

    assert f"port {busy} is in use" in capsys.readouterr().err


def test_the_service_is_told_its_ehr_and_nothing_that_happens_to_be_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTSIDE_BASE_URL", "https://elsewhere.example")
    monkeypatch.setenv("CHARTSIDE_TRUSTED_PROXIES", "10.0.0.1")
    known = Registration("http://127.0.0.1:8080", "http://127.0.0.1:8080/.well-known/jwks.json")
    setting = Setting(tmp_path, 8000, "http://127.0.0.1:8080/fhir", tmp_path / "demo.db", known)
    setting.write_files()

    environment = setting.environment()
    assert environment["CHARTSIDE_AUTHENTICATION"] == "required"
    assert environment["CHARTSIDE_BASE_URL"] == "http://127.0.0.1:8000"
    assert "CHARTSIDE_TRUSTED_PROXIES" not in environment
    assert (tmp_path / "clients.toml").read_text("utf-8").splitlines() == [
        "[[client]]",
        'issuer = "http://127.0.0.1:8080"',
        'jwks_url = "http://127.0.0.1:8080/.well-known/jwks.json"',
        'fhir_servers = ["http://127.0.0.1:8080/fhir"]',
        'test_hosts = ["http://127.0.0.1:8080"]',
    ]
    assert (tmp_path / "site.toml").read_text("utf-8") == 'kidney_failure_region = "other"\n'
    assert (tmp_path / "clients.toml").read_text("utf-8") in (ROOT / "docs" / "connecting.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("fhir_server", "known", "lines"),
    [
        (
            "https://fhir.example/r4",
            Registration("http://127.0.0.1:8080", "http://127.0.0.1:8080/.well-known/jwks.json"),
            ['fhir_servers = ["https://fhir.example/r4"]', 'test_hosts = ["http://127.0.0.1:8080"]'],
        ),
        (
            "http://127.0.0.1:9090/fhir",
            Registration("http://127.0.0.1:8080", "http://127.0.0.1:8080/.well-known/jwks.json"),
            [
                'fhir_servers = ["http://127.0.0.1:9090/fhir"]',
                'test_hosts = ["http://127.0.0.1:8080", "http://127.0.0.1:9090"]',
            ],
        ),
        ("https://fhir.example/r4", None, ['issuer = "anonymous"', 'fhir_servers = ["https://fhir.example/r4"]']),
    ],
)
def test_plain_http_is_allowed_where_it_is_needed_and_nowhere_else(
    tmp_path: Path, fhir_server: str, known: Registration | None, lines: list[str]
) -> None:
    setting = Setting(tmp_path, 8000, fhir_server, tmp_path / "demo.db", known)
    setting.write_files()

    assert (tmp_path / "clients.toml").read_text("utf-8").splitlines()[-2:] == lines


def test_a_service_with_a_fixed_clock_asks_for_no_token(tmp_path: Path) -> None:
    now = "2026-05-01T08:00:00+00:00"
    setting = Setting(tmp_path, 8000, "https://fhir.example/r4", tmp_path / "demo.db", None, now)

    environment = setting.environment()
    assert (environment["CHARTSIDE_AUTHENTICATION"], environment["CHARTSIDE_NOW"]) == ("off", now)


@pytest.mark.parametrize(
    ("more", "status", "answered"),
    [([], 0, {200}), (["--token", "expired"], 1, {401}), (["--now", "2012-05-01T08:00:00+00:00"], 0, {200})],
)
def test_a_run_starts_the_service_itself_and_signs(
    patients: str, capsys: pytest.CaptureFixture[str], more: list[str], status: int, answered: set[int]
) -> None:
    assert chartside("sandbox", "run", "--patients", patients, "--json", *more) == status

    out, err = capsys.readouterr()
    assert {row["status"] for row in orjson.loads(out)["rows"]} - {None} == answered, err


def test_a_run_signs_with_the_key_and_as_whom_it_is_told(
    patients: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    gatekeeper, keys = Gatekeeper(), tmp_path_factory.mktemp("keys") / "of-the-ehr.json"
    ehr = free_port()
    gatekeeper.issuer, gatekeeper.jwks_url = "https://ehr.example", f"http://127.0.0.1:{ehr}/.well-known/jwks.json"
    known_as = ["--issuer", "https://ehr.example", "--tenant", "north", "--keys", str(keys), "--algorithm", "RS384"]
    with serving_badly(admits=gatekeeper.admits) as serving:
        arguments = ["--discovery", serving.origin, "--patients", patients, "--ehr-port", str(ehr), *known_as]
        assert chartside("sandbox", "run", *arguments) == 0

    assert {(claims["iss"], claims["tenant"]) for claims in gatekeeper.admitted} == {("https://ehr.example", "north")}
    assert [key["alg"] for key in orjson.loads(keys.read_bytes())["keys"]] == ["RS384"]


def test_keys_that_cannot_be_read_are_wrong_usage(
    service: str, patients: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys.txt").write_text("secret")
    arguments = ["--discovery", service, "--patients", patients, "--keys", str(tmp_path / "keys.txt")]

    assert chartside("sandbox", "run", *arguments) == 2
    err = capsys.readouterr().err
    assert "keys.txt" in err
    assert "secret" not in err


def test_a_service_that_does_not_start_says_why(tmp_path: Path) -> None:
    # SQLite cannot open a database in a folder that is a file.
    (tmp_path / "file").write_text("")
    setting = Setting(tmp_path, free_port(), "http://127.0.0.1:8080/fhir", tmp_path / "file" / "demo.db")

    with pytest.raises(ServiceFailed, match=r"its log ends:\n  \S"), ServiceProcess(setting):
        pass


def test_a_start_that_nobody_waits_for_leaves_nothing_behind(tmp_path: Path) -> None:
    setting = Setting(tmp_path, free_port(), "http://127.0.0.1:8080/fhir", tmp_path / "demo.db")
    service = ServiceProcess(setting, wait=lambda _seconds: True)

    with pytest.raises(Stopped), service:
        pass
    assert service.has_ended()
    assert_free(setting.port)


def test_free_ports_are_none_that_the_system_hands_out_by_itself() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        handed_out = probe.getsockname()[1]

    assert len(set(free_ports(5))) == 5
    assert max(free_ports(5)) < min(handed_out, 32_768)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_demonstration_starts_answers_and_ends_in_order(number: signal.Signals, tmp_path: Path) -> None:
    service, ehr = free_ports(2)
    run = "import sys; from cds_hooks.cli import main; sys.exit(main())"
    log = tmp_path / ".chartside" / "service.log"
    command = [sys.executable, "-c", run, "demo", "--port", str(service), "--ehr-port", str(ehr)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        try:
            first = demo.stdout.readline()
            assert first == f"Open http://127.0.0.1:{ehr}/\n", log.read_text() if log.exists() else "no log"
            with requests.get(f"http://127.0.0.1:{ehr}/ehr/services", timeout=5) as answer:
                assert answer.json()["services"]
            about = answer.json()
            asked = next(each["id"] for each in about["services"] if each["hook"] == "patient-view")
            body = {"service": asked, "hook": "patient-view", "patient": "badger"}
            with requests.post(f"http://127.0.0.1:{ehr}/ehr/calls", json=body, timeout=20) as answer:
                call = answer.json()
                assert (call["status"], call["breaches"], call["token"]["claims"]["iss"]) == (
                    200,
                    [],
                    f"http://127.0.0.1:{ehr}",
                )
            with requests.post(
                f"{about['base']}/cds-services/{body['service']}", json=call["request"], timeout=5
            ) as answer:
                assert answer.status_code == 401
        finally:
            demo.send_signal(number)
            out, err = demo.communicate(timeout=30)
    assert (demo.returncode, out) == (0, "")
    assert "journal .chartside/demo.db" in err
    assert f"issuer http://127.0.0.1:{ehr}, keys http://127.0.0.1:{ehr}/.well-known/jwks.json (ES384)" in err
    assert_free(service)
    assert_free(ehr)


def assert_free(port: int) -> None:
    time.sleep(0.1)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
