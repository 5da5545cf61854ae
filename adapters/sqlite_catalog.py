"""Reading a SQLite database's schema: declared types, and what the values make of them."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import replace
from typing import Any

from dbsynth.schema import Check, Column, ForeignKey, Index, Kind, Schema, Table, UniqueKey

from .ddl import SQLITE
from .sqlite_objects import read_objects
from .sqlite_sql import TableText, affinity, parse_create_table

__all__ = ["read_schema"]

# Declared type -> kind, first match wins; SQLite itself knows only the affinities in the last lines.
_DECLARED = [
    (r"BOOL", Kind.BOOLEAN),
    (r"TIMESTAMPTZ|TIMESTAMP WITH TIME ZONE|DATETIMEOFFSET", Kind.TIMESTAMPTZ),
    (r"DATETIME|TIMESTAMP", Kind.TIMESTAMP),
    (r"^DATE\b", Kind.DATE),
    (r"^TIME\b", Kind.TIME),
    (r"DECIMAL|NUMERIC|^NUMBER|^MONEY|^DEC\b", Kind.DECIMAL),
    (r"JSON", Kind.JSON),
    (r"UUID|GUID|UNIQUEIDENTIFIER", Kind.UUID),
    (r"INT", Kind.INTEGER),
    (r"CHAR|CLOB|TEXT|STRING", Kind.TEXT),
    (r"BLOB|BINARY", Kind.BINARY),
    (r"REAL|FLOA|DOUB", Kind.FLOAT),
]

# The storage classes in which values of a kind may stand.
_STORED = {
    Kind.INTEGER: {"integer"}, Kind.FLOAT: {"integer", "real"}, Kind.DECIMAL: {"integer", "real"},
    Kind.BOOLEAN: {"integer"}, Kind.BINARY: {"blob"},
}  # fmt: skip

# A modifier makes SQLite put days right: without one it takes February 30th for a date.
_TIME_OF_DAY = (
    "(substr({0}, 1, 2) < '24' AND time({0}) = CASE length({0}) WHEN 5 THEN {0} || ':00' ELSE substr({0}, 1, 8) END"
    " AND (length({0}) <= 8 OR substr({0}, 9) GLOB '.[0-9]*' AND length({0}) BETWEEN 10 AND 15"
    " AND substr({0}, 10) NOT GLOB '*[^0-9]*'))"
)
_MOMENT = (
    "(length({0}) = 10 AND date({0}, '+0 days') = {0}"
    " OR strftime('%Y-%m-%d %H:%M:%S', substr({0}, 1, 19), '+0 days') ="
    " replace(substr({0}, 1, 19), 'T', ' ') AND (length({0}) = 19 OR substr({0}, 20) GLOB '.[0-9]*'"
    " AND length({0}) BETWEEN 21 AND 26 AND substr({0}, 21) NOT GLOB '*[^0-9]*'))"
)
_HEX = "[0-9a-fA-F]"
_UUID = "-".join(_HEX * n for n in (8, 4, 4, 4, 12))

# What the text of a value must satisfy to be of a kind; {0} is the column.
_VALID = {
    Kind.BOOLEAN: "{0} IN (0, 1)",
    Kind.DATE: "date({0}, '+0 days') = {0}",
    Kind.TIME: _TIME_OF_DAY,
    Kind.TIMESTAMP: _MOMENT,
    Kind.TIMESTAMPTZ: "({0} GLOB '*+00:00' AND " + _MOMENT.format("substr({0}, 1, length({0}) - 6)") + ")",
    Kind.JSON: "json_valid({0})",
    Kind.UUID: f"{{0}} GLOB '{_UUID}'",
}
_COLUMNS_A_SCAN = 100  # SQLite returns at most 2000 values a row


def read_schema(connection: sqlite3.Connection, *, scan: bool) -> Schema:
    """The schema as it stands in the connection's transaction; with `scan`, kinds that hold for every value."""
    query = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name"
    )
    listed = {r[1]: r[2] for r in connection.execute("PRAGMA table_list") if r[0] == "main"}
    texts = {
        name: parse_create_table(sql) for name, sql in connection.execute(query) if listed.get(name, "table") == "table"
    }
    tables = [_read_table(connection, name, text, scan) for name, text in texts.items()]
    by_lower = {table.name.lower(): table for table in tables}
    keys = [key for name, text in texts.items() for key in _read_foreign_keys(connection, name, text, by_lower)]
    return Schema("sqlite", tuple(tables), tuple(keys), objects=tuple(read_objects(connection)))


