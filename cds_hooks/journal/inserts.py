"""An insert compiled once: in every call, SQLAlchemy's building of a statement would cost more than SQLite's work."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import JSON, Dialect, Table
from sqlalchemy.dialects import postgresql, sqlite

from cds_hooks.journal.tables import Instant

# PostgreSQL's text holds every character but this one.
_NUL, _REPLACEMENT = "\0", "\ufffd"


class Insert:
    """Adds rows of one shape to one table; values are turned into the driver's as the columns' types say."""

    def __init__(self, table: Table, dialect: Dialect, *, once_by: str | Sequence[str] | None = None) -> None:
        """Compile the statement; with `once_by`, a row that has the values of another there is not added."""
        make = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
        statement: Any = make(table)
        if once_by is not None:
            columns = [once_by] if isinstance(once_by, str) else list(once_by)
            statement = statement.on_conflict_do_nothing(index_elements=columns)
        compiled = statement.compile(dialect=dialect, column_keys=[column.name for column in table.columns])
        self._sql = compiled.string
        self._is_positional = bool(dialect.positional)
        self._columns = tuple(str(column.name) for column in table.columns)
        self._json = tuple(str(column.name) for column in table.columns if isinstance(column.type, JSON))
        self._times = tuple(str(column.name) for column in table.columns if isinstance(column.type, Instant))
        self._processors = [
            (str(column.name), None if isinstance(column.type, JSON) else _processor(column.type, dialect))
            for column in table.columns
        ]

    def stored(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Give a row as it will be read back: every column, JSON as its text, times in UTC."""
        stored = {name: row.get(name) for name in self._columns}
        for name in self._json:
            if stored[name] is not None:
                stored[name] = orjson.dumps(stored[name]).decode()
        for name in self._times:
            moment: datetime | None = stored[name]
            if moment is not None:
                stored[name] = moment.astimezone(UTC)
        for name, value in stored.items():
            if type(value) is str and _NUL in value:
                stored[name] = value.replace(_NUL, _REPLACEMENT)
        return stored

    def add(self, driver: Any, stored: Mapping[str, Any]) -> bool:
        """Add one row as `stored` gave it, by the driver's own connection, and tell whether it was new."""
        return bool(driver.execute(self._sql, self._parameters(stored)).rowcount == 1)

    def _parameters(self, row: Mapping[str, Any]) -> Any:
        if self._is_positional:
            return [row[name] if turn is None else turn(row[name]) for name, turn in self._processors]
        return {name: row[name] if turn is None else turn(row[name]) for name, turn in self._processors}


def _processor(kind: Any, dialect: Dialect) -> Any:
    return kind.dialect_impl(dialect).bind_processor(dialect)
