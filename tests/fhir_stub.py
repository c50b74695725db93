"""A scripted FHIR server on loopback: it says what a test tells it to say, and remembers what it was asked."""

import json
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

FHIR_JSON = "application/fhir+json; charset=utf-8"


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; `raw` is path and query undecoded, `form` the decoded query or form."""

    method: str
    path: str
    raw: str
    headers: Mapping[str, str]
    form: tuple[tuple[str, str], ...]
    body: str = ""


@dataclass(frozen=True)
class Says:
    """What is answered, after `delay` seconds; `pieces` of the body, and with `drips` the headers, `pause` apart.

    With `resets` nothing is: the connection is reset.
    """

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str | None = FHIR_JSON
    delay: float = 0.0
    pieces: int = 1
    pause: float = 0.0
    drips: bool = False
    resets: bool = False

    def encoded(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Script = Says | Callable[[Asked], Says]


def in_turn(*says: Says) -> Callable[[Asked], Says]:
    """Answer each once, and the last for ever."""
    left = list(says)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, hear: Callable[[Asked], Says]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hear = hear

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that hung up is no error
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        parts = urlsplit(self.path)
        form = () if body.startswith("{") else tuple(parse_qsl(body or parts.query))
        self._say(self.server.hear(Asked(self.command, parts.path, self.path, dict(self.headers), form, body)))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = do_GET  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Keep the test output quiet."""

    def _say(self, says: Says) -> None:
        content = says.encoded()
        time.sleep(says.delay)
        if says.resets:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        if "Date" in says.headers:
            self.send_response_only(says.status)
        else:
            self.send_response(says.status)
        if "Content-Length" not in says.headers:
            self.send_header("Content-Length", str(len(content)))
        if says.media_type is not None:
            self.send_header("Content-Type", says.media_type)
        for name, value in says.headers.items():
            self.send_header(name, value)
            if says.drips:
                self.flush_headers()
                time.sleep(says.pause)
        self.end_headers()
        size = max(1, len(content) // says.pieces)
        for start in range(0, len(content), size):
            self.wfile.write(content[start : start + size])
            time.sleep(says.pause)


class FhirStub:
    """Answers by method and path; what is not scripted is a 404."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._scripts: dict[tuple[str, str], Script] = {}
        self._lock = Lock()
        self._http = _Server(self._hear)
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def base(self) -> str:
        return f"{self.origin}/r4"

    def on(self, method: str, path: str, script: Script) -> None:
        """Answer so from now on; the path lies beneath the base, and the empty path is the base itself."""
        self._scripts[method, f"/r4/{path}".rstrip("/")] = script

    def paths(self, method: str | None = None) -> list[str]:
        """Give the paths asked for, in order, without the base."""
        return [
            asked.path.removeprefix("/r4").removeprefix("/") for asked in self.asked if method in (None, asked.method)
        ]

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _hear(self, asked: Asked) -> Says:
        with self._lock:
            self.asked.append(asked)
        script = self._scripts.get((asked.method, asked.path), Says({"resourceType": "OperationOutcome"}, 404))
        return script(asked) if callable(script) else script


@contextmanager
def a_fhir_server() -> Iterator[FhirStub]:
    """Run a stub for a test."""
    stub = FhirStub()
    try:
        yield stub
    finally:
        stub.close()


def an_outcome(severity: str = "error", code: str = "exception") -> dict[str, Any]:
    """Build an OperationOutcome of one issue."""
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code}]}
