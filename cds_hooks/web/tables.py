"""Reads a configuration file: every fault is kept with its place, none stops the reading, an unknown key is a fault."""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Table:
    """One table of a TOML file. Each key is asked for by name; `close` reports those nobody asked for.

    Messages name the place and what is expected there, never the value. Paths are relative to the file's folder.
    """

    values: Mapping[str, Any]
    place: str
    folder: Path
    faults: list[str]
    asked: set[str] = field(default_factory=set)

    @classmethod
    def from_file(cls, path: Path, *, name: str, faults: list[str]) -> "Table":
        """Open a file; one that cannot be read or is no TOML reads as empty, after a fault."""
        values: Mapping[str, Any] = {}
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            faults.append(f"{name}: the file cannot be read")
        except tomllib.TOMLDecodeError as error:
            faults.append(f"{name}: the file is not TOML: {error}")
        return cls(values, name, path.parent, faults)

    def fault(self, key: str, problem: str) -> None:
        """Note what is wrong with a key."""
        self.faults.append(f"{self.place}: {key}: {problem}")

    def close(self) -> None:
        """Report the keys that nobody asked for: a misspelt one would otherwise change nothing, in silence."""
        for key in self.values:
            if key not in self.asked:
                self.fault(key, "there is no such key")

    def _given(self, key: str, kinds: type | tuple[type, ...], expected: str) -> Any:
        self.asked.add(key)
        value = self.values.get(key)
        if value is None or (isinstance(value, kinds) and not (isinstance(value, bool) and kinds is not bool)):
            return value
        self.fault(key, f"must be {expected}")
        return None

    def text(self, key: str) -> str | None:
        """A text that is not empty, or None."""
        value: str | None = self._given(key, str, "a text")
        if value == "":
            self.fault(key, "must not be empty")
            return None
        return value

    def choice(self, key: str, allowed: Collection[str], default: str) -> str:
        """One of a few words."""
        value = self.text(key)
        if value is None:
            return default
        if value not in allowed:
            self.fault(key, f"must be one of {', '.join(allowed)}")
            return default
        return value

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of texts, or None."""
        value: list[Any] | None = self._given(key, list, "a list of texts")
        if value is None:
            return None
        if not all(isinstance(item, str) and item for item in value):
            self.fault(key, "must be a list of texts")
            return None
        return tuple(value)

    def truth(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value: bool | None = self._given(key, bool, "true or false")
        return default if value is None else value

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        """A number within bounds."""
        value: float | None = self._given(key, (int, float), "a number")
        if value is None:
            return default
        if not low <= value <= high:
            self.fault(key, f"must be from {low:g} to {high:g}")
            return default
        return value

    def whole(self, key: str, *, low: int, high: int) -> int | None:
        """A whole number within bounds, or None."""
        value: int | None = self._given(key, int, "a whole number")
        if value is not None and not low <= value <= high:
            self.fault(key, f"must be from {low} to {high}")
            return None
        return value

    def file(self, key: str) -> Path | None:
        """The path of a file that exists, or None."""
        value = self.text(key)
        if value is None:
            return None
        path = self.folder / value
        if not path.is_file():
            self.fault(key, "there is no such file")
            return None
        return path

    def table(self, key: str) -> "Table":
        """A table within this one; empty where it is left out."""
        values: Mapping[str, Any] | None = self._given(key, dict, "a table")
        return Table(values or {}, f"{self.place}: {key}", self.folder, self.faults)

    def tables(self, key: str) -> list["Table"]:
        """A list of tables."""
        value: list[Any] | None = self._given(key, list, f"written as [[{key}]]")
        if value is None:
            return []
        if not all(isinstance(item, dict) for item in value):
            self.fault(key, f"must be written as [[{key}]]")
            return []
        return [
            Table(item, f"{self.place}: {key}[{place}]", self.folder, self.faults) for place, item in enumerate(value)
        ]
