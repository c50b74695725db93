"""Serves the application under gunicorn, in this process: a master that has loaded everything, and its workers."""

import os
import signal
from importlib.metadata import version
from threading import Event, Thread
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]  # gunicorn publishes no types
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.config import Config  # type: ignore[import-untyped]

from cds_hooks.journal.database import where
from cds_hooks.journal.logs import Log
from cds_hooks.journal.metrics import Metrics
from cds_hooks.journal.watch import Watch
from cds_hooks.policy import ReleaseState
from cds_hooks.web.loads import Loads
from cds_hooks.web.settings import Settings
from cds_hooks.web.sharing import Sharing
from cds_hooks.web.worker import RECEIVE_SECONDS, Worker
from cds_hooks.web.wsgi import Edge, clock_of, settle_memory

KEEP_ALIVE_SECONDS = 30
# Each costs a file descriptor, of which a process usually has 1024; beyond them the longest idle one is closed.
MOST_CONNECTIONS = 600
_CLOSING_SECONDS = 2
# Messages of gunicorn's that hold nothing but an address or a process of ours; of others only the pattern is logged.
_OPEN_WORDS = frozenset(
    {
        "Connection in use: %s",
        "Can't connect to %s",
        "WORKER TIMEOUT (pid:%s)",
        "Worker (pid:%s) was sent %s! Perhaps out of memory?",
    }
)


class Master(Arbiter):  # type: ignore[misc]  # Any, for want of types
    """gunicorn's master, which loses no signal to a worker that has only just been forked."""

    def spawn_worker(self) -> int:
        """Fork a worker.

        Until the worker has put up its own handlers it has the master's, which only note the signal for a loop that
        does not run there: a worker told to stop in that moment would serve on, until it is killed for being late
        (benoitc/gunicorn, issue 1910). So signals wait until `Worker.init_signals` lets them in.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, Worker.SIGNALS)
        try:
            pid: int = super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, Worker.SIGNALS)
        return pid

    def handle_ttin(self) -> None:
        """One worker more; no more than twice as many as at the start, for want of slots."""
        if self.num_workers < 2 * self.cfg.workers:
            super().handle_ttin()

    def handle_usr2(self) -> None:
        """Start no second master: two would give the same slots to their workers."""
        self.log.warning("SIGUSR2 is ignored")


class Server(BaseApplication):  # type: ignore[misc]  # Any, for want of types
    """gunicorn with our settings; the application is loaded before the workers fork."""

    def __init__(
        self,
        edge: Edge,
        settings: Settings,
        *,
        sharing: Sharing,
        host: str,
        port: int,
        workers: int,
        threads: int,
        watch: Watch | None = None,
    ) -> None:
        """Take an application that is ready to serve, made for as many slots as `sharing` has.

        The watch, if there is one, looks from the first of the workers.
        """
        self._edge = edge
        self._watch = watch
        self._watching: Thread | None = None
        self._stop_watching = Event()
        self._settings = settings
        self._sharing = sharing
        self.metrics: Metrics = edge.metrics
        self.loads = Loads(sharing.slots)
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
            "worker_connections": MOST_CONNECTIONS,
            "preload_app": True,
            "keepalive": KEEP_ALIVE_SECONDS,
            "timeout": self._settings.deadline_ms // 1000 + 30,
            "graceful_timeout": self._longest_work() + _CLOSING_SECONDS,
            "proc_name": "chartside",
            "control_socket_disable": True,
            "logger_class": _logger_class(self._edge.log),
            "when_ready": self._when_ready,
            "pre_fork": self._give_slot,
            "post_fork": self._take_slot,
            "post_worker_init": lambda _worker: self._begin_work(),
            "worker_exit": lambda _server, _worker: self._end_work(),
            "child_exit": lambda _server, worker: self._bury(worker),
            "on_exit": lambda _server: self._edge.log.info("stopped", pid=os.getpid()),
        }
        for name, value in settings.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        """Give the application."""
        return self._edge.app

    def run(self) -> None:
        """Serve until told to stop; ends the process."""
        Master(self).run()

    def _longest_work(self) -> int:
        """A call ends with its deadline, and a half-sent one soon after: nothing worth waiting for lasts longer."""
        return self._settings.deadline_ms // 1000 + int(RECEIVE_SECONDS) + 1

    def _give_slot(self, server: Arbiter, worker: Worker) -> None:
        slot = self._sharing.free(other.slot for other in server.WORKERS.values())
        if slot is None:  # cannot be: at most three times the workers run, see Master and Sharing
            raise RuntimeError("there are more workers than slots")
        worker.slot = slot

    def _bury(self, worker: Worker) -> None:
        self._sharing.bury(worker.slot)
        self.loads.forget(worker.slot)

    def _take_slot(self, _server: Arbiter, worker: Worker) -> None:
        self._sharing.take(worker.slot)
        self._edge.limits.slot = worker.slot
        # The worker gives up on what is under way before the master gives up on it: it has still to close the journal.
        worker.cfg.set("graceful_timeout", self._longest_work())

    def _begin_work(self) -> None:
        settle_memory()
        if self._watch is not None and self._sharing.is_first:
            # A daemon: a database that hangs must not keep the process from ending.
            self._watching = Thread(target=self._watch.run, args=(self._stop_watching,), name="watch", daemon=True)
            self._watching.start()

    def _end_work(self) -> None:
        self._stop_watching.set()
        if self._watching is not None:
            self._watching.join(_CLOSING_SECONDS / 2)
        self._edge.close()

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


def watch_of(edge: Edge, settings: Settings) -> Watch:
    """Give a watch over the services that are on: of one that is off or paused nobody expects a card."""
    states = {service.id: settings.policy.release(service).state for service in edge.catalogue.services}
    watched = tuple(id for id, state in states.items() if state not in {ReleaseState.OFF, ReleaseState.PAUSED})
    return Watch(edge.journal, metrics=edge.metrics, log=edge.log, now=clock_of(settings), services=watched)


class _Words:
    """What gunicorn wants to log, as events of ours: its words, never the values in them."""

    out: Log

    def __init__(self, cfg: Config) -> None:
        self.cfg = cfg

    def _write(self, message: object, arguments: tuple[object, ...]) -> None:
        pattern = str(message)
        # Words and values come joined in some: what went wrong stands before the first colon.
        words = pattern if arguments else pattern.partition(":")[0]
        if pattern in _OPEN_WORDS:
            words = pattern % arguments
        self.out.warning("server", words=words, pid=os.getpid())

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

    def setup(self, cfg: Config) -> None:
        """On SIGHUP gunicorn reads its settings again; ours are read once."""
        self.cfg = cfg

    def reopen_files(self) -> None:
        """There are none."""

    def close_on_exec(self) -> None:
        """There is nothing to close."""


def _logger_class(log: Log) -> type:
    """Give the class that gunicorn makes its log of."""
    return type("Words", (_Words,), {"out": log})
