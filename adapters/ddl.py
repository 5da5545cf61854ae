"""A schema as CREATE statements of a dialect: types, quoting, tables, keys.

`Dialect` holds what differs: a list of facts, each a class attribute. A schema of another dialect is first put into the
target's words by `translation.translate`; from there on rendering is the same for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table

__all__ = [
    "MYSQL", "POSTGRES", "SQLITE", "Dialect", "add_column", "add_foreign_key", "create_indexes", "create_table",
    "key_columns",
]  # fmt: skip


class Dialect:
    """What a dialect's SQL looks like where it differs from the others."""

    name: ClassVar[str]
    quote_mark: ClassVar[str] = '"'
    # Kind -> its type, and its type where length or precision is known.
    types: ClassVar[Mapping[Kind, tuple[str, str | None]]]
    # Text and binary in a key, where the plain type cannot be part of one; None: it can.
    key_types: ClassVar[Mapping[Kind, str]] = {}
    # The longest length, and the most digits, that the sized type takes; beyond it the plain type is used.
    max_length: ClassVar[int] = 10_000_000
    max_precision: ClassVar[int] = 1000
    # An unsized text column can be indexed only by that many leading characters; None: as it is.
    text_index_prefix: ClassVar[int | None] = None
    # The longest name in bytes; the server cuts or refuses longer ones.
    max_name_length: ClassVar[int | None] = None
    # How a column is kept to some values: "type" (created before the table), "inline" (in the column), or "check".
    enums: ClassVar[str] = "check"
    # Tables and columns carry comments.
    has_comments: ClassVar[bool] = True
    # A type for moments that know their zone.
    has_time_zones: ClassVar[bool] = True
    # The digits that a decimal of any size keeps exactly; None: all of them.
    exact_digits: ClassVar[int | None] = None
    # Only a primary key can be numbered by the server.
    identity_is_key: ClassVar[bool] = False
    # A CHECK may speak of a column that the server numbers.
    checks_identity: ClassVar[bool] = True
    # What the server does not do to children when a parent goes.
    missing_actions: ClassVar[frozenset[str]] = frozenset()
    # A foreign key may say SET NULL of columns that take no null; it is then an error to delete the parent.
    sets_null_anyway: ClassVar[bool] = True
    # A transaction may break a foreign key on its way.
    defers_foreign_keys: ClassVar[bool] = True
    # Kinds whose literal default stands in brackets.
    brackets_defaults_of: ClassVar[frozenset[Kind]] = frozenset()
    # The defaults for this moment and this day.
    now: ClassVar[str] = "CURRENT_TIMESTAMP"
    today: ClassVar[str] = "CURRENT_DATE"
    # Keys and constraints can join a table that stands; SQLite must have them in CREATE TABLE.
    adds_constraints_later: ClassVar[bool] = True
    # What a foreign key is when it is dropped.
    foreign_keys_are_dropped_as: ClassVar[str] = "CONSTRAINT"
    # What follows the type of a column whose next number the server hands out.
    identity_clause: ClassVar[str] = ""
    # A column's comment is part of its definition.
    comments_in_columns: ClassVar[bool] = False
    # What a null satisfies, and no value: IS NULL holds for Postgres's (,) and for MySQL's 0000-00-00.
    is_null: ClassVar[str] = "IS NULL"
    # Types and lengths bind; SQLite takes any value anywhere.
    enforces_types: ClassVar[bool] = True
    true_literal: ClassVar[str] = "TRUE"
    false_literal: ClassVar[str] = "FALSE"

    def quote(self, name: str) -> str:
        """The identifier, safe in any statement."""
        if "\0" in name:
            raise ValueError("a name cannot hold a NUL character")
        return self.quote_mark + name.replace(self.quote_mark, self.quote_mark * 2) + self.quote_mark

    def quote_all(self, names: Iterable[str]) -> str:
        return ", ".join(map(self.quote, names))

    def table_name(self, table: Table) -> str:
        """The table's name as a statement of this dialect refers to it."""
        namespace = f"{self.quote(table.namespace)}." if table.namespace else ""
        return namespace + self.quote(table.local_name)

    def literal(self, text: str) -> str:
        """A string literal, for the few places where SQL takes no parameter."""
        return "'" + text.replace("'", "''") + "'"

    def type_text(self, column: Column, *, in_key: bool = False) -> str:
        """The type for a column that comes from another dialect."""
        plain, sized = self.types[column.kind]
        size = {"length": column.length, "precision": column.precision, "scale": column.scale or 0}
        if column.kind is Kind.DECIMAL:
            fits = column.precision is not None and column.precision <= self.max_precision and size["scale"] >= 0
        else:
            fits = column.length is not None and column.length <= self.max_length
        if sized and fits:
            return sized.format(values=", ".join(map(self.literal, column.enum_values)), **size)
        if in_key and column.kind in self.key_types:
            return self.key_types[column.kind]
        return plain.format(values=", ".join(map(self.literal, column.enum_values)), **size)

    def identity(self, column: Column) -> str:
        """The clause for a column with `identity`."""
        return self.identity_clause


