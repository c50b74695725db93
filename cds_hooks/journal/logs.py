"""Events as JSON lines on standard error; the names of their fields come from one list, so that none slips in.

No event holds a patient's or user's id, a value, a resource, a token, or a stranger's text.
"""

import re
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TextIO

import orjson

FIELDS = frozenset(
    {
        "address",  # where the service listens
        "cards",  # how many were shown
        "cause",  # why a token proved nothing or an address was refused, in words of ours
        "codes",  # issue types of an error, from FHIR's list
        "correlation",  # the id in X-Request-Id and in the OperationOutcome
        "entries",  # how many there were in a feedback message
        "error",  # the class of an exception
        "found",  # what the watch found of a service: silent, flooding, slow; or usual
        "hook",
        "hook_instance",
        "hours",  # of the window in which the watch found it
        "issuer",
        "journal",  # whether it can be written
        "ms",
        "outcomes",  # assessed, not-assessable, not-applicable, by model
        "place",  # module, function and line
        "pid",
        "services",  # how many are offered
        "service",  # an id of ours, never what a stranger sent
        "state",  # of release
        "status",
        "stored",  # how many entries of feedback were new
        "tenant",
        "unclaimed",  # how many entries of feedback named no card of the caller's
        "version",
        "withheld",  # why cards were not shown
        "words",  # fixed words of another program, never with values in them
    }
)
LEVELS = ("debug", "info", "warning", "error")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

Field = str | int | float | bool | None | dict[str, str] | list[str]


class UnlistedField(ValueError):
    """An event was given a field that is not in the list."""


class Log:
    """Writes one line an event. A `strict` log, as in the tests, raises on an unlisted field; another leaves it out."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        clock: Callable[[], datetime],
        level: str = "info",
        strict: bool = False,
    ) -> None:
        """Write to a stream, standard error if none is given: whatever that is at the time of the event."""
        self._stream = stream
        self._least = LEVELS.index(level)
        self._strict = strict
        self._clock = clock
        self._lock = threading.Lock()

    def info(self, event: str, **fields: Field) -> None:
        """Note what happens every day."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Field) -> None:
        """Note what somebody may want to look at."""
        self._write("warning", event, fields)

    def alarm(self, event: str, **fields: Field) -> None:
        """Note what somebody must look at."""
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, Field]) -> None:
        unlisted = fields.keys() - FIELDS
        if unlisted and self._strict:
            raise UnlistedField(f"not in the list of fields: {', '.join(sorted(unlisted))}")
        if LEVELS.index(level) < self._least:
            return
        kept = {name: value for name, value in fields.items() if value is not None and name not in unlisted}
        line = orjson.dumps(
            {"at": self._clock().isoformat(timespec="milliseconds"), "level": level, "event": event, **kept}
        )
        with self._lock:
            stream = sys.stderr if self._stream is None else self._stream
            stream.write(line.decode() + "\n")
            stream.flush()


def uuid_or_none(text: str) -> str | None:
    """Give a text that is a UUID and nothing else: what a stranger calls an id may hold anything."""
    return text if _UUID.fullmatch(text) else None
