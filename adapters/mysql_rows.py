"""Writing rows into MySQL's tables: LOAD DATA LOCAL where the server allows it, else INSERT."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from typing import Any, BinaryIO

import pyarrow as pa

from dbsynth.errors import TargetError
from dbsynth.schema import Column, Schema, Table

from .ddl import MYSQL
from .mysql_schema import Query
from .mysql_wire import insert_rows, load_data_rows

__all__ = ["STAGING_MARK", "RowWriter", "is_geometry"]

STAGING_MARK = re.compile(r"__dbsynth_[0-9a-f]{8}(_old)?")  # in the name of a database that a load makes for itself

_INSERT_BYTES = 1 << 20
_BATCH_ROWS = 100_000
_GEOMETRY = re.compile(r"(geometry|point|linestring|polygon|multi\w+|geom\w*collection)\b", re.IGNORECASE)


def is_geometry(column: Column) -> bool:
    """Whether values cross as the hexadecimal form of the server's own bytes."""
    return bool(_GEOMETRY.match(column.native_type))


class RowWriter:
    """Rows into the tables of one database."""

    reads_files: bool | None = None  # LOAD DATA LOCAL or INSERT; None: as the server allows

    def __init__(self, connection: Any, query: Query, database: str, standing: Schema) -> None:
        """`standing` are the tables as the database has them."""
        self._connection = connection
        self._query = query
        self._database = database
        self._standing = standing
        if self.reads_files is None:
            self.reads_files = bool(query("SELECT @@local_infile")[0][0])

    def write_rows(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        """Write them and return how many; columns that the server computes are left out."""
        standing = self._standing.table(table.name)
        written = 0
        for batch in batches:
            batch = batch.select([name for name in batch.schema.names if not standing.column(name).generated])
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                part = batch.slice(start, _BATCH_ROWS)
                statement = self._load_data if self.reads_files and part.num_columns else self._insert
                statement(standing, part)
            written += batch.num_rows
        return written

    def _load_data(self, table: Table, batch: pa.RecordBatch) -> None:
        fields, settings = [], []
        for i, field in enumerate(batch.schema):
            form, name = _written_form(table.column(field.name), field.type), MYSQL.quote(field.name)
            fields.append(name if form == "{}" else f"@v{i}")
            if form != "{}":
                settings.append(f"{name} = {form.format(f'@v{i}')}")
        with _nameless_file() as file:
            file.write(load_data_rows(batch))
            file.seek(0)
            written = self._run(
                f"LOAD DATA LOCAL INFILE '/dev/fd/{file.fileno()}' INTO TABLE {self._name(table)} "
                f"CHARACTER SET utf8mb4 ({', '.join(fields)})" + (f" SET {', '.join(settings)}" if settings else "")
            )
        # A local file is loaded as by INSERT IGNORE: what strict mode would refuse is bent or left out, with a warning.
        warning = self._query("SHOW WARNINGS LIMIT 1")
        if warning or written != batch.num_rows:
            reason = warning[0][2] if warning else f"only {written} of {batch.num_rows} rows were taken"
            raise TargetError(f"the target refused rows of table {table.name!r}: {STAGING_MARK.sub('', reason)}")

    def _insert(self, table: Table, batch: pa.RecordBatch) -> None:
        forms = [_written_form(table.column(field.name), field.type) for field in batch.schema]
        start = f"INSERT INTO {self._name(table)} ({MYSQL.quote_all(batch.schema.names)}) VALUES ".encode()
        if batch.num_columns:
            rows = insert_rows(batch, forms, _INSERT_BYTES)
        else:
            rows = (b",".join([b"()"] * min(10_000, batch.num_rows - i)) for i in range(0, batch.num_rows, 10_000))
        for values in rows:
            self._run(start + values)

    def _name(self, table: Table) -> str:
        return f"{MYSQL.quote(self._database)}.{MYSQL.quote(table.name)}"

    def _run(self, statement: str | bytes) -> int:
        with self._connection.cursor() as cursor:
            return cursor.execute(statement)


def _nameless_file() -> BinaryIO:
    """A file that a kill cannot leave behind; in memory where the system has such, since kept rows are real ones."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("dbsynth"), "w+b")
    return tempfile.TemporaryFile()


def _written_form(column: Column, type_: pa.DataType) -> str:
    """The expression that makes the column's value of the text a row holds for it; {} for the text itself."""
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or is_geometry(column):
        return "UNHEX({})"
    if column.native_type.startswith("bit"):
        return "CAST({} AS UNSIGNED)" if pa.types.is_boolean(type_) else "CAST(CONV({}, 2, 10) AS UNSIGNED)"
    if column.native_type.startswith("year"):  # the text '0' means 2000
        return "CAST({} AS UNSIGNED)"
    return "{}"
