"""Loading SQLite: what a load does inside its one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import pyarrow as pa

from dbsynth.errors import TargetError
from dbsynth.schema import Schema, Table

from .base import Mode, Violation
from .checks import count_violations, refuse_rows, refuse_shape
from .ddl import SQLITE, create_indexes, create_table
from .objects import losses_of
from .sqlite_catalog import read_schema
from .sqlite_objects import create_objects
from .sqlite_values import to_sqlite

if TYPE_CHECKING:
    from .sqlite import SQLiteAdapter

__all__ = ["BATCH_ROWS", "SQLiteLoad", "refuse", "violations"]

BATCH_ROWS = 50_000


class SQLiteLoad:
    """An unfinished load: one open transaction, in the target or in the file that will be the target."""

    def __init__(
        self, adapter: SQLiteAdapter, connection: sqlite3.Connection, schema: Schema, mode: Mode, *, decode_other: bool
    ) -> None:
        self._adapter = adapter
        self._connection = connection
        self._schema = schema
        self._mode = mode
        self._decode_other = decode_other
        self._new: list[Table] = []
        self._triggers: list[str] = []
        self._complete = False
        self.losses: list[str] = []

    @property
    def table_names(self) -> tuple[str, ...]:
        return self._schema.table_names

    def again(self, connection: sqlite3.Connection) -> SQLiteLoad:
        """The same load, not begun, over another connection."""
        return SQLiteLoad(self._adapter, connection, self._schema, self._mode, decode_other=self._decode_other)

    def prepare(self) -> None:
        """Create what is missing, empty what is to be replaced, take the triggers off standing tables."""
        standing = refuse(self._connection, self._schema, self._mode)
        self._new = [table for table in self._schema.tables if table.name not in standing]
        for name, table, sql in self._connection.execute(
            "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            if table.lower() in {name.lower() for name in standing}:  # as its CREATE TRIGGER spells it
                self._connection.execute(f"DROP TRIGGER {SQLITE.quote(name)}")
                self._triggers.append(sql)
        for name in standing if self._mode is not Mode.CREATE else ():
            self._connection.execute(f"DELETE FROM {SQLITE.quote(name)}")
        for table in self._new:
            self._connection.execute(create_table(self._schema, table, SQLITE))

    def write_rows(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        """INSERT with parameters; generated columns among the batches' are left out."""
        table = self._schema.table(table.name)
        written = 0
        for batch in batches:
            columns = [table.column(name) for name in batch.schema.names if not table.column(name).generated]
            statement = f"INSERT INTO {SQLITE.table_name(table)} "
            names = [column.name for column in columns]
            marks = ", ".join("?" * len(names))
            statement += f"({SQLITE.quote_all(names)}) VALUES ({marks})" if names else "DEFAULT VALUES"
            for start in range(0, batch.num_rows, BATCH_ROWS):
                part = batch.slice(start, BATCH_ROWS)
                values = [to_sqlite(part.column(c.name), c, decode_other=self._decode_other) for c in columns]
                rows = zip(*values, strict=True) if values else [()] * part.num_rows
                try:
                    self._connection.executemany(statement, rows)
                except (sqlite3.Error, OverflowError) as error:
                    raise TargetError(f"{self._adapter.url}: table {table.name!r}: {error}") from error
            written += batch.num_rows
        return written

    def validate(self) -> list[Violation]:
        """What the constraints of the schema say of the rows, seen from within the transaction."""
        with self._adapter._errors(TargetError):
            self.complete()
            return violations(self._connection, self._schema)

    def complete(self) -> None:
        """Keys and indexes of the new tables, triggers of the standing ones, and SQLite's check of all foreign keys."""
        if self._complete:
            return
        self._complete = True
        for table in self._new:
            for statement in create_indexes(table, SQLITE):
                self._connection.execute(statement)
        for sql in self._triggers:
            self._connection.execute(sql)
        self.losses = losses_of(create_objects(self._connection, self._schema.objects))
        for table in self._schema.tables:
            if self._mode is not Mode.CREATE and "AUTOINCREMENT" in table.options:
                with suppress(sqlite3.OperationalError):  # no table has AUTOINCREMENT in this target
                    last = f"(SELECT coalesce(max(rowid), 0) FROM {SQLITE.table_name(table)})"
                    self._connection.execute(f"UPDATE sqlite_sequence SET seq = {last} WHERE name = ?", [table.name])
        names = set(self._schema.table_names)
        for table, row, parent, number in self._connection.execute("PRAGMA foreign_key_check"):
            if table in names or parent in names:
                raise TargetError(self._describe_orphan(table, row, parent, number))

    def _describe_orphan(self, table: str, row: int | None, parent: str, number: int) -> str:
        keys = self._connection.execute(f"PRAGMA foreign_key_list({SQLITE.quote(table)})").fetchall()
        columns = [key[3] for key in keys if key[0] == number]
        name = next((k.name for k in self._schema.foreign_keys_of(table) if set(k.columns) == set(columns)), "")
        return (
            f"{self._adapter.url}: foreign key {name!r} of table {table!r}: row {row} has no parent in {parent!r} "
            f"for {', '.join(columns)}"
        )


def refuse(connection: sqlite3.Connection, schema: Schema, mode: Mode) -> list[str]:
    """Raise TargetError where rows or a table's shape are in the way; the names of the tables that stand already."""
    target = read_schema(connection, scan=False)
    standing = [table for table in schema.tables if table.name in target.table_names]
    for table in standing:
        refuse_shape(table, target.table(table.name))
    counts = {
        t.name: connection.execute(f"SELECT count(*) FROM {SQLITE.quote(t.name)}").fetchone()[0] for t in standing
    }
    refuse_rows(counts, mode)
    return [table.name for table in standing]


def violations(connection: sqlite3.Connection, schema: Schema) -> list[Violation]:
    """PRAGMA integrity_check and foreign_key_check, and a count of the rows against every constraint."""
    found = count_violations(schema, SQLITE, lambda sql: int(connection.execute(sql).fetchone()[0]))
    known = {violation.table for violation in found} & {key.child for key in schema.foreign_keys}
    orphans: dict[tuple[str, str], int] = {}
    for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        if table in schema.table_names and table not in known:
            orphans[table, parent] = orphans.get((table, parent), 0) + 1
    found += [Violation(table, f"foreign key to {parent}", n) for (table, parent), n in orphans.items()]
    damage = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    counted = ("NULL value in", "CHECK constraint failed", "non-unique entry")
    return found + [Violation("", text, 1) for text in damage if not text.startswith(counted)]
