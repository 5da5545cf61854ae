"""Values between SQLite, which stores anything anywhere, and the one Arrow type that a column crosses in."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dbsynth.errors import SourceError
from dbsynth.schema import Column, Kind, Table, arrow_type

from .sqlite_sql import affinity

__all__ = ["to_arrow", "to_sqlite"]

_BLOB = re.compile(r"X'((?:[0-9A-F]{2})*)'")
_QUOTED = re.compile(r"'((?:[^']|'')*)'", re.DOTALL)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_REAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?")


def to_arrow(table: Table, name: str, values: Sequence[Any]) -> pa.Array:
    """A column's values as they cross the seam.

    Raises:
        SourceError: a value is not of its column's kind.
    """
    column = table.column(name)
    try:
        if column.kind is Kind.OTHER:
            has_numbers = affinity(column.native_type) != "TEXT"
            return pa.array([_spell(value, has_numbers) for value in values], arrow_type(column))
        return _CONVERTERS.get(column.kind, pa.array)(values, arrow_type(column))
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, ArithmeticError, TypeError) as error:
        raise SourceError(
            f"column {name!r} of table {table.name!r} holds a value that is no {column.kind}: {error}; "
            "read the schema again"
        ) from error


def _spell(value: Any, has_numbers: bool) -> str | None:
    """A value of a mixed column as text; text that could be taken for another value stands in quotes."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return f"X'{value.hex().upper()}'"
    if not isinstance(value, str):
        return repr(value).replace("inf", "9e999")
    return "'" + value.replace("'", "''") + "'" if _read_back(value, has_numbers) != value else value


def _read_back(text: str, has_numbers: bool) -> Any:
    """The inverse of `_spell`."""
    if found := _BLOB.fullmatch(text):
        return bytes.fromhex(found[1])
    if found := _QUOTED.fullmatch(text):
        return found[1].replace("''", "'")
    if has_numbers and _INTEGER.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        return int(text)
    if has_numbers and _REAL.fullmatch(text):
        return float(text)
    return text


def _parsed(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(values, pa.string()).cast(kind)


def _times(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Times of day; Arrow reads them as part of a moment only."""
    moments = [None if value is None else f"1970-01-01 {value}" for value in values]
    return pa.array(moments, pa.string()).cast(pa.timestamp("us")).cast(kind)


def _decimals(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if not pa.types.is_decimal(kind):
        return pa.array([None if v is None else str(v) for v in values], kind)
    step = Decimal(1).scaleb(-kind.scale)
    return pa.array([None if v is None else Decimal(repr(v)).quantize(step) for v in values], kind)


_CONVERTERS: dict[Kind, Callable[[Sequence[Any], pa.DataType], pa.Array]] = {
    Kind.BOOLEAN: lambda values, kind: pa.array([None if v is None else v != 0 for v in values], kind),
    Kind.DECIMAL: _decimals,
    Kind.DATE: _parsed,
    Kind.TIME: _times,
    Kind.TIMESTAMP: _parsed,
    Kind.TIMESTAMPTZ: _parsed,
}


def to_sqlite(array: pa.Array, column: Column, *, decode_other: bool) -> list[Any]:
    """What to store for each value; with `decode_other`, the text of a mixed column is read as `to_arrow` wrote it."""
    if pa.types.is_timestamp(array.type) or pa.types.is_time(array.type):
        text = array.cast(pa.string())
        text = pc.replace_substring_regex(text, r"(?:\.000000|(\.\d{3})000)(Z?)$", r"\1\2")
        return pc.replace_substring_regex(text, r"Z$", "+00:00").to_pylist()
    if pa.types.is_date(array.type) or pa.types.is_decimal(array.type):
        return array.cast(pa.string()).to_pylist()
    values = array.to_pylist()
    if column.kind is Kind.OTHER and decode_other:
        has_numbers = affinity(column.native_type) != "TEXT"
        return [None if value is None else _read_back(value, has_numbers) for value in values]
    return values
