"""Our own public keys, for the authorization servers that check what we sign (SMART Backend Services)."""

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Final

import orjson
from flask import Response

from fhir_client.signing_keys import PUBLISHED_SECONDS, public_key_set

PATH: Final = "/.well-known/jwks.json"
# A rotation on the command line is published within a minute; nobody makes us read files and keys more often.
FRESH_SECONDS: Final = 60.0
_NONE: Final = b'{"keys":[]}'


class OwnKeys:
    """The key set as it is published; without a directory of keys it is empty."""

    def __init__(
        self, directory: Path | None, *, now: Callable[[], datetime], timer: Callable[[], float] = time.monotonic
    ) -> None:
        """Read nothing before somebody asks."""
        self._directory = directory
        self._now = now
        self._timer = timer
        self._lock = Lock()
        self._published = _NONE
        self._read_at: float | None = None

    def key_set(self) -> Response:
        """GET /.well-known/jwks.json: open to all, without private members (FHIR-20 to FHIR-22).

        Raises:
            UnfitKeys: the directory cannot be used any more.
        """
        answer = Response(self._current(), content_type="application/json")
        answer.headers["Cache-Control"] = f"public, max-age={PUBLISHED_SECONDS}"
        return answer

    def _current(self) -> bytes:
        if self._directory is None:
            return _NONE
        with self._lock:
            if self._read_at is None or self._timer() - self._read_at >= FRESH_SECONDS:
                self._published = orjson.dumps(public_key_set(self._directory, self._now()))
                self._read_at = self._timer()
            return self._published
