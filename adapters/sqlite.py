"""SQLite: a file read through `mode=ro`; `sqlite_load` fills one, `sqlite_aside` puts it in its place."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pyarrow as pa

from dbsynth.errors import ConnectError, DbsynthError, SourceError, TargetError
from dbsynth.schema import Schema, Table

from .advice import Trouble, with_advice
from .alter import alterations
from .base import Mode, ServerIdentity, Violation, arrow_schema
from .ddl import SQLITE
from .objects import left_behind
from .sqlite_aside import Aside, connect, needs_file
from .sqlite_catalog import read_schema
from .sqlite_load import BATCH_ROWS, SQLiteLoad, refuse, violations
from .sqlite_lock import hold
from .sqlite_values import to_arrow
from .standing import refuse_misfits
from .translation import translate
from .urls import Address

__all__ = ["SQLiteAdapter"]


_TROUBLES = {
    "SQLITE_BUSY": Trouble.HELD,
    "SQLITE_FULL": Trouble.FULL,
    "SQLITE_LOCKED": Trouble.HELD,
    "SQLITE_NOTADB": Trouble.NO_FILE,
    "SQLITE_READONLY": Trouble.READ_ONLY,
}


def _trouble(error: sqlite3.Error | OSError) -> Trouble | None:
    if isinstance(error, OSError):
        return Trouble.FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else None
    return _TROUBLES.get(getattr(error, "sqlite_errorname", ""))


class SQLiteAdapter:
    """A SQLite file. One that does not exist yet can be loaded into, and appears when it is complete."""

    dialect = "sqlite"

    def __init__(self, address: Address) -> None:
        self._address = address
        self._locked = False
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
    def unverified(self) -> None:
        """A file is on this machine, or the system vouches for it."""
        return

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

    def check_target(self, schema: Schema, mode: Mode) -> list[str]:
        wanted, _ = translate(schema.declared, SQLITE)
        standing: list[str] = []
        if self._path.exists():
            if not os.access(self._path, os.W_OK):
                raise TargetError(f"the SQLite file {str(self._path)!r} may not be written")
            with self._reading(TargetError) as connection:
                refuse_misfits(schema, wanted, read_schema(connection, scan=False), SQLITE)
                standing = refuse(connection, wanted, mode)
        elif not os.access(self._path.absolute().parent, os.W_OK):
            raise TargetError(f"no file can be made in the folder {str(self._path.absolute().parent)!r}")
        if not standing:
            self._rehearse(wanted)
        return []

    def alterations(self, schema: Schema, gone: Mapping[str, Collection[str]]) -> list[str]:
        if not self._path.exists():
            return []
        with self._reading(TargetError) as connection:
            found = read_schema(connection, scan=False)
        return alterations(translate(schema.declared, SQLITE)[0], found, gone, SQLITE)

    def _rehearse(self, schema: Schema) -> None:
        """Create everything without a row, in memory: what SQLite refuses it refuses now."""
        with self._errors(TargetError), closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            load = SQLiteLoad(self, connection, schema.tables_only, Mode.CREATE, decode_other=False)
            load.prepare()
            load.complete()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """A lock on a file beside the target: the system takes it from a process that ends."""
        if self._locked:
            yield
            return
        with self._errors(TargetError), hold(self._path, self.url):
            self._locked = True
            try:
                yield
            finally:
                self._locked = False

    @contextmanager
    def load(self, schema: Schema, mode: Mode = Mode.CREATE) -> Iterator[SQLiteLoad]:
        """One transaction, in a file beside the target that takes its place; or in the target itself.

        In the target itself where it writes ahead (WAL): there, readers see the old rows until the end, whatever
        happens, and no file may be moved under them.
        """
        with self.lock(), ExitStack() as stack:
            with self._errors(TargetError):
                path = Path(os.path.realpath(self._path))
                aside = stack.enter_context(Aside(path)) if needs_file(path, mode) else None
                connection = stack.enter_context(closing(connect(aside.path if aside else path)))
                connection.execute("BEGIN IMMEDIATE")
                load = SQLiteLoad(
                    self, connection, translate(schema, SQLITE)[0], mode, decode_other=schema.dialect == self.dialect
                )
                load.prepare()
            yield load  # without a COMMIT nothing happened
            with self._errors(TargetError):
                load.complete()
                connection.execute("COMMIT")
                connection.close()
                if aside:
                    aside.publish(load)

    def validate(self, schema: Schema) -> list[Violation]:
        """PRAGMA integrity_check and foreign_key_check, and a count of the rows against every constraint."""
        schema, _ = translate(schema, SQLITE)
        with self._reading() as connection:
            return violations(connection, schema)

    @contextmanager
    def _reading(self, error: type[DbsynthError] = SourceError) -> Iterator[sqlite3.Connection]:
        if not self._path.exists():
            raise ConnectError(f"there is no SQLite file {str(self._path)!r}; correct the path in the URL")
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
            raise error_class(with_advice(f"{self.url}: {error}", _trouble(error), error_class)) from error


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
