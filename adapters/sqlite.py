"""SQLite: a file read through `mode=ro`, and loaded in one transaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pyarrow as pa

from dbsynth.errors import ConnectError, DbsynthError, SourceError, TargetError
from dbsynth.schema import Schema, Table

from .base import Mode, ServerIdentity, Violation, arrow_schema
from .checks import count_violations, refuse_rows, refuse_shape
from .ddl import SQLITE, create_indexes, create_table
from .objects import left_behind, losses_of
from .sqlite_catalog import read_schema
from .sqlite_objects import create_objects
from .sqlite_values import to_arrow, to_sqlite
from .standing import refuse_misfits
from .translation import translate
from .urls import Address

__all__ = ["SQLiteAdapter"]

BATCH_ROWS = 50_000


class SQLiteAdapter:
    """A SQLite file. One that does not exist yet can be loaded into, and appears when it is complete."""

    dialect = "sqlite"

    def __init__(self, address: Address) -> None:
        self._address = address
        if not address.database or address.database == ":memory:":
            raise ConnectError(f"{address.masked!r} names no file; expected sqlite:///path or sqlite:////absolute/path")
        self._path = Path(address.database)
        if self._path.is_dir():
            raise ConnectError(f"{address.database!r} is a folder; expected a SQLite file")
        if not self._path.absolute().parent.is_dir():
            raise ConnectError(f"there is no folder {str(self._path.parent)!r} for the SQLite file {self._path.name!r}")
        if self._path.exists():
            with self._reading(ConnectError):
                pass

    @property
    def url(self) -> str:
        return self._address.masked

    @property
    def identity(self) -> ServerIdentity:
        """The file itself, by whatever path or link it is reached; the path where there is no file yet."""
        try:
            found = os.stat(self._path)
        except OSError:
            return ServerIdentity("sqlite", frozenset({"path"}), os.path.realpath(self._path))
        return ServerIdentity("sqlite", frozenset({f"device {found.st_dev}"}), f"inode {found.st_ino}")

    def close(self) -> None:
        """Nothing stays open between calls."""

    def read_schema(self) -> Schema:
        """The tables, with kinds that hold for every value (one pass over each table)."""
        with self._reading() as connection:
            return read_schema(connection, scan=True)

    @contextmanager
    def snapshot(self) -> Iterator[SQLiteSnapshot]:
        """All tables as they are now, in one transaction of a connection that cannot write."""
        with self._reading() as connection:
            yield SQLiteSnapshot(self, connection)

    def losses(self, schema: Schema) -> list[str]:
        return [*translate(schema, SQLITE)[1], *left_behind(schema, self.dialect)]

    def check_target(self, schema: Schema, mode: Mode) -> None:
        wanted, _ = translate(schema.declared, SQLITE)
        standing: list[str] = []
        if self._path.exists():
            if not os.access(self._path, os.W_OK):
                raise TargetError(f"the SQLite file {str(self._path)!r} may not be written")
            with self._reading(TargetError) as connection:
                refuse_misfits(schema, wanted, read_schema(connection, scan=False), SQLITE)
                standing = _refuse(connection, wanted, mode)
        elif not os.access(self._path.absolute().parent, os.W_OK):
            raise TargetError(f"no file can be made in the folder {str(self._path.absolute().parent)!r}")
        if not standing:
            self._rehearse(wanted)

    def _rehearse(self, schema: Schema) -> None:
        """Create everything without a row, in memory: what SQLite refuses it refuses now."""
        with self._errors(TargetError), closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            load = SQLiteLoad(self, connection, schema.tables_only, Mode.CREATE, decode_other=False)
            load.prepare()
            load.finish()

    @contextmanager
    def load(self, schema: Schema, mode: Mode = Mode.CREATE) -> Iterator[SQLiteLoad]:
        """One transaction. A new file is built beside its place, and put there when it is complete."""
        schema_here, _ = translate(schema, SQLITE)
        is_new = not self._path.exists()
        path = self._path.with_name(f".{self._path.name}.unfinished") if is_new else self._path
        connection = None
        try:
            with self._errors(TargetError):
                connection = sqlite3.connect(path, timeout=30, isolation_level=None)
                connection.execute("PRAGMA foreign_keys = OFF")
                connection.execute("BEGIN IMMEDIATE")
                load = SQLiteLoad(self, connection, schema_here, mode, decode_other=schema.dialect == "sqlite")
                load.prepare()
            yield load
            with self._errors(TargetError):
                load.finish()
                connection.execute("COMMIT")
                connection.close()
                if is_new:
                    self._publish(path)
        finally:
            if connection:
                connection.close()  # without a COMMIT: nothing happened
            if is_new:
                for leftover in (path, path.with_name(path.name + "-journal")):
                    leftover.unlink(missing_ok=True)

    def validate(self, schema: Schema) -> list[Violation]:
        """PRAGMA integrity_check and foreign_key_check, and a count of the rows against every constraint."""
        schema, _ = translate(schema, SQLITE)
        with self._reading() as connection:
            found = count_violations(schema, SQLITE, lambda sql: int(connection.execute(sql).fetchone()[0]))
            known = {violation.table for violation in found} & {key.child for key in schema.foreign_keys}
            orphans: dict[tuple[str, str], int] = {}
            for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
                if table in schema.table_names and table not in known:
                    orphans[table, parent] = orphans.get((table, parent), 0) + 1
            found += [Violation(table, f"foreign key to {parent}", n) for (table, parent), n in orphans.items()]
            damage = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
            counted = ("NULL value in", "CHECK constraint failed", "non-unique entry")
            found += [Violation("", text, 1) for text in damage if not text.startswith(counted)]
            return found

    def _publish(self, path: Path) -> None:
        """Give the finished file its name, unless another file has taken it meanwhile."""
        if self._path.exists():
            raise TargetError(f"{str(self._path)!r} appeared while it was being loaded; nothing was written to it")
        os.rename(path, self._path)

    @contextmanager
    def _reading(self, error: type[DbsynthError] = SourceError) -> Iterator[sqlite3.Connection]:
        if not self._path.exists():
            raise ConnectError(f"there is no SQLite file {str(self._path)!r}")
        with self._errors(error):
            uri = self._path.absolute().as_uri() + "?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)) as connection:
                connection.execute("PRAGMA query_only = ON")
                connection.execute("BEGIN")
                connection.execute(
                    "SELECT count(*) FROM sqlite_master"
                ).fetchone()  # the view is taken by the first query
                yield connection

    @contextmanager
    def _errors(self, error_class: type[DbsynthError]) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise error_class(f"{self.url}: {error}") from error


class SQLiteSnapshot:
    """Reads inside one read-only transaction."""

    def __init__(self, adapter: SQLiteAdapter, connection: sqlite3.Connection) -> None:
        self._adapter = adapter
        self._connection = connection

    def count_rows(self, table: Table) -> int:
        with self._adapter._errors(SourceError):
            return self._connection.execute(f"SELECT count(*) FROM {SQLITE.table_name(table)}").fetchone()[0]

    def read_rows(self, table: Table, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Batches of 50 000 rows.

        Moments may stand with a T or without seconds' fraction: they cross as moments, and come back in one spelling.

        Raises:
            SourceError: SQLite's word, or a value that came after the schema was read and is not of its column's kind.
        """
        schema = arrow_schema(table, columns)
        query = f"SELECT {SQLITE.quote_all(columns) or 'NULL'} FROM {SQLITE.table_name(table)}"
        with self._adapter._errors(SourceError), closing(self._connection.cursor()) as cursor:
            cursor.execute(query)
            rows, first = cursor.fetchmany(BATCH_ROWS), True
            while rows or first:
                values = list(zip(*rows, strict=True)) or [()] * max(len(columns), 1)
                if columns:
                    arrays = [to_arrow(table, name, column) for name, column in zip(columns, values, strict=True)]
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)
                else:
                    yield pa.RecordBatch.from_arrays([pa.array(values[0], pa.null())], names=["row"]).select([])
                rows, first = cursor.fetchmany(BATCH_ROWS), False


class SQLiteLoad:
    """An unfinished load: one open transaction."""

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
        self.losses: list[str] = []

    def prepare(self) -> None:
        """Create what is missing, empty what is to be replaced, take the triggers off standing tables."""
        standing = _refuse(self._connection, self._schema, self._mode)
        self._new = [table for table in self._schema.tables if table.name not in standing]
        for name, table, sql in self._connection.execute(
            "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            if table in standing:
                self._connection.execute(f"DROP TRIGGER {SQLITE.quote(name)}")
                self._triggers.append(sql)
        for name in standing if self._mode is Mode.REPLACE else ():
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

    def finish(self) -> None:
        """Keys and indexes of the new tables, triggers of the standing ones, and SQLite's check of all foreign keys."""
        for table in self._new:
            for statement in create_indexes(table, SQLITE):
                self._connection.execute(statement)
        for sql in self._triggers:
            self._connection.execute(sql)
        self.losses = losses_of(create_objects(self._connection, self._schema.objects))
        for table in self._schema.tables:
            if self._mode is Mode.REPLACE and "AUTOINCREMENT" in table.options:
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


def _refuse(connection: sqlite3.Connection, schema: Schema, mode: Mode) -> list[str]:
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
