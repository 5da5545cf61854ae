"""What `information_schema` says of a MySQL or MariaDB database, as a `Schema`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, combinations
from typing import Any

from dbsynth.schema import Check, Column, ForeignKey, Index, Kind, Schema, Table, UniqueKey

from .ddl import MYSQL
from .mysql_names import Names
from .mysql_objects import Query, read_objects

__all__ = ["BASE_TABLES", "Query", "read_schema", "unescape_literal"]

BASE_TABLES = "('BASE TABLE', 'SYSTEM VERSIONED')"

_KINDS = {
    **dict.fromkeys(["tinyint", "smallint", "mediumint", "int", "bigint", "year"], Kind.INTEGER),
    **dict.fromkeys(["float", "double"], Kind.FLOAT),
    **dict.fromkeys(["char", "varchar", "tinytext", "text", "mediumtext", "longtext"], Kind.TEXT),
    **dict.fromkeys(["binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"], Kind.BINARY),
    "decimal": Kind.DECIMAL,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "datetime": Kind.TIMESTAMP,
    "timestamp": Kind.TIMESTAMPTZ,  # an instant: the server converts it from and to the session's time zone
    "enum": Kind.ENUM,
    "json": Kind.JSON,
    "uuid": Kind.UUID,
}
_JSON_CHECK = re.compile(r"json_valid\(`(?:[^`]|``)+`\)")
_LITERAL = re.compile(r"'((?:[^'\\]|''|\\.)*)'", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a"}
# A SET of up to this many members is an enum of all their combinations (64 at most); above that nothing models it.
_SET_MEMBERS = 6


def read_schema(query: Query, database: str, *, probe: bool = True) -> Schema:
    """Tables in name order, columns in the table's order, keys and constraints in name order.

    With `probe` one pass over each table with such columns settles what the types leave open: whether a tinyint(1)
    holds truth values only, a time stays within the day, and a date that cannot be null is a date and not zero.
    """
    is_mariadb = "mariadb" in query("SELECT LOWER(VERSION())")[0][0]
    checks = _checks(query, database, is_mariadb)
    columns = _columns(query, database, checks, is_mariadb)
    primary, unique, indexes = _indexes(query, database, is_mariadb)
    foreign_keys = _foreign_keys(query, database)
    tables = []
    for name, comment in query(
        "SELECT TABLE_NAME, TABLE_COMMENT FROM information_schema.TABLES "
        f"WHERE TABLE_SCHEMA = %s AND TABLE_TYPE IN {BASE_TABLES} ORDER BY BINARY TABLE_NAME",
        database,
    ):
        table = Table(
            name=name,
            columns=tuple(columns[name]),
            primary_key=primary.get(name, ()),
            unique_keys=tuple(unique[name]),
            checks=tuple(check for check in checks[name] if not _JSON_CHECK.fullmatch(check.expression)),
            indexes=tuple(i for i in indexes[name] if not _comes_with_foreign_key(i, name, foreign_keys)),
            comment=comment or None,
        )
        tables.append(_probe(query, database, table) if probe else table)
    names = {table.name for table in tables}
    # A parent in another database is out of reach of a clone of this one.
    keys = tuple(k for k in foreign_keys if k.parent in names)
    return Schema("mysql", tuple(tables), keys, objects=tuple(read_objects(query, database)))


def unescape_literal(body: str) -> str:
    """What a string literal says, given what stands between its quotes.

    >>> unescape_literal(r"it''s a\\\\b")
    "it's a\\\\b"
    """
    return re.sub(
        r"''|\\(.)", lambda m: "'" if m[0] == "''" else _ESCAPES.get(m[1], m[1]), body, flags=re.DOTALL
    )


def _columns(query: Query, database: str, checks: dict[str, list[Check]], is_mariadb: bool) -> dict[str, list[Column]]:
    collation = query(
        "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", database
    )[0][0]
    names = Names(database, folds=bool(query("SELECT @@lower_case_table_names")[0][0]))
    columns = defaultdict(list)
    for row in query(
        "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, CHARACTER_MAXIMUM_LENGTH, "
        "NUMERIC_PRECISION, NUMERIC_SCALE, COLUMN_DEFAULT, EXTRA, GENERATION_EXPRESSION, COLLATION_NAME, "
        "COLUMN_COMMENT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s ORDER BY TABLE_NAME, ORDINAL_POSITION",
        database,
    ):
        table, name, data_type, native, nullable, length, precision, scale = row[:8]
        default, extra, generated, column_collation, comment = row[8:]
        column = Column(
            name=name,
            kind=_KINDS.get(data_type, Kind.OTHER),
            native_type=native,
            nullable=nullable == "YES",
            unsigned="unsigned" in native,
            default=names.removed_from(shown) if (shown := _default(default, data_type, extra, is_mariadb)) else None,
            generated=_expression(generated, is_mariadb) or None,
            identity="auto_increment" in extra,
            comment=comment or None,
            collation=None if column_collation == collation else column_collation,
        )
        columns[table].append(_with_parts(column, data_type, length, precision, scale, checks[table]))
    return columns


def _with_parts(column: Column, data_type: str, length: int | None, precision: int | None, scale: int | None,
                checks: Iterable[Check]) -> Column:
    """The column with length, digits or values, and with the kind that these call for."""
    if data_type in ("char", "varchar", "binary", "varbinary"):
        return replace(column, length=length)
    if data_type == "decimal":
        return replace(column, precision=precision, scale=scale)
    if data_type == "bigint" and column.unsigned:  # beyond int64
        return replace(column, kind=Kind.DECIMAL, precision=20, scale=0)
    if column.native_type in ("bit(1)", "tinyint(1)"):
        return replace(column, kind=Kind.BOOLEAN)
    if data_type in ("enum", "set"):
        values = tuple(map(unescape_literal, _LITERAL.findall(column.native_type)))
        if data_type == "enum":
            return replace(column, enum_values=values)
        if len(values) <= _SET_MEMBERS:
            sets = chain.from_iterable(combinations(values, n) for n in range(len(values) + 1))
            return replace(column, kind=Kind.ENUM, enum_values=tuple(map(",".join, sets)))
    if data_type == "longtext" and any(c.expression == f"json_valid({MYSQL.quote(column.name)})" for c in checks):
        return replace(column, kind=Kind.JSON, native_type="json", collation=None)  # what MariaDB makes of JSON
    return column


def _default(default: str | None, data_type: str, extra: str, is_mariadb: bool) -> str | None:
    """The default as an SQL expression, with what an UPDATE sets the column to where the server adds that."""
    if default is None or (is_mariadb and default == "NULL"):
        return None
    if not is_mariadb:  # MySQL keeps literals bare and expressions escaped
        if "DEFAULT_GENERATED" in extra:
            default = _expression(default, is_mariadb)
            if not default.upper().startswith("CURRENT_TIMESTAMP"):
                default = f"({default})"
        elif not re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?|b'[01]*'|0x[0-9a-f]*", default, re.IGNORECASE) or (
            data_type in ("char", "varchar", "enum", "set")
        ):
            default = MYSQL.literal(default)
    on_update = re.search(r"on update .*", extra, re.IGNORECASE)
    return f"{default} {on_update[0]}" if on_update else default


def _expression(text: str | None, is_mariadb: bool) -> str:
    """An expression as it would be typed: MySQL escapes its quotes and names each literal's character set."""
    if not text or is_mariadb:
        return text or ""
    text = re.sub(r"\\(['\\])", r"\1", text)
    return re.sub(r"\b_(?:utf8mb4|utf8mb3|latin1|ascii)(?=')", "", text)


