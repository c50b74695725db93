"""The log: one line of JSON an event, its field names from one list."""

from datetime import UTC, datetime
from io import StringIO

import orjson
import pytest

from cds_hooks.journal.logs import Log, UnlistedField, uuid_or_none

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)


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
