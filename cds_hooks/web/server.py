"""Serves the application under gunicorn, in this process: a master that has loaded everything, and its workers."""

import os
from importlib.metadata import version
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]  # gunicorn publishes no types
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.config import Config  # type: ignore[import-untyped]

from cds_hooks.journal.database import where
from cds_hooks.journal.logs import Log
from cds_hooks.web.settings import Settings
from cds_hooks.web.worker import RECEIVE_SECONDS, Worker
from cds_hooks.web.wsgi import Edge, settle_memory

KEEP_ALIVE_SECONDS = 30
# Messages of gunicorn's that hold nothing but an address or a process of ours; of others only the pattern is logged.
_OPEN_WORDS = frozenset(
    {
        "Connection in use: %s",
        "Can't connect to %s",
        "WORKER TIMEOUT (pid:%s)",
        "Worker (pid:%s) was sent %s! Perhaps out of memory?",
    }
)


class Server(BaseApplication):  # type: ignore[misc]  # Any, for want of types
    """gunicorn with our settings; the application is loaded before the workers fork."""

    def __init__(self, edge: Edge, settings: Settings, *, host: str, port: int, workers: int, threads: int) -> None:
        """Take an application that is ready to serve."""
        self._edge = edge
        self._settings = settings
        shown_host = f"[{host}]" if ":" in host else host
        self._address = f"{shown_host}:{port}"
        self._workers = workers
        self._threads = threads
        super().__init__()

    def load_config(self) -> None:
        """Give gunicorn its settings; it reads no file and no environment of its own."""
        settings = {
            "bind": self._address,
            "workers": self._workers,
            "threads": self._threads,
            "worker_class": Worker,
            "preload_app": True,
            "keepalive": KEEP_ALIVE_SECONDS,
            "timeout": self._settings.deadline_ms // 1000 + 30,
            # A call ends with its deadline, and a half-sent one soon after: nothing worth waiting for lasts longer.
            "graceful_timeout": self._settings.deadline_ms // 1000 + int(RECEIVE_SECONDS) + 1,
            "proc_name": "chartside",
            "control_socket_disable": True,
            "logger_class": _logger_class(self._edge.log),
            "when_ready": self._when_ready,
            "post_worker_init": lambda _worker: settle_memory(),
            "worker_exit": lambda _server, _worker: self._edge.close(),
            "on_exit": lambda _server: self._edge.log.info("stopped", pid=os.getpid()),
        }
        for name, value in settings.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        """Give the application."""
        return self._edge.app

    def _when_ready(self, _server: Arbiter) -> None:
        settle_memory()
        self._edge.log.info(
            "started",
            address=f"http://{self._address}",
            journal=where(self._settings.database_url),
            services=len(self._edge.catalogue.services),
            version=version("chartside"),
            pid=os.getpid(),
        )


def _logger_class(log: Log) -> type:
    class Words:
        """What gunicorn wants to log, as events of ours: its words, never the values in them."""

        def __init__(self, cfg: Config) -> None:
            self.cfg = cfg

        def _write(self, message: object, arguments: tuple[object, ...]) -> None:
            pattern = str(message)
            # Words and values come joined in some: what went wrong stands before the first colon.
            words = pattern if arguments else pattern.partition(":")[0]
            if pattern in _OPEN_WORDS:
                words = pattern % arguments
            log.warning("server", words=words, pid=os.getpid())

        def critical(self, message: object, *arguments: object, **_more: object) -> None:
            self._write(message, arguments)

        error = warning = exception = critical

        def info(self, message: object, *arguments: object, **_more: object) -> None:
            """What happens every day is not news."""

        debug = info

        def log(self, _level: int, message: object, *arguments: object, **_more: object) -> None:
            self._write(message, arguments)

        def access(self, *_facts: object) -> None:
            """No access log: addresses hold nothing of a patient's, but `invoked` says more."""

        def reopen_files(self) -> None:
            """There are none."""

        def close_on_exec(self) -> None:
            """There is nothing to close."""

    return Words
