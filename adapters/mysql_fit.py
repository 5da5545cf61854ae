"""A schema from elsewhere within MySQL's limits: what a key may hold, how long a row may be."""

from __future__ import annotations

import re
from dataclasses import replace

from dbsynth.schema import Column, Kind, Schema, Table

from .ddl import key_columns

__all__ = ["fit", "with_unique_checks", "without_sequences"]

_KEY_BYTES, _ROW_BYTES, _CHARACTER_BYTES = 3072, 65_535, 4
_NAME_LENGTH = 64
_SMALL = 40  # bytes that count for a column that is no VARCHAR: generous
_FROM_SEQUENCE = re.compile(r"(nextval|lastval|setval)\s*\(", re.IGNORECASE)
_NO_LITERAL_DEFAULT = re.compile(r"(long|medium|tiny)?(text|blob)|json", re.IGNORECASE)


def fit(schema: Schema, key_collation: str) -> tuple[Schema, list[str]]:
    """The schema, already in MySQL's types, as the server takes it, and a sentence for each loss.

    Text in keys gets `key_collation`: elsewhere 'a', 'A' and 'a ' are three keys, in MySQL's usual collations one.
    """
    losses: list[str] = []
    tables = tuple(_fit_table(schema, table, key_collation, losses) for table in schema.tables)
    return replace(schema, tables=tables), losses


def without_sequences(schema: Schema) -> tuple[Schema, list[str]]:
    """The schema of this dialect with no default that needs a sequence, which no new table has beside it."""
    losses: list[str] = []

    def plain(table: Table, column: Column) -> Column:
        if column.default is None or not _FROM_SEQUENCE.match(column.default):
            return column
        losses.append(
            f"column {column.name!r} of table {table.name!r} has no default where the table is new: "
            f"{column.default} needs a sequence"
        )
        return replace(column, default=None)

    tables = tuple(replace(t, columns=tuple(plain(t, column) for column in t.columns)) for t in schema.tables)
    return replace(schema, tables=tables), losses


def with_unique_checks(schema: Schema) -> Schema:
    """The schema with names of checks that differ within the database, as MySQL 8, but not MariaDB, wants them."""
    seen: set[str] = set()

    def unique(table: str, name: str) -> str:
        if name.lower() in seen:
            name = f"{table}_{name}"[:_NAME_LENGTH]
        seen.add(name.lower())
        return name

    tables = (
        replace(t, checks=tuple(replace(check, name=unique(t.name, check.name)) for check in t.checks))
        for t in schema.tables
    )
    return replace(schema, tables=tuple(tables))


def _fit_table(schema: Schema, table: Table, key_collation: str, losses: list[str]) -> Table:
    in_key = key_columns(schema, table)
    columns = {c.name: _fit_column(c, key_collation if c.name in in_key else None) for c in table.columns}
    keys = [table.primary_key, *(key.columns for key in table.unique_keys)]
    keys += [key.columns for key in schema.foreign_keys_of(table.name)] + [index.columns for index in table.indexes]
    for key in keys:
        for name, length in _shortened(key, columns).items():
            columns[name] = replace(columns[name], native_type=f"VARCHAR({length})", length=length)
            losses.append(
                f"column {name!r} of table {table.name!r} is part of a key and holds at most {length} characters"
            )
    _lengthen_row(columns, in_key)
    return replace(table, columns=tuple(columns.values()))


def _fit_column(column: Column, collation: str | None) -> Column:
    if collation and column.kind in (Kind.TEXT, Kind.OTHER):
        column = replace(column, collation=collation)
    default = column.default
    if default and not default.startswith("(") and _NO_LITERAL_DEFAULT.match(column.native_type):
        column = replace(column, default=f"({default})")
    return column


def _varchar(column: Column) -> int | None:
    found = re.fullmatch(r"VARCHAR\((\d+)\)", column.native_type, re.IGNORECASE)
    return int(found[1]) if found else None


def _shortened(key: tuple[str, ...], columns: dict[str, Column]) -> dict[str, int]:
    """The columns of a key that is too long for the server, and how many characters each may keep."""
    lengths = {name: length for name in key if (length := _varchar(columns[name])) is not None}
    others = _SMALL * (len(key) - len(lengths))
    if not lengths or others + _CHARACTER_BYTES * sum(lengths.values()) <= _KEY_BYTES:
        return {}
    share = (_KEY_BYTES - others) // _CHARACTER_BYTES // len(lengths)
    return {name: share for name, length in lengths.items() if length > share}


def _lengthen_row(columns: dict[str, Column], in_key: set[str]) -> None:
    """Turn the longest VARCHARs into LONGTEXT, which stand outside the row, until the row fits."""
    sizes = {name: _CHARACTER_BYTES * _varchar(column) for name, column in columns.items() if _varchar(column)}
    total = sum(sizes.values()) + _SMALL * (len(columns) - len(sizes))
    for name in sorted(sizes.keys() - in_key, key=lambda name: (-sizes[name], name)):
        if total <= _ROW_BYTES:
            break
        total -= sizes[name]
        columns[name] = _fit_column(replace(columns[name], native_type="LONGTEXT"), None)
