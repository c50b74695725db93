"""Runs a web application on a loopback port, in a thread."""

import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Final, Self

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

# How soon the thread sees that it shall end.
_POLL_SECONDS: Final = 0.02


class PortInUse(Exception):
    """The port is taken; the message names it."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is in use")
        self.port = port


class _QuietHandler(WSGIRequestHandler):
    # Keeps connections open, as a real FHIR server does: one call reads several times.
    protocol_version = "HTTP/1.1"

    def log_request(self, *args: Any) -> None:
        """Write no access log: paths name patients."""


def _unready(environ: object, start_response: Any) -> Iterable[bytes]:
    del environ
    start_response("503 Service Unavailable", [])
    return []


class Serving:
    """An application that answers at `origin` while the block runs; port 0 takes a free one.

    The application is made once the port is taken, because the links that it writes carry the address.
    """

    def __init__(self, make_app: Callable[[str], Flask], port: int = 0) -> None:
        try:
            self._server = make_server("127.0.0.1", port, _unready, threaded=True, request_handler=_QuietHandler)
        except (OSError, SystemExit) as error:
            # werkzeug prints and exits when the address is in use.
            raise PortInUse(port) from error
        try:
            self._server.app = make_app(self.origin)
        except BaseException:
            self._server.server_close()
            raise
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_port)

    @property
    def origin(self) -> str:
        """The address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """Start answering."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
