"""`chartside serve`, `services`, `check`, `invoke`, and the front door they share."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from http.client import HTTPConnection
from io import BytesIO, TextIOWrapper
from pathlib import Path
from socket import create_server
from typing import Any

import orjson
import pytest

from cds_hooks.catalogue import Catalogue
from cds_hooks.cli import main
from cds_hooks.commands import _instant
from fhir_client.codes import SNOMED_CT, Code
from tests.builders import a_bundle, a_patient, an_observation
from tests.cds_hooks.web.edge import INSTANCE, a_call, an_edge, an_override

SERVICE = "cardiovascular-risk"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("CHARTSIDE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def written(folder: Path, name: str, content: Any) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def a_cardiovascular_call(**members: Any) -> dict[str, Any]:
    """Build a call whose every prefetch key is sent, for an old smoker with a high blood pressure."""
    results = a_bundle(
        an_observation("8480-6", 170, "mm[Hg]"),
        an_observation("2093-3", 250, "mg/dL"),
        an_observation("2085-9", 35, "mg/dL"),
        an_observation("39156-5", 31, "kg/m2"),
        an_observation("2160-0", 1.0, "mg/dL"),
        an_observation("72166-2", Code(SNOMED_CT, "449868002")),
    )
    prefetch = next(service.prefetch for service in Catalogue.found().services if service.id == SERVICE)
    sent = {
        key: a_patient("1950-01-01")
        if template.startswith("Patient/")
        else results
        if template.startswith("Observation?")
        else a_bundle()
        for key, template in prefetch.items()
    }
    return a_call(**{"prefetch": sent, **members})


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "serve" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["serve"], ["services"], ["check"], ["invoke"], ["journal", "show"]])
def test_each_command_explains_itself(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    assert "usage: chartside" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--port", "0"],
        ["serve", "--port", "65536"],
        ["serve", "--workers", "x"],
        ["invoke", SERVICE],
        ["invoke", SERVICE, "--request", "-", "--as-of", "2024-05-01T12:00:00"],
        ["invoke", SERVICE, "--request", "-", "--as-of", "soon"],
        ["nothing"],
    ],
)
def test_wrong_usage_is_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_a_date_means_the_end_of_that_day_utc() -> None:
    assert _instant("2024-05-01") == datetime(2024, 5, 1, 23, 59, 59, 999999, tzinfo=UTC)
    assert _instant("2024-05-01T12:00:00+02:00") == datetime(2024, 5, 1, 10, tzinfo=UTC)


def test_services_lists_each_with_its_state_and_models(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    site = written(tmp_path, "site.toml", f'[release]\n{SERVICE} = "shadow"\n')
    os.environ["CHARTSIDE_SITE"] = site
    assert main(["services", "--json"]) == 0
    rows = orjson.loads(capsys.readouterr().out)
    assert [row["id"] for row in rows] == [service.id for service in Catalogue.found().services]
    assert all(set(row) == {"id", "hooks", "title", "state", "ceiling", "reasons", "models"} for row in rows)
    [row] = [row for row in rows if row["id"] == SERVICE]
    assert (row["state"], row["ceiling"], row["hooks"]) == ("shadow", "shadow", ["patient-view"])
    assert row["models"]
    assert all(set(model) == {"id", "version", "state"} for model in row["models"])
    assert main(["services"]) == 0
    assert f"{SERVICE}: shadow" in capsys.readouterr().out


def test_check_is_content_with_loopback_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHARTSIDE_AUTHENTICATION", "off")
    assert main(["check"]) == 0
    assert "ready to start" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_check_names_all_that_is_wrong(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTSIDE_DEADLINE_MS", "soon")
    monkeypatch.setenv("CHARTSIDE_NOW", "now")
    assert main(["check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["CHARTSIDE_DEADLINE_MS", "CHARTSIDE_NOW"]


def test_check_notes_that_nobody_may_call_yet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["check"]) == 0
    assert capsys.readouterr().err.startswith("note: no CDS client is listed: every call is answered 401")
    monkeypatch.setenv("CHARTSIDE_AUTHENTICATION", "off")
    assert main(["check"]) == 0
    assert capsys.readouterr().err == ""


def test_check_notes_what_looks_like_a_setting_and_is_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("AUTHENTICATION", "off"), ("SIT", "site.toml"), ("OIDC_ISSUER", "x"), ("LOG_LEVEL", "info")):
        monkeypatch.setenv(f"CHARTSIDE_{name}", value)
    assert main(["check"]) == 0
    assert capsys.readouterr().err == "note: CHARTSIDE_SIT: there is no such setting\n"


@pytest.mark.parametrize(
    ("environ", "arguments", "words"),
    [
        ({"CHARTSIDE_BASE_URL": "http://cds.example"}, [], "CHARTSIDE_BASE_URL: must be https"),
        ({"CHARTSIDE_AUTHENTICATION": "off"}, ["--host", "0.0.0.0"], "--host: must be a loopback address"),  # noqa: S104
        ({"CHARTSIDE_AUTHENTICATION": "off", "CHARTSIDE_METRICS": "x"}, [], "CHARTSIDE_METRICS"),
    ],
)
def test_serve_refuses_what_it_may_not_serve(
    environ: dict[str, str],
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert main(["serve", *arguments]) == 1
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


def test_invoke_answers_a_request_from_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = written(tmp_path, "request.json", a_cardiovascular_call())
    assert main(["invoke", SERVICE, "--request", file, "--as-of", "2024-05-01"]) == 0
    assert "cards" in orjson.loads(capsys.readouterr().out)
    assert [path.name for path in tmp_path.iterdir()] == ["request.json"]


def test_invoke_reads_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(orjson.dumps(a_cardiovascular_call()))))
    assert main(["invoke", SERVICE, "--request", "-"]) == 0
    assert "cards" in orjson.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("service", "content", "code"),
    [
        ("nobody", a_call(), "not-found"),
        (SERVICE, "{", "structure"),
        (SERVICE, a_call(hook="order-sign"), "not-supported"),
        (SERVICE, a_call(prefetch=...), "incomplete"),
    ],
)
def test_invoke_prints_what_would_be_refused_and_ends_with_1(
    service: str, content: Any, code: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = written(tmp_path, "request.json", content)
    assert main(["invoke", service, "--request", file]) == 1
    outcome = orjson.loads(capsys.readouterr().out)
    assert outcome["resourceType"] == "OperationOutcome"
    assert code in [issue["code"] for issue in outcome["issue"]]


def test_invoke_of_a_file_that_cannot_be_read_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["invoke", SERVICE, "--request", "none.json"]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_invoke_shows_cards_whatever_the_release_state_unless_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = written(tmp_path, "request.json", a_cardiovascular_call())
    monkeypatch.setenv("CHARTSIDE_AUTHENTICATION", "off")
    monkeypatch.setenv("CHARTSIDE_NOW", "2024-05-10T12:00:00Z")
    assert main(["invoke", SERVICE, "--request", file]) == 0
    live = orjson.loads(capsys.readouterr().out)["cards"]
    assert len(live) == 1
    for state in ("off", "paused", "shadow", "pilot"):
        monkeypatch.setenv("CHARTSIDE_SITE", written(tmp_path, "site.toml", f'[release]\n{SERVICE} = "{state}"\n'))
        assert main(["invoke", SERVICE, "--request", file]) == 0
        shown = orjson.loads(capsys.readouterr().out)["cards"]
        assert [card["summary"] for card in shown] == [card["summary"] for card in live]
        assert main(["invoke", SERVICE, "--request", file, "--released"]) == (1 if state == "off" else 0)
        released = orjson.loads(capsys.readouterr().out)
        assert released.get("cards", []) == []


def test_the_journal_shows_calls_with_cards_and_what_became_of_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHARTSIDE_DATABASE_URL", f"sqlite:///{tmp_path / 'journal.db'}")
    assert main(["journal", "show"]) == 0
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []
    with an_edge(tmp_path) as edge:
        cards = [edge.a_card() for _ in range(3)]
        edge.feedback(an_override(cards[1]["uuid"], overrideReason={"userComment": "known"}))
    capsys.readouterr()
    assert main(["journal", "show", "--limit", "2", "--json"]) == 0
    calls = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [call["cards"][0]["uuid"] for call in calls] == [cards[2]["uuid"], cards[1]["uuid"]]
    assert [len(call["cards"][0]["feedback"]) for call in calls] == [0, 1]
    assert calls[1]["cards"][0]["feedback"][0]["comment"] == "known"
    assert calls[1]["patient"] == "p1"


def free_port() -> int:
    with create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def get(port: int, path: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def post_in_chunks(port: int, path: str, body: bytes) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"Content-Type": "application/json"}
        chunks = (body[start : start + 1000] for start in range(0, len(body), 1000))
        connection.request("POST", path, body=chunks, headers=headers, encode_chunked=True)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_serve_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    port = free_port()
    environ = {**os.environ, "CHARTSIDE_AUTHENTICATION": "off", "CHARTSIDE_NOW": "2024-05-01T12:00:00Z"}
    command = [sys.executable, "-m", "cds_hooks.cli", "serve", "--port", str(port)]
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        try:
            wait_until_ready(port)
            status, body = post_in_chunks(port, f"/cds-services/{SERVICE}", orjson.dumps(a_cardiovascular_call()))
            assert (status, list(orjson.loads(body))) == (200, ["cards"])
            assert get(port, "/cds-services/none") == 405
        finally:
            server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=30)
    assert server.returncode == 0
    assert out == b""
    events = [orjson.loads(line) for line in err.splitlines()]
    assert events[0]["event"] == "started"
    assert events[0]["address"] == f"http://127.0.0.1:{port}"
    assert events[0]["journal"] == str(tmp_path / "chartside.db")
    assert [event["event"] for event in events[1:]] == ["invoked", "refused", "stopped"]
    assert events[1]["hook_instance"] == INSTANCE


def wait_until_ready(port: int) -> None:
    for _ in range(200):
        try:
            if get(port, "/health/ready") == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    pytest.fail("the service did not become ready")
