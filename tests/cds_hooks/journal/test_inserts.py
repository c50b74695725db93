"""Inserts compiled once say the same to every database we know."""

from pathlib import Path
from typing import Any

from sqlalchemy.dialects.postgresql.base import PGDialect

from cds_hooks.journal.database import migrate, open_database
from cds_hooks.journal.inserts import Insert
from cds_hooks.journal.tables import refusals
from tests.cds_hooks.web.edge import NOW

ROW: dict[str, Any] = {
    "at": NOW,
    "correlation": "c",
    "issuer": "i",
    "tenant": None,
    "service": "s",
    "status": 400,
    "faults": [{"code": "invalid"}],
}


class ARecorder:
    """Takes what would go to a driver."""

    returns_rows = True

    def exec_driver_sql(self, sql: str, parameters: Any) -> "ARecorder":
        self.sql, self.parameters = sql, parameters
        return self

    def scalar_one(self) -> int:
        return 7


def test_a_row_comes_back_as_it_was_added(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'journal.db'}")
    migrate(engine)
    add = Insert(refusals, engine.dialect, without=["id"])
    with engine.begin() as connection:
        assert [add.add(connection, ROW), add.add(connection, ROW)] == [1, 2]
        add.add_all(connection, [ROW, ROW])
        rows = [dict(row) for row in connection.execute(refusals.select()).mappings()]
    assert rows == [{"id": number, **ROW} for number in (1, 2, 3, 4)]


def test_postgresql_is_asked_for_the_number_it_gave() -> None:
    recorder: Any = ARecorder()
    add = Insert(refusals, PGDialect(paramstyle="pyformat"), without=["id"])  # type: ignore[no-untyped-call]
    assert add.add(recorder, ROW) == 7
    assert recorder.sql.endswith("RETURNING refusals.id")
    assert recorder.parameters == {**ROW, "faults": '[{"code": "invalid"}]'}
    assert all(f"%({name})s" in recorder.sql for name in ROW)
