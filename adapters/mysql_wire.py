"""Rows between the server and Arrow, column by column.

Reading: the server sends each row as a packet, each field as its text after its length. PyMySQL makes an object of
every field; here a whole buffer of packets is cut with NumPy, one pass per column: several times as fast. Writing:
batches become the text of LOAD DATA or INSERT with Arrow's own string functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["insert_rows", "load_data_rows", "read_batches"]

_BUFFER = 4 << 20  # bytes of packets that make one batch
_HEADER = 4  # bytes before a packet: three of length, one of sequence
_LONGEST = 0xFFFFFF  # a packet of this length goes on in the next one
_NULL, _END, _ERROR = 0xFB, 0xFE, 0xFF
_WIDE = {0xFC: 2, 0xFD: 3, 0xFE: 8}  # first byte of a field -> bytes of length after it; below 0xFB it is the length


def read_batches(
    connection: Any, statement: str, schema: pa.Schema, cancel: Callable[[], None]
) -> Iterator[pa.RecordBatch]:
    """The statement's rows in batches with these types; at least one batch.

    Until it ends the connection can do nothing else. Where the caller stops early, `cancel` is called to stop the
    statement, and what the server has sent of it is taken from the connection.
    """
    connection.query(statement, unbuffered=True)
    packets = _Packets(connection)
    is_empty = True
    try:
        while not packets.is_done:
            data, starts = packets.next_rows()
            if starts or is_empty:
                yield _batch(np.frombuffer(data, np.uint8), np.array(starts, np.int64), schema)
            is_empty = False
    finally:
        if not packets.is_done and connection.open:
            cancel()
            packets.skip()


class _Packets:
    """The packets of an unbuffered result, taken from the stream that PyMySQL itself reads."""

    def __init__(self, connection: Any) -> None:
        self.is_done = False
        self._connection = connection
        self._buffer = bytearray()

    def next_rows(self) -> tuple[bytes, list[int]]:
        """Some MiB of packets, and where in them each row starts."""
        starts: list[int] = []
        position = 0
        while position < _BUFFER and not self.is_done:
            position = self._receive(position, starts)
        data = bytes(memoryview(self._buffer)[:position])
        del self._buffer[:position]
        return data, starts

    def skip(self) -> None:
        """Read to the end, whatever comes."""
        from pymysql import MySQLError

        with suppress(MySQLError):
            while not self.is_done:
                self.next_rows()

    def _receive(self, position: int, starts: list[int]) -> int:
        from pymysql.err import OperationalError, raise_mysql_exception

        received = self._connection._rfile.read1(_BUFFER)
        if not received:
            self._connection._force_close()
            raise OperationalError(2013, "the server closed the connection in the middle of a result")
        self._buffer += received
        position, self.is_done = _find_rows(self._buffer, position, starts)
        if self.is_done:
            # PyMySQL must know that its result has been read.
            self._connection._result.unbuffered_active = False
            self._connection._result.connection = None
            if self._buffer[position + _HEADER] == _ERROR:
                raise_mysql_exception(bytes(self._buffer[position + _HEADER:]))
        return position


def _find_rows(buffer: bytearray, position: int, starts: list[int]) -> tuple[int, bool]:
    """Add where each complete row starts; return where the next packet does, and whether it is the result's last."""
    end = len(buffer)
    while position + _HEADER < end:
        length = buffer[position] | buffer[position + 1] << 8 | buffer[position + 2] << 16
        after = position + _HEADER + length
        if length == _LONGEST:
            after = _join_packets(buffer, position)
            end = len(buffer)
            if not after:
                break
        elif after > end:
            break
        elif buffer[position + _HEADER] >= _END and (length < 9 or buffer[position + _HEADER] == _ERROR):
            return position, True
        starts.append(position + _HEADER)
        position = after
    return position, False


def _join_packets(buffer: bytearray, position: int) -> int | None:
    """Take out the headers inside a row of several packets; return where it ends, or None if it is not all there."""
    headers, at = [], position
    while True:
        if at + _HEADER > len(buffer):
            return None
        length = int.from_bytes(buffer[at:at + 3], "little")
        headers.append(at)
        at += _HEADER + length
        if length < _LONGEST:
            break
    if at > len(buffer):
        return None
    for header in reversed(headers[1:]):
        del buffer[header:header + _HEADER]
    return at - _HEADER * (len(headers) - 1)