def _checks(query: Query, database: str, is_mariadb: bool) -> dict[str, list[Check]]:
    source = "information_schema.CHECK_CONSTRAINTS"
    if not is_mariadb:  # a check that is not enforced may well be broken
        source += " JOIN information_schema.TABLE_CONSTRAINTS t USING (CONSTRAINT_SCHEMA, CONSTRAINT_NAME)"
    enforced = "" if is_mariadb else "AND t.ENFORCED = 'YES' "
    checks = defaultdict(list)
    for table, name, clause in query(
        f"SELECT TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE FROM {source} WHERE CONSTRAINT_SCHEMA = %s "
        f"{enforced}ORDER BY TABLE_NAME, CONSTRAINT_NAME",
        database,
    ):
        clause = _expression(clause, is_mariadb)
        if not is_mariadb and clause.startswith("(") and clause.endswith(")"):
            clause = clause[1:-1]
        checks[table].append(Check(name, clause))
    return checks


def _indexes(
    query: Query, database: str, is_mariadb: bool
) -> tuple[dict[str, tuple[str, ...]], dict[str, list[UniqueKey]], dict[str, list[Index]]]:
    """Primary keys, unique keys, and the other indexes with their statements, by table."""
    expression = "NULL" if is_mariadb else "EXPRESSION"
    parts = defaultdict(list)
    for table, name, not_unique, kind, *part in query(
        f"SELECT TABLE_NAME, INDEX_NAME, NON_UNIQUE, INDEX_TYPE, COLUMN_NAME, SUB_PART, COLLATION, {expression} "
        "FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = %s ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX",
        database,
    ):
        parts[table, name, bool(not_unique), kind].append(part)
    primary, unique, indexes = {}, defaultdict(list), defaultdict(list)
    for (table, name, not_unique, kind), index in parts.items():
        columns = tuple(column for column, *_ in index if column)
        is_plain = all(column and not sub_part for column, sub_part, *_ in index)
        if name == "PRIMARY":
            primary[table] = columns
        elif not not_unique and is_plain:
            unique[table].append(UniqueKey(name, columns))
        else:
            word = f"{kind} " if kind in ("FULLTEXT", "SPATIAL") else "" if not_unique else "UNIQUE "
            body = ", ".join(_index_part(*part, cut=kind != "SPATIAL") for part in index)
            statement = f"CREATE {word}INDEX {MYSQL.quote(name)} ON {MYSQL.quote(table)} ({body})"
            indexes[table].append(Index(name, columns, not not_unique, statement))
    return primary, unique, indexes