def _read_table(connection: sqlite3.Connection, name: str, text: TableText, scan: bool) -> Table:
    rows = connection.execute(f"PRAGMA table_xinfo({SQLITE.quote(name)})").fetchall()
    key = tuple(row[1] for row in sorted((row for row in rows if row[5]), key=lambda row: row[5]))
    is_rowid = len(key) == 1 and "WITHOUT ROWID" not in text.options
    collations, generated = ({k.lower(): v for k, v in d.items()} for d in (text.collations, text.generated))
    columns = []
    for _, column, declared, not_null, default, in_key, hidden in rows:
        if hidden == 1:  # a virtual table's
            continue
        identity = bool(in_key) and is_rowid and declared.upper() == "INTEGER"
        kind, length, precision, scale = _declared_kind(declared)
        collation = collations.get(column.lower(), "BINARY")
        columns.append(Column(
            name=column, kind=kind, native_type=declared, nullable=not (not_null or in_key),
            length=length, precision=precision, scale=scale, default=default,
            generated=generated.get(column.lower()) if hidden in (2, 3) else None,
            identity=identity, collation=None if collation.upper() == "BINARY" else collation,
        ))  # fmt: skip
    unique_keys, indexes = _read_indexes(connection, name, text, columns)
    checks = tuple(
        Check(label or f"ck_{name}_{number}", expression) for number, (label, expression) in enumerate(text.checks, 1)
    )
    options = tuple(dict.fromkeys(text.options))
    table = Table(name, tuple(columns), key, tuple(unique_keys), checks, tuple(indexes), options=options)
    return _by_values(connection, table) if scan else table


def _declared_kind(declared: str) -> tuple[Kind, int | None, int | None, int | None]:
    """Kind, length, precision and scale of a declared type."""
    kind = next((kind for pattern, kind in _DECLARED if re.search(pattern, declared.upper())), Kind.OTHER)
    numbers = [int(n) for n in re.findall(r"\d+", declared.partition("(")[2])]
    if kind is Kind.TEXT and numbers:
        return kind, numbers[0], None, None
    if kind is Kind.DECIMAL and numbers and numbers[0] <= 38:
        return kind, None, numbers[0], numbers[1] if len(numbers) > 1 else 0
    return kind, None, None, None


def _by_values(connection: sqlite3.Connection, table: Table) -> Table:
    """The table with the kinds its values really have: SQLite stores anything anywhere.

    A column whose values all fit the declared kind keeps it. Else it is INTEGER, FLOAT, TEXT or BINARY if all its
    values are, and OTHER, crossing as text, if they are mixed. A DATETIME that only ever holds dates is a DATE.
    """
    columns: list[Column] = []
    for start in range(0, len(table.columns), _COLUMNS_A_SCAN):
        part = table.columns[start : start + _COLUMNS_A_SCAN]
        wanted = [expression for column in part for expression in _findings(column)]
        found = connection.execute(f"SELECT {', '.join(wanted)} FROM {SQLITE.quote(table.name)}").fetchone()
        for i, column in enumerate(part):
            columns.append(_decide(column, column.name in table.primary_key, *found[4 * i : 4 * i + 4]))
    return replace(table, columns=tuple(columns))


def _findings(column: Column) -> list[str]:
    """The storage classes of a column's values; how many are invalid, longer than a date, no float's integer."""
    name = SQLITE.quote(column.name)
    valid = _VALID.get(column.kind, "").replace("{0}", name)
    if column.kind is Kind.DECIMAL and column.precision is not None:
        valid = f"{name} = round({name}, {column.scale}) AND abs({name}) < 1e{column.precision - column.scale}"
    if column.kind is Kind.TEXT and column.length is not None:
        valid = f"length({name}) <= {column.length}"
    return [
        f"group_concat(DISTINCT typeof({name}))",
        f"total({name} IS NOT NULL AND ({valid}) IS NOT 1)" if valid else "0",
        f"total(length({name}) <> 10)" if column.kind is Kind.TIMESTAMP else "0",
        f"total(typeof({name}) = 'integer' AND {name} NOT BETWEEN -{2**53} AND {2**53})",
    ]


