"""What two databases have in common: the tables, columns and foreign keys that can be compared."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ..config import instead
from ..errors import ConfigError, SchemaError
from ..schema import Column, ForeignKey, Schema, Table

__all__ = ["common_schema", "readable"]


def common_schema(
    real: Schema, synthetic: Schema, tables: Collection[str] = ()
) -> tuple[Schema, tuple[str, ...]]:
    """The real schema restricted to what the synthetic database has too, and a note on everything left out.

    Tables and columns are matched by name; the kinds of the real columns count. Columns that either server computes are
    not compared.

    Args:
        tables: compare these only; empty: all.

    Raises:
        ConfigError: a table of ``tables`` is not in the real database.
        SchemaError: the two have no table in common.
    """
    if unknown := [name for name in tables if name not in real.table_names]:
        raise ConfigError(f"tables names {unknown[0]!r}{instead(unknown[0], real.table_names, 'the real tables are')}")
    wanted = [table for table in real.tables if not tables or table.name in tables]
    notes = [f"table {t.name} is only in the real database" for t in wanted if t.name not in synthetic.table_names]
    notes += [f"table {name} is only in the synthetic database"
              for name in synthetic.table_names if name not in real.table_names and not tables]  # fmt: skip
    kept = []
    for table in wanted:
        if table.name in synthetic.table_names:
            shared, about = _common_table(table, synthetic.table(table.name))
            notes += about
            kept.append(shared)
    if not kept:
        raise SchemaError(
            f"the two databases have no table in common: the real one has {_some(real.table_names)}, the synthetic one "
            f"{_some(synthetic.table_names)}; check the addresses, and the schemas or databases they name"
        )
    schema, about = _with_keys(real, kept)
    return schema, (*notes, *about)


def readable(schema: Schema, common: Schema) -> Schema:
    """A database's own schema, restricted to the tables and columns of the common one."""
    tables = []
    for table in common.tables:
        own = schema.table(table.name)
        tables.append(replace(own, columns=tuple(own.column(name) for name in table.column_names)))
    return replace(schema, tables=tuple(tables), foreign_keys=())


def _common_table(real: Table, synthetic: Table) -> tuple[Table, list[str]]:
    notes, columns = [], []
    for column in real.columns:
        where = f"column {real.name}.{column.name}"
        if column.name not in synthetic.column_names:
            notes.append(f"{where} is only in the real database")
            continue
        theirs = synthetic.column(column.name)
        if column.generated is not None or theirs.generated is not None:
            continue
        if column.kind is not theirs.kind:
            notes.append(f"{where} is {_type(column)} and {_type(theirs)}: both are read as {column.kind.value}")
        columns.append(column)
    notes += [f"column {real.name}.{name} is only in the synthetic database"
              for name in synthetic.column_names if name not in real.column_names]  # fmt: skip
    return replace(real, columns=tuple(columns)), notes


def _with_keys(real: Schema, tables: list[Table]) -> tuple[Schema, list[str]]:
    """The schema of these tables with the foreign keys whose columns are all there."""
    columns = {table.name: set(table.column_names) for table in tables}
    keys, notes = [], []
    for key in real.foreign_keys:
        if key.child not in columns or key.parent not in columns:
            continue
        if set(key.columns) <= columns[key.child] and set(key.parent_columns) <= columns[key.parent]:
            keys.append(key)
        else:
            notes.append(f"foreign key {_key(key)} is not compared: a column of it is missing")
    whole = [t if set(t.primary_key) <= columns[t.name] else replace(t, primary_key=()) for t in tables]
    return replace(real, tables=tuple(whole), foreign_keys=tuple(keys)), notes


def _type(column: Column) -> str:
    return column.native_type or column.kind.value


def _key(key: ForeignKey) -> str:
    return f"{key.child}({', '.join(key.columns)})"


def _some(names: Collection[str]) -> str:
    shown = list(names)[:5]
    return (", ".join(shown) + (", …" if len(names) > 5 else "")) or "none"