def _index_part(column: str | None, sub_part: int | None, collation: str | None, expression: str | None, *,
                cut: bool) -> str:
    text = MYSQL.quote(column) if column else f"({_expression(expression, is_mariadb=False)})"
    return text + (f"({sub_part})" if sub_part and cut else "") + (" DESC" if collation == "D" else "")


def _comes_with_foreign_key(index: Index, table: str, foreign_keys: Iterable[ForeignKey]) -> bool:
    """Whether the server makes this index by itself when it is given the foreign key."""
    return not index.unique and any(
        key.child == table and index.columns == key.columns and index.name in (key.name, key.columns[0])
        for key in foreign_keys
    )


def _foreign_keys(query: Query, database: str) -> list[ForeignKey]:
    """The keys inside the database; one that points into another database has a parent name no table has."""
    columns: dict[tuple[Any, ...], list[tuple[str, str]]] = defaultdict(list)
    for *key, column, parent_column in query(
        "SELECT k.TABLE_NAME, k.CONSTRAINT_NAME, "
        "IF(k.REFERENCED_TABLE_SCHEMA = k.TABLE_SCHEMA, k.REFERENCED_TABLE_NAME, ''), r.DELETE_RULE, r.UPDATE_RULE, "
        "k.COLUMN_NAME, k.REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE k "
        "JOIN information_schema.REFERENTIAL_CONSTRAINTS r ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA "
        "AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME "
        "WHERE k.TABLE_SCHEMA = %s AND k.REFERENCED_TABLE_NAME IS NOT NULL "
        "ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION",
        database,
    ):
        columns[tuple(key)].append((column, parent_column))
    keys = []
    for (table, name, parent, *rules), pairs in columns.items():
        # NO ACTION and RESTRICT are one and the same here, and the default.
        on_delete, on_update = (None if rule in ("NO ACTION", "RESTRICT") else rule for rule in rules)
        child_columns, parent_columns = zip(*pairs, strict=True)
        keys.append(ForeignKey(name, table, child_columns, parent, parent_columns, on_delete, on_update))
    return keys


def _probe(query: Query, database: str, table: Table) -> Table:
    """The table with the kinds, and the values of enums, that its rows bear out."""
    table = _with_whole_enums(query, database, table)
    questions = {}
    for column in table.columns:
        name = MYSQL.quote(column.name)
        if column.native_type == "tinyint(1)":
            questions[column.name] = f"{name} NOT IN (0, 1)", Kind.INTEGER
        elif column.kind is Kind.TIME:
            questions[column.name] = f"{name} < '00:00:00' OR {name} >= '24:00:00'", Kind.OTHER
        elif column.kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ) and not column.nullable:
            questions[column.name] = f"MONTH({name}) = 0 OR DAYOFMONTH({name}) = 0", Kind.OTHER
    if not questions:
        return table
    sums = ", ".join(f"COALESCE(MAX({condition}), 0)" for condition, _ in questions.values())
    answers = query(f"SELECT {sums} FROM {MYSQL.quote(database)}.{MYSQL.quote(table.name)}")[0]
    kinds = {name: kind for (name, (_, kind)), yes in zip(questions.items(), answers, strict=True) if yes}
    return replace(table, columns=tuple(replace(c, kind=kinds.get(c.name, c.kind)) for c in table.columns))


def _with_whole_enums(query: Query, database: str, table: Table) -> Table:
    """The table with those values of enums that the catalog shows with question marks: it has no emoji."""
    columns = []
    for column in table.columns:
        if column.native_type.startswith("enum") and any("?" in value for value in column.enum_values):
            name = MYSQL.quote(column.name)
            found = query(f"SELECT DISTINCT {name} + 0, {name} FROM {MYSQL.quote(database)}.{MYSQL.quote(table.name)}")
            here = {int(number): value for number, value in found if number}
            values = tuple(here.get(i, value) for i, value in enumerate(column.enum_values, 1))
            native_type = f"enum({','.join(map(MYSQL.literal, values))})"
            column = replace(column, enum_values=values, native_type=native_type)
        columns.append(column)
    return replace(table, columns=tuple(columns))