class Postgres(Dialect):
    name = "postgres"
    max_name_length = 63
    max_precision = 1000
    enums = "type"
    is_null = "IS NOT DISTINCT FROM NULL"
    types: ClassVar = {
        Kind.INTEGER: ("bigint", None),
        Kind.DECIMAL: ("numeric", "numeric({precision},{scale})"),
        Kind.FLOAT: ("double precision", None),
        Kind.BOOLEAN: ("boolean", None),
        Kind.DATE: ("date", None),
        Kind.TIME: ("time without time zone", None),
        Kind.TIMESTAMP: ("timestamp without time zone", None),
        Kind.TIMESTAMPTZ: ("timestamp with time zone", None),
        Kind.TEXT: ("text", "character varying({length})"),
        Kind.ENUM: ("text", None),
        Kind.UUID: ("uuid", None),
        Kind.JSON: ("jsonb", None),
        Kind.BINARY: ("bytea", None),
        Kind.OTHER: ("text", None),
    }

    def identity(self, column: Column) -> str:
        if column.default:  # serial: the sequence stands before the table
            return f"DEFAULT {column.default}"
        return f"GENERATED {'ALWAYS' if column.identity_always else 'BY DEFAULT'} AS IDENTITY"


class SQLite(Dialect):
    name = "sqlite"
    enforces_types = False
    adds_constraints_later = False
    has_comments = False
    has_time_zones = True  # by the text's +00:00
    exact_digits = 15
    identity_is_key = True
    true_literal, false_literal = "1", "0"
    types: ClassVar = {
        Kind.INTEGER: ("INTEGER", None),
        Kind.DECIMAL: ("NUMERIC", "DECIMAL({precision},{scale})"),
        Kind.FLOAT: ("REAL", None),
        Kind.BOOLEAN: ("BOOLEAN", None),
        Kind.DATE: ("DATE", None),
        Kind.TIME: ("TIME", None),
        Kind.TIMESTAMP: ("TIMESTAMP", None),
        Kind.TIMESTAMPTZ: ("TIMESTAMPTZ", None),
        Kind.TEXT: ("TEXT", "VARCHAR({length})"),
        Kind.ENUM: ("TEXT", None),
        Kind.UUID: ("UUID", None),
        Kind.JSON: ("JSON", None),
        Kind.BINARY: ("BLOB", None),
        Kind.OTHER: ("TEXT", None),
    }


class MySQL(Dialect):
    name = "mysql"
    quote_mark = "`"
    max_name_length = 64
    max_length = 1000  # longer ones would soon fill the 65535 bytes of a row
    max_precision = 65
    text_index_prefix = 191
    enums = "inline"
    is_null = "<=> NULL"
    has_time_zones = False
    exact_digits = 65
    identity_is_key = True
    checks_identity = False
    missing_actions = frozenset({"SET DEFAULT"})
    sets_null_anyway = False
    defers_foreign_keys = False
    brackets_defaults_of = frozenset({Kind.TEXT, Kind.OTHER, Kind.JSON})
    now = "CURRENT_TIMESTAMP(6)"
    today = "(CURRENT_DATE)"
    foreign_keys_are_dropped_as = "FOREIGN KEY"
    identity_clause = "AUTO_INCREMENT"
    comments_in_columns = True
    types: ClassVar = {
        Kind.INTEGER: ("BIGINT", None),
        Kind.DECIMAL: ("DECIMAL(65,30)", "DECIMAL({precision},{scale})"),
        Kind.FLOAT: ("DOUBLE", None),
        Kind.BOOLEAN: ("BOOLEAN", None),
        Kind.DATE: ("DATE", None),
        Kind.TIME: ("TIME(6)", None),
        Kind.TIMESTAMP: ("DATETIME(6)", None),
        Kind.TIMESTAMPTZ: ("DATETIME(6)", None),  # in UTC: TIMESTAMP would end in 2038
        Kind.TEXT: ("LONGTEXT", "VARCHAR({length})"),
        Kind.ENUM: ("ENUM({values})", None),
        Kind.UUID: ("CHAR(36)", None),
        Kind.JSON: ("JSON", None),
        Kind.BINARY: ("LONGBLOB", None),
        Kind.OTHER: ("LONGTEXT", None),
    }
    key_types: ClassVar = {Kind.TEXT: "VARCHAR(191)", Kind.OTHER: "VARCHAR(191)", Kind.BINARY: "VARBINARY(255)"}

    def literal(self, text: str) -> str:
        return super().literal(text.replace("\\", "\\\\"))


POSTGRES, SQLITE, MYSQL = Postgres(), SQLite(), MySQL()