def _batch(packets: np.ndarray, position: np.ndarray, schema: pa.Schema) -> pa.RecordBatch:
    """Cut rows, given where each starts, into columns of these types."""
    arrays = []
    for field in schema:
        first = packets[position] if len(position) else np.zeros(0, np.uint8)
        length, header = first.astype(np.int64), np.ones(len(first), np.int64)
        is_null = first == _NULL
        length[is_null] = 0
        for code, width in _WIDE.items():
            rows = np.flatnonzero(first == code)
            if len(rows):
                digits = [packets[position[rows] + 1 + i].astype(np.int64) << (8 * i) for i in range(width)]
                length[rows], header[rows] = np.sum(digits, axis=0), 1 + width
        start = position + header
        arrays.append(_column(packets, start, length, is_null, field.type))
        position = start + length
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _column(
    packets: np.ndarray, start: np.ndarray, length: np.ndarray, is_null: np.ndarray, type_: pa.DataType
) -> pa.Array:
    offsets = np.zeros(len(start) + 1, np.int64)
    np.cumsum(length, out=offsets[1:])
    data = packets[np.arange(offsets[-1]) + np.repeat(start - offsets[:-1], length)]
    valid = pa.py_buffer(np.packbits(~is_null, bitorder="little")) if is_null.any() else None
    text_type = type_ if pa.types.is_binary(type_) else pa.string()
    buffers = [valid, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)]
    text = pa.Array.from_buffers(text_type, len(start), buffers)
    if text_type == type_:
        return text
    if pa.types.is_timestamp(type_):  # the session's time zone is UTC
        return text.cast(pa.timestamp("us")).cast(type_)
    if pa.types.is_time(type_):  # Arrow reads times of a date only
        return _wrapped("1970-01-01 ", text.cast(pa.large_string()), "").cast(pa.timestamp("us")).cast(type_)
    return text.cast(type_)


def load_data_rows(batch: pa.RecordBatch) -> memoryview:
    r"""The rows as LOAD DATA reads them by itself: tabs between fields, \N for null, binary in hexadecimal."""
    columns = [pc.fill_null(_text(c, (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"))), "\\N") for c in batch.columns]
    return memoryview(_joined(columns, "", "\t", "\n").buffers()[2] or b"")


def insert_rows(batch: pa.RecordBatch, forms: Sequence[str], max_bytes: int) -> Iterator[bytes]:
    """The rows as the lists after VALUES, each of at most `max_bytes` or of one row.

    `forms` has for each column the expression around a value, such as UNHEX({}).
    """
    columns = [pc.fill_null(_literal(c, form), "NULL") for c, form in zip(batch.columns, forms, strict=True)]
    rows = _joined(columns, "(", ",", "),")
    offsets = np.frombuffer(rows.buffers()[1], np.int64, len(rows) + 1)
    data, first = memoryview(rows.buffers()[2]), 0
    while first < len(rows):
        last = max(int(np.searchsorted(offsets, offsets[first] + max_bytes, "right")) - 1, first + 1)
        yield bytes(data[offsets[first]:offsets[last] - 1])
        first = last


def _literal(column: pa.Array, form: str) -> pa.Array:
    before, after = form.split("{}")
    type_ = column.type
    if not (pa.types.is_integer(type_) or pa.types.is_boolean(type_) or pa.types.is_decimal(type_)):
        before, after = before + "'", "'" + after
    return _wrapped(before, _text(column, (("\\", "\\\\"), ("'", "''"))), after)


def _text(column: pa.Array, escapes: tuple[tuple[str, str], ...]) -> pa.Array:
    """Each value as the server reads it back, strings with these replacements, bytes in hexadecimal."""
    type_ = column.type
    if pa.types.is_boolean(type_):
        return column.cast(pa.int8()).cast(pa.large_string())
    if pa.types.is_timestamp(type_) and type_.tz:
        return column.cast(pa.timestamp("us")).cast(pa.large_string())
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        return _hexadecimal(column.cast(pa.large_binary()))
    text = column.cast(pa.large_string())
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        for old, new in escapes:
            text = pc.replace_substring(text, old, new)
    return text


def _hexadecimal(column: pa.Array) -> pa.Array:
    column = pa.concat_arrays([column])  # a slice starts anew at offset 0
    offsets = np.frombuffer(column.buffers()[1], np.int64, len(column) + 1, 8 * column.offset)
    data = memoryview(column.buffers()[2] or b"")[offsets[0]:offsets[-1]].hex().encode()
    valid = pa.array(column.is_valid())
    buffers = [valid.buffers()[1], pa.py_buffer((offsets - offsets[0]) * 2), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_string(), len(column), buffers)


def _joined(columns: list[pa.Array], before: str, between: str, after: str) -> pa.Array:
    """One string per row."""
    columns[0] = _wrapped(before, columns[0], "")
    columns[-1] = _wrapped("", columns[-1], after)
    return pc.binary_join_element_wise(*columns, pa.scalar(between, pa.large_string()))


def _wrapped(before: str, column: pa.Array, after: str) -> pa.Array:
    ends = [pa.scalar(text, pa.large_string()) for text in (before, after, "")]
    return pc.binary_join_element_wise(ends[0], column, ends[1], ends[2])
