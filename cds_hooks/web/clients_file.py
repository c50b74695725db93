"""Adds an entry to the file behind CHARTSIDE_CLIENTS; what stands in it already, comments too, stays as it is."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

from cds_hooks.web.clients import Client, read_clients
from cds_hooks.web.startup import key_faults

Value = str | int | bool | Sequence[str]


class NotAdded(Exception):
    """The entry cannot be added; `faults` names every reason, and the file is as it was."""

    def __init__(self, faults: Sequence[str]) -> None:
        """Keep the faults, one line each."""
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


def entry_text(entry: Mapping[str, Value]) -> str:
    """Write an entry as TOML."""
    lines = [f"{key} = {_written(value)}" for key, value in entry.items()]
    return "\n".join(["[[client]]", *lines]) + "\n"


def add_entry(path: Path, entry: Mapping[str, Value]) -> Client:
    """Append the entry to the file, or make the file; give the client that is read from it.

    The whole file is read as the service would read it before it takes the old one's place.

    Raises:
        NotAdded: what would stand in the file could not be used.
    """
    if path.is_symlink():
        # Paths in it are relative to where the link lies, and a new file in its place would leave the old one behind.
        raise NotAdded((f"{path.name}: is a link: name the file itself",))
    text = _added(path, entry)
    try:
        with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".toml", delete=False) as file:
            file.write(text)
    except OSError:
        raise NotAdded((f"{path.name}: the file cannot be written",)) from None
    made = Path(file.name)
    try:
        client = _read(made, path.name)
        made.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
    return client


def _added(path: Path, entry: Mapping[str, Value]) -> str:
    try:
        old = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError):
        raise NotAdded((f"{path.name}: the file cannot be read",)) from None
    gap = "" if not old else "\n" if old.endswith("\n") else "\n\n"
    return old + gap + entry_text(entry)


def _read(made: Path, name: str) -> Client:
    faults: list[str] = []
    clients = read_clients(made, name=name, faults=faults)
    if not faults:
        faults.extend(key_faults(clients[-1], f"{name}: client[{len(clients) - 1}]"))
    if faults:
        raise NotAdded(faults)
    return clients[-1]


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        # JSON's strings are TOML's; only beyond the first plane they differ, and there letters stand for themselves.
        return json.dumps(value, ensure_ascii=False)
    return "[" + ", ".join(map(_written, value)) + "]"
