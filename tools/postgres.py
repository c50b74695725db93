"""Runs a command with a throw-away PostgreSQL beside it: `python -m tools.postgres COMMAND ...`.

The server is Debian's, installed if it is missing; it lies in a temporary directory, listens on a socket in it and
nowhere else, runs as a user without rights, and is gone afterwards. Its address is in CHARTSIDE_TEST_POSTGRES_URL.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

URL_NAME = "CHARTSIDE_TEST_POSTGRES_URL"
_DEBIANS = Path("/usr/lib/postgresql")
_ROLE = "postgres"
# Without fsync: the suites kill processes, which the system's cache survives, and never the machine.
_OPTIONS = {"listen_addresses": "''", "fsync": "off", "log_min_messages": "fatal"}


class CannotRun(Exception):
    """There is no PostgreSQL, and none can be installed."""


def main(command: Sequence[str]) -> int:
    """Run the command, and give its exit status."""
    try:
        with Server() as server:
            return subprocess.run(command, env={**os.environ, URL_NAME: server.url}, check=False).returncode  # noqa: S603
    except CannotRun as error:
        print(f"tools.postgres: {error}", file=sys.stderr)
        return 1


class Server:
    """A throw-away server while the block runs."""

    def __init__(self) -> None:
        """Start nothing yet.

        Raises:
            CannotRun: there is none to start.
        """
        self._binaries = _binaries()
        self._account = _account()
        self._home = Path(tempfile.mkdtemp(prefix="chartside-postgres-"))

    @property
    def url(self) -> str:
        """Where it is: a socket in a directory of its own."""
        return f"postgresql+psycopg://{_ROLE}@/postgres?host={self._home}"

    def __enter__(self) -> Self:
        try:
            if self._account is not None:
                os.chown(self._home, self._account.pw_uid, self._account.pw_gid)
            words: list[str | Path] = ["--pgdata", self._data, "--auth=trust", f"--username={_ROLE}", "--encoding=UTF8"]
            _run([self._binaries / "initdb", *words], self._account)
            self._start()
        except BaseException:
            shutil.rmtree(self._home, ignore_errors=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def kill_and_restart(self) -> None:
        """End every process of the server at once, as after a crash, and start it again: it recovers from its log."""
        self._stop()
        self._start()

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _start(self) -> None:
        settings = {**_OPTIONS, "unix_socket_directories": self._home}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        _run([*self._control, "--options", options, "start"], self._account)

    def _stop(self) -> None:
        _run([*self._control, "--mode=immediate", "stop"], self._account)

    @property
    def _control(self) -> list[str | Path]:
        log = self._home / "log"
        return [self._binaries / "pg_ctl", "--pgdata", self._data, "--log", log, "--wait", "--silent"]


def _binaries() -> Path:
    """Find the newest server of this machine, and install one if there is none."""
    found = _found()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print("installing postgresql", file=sys.stderr)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "postgresql"]):
            subprocess.run(["apt-get", *words], env=quiet, check=True, stdout=sys.stderr)  # noqa: S603, S607
        found = _found()
    if found is None:
        raise CannotRun("PostgreSQL is missing (Debian: the package postgresql), and only root can install it")
    return found


def _found() -> Path | None:
    versions = sorted(_DEBIANS.glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3].partition(".")[0]))
    if versions:
        return versions[-1].parent
    here = shutil.which("pg_ctl")
    return None if here is None or shutil.which("initdb") is None else Path(here).resolve().parent


def _account() -> pwd.struct_passwd | None:
    """Give the user to run as: PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise CannotRun("there is no user without rights to run PostgreSQL as")


def _run(command: Sequence[str | Path], account: pwd.struct_passwd | None) -> None:
    user = {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    done = subprocess.run(  # type: ignore[call-overload]  # noqa: S603
        [str(word) for word in command],
        cwd="/",
        check=False,
        capture_output=True,
        text=True,
        env=_environment(),
        **user,
    )
    if done.returncode:
        raise CannotRun(f"{Path(command[0]).name} failed: {done.stderr.strip()}")


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(f"{__doc__}")
    sys.exit(main(sys.argv[1:]))
