"""An insert compiled once: in every call, SQLAlchemy's building of a statement would cost more than SQLite's work."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Table, insert


class Insert:
    """Adds rows of one shape to one table; values are turned into the driver's as the columns' types say."""

    def __init__(self, table: Table, dialect: Dialect, *, without: Sequence[str] = ()) -> None:
        """Compile the statement for all columns but those that the database fills in itself."""
        columns = [column for column in table.columns if column.name not in without]
        statement = insert(table)
        if (
            without and dialect.name != "sqlite"
        ):  # SQLite tells the number of a row in any case, and before 3.35 only so
            statement = statement.returning(*(table.c[name] for name in without))
        compiled = statement.compile(dialect=dialect, column_keys=[column.name for column in columns])
        self._sql = compiled.string
        self._is_positional = bool(dialect.positional)
        self._processors = [
            (column.name, column.type.dialect_impl(dialect).bind_processor(dialect)) for column in columns
        ]

    def add(self, connection: Connection, row: Mapping[str, Any]) -> int:
        """Add one row and give the number that the database gave it."""
        result = connection.exec_driver_sql(self._sql, self._parameters(row))
        number: int = result.scalar_one() if result.returns_rows else result.lastrowid
        return number

    def add_all(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add several rows."""
        connection.exec_driver_sql(self._sql, [self._parameters(row) for row in rows])

    def _parameters(self, row: Mapping[str, Any]) -> Any:
        values = ((name, row[name] if turn is None else turn(row[name])) for name, turn in self._processors)
        return tuple(value for _, value in values) if self._is_positional else dict(values)