def _decide(
    column: Column, in_key: bool, found: str | None, invalid: float, not_dates: float, not_floats: float
) -> Column:
    classes = set(found.split(",")) if found else set()
    nulls = "null" in classes
    classes.discard("null")
    column = replace(column, nullable=column.nullable or (in_key and nulls and not column.identity))
    kind = column.kind
    # 1 and 1.0 are two values where no affinity makes them one, and so are large integers and their floats.
    are_floats = classes == {"real"} or (affinity(column.native_type) != "BLOB" and not not_floats)
    is_open = kind is Kind.DECIMAL and column.precision is None  # an open NUMERIC holds what its values say
    if not classes:
        kind = Kind.FLOAT if is_open else Kind.TEXT if kind is Kind.OTHER else kind
    elif is_open or kind is Kind.OTHER or classes - _STORED.get(kind, {"text"}) or invalid or (
        kind is Kind.FLOAT and not are_floats
    ):
        kind = _observed(classes, are_floats)
    elif kind is Kind.TIMESTAMP and not not_dates:
        kind = Kind.DATE
    sized = kind is column.kind and not invalid  # VARCHAR(n) may hold more than n characters
    return replace(
        column, kind=kind, length=column.length if sized else None,
        precision=column.precision if sized else None, scale=column.scale if sized else None,
    )  # fmt: skip


def _observed(classes: set[str], are_floats: bool) -> Kind:
    for kind in (Kind.INTEGER, Kind.FLOAT, Kind.BINARY):
        if classes <= _STORED[kind] and (are_floats or kind is not Kind.FLOAT):
            return kind
    return Kind.TEXT if classes == {"text"} else Kind.OTHER


def _read_indexes(
    connection: sqlite3.Connection, table: str, text: TableText, columns: list[Column]
) -> tuple[list[UniqueKey], list[Index]]:
    """Unique keys, with the names the statement gives them, and the other indexes."""
    named = {tuple(c.lower() for c in names): label for label, names in text.unique_keys if label}
    collations = {column.name: (column.collation or "BINARY").upper() for column in columns}
    definitions = dict(
        connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ?", [table])
    )
    keys, indexes = [], []
    for _, name, unique, origin, partial in connection.execute(f"PRAGMA index_list({SQLITE.quote(table)})").fetchall():
        if origin == "pk":
            continue
        parts = [row for row in connection.execute(f"PRAGMA index_xinfo({SQLITE.quote(name)})") if row[5]]
        names = tuple(row[2] for row in parts)
        plain = not partial and None not in names and all(collations[row[2]] == row[4].upper() for row in parts)
        if unique and plain:
            label = name if origin == "c" else named.get(tuple(n.lower() for n in names))
            keys.append(UniqueKey(label or f"uq_{table}_{'_'.join(names)}", names))
        else:
            indexes.append(Index(name, () if partial or None in names else names, bool(unique), definitions.get(name)))
    return sorted(keys, key=lambda key: key.name), sorted(indexes, key=lambda index: index.name)


def _read_foreign_keys(
    connection: sqlite3.Connection, table: str, text: TableText, by_lower: dict[str, Table]
) -> list[ForeignKey]:
    """The table's foreign keys as it declares them; names in the spelling of the tables they refer to."""
    rows: dict[int, list[Any]] = {}
    for row in connection.execute(f"PRAGMA foreign_key_list({SQLITE.quote(table)})"):
        rows.setdefault(row[0], []).append(row)
    keys: list[ForeignKey] = []
    for place, (_, parts) in enumerate(sorted(rows.items(), reverse=True)):  # SQLite numbers them from the last
        parts.sort(key=lambda row: row[1])
        columns = _spelled([row[3] for row in parts], by_lower[table.lower()])
        parent = by_lower.get(parts[0][2].lower())
        to = [row[4] for row in parts]
        if parent and None in to:
            to = list(parent.primary_key)
        label, deferrable = text.foreign_keys[place] if place < len(text.foreign_keys) else (None, None)
        label = label or f"fk_{table}_{'_'.join(columns)}"
        taken = {key.name for key in keys}
        keys.append(ForeignKey(
            name=label if label not in taken else f"{label}_{place + 1}", child=table, columns=columns,
            parent=parent.name if parent else parts[0][2],
            parent_columns=_spelled(to, parent) if parent else tuple(str(c) for c in to),
            on_delete=_action(parts[0][6]), on_update=_action(parts[0][5]), deferrable=deferrable,
        ))  # fmt: skip
    return keys


def _spelled(names: list[str], table: Table) -> tuple[str, ...]:
    spelling = {column.name.lower(): column.name for column in table.columns}
    return tuple(spelling.get(name.lower(), name) for name in names)


def _action(word: str) -> str | None:
    return None if word == "NO ACTION" else word