def key_columns(schema: Schema, table: Table) -> set[str]:
    """Columns of the table that are part of a primary, unique or foreign key, or that one refers to."""
    names = set(table.primary_key)
    names.update(name for key in table.unique_keys for name in key.columns)
    names.update(name for key in schema.foreign_keys_of(table.name) for name in key.columns)
    names.update(name for key in schema.foreign_keys_to(table.name) for name in key.parent_columns)
    return names


def create_table(schema: Schema, table: Table, dialect: Dialect) -> str:
    """CREATE TABLE with columns, primary key, checks; with foreign keys too where the dialect cannot add them later.

    `schema` is in the dialect's own words.
    """
    rowid = "AUTOINCREMENT" in table.options  # SQLite: then the column itself says PRIMARY KEY
    lines = [_column(column, dialect, rowid and column.identity) for column in table.columns]
    if table.primary_key and not rowid:
        lines.append(f"PRIMARY KEY ({dialect.quote_all(table.primary_key)})")
    lines += [
        f"CONSTRAINT {dialect.quote(check.name)} CHECK ({check.expression})"
        for check in table.checks
        if not check.domain
    ]
    if not dialect.adds_constraints_later:
        lines += [_foreign_key(schema, key, dialect) for key in schema.foreign_keys_of(table.name)]
    options = ", ".join(option for option in table.options if option != "AUTOINCREMENT")
    return (
        f"CREATE TABLE {dialect.table_name(table)} (\n  "
        + ",\n  ".join(lines)
        + "\n)"
        + (f" {options}" if options else "")
    )


def create_indexes(table: Table, dialect: Dialect) -> list[str]:
    """The statements that give a loaded table its unique keys and indexes."""
    statements = []
    for key in table.unique_keys:
        if key.virtual:
            continue
        name, columns = dialect.quote(key.name), dialect.quote_all(key.columns)
        if dialect.adds_constraints_later:
            statements.append(f"ALTER TABLE {dialect.table_name(table)} ADD CONSTRAINT {name} UNIQUE ({columns})")
        else:
            statements.append(f"CREATE UNIQUE INDEX {name} ON {dialect.table_name(table)} ({columns})")
    for index in table.indexes:
        statements.append(index.definition or _index(table, index.name, index.columns, index.unique, dialect))
    return statements


def add_column(schema: Schema, table: Table, column: Column, dialect: Dialect, key: ForeignKey | None = None) -> str:
    """ALTER TABLE … ADD COLUMN, with a key of the column's own where the dialect cannot add it later."""
    references = f" {_references(schema, key, dialect)}" if key else ""
    return f"ALTER TABLE {dialect.table_name(table)} ADD COLUMN {_column(column, dialect)}{references}"


def add_foreign_key(schema: Schema, key: ForeignKey, dialect: Dialect) -> str:
    """ALTER TABLE … ADD CONSTRAINT; the server validates the rows that stand."""
    child = dialect.table_name(schema.table(key.child))
    return f"ALTER TABLE {child} ADD {_foreign_key(schema, key, dialect)}"


def _column(column: Column, dialect: Dialect, is_rowid: bool = False) -> str:
    parts = [dialect.quote(column.name), column.native_type]
    if is_rowid:
        parts.append("PRIMARY KEY AUTOINCREMENT")
    if column.collation:
        parts.append(f"COLLATE {column.collation}")
    if column.generated:
        parts.append(f"GENERATED ALWAYS AS ({column.generated}) STORED")
    elif column.identity:
        parts.append(dialect.identity(column))
    elif column.default is not None:
        parts.append(f"DEFAULT {column.default}")
    if not column.nullable and not is_rowid:
        parts.append("NOT NULL")
    if column.comment and dialect.comments_in_columns:
        parts.append(f"COMMENT {dialect.literal(column.comment)}")
    return " ".join(filter(None, parts))


def _foreign_key(schema: Schema, key: ForeignKey, dialect: Dialect) -> str:
    name, columns = dialect.quote(key.name), dialect.quote_all(key.columns)
    return f"CONSTRAINT {name} FOREIGN KEY ({columns}) {_references(schema, key, dialect)}"


def _references(schema: Schema, key: ForeignKey, dialect: Dialect) -> str:
    parts = [
        f"REFERENCES {dialect.table_name(schema.table(key.parent))} ({dialect.quote_all(key.parent_columns)})",
        f"ON DELETE {key.on_delete}" if key.on_delete else "",
        f"ON UPDATE {key.on_update}" if key.on_update else "",
        key.deferrable or "",
    ]
    return " ".join(filter(None, parts))


def _index(table: Table, name: str, columns: Iterable[str], unique: bool, dialect: Dialect) -> str:
    parts = []
    for column in map(table.column, columns):
        cut = dialect.text_index_prefix if column.kind in (Kind.TEXT, Kind.OTHER) and column.length is None else None
        parts.append(dialect.quote(column.name) + (f"({cut})" if cut else ""))
    kind = "UNIQUE INDEX" if unique else "INDEX"
    return f"CREATE {kind} {dialect.quote(name)} ON {dialect.table_name(table)} ({', '.join(parts)})"
