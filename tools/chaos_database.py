"""What the journal lies in while the storm goes on."""

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from tools.postgres import Server


class Database(Protocol):
    """A database while the block runs. `can_die` tells whether it has a process of its own that can be killed."""

    name: str
    can_die: bool

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def url(self, folder: Path) -> str:
        """Give the address for the service's settings."""

    def kill_and_restart(self) -> None:
        """Kill it without warning, and start it again."""


class Sqlite:
    """A file beside the service: it dies with the service, and never alone."""

    name = "SQLite"
    can_die = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the file to the folder it lies in."""

    def url(self, folder: Path) -> str:
        """Give the address of a file in the folder."""
        return f"sqlite:///{folder}/journal.db"

    def kill_and_restart(self) -> None:
        """Do nothing: there is no process of its own."""


class Postgres:
    """A throw-away server, which recovers from its own log whenever it was killed."""

    name = "PostgreSQL"
    can_die = True

    def __init__(self) -> None:
        """Find a server, or install one.

        Raises:
            CannotRun: there is none.
        """
        self._server = Server()

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    def url(self, folder: Path) -> str:
        """Give the address of its socket."""
        del folder
        return self._server.url

    def kill_and_restart(self) -> None:
        """Kill it without warning, and start it again."""
        self._server.kill_and_restart()
