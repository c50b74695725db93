"""Loaded by every Python process that has this folder on its path: no socket of it connects beyond this machine.

An audit hook, since it sees what goes round every function that could be replaced, and nobody can take it off again.
What was tried stands in the file that `OUTBOUND` names, so that no `except` in the code under test hides it.
"""

import os
import sys
from typing import Any

TRIED = os.environ.get("OUTBOUND")
_HERE = ("127.0.0.1", "::1", "localhost", None, "", b"127.0.0.1")


class LeftTheMachine(BaseException):
    """Something tried to talk to somebody else; no handler of `Exception` swallows it."""


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        where = arguments[1]
        host = where[0] if isinstance(where, tuple) else None
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        host = arguments[0]
    else:
        return
    if host in _HERE:
        return
    if TRIED:
        with open(TRIED, "a", encoding="utf-8") as tried:  # noqa: PTH123 - pathlib may not be loaded so early
            tried.write(f"{event} {host!r}\n")
    raise LeftTheMachine


if TRIED:
    sys.addaudithook(_watch)
