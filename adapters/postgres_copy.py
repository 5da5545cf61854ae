"""COPY between Postgres and Arrow: CSV in both directions, in blocks of whole rows."""

from __future__ import annotations

import io
import select
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from dbsynth.schema import Table

from .ddl import POSTGRES

__all__ = ["BATCH_ROWS", "as_csv", "copy_in", "copy_out", "parse"]

BATCH_ROWS = 50_000
BATCH_BYTES = 32 << 20


def copy_out(connection: Any, query: str) -> Iterator[bytearray]:
    """The rows of a COPY TO STDOUT in blocks of whole rows.

    The driver's own COPY costs a round through its event loop for every row; here libpq's buffer is emptied first.
    """
    from psycopg import errors, pq

    raw = connection.pgconn
    raw.send_query(query.encode())
    while raw.is_busy():
        select.select([raw.socket], [], [])
        raw.consume_input()
    result = raw.get_result()
    if result.status == pq.ExecStatus.COPY_OUT:
        yield from _blocks(raw)
        while raw.is_busy():
            select.select([raw.socket], [], [])
            raw.consume_input()
        result = raw.get_result()
    while raw.get_result():  # the end of the command
        pass
    if result is None or result.status != pq.ExecStatus.COMMAND_OK:
        raise errors.error_from_result(result, encoding="utf-8")


def _blocks(raw: Any) -> Iterator[bytearray]:
    get_copy_data, text, rows = raw.get_copy_data, bytearray(), 0
    while True:
        length, row = get_copy_data(1)
        if length > 0:
            text += row  # at once: keeping the driver's views and joining them later takes three times as long
            rows += 1
            if rows == BATCH_ROWS or len(text) >= BATCH_BYTES:
                yield text
                text, rows = bytearray(), 0
        elif length == 0:
            select.select([raw.socket], [], [])
            raw.consume_input()
        else:
            break
    if rows:
        yield text


def parse(text: bytearray, schema: pa.Schema) -> pa.RecordBatch:
    """CSV rows as one batch. Binary comes as hexadecimal text."""
    as_text = pa.schema([pa.field(f.name, pa.string() if pa.types.is_binary(f.type) else f.type) for f in schema])
    names = [str(i) for i in range(len(schema))]  # a CSV reader's names must differ; a table's may only differ in case
    table = pa_csv.read_csv(
        pa.BufferReader(pa.py_buffer(text)),
        read_options=pa_csv.ReadOptions(column_names=names, block_size=len(text) + 1),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict(zip(names, as_text.types, strict=True)),
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    arrays = [chunks.combine_chunks() for chunks in table.columns]
    for i, wanted in enumerate(schema.types):
        if pa.types.is_binary(wanted):
            arrays[i] = pa.array([None if v is None else bytes.fromhex(v[2:]) for v in arrays[i].to_pylist()], wanted)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def copy_in(table: Table, columns: Sequence[str], *, freeze: bool = False) -> str:
    """The COPY FROM STDIN; `freeze` where the table is of this very transaction."""
    options = "FORMAT csv, FREEZE" if freeze else "FORMAT csv"
    return f"COPY {POSTGRES.table_name(table)} ({POSTGRES.quote_all(columns)}) FROM STDIN ({options})"


def as_csv(batch: pa.RecordBatch) -> memoryview:
    arrays = []
    for array in batch.columns:
        if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
            array = pa.array([None if v is None else "\\x" + v.hex() for v in array.to_pylist()], pa.string())
        arrays.append(array)
    sink = io.BytesIO()
    named = pa.RecordBatch.from_arrays(arrays, names=[str(i) for i in range(len(arrays))])
    pa_csv.write_csv(named, sink, pa_csv.WriteOptions(include_header=False, batch_size=BATCH_ROWS))
    return sink.getbuffer()
