"""The log: one line of JSON an event, its field names from one list."""

import ast
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import orjson
import pytest

from cds_hooks.journal.logs import FIELDS, Log, UnlistedField, uuid_or_none

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
PACKAGE = Path(__file__).resolve().parents[3] / "cds_hooks"


def test_an_event_is_one_line_of_json() -> None:
    stream = StringIO()
    Log(stream, clock=lambda: NOW).info("invoked", service="kidney-risk", cards=2, withheld=None)
    assert stream.getvalue().count("\n") == 1
    assert orjson.loads(stream.getvalue()) == {
        "at": "2024-06-01T12:00:00.000+00:00",
        "level": "info",
        "event": "invoked",
        "service": "kidney-risk",
        "cards": 2,
    }


def test_a_field_that_is_not_listed_fails_the_tests() -> None:
    with pytest.raises(UnlistedField, match="patient"):
        Log(StringIO(), clock=lambda: NOW, strict=True).info("invoked", patient="p1")


def test_a_field_that_is_not_listed_is_left_out_in_service() -> None:
    stream = StringIO()
    Log(stream, clock=lambda: NOW).alarm("failed", patient="p1", status=500)
    assert "p1" not in stream.getvalue()
    assert orjson.loads(stream.getvalue())["status"] == 500


def test_what_is_below_the_level_is_not_written() -> None:
    stream = StringIO()
    log = Log(stream, clock=lambda: NOW, level="warning")
    log.info("invoked")
    log.warning("server")
    log.alarm("failed")
    assert [orjson.loads(line)["level"] for line in stream.getvalue().splitlines()] == ["warning", "error"]


def test_without_a_stream_events_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    Log(clock=lambda: NOW).info("started")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "started" in captured.err


@pytest.mark.parametrize("text", ["p1", "Zzmarker", "", "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea\n"])
def test_what_is_no_uuid_is_not_logged_as_one(text: str) -> None:
    assert uuid_or_none(text) is None


def fields_written() -> dict[str, set[str]]:
    """Give the names of fields in every call of a log in the package, by the module that writes them."""
    found: dict[str, set[str]] = {}
    for module in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=logger, attr="info" | "warning" | "alarm"), keywords=[_, *_]):
                    if ast.unparse(logger).split(".")[-1] in {"log", "out", "_log"}:
                        names = {keyword.arg or "**" for keyword in node.keywords}
                        found.setdefault(module.relative_to(PACKAGE).as_posix(), set()).update(names)
    return found


def test_every_field_that_is_written_is_listed_and_every_listed_one_is_written() -> None:
    written = fields_written()
    assert "web/server.py" in written, "the search finds nothing any more"
    assert {module: names - FIELDS for module, names in written.items() if names - FIELDS} == {}
    assert FIELDS - set().union(*written.values()) == set()
