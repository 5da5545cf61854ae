"""The statements by which tables that stand in a target follow a source that has changed. A person runs them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from dbsynth.schema import Column, ForeignKey, Schema, Table

from .ddl import Dialect, add_column, add_foreign_key

__all__ = ["alterations"]

_CONSTANT = re.compile(r"[-+]?[\d.]+|'(?:[^']|'')*'|NULL|TRUE|FALSE", re.IGNORECASE)


def alterations(wanted: Schema, found: Schema, gone: Mapping[str, Collection[str]], dialect: Dialect) -> list[str]:
    """Statements that add the columns which tables lack, and drop what nothing would fill any more.

    Rows that stand are in no statement's way: a new column takes nulls, unless it has a default.

    Args:
        wanted: the source, in the target's words.
        found: what stands in the target.
        gone: by table the columns that the source does not have any more; all of a table that it does not have.
    """
    standing = [table for table in wanted.tables if table.name in found.table_names]
    added = [statement for table in standing for statement in _added(wanted, table, found, dialect)]
    return [*added, *_dropped(wanted, found, gone, dialect)]


def _added(wanted: Schema, table: Table, found: Schema, dialect: Dialect) -> Iterator[str]:
    here = {name.lower() for name in found.table(table.name).column_names}
    new = {c.name: c for c in table.columns if c.generated is None and c.name.lower() not in here}
    keys = [key for key in wanted.foreign_keys_of(table.name) if set(key.columns) <= new.keys() and _can_be(key, found)]
    # A key may have to be of its parent's very type, which is not the source's where somebody else made the tables.
    new |= {
        name: replace(new[name], native_type=found.table(key.parent).column(to).native_type)
        for key in keys for name, to in zip(key.columns, key.parent_columns, strict=True)
    }  # fmt: skip
    known = {type_.name for type_ in found.types}
    for type_ in wanted.types:
        if type_.name not in known and any(c.native_type.removesuffix("[]") == type_.name for c in new.values()):
            yield type_.definition
    for name, column in new.items():
        inline = None if dialect.adds_constraints_later else next((k for k in keys if k.columns == (name,)), None)
        yield add_column(wanted, table, _beside_rows(column, dialect), dialect, inline)
    if dialect.adds_constraints_later:
        yield from (add_foreign_key(wanted, key, dialect) for key in keys)


def _can_be(key: ForeignKey, found: Schema) -> bool:
    """Whether what the key refers to stands."""
    return key.parent in found.table_names and set(key.parent_columns) <= set(found.table(key.parent).column_names)


def _beside_rows(column: Column, dialect: Dialect) -> Column:
    """The column as it can join a table that holds rows."""
    default = None if column.identity or "nextval" in (column.default or "").lower() else column.default
    if default is not None and not dialect.adds_constraints_later and not _CONSTANT.fullmatch(default):
        default = None  # SQLite takes no other in a table with rows
    return replace(
        column, default=default, identity=False, identity_always=False, nullable=column.nullable or default is None
    )


def _dropped(wanted: Schema, found: Schema, gone: Mapping[str, Collection[str]], dialect: Dialect) -> Iterator[str]:
    columns = {
        name: [c for c in found.table(name).column_names if c in gone[name]]
        for name in found.table_names if name in gone and name in wanted.table_names
    }  # fmt: skip
    tables = [name for name in found.table_names if name in gone and name not in wanted.table_names]
    broken = [key for key in found.foreign_keys if key.child not in tables and _speaks_of(key, columns, tables)]
    if dialect.adds_constraints_later:
        for key in broken:
            kind = dialect.foreign_keys_are_dropped_as
            yield f"ALTER TABLE {dialect.table_name(found.table(key.child))} DROP {kind} {dialect.quote(key.name)}"
    else:  # a column in a key stays for as long as its table does, which the next load creates anew
        anew = {name for name in columns if set(columns[name]) & _bound(found.table(name))} | {k.child for k in broken}
        columns = {name: dropped for name, dropped in columns.items() if name not in anew}
        tables += [name for name in found.table_names if name in anew]
    for name, dropped in columns.items():
        for column in dropped:
            yield f"ALTER TABLE {dialect.table_name(found.table(name))} DROP COLUMN {dialect.quote(column)}"
    for name in tables:
        yield f"DROP TABLE {dialect.table_name(found.table(name))}"


def _speaks_of(key: ForeignKey, columns: Mapping[str, Collection[str]], tables: Collection[str]) -> bool:
    ends = ((key.child, key.columns), (key.parent, key.parent_columns))
    return key.parent in tables or any(set(names) & set(columns.get(table, ())) for table, names in ends)


def _bound(table: Table) -> set[str]:
    """The columns that a key, an index or a CHECK of the table holds."""
    names = {*table.primary_key, *(c for k in (*table.unique_keys, *table.indexes) for c in k.columns)}
    words = {word for check in table.checks for word in re.findall(r"\w+", check.expression)}
    return names | (words & set(table.column_names))
