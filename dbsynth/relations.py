"""Relations that the database does not declare: `child.column=parent.column` makes a foreign key that only we know.

Such a key is learned and kept like any other, and its parent's columns stay unique; the target is not told of either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pyarrow as pa

from .config import Settings, instead
from .errors import ConfigError
from .schema import ForeignKey, Schema, UniqueKey

__all__ = ["with_virtual_keys"]


def with_virtual_keys(schema: Schema, read: Callable[[str], pa.Table] | None, settings: Settings) -> Schema:
    """The schema with the foreign keys of `virtual_fk`, and what they refer to unique.

    Args:
        read: gives a table's rows; None: they are not there yet, and whether they can be told apart is seen later.

    Raises:
        ConfigError: a relation that cannot be read, names what is not there, is declared already, or whose parent rows
            have the same values twice; all of them at once.
    """
    wrong = []
    for number, wanted in enumerate(settings.virtual_fk):
        place = ("virtual_fk", number)
        try:
            key = _read_relation(schema, wanted)
        except ValueError as error:
            wrong.append((place, f"virtual_fk {wanted!r}: {error}"))
            continue
        if problem := _problem(schema, key, read):
            wrong.append((place, f"virtual_fk {wanted!r}: {problem}"))
        else:
            schema = _add(schema, key)
    if wrong:
        raise ConfigError(settings.where(wrong))
    return schema


def _add(schema: Schema, key: ForeignKey) -> Schema:
    parent = schema.table(key.parent)
    tables = schema.tables
    if key.parent_columns not in (parent.primary_key, *(unique.columns for unique in parent.unique_keys)):
        more = (*parent.unique_keys, UniqueKey(f"virtual {key.name}", key.parent_columns, virtual=True))
        tables = tuple(replace(t, unique_keys=more) if t.name == parent.name else t for t in tables)
    return replace(schema, tables=tables, foreign_keys=(*schema.foreign_keys, key))


def _read_relation(schema: Schema, wanted: str) -> ForeignKey:
    """The key that ``child.a,b=parent.x,y`` spells; names of any characters, as the schema has them.

    Raises:
        ValueError: it is not of that form, or a table or column is not there.
    """
    sides = [(wanted[:i], wanted[i + 1 :]) for i, c in enumerate(wanted) if c == "="]
    if not sides:
        raise ValueError("expected child.column=parent.column, or child.a,b=parent.x,y")
    for child, parent in sides:
        ends = _end(schema, child), _end(schema, parent)
        if all(ends) and len(ends[0][1]) == len(ends[1][1]):
            (child, columns), (parent, parent_columns) = ends
            return ForeignKey(wanted, child, columns, parent, parent_columns, virtual=True)
    if len(sides) > 1:
        raise ValueError("it does not name tables and columns of the database")
    found = [_end(schema, side) for side in sides[0]]
    if all(found):
        raise ValueError(f"{len(found[0][1])} columns on the left, {len(found[1][1])} on the right")
    raise ValueError("; ".join(_missing(schema, side) for side, end in zip(sides[0], found, strict=True) if not end))


def _end(schema: Schema, text: str) -> tuple[str, tuple[str, ...]] | None:
    """The table and the columns that ``table.a,b`` names; None where they are not there."""
    for table, rest in _splits(text):
        if table in schema.table_names:
            for columns in ((rest,), tuple(name.strip() for name in rest.split(","))):
                if set(columns) <= set(schema.table(table).column_names):
                    return table, columns
    return None


def _splits(text: str) -> Iterator[tuple[str, str]]:
    """All ways to take ``table.columns`` apart at a dot, either part without blanks around it."""
    text = text.strip()
    return ((text[:i].strip(), text[i + 1 :].strip()) for i, c in enumerate(text) if c == ".")


def _missing(schema: Schema, text: str) -> str:
    splits = list(_splits(text))
    for table, rest in splits:
        if table in schema.table_names:
            known = schema.table(table).column_names
            lost = next((name for name in map(str.strip, rest.split(",")) if name not in known), rest)
            return f"table {table!r} has no column {lost!r}{instead(lost, known, 'its columns are')}"
    if not splits:
        return f"{text.strip()!r} names no column; expected table.column"
    table = splits[-1][0]
    return f"there is no table {table!r}{instead(table, schema.table_names, 'the tables are')}"


def _problem(schema: Schema, key: ForeignKey, read: Callable[[str], pa.Table] | None) -> str | None:
    """What stands against the relation, and the way out."""
    for other in schema.foreign_keys_of(key.child):
        if set(other.columns) == set(key.columns) and other.parent == key.parent:
            return f"{'it is given twice' if other.virtual else 'the database declares it already'}; leave it out"
    for table, columns in ((key.child, key.columns), (key.parent, key.parent_columns)):
        for name in columns:
            if schema.table(table).column(name).generated is not None:
                return f"the server computes {table}.{name}; a relation needs columns that are written"
    if read is None:
        return None
    rows = read(key.parent).select(key.parent_columns).drop_null()
    if rows.num_rows and rows.group_by(list(key.parent_columns)).aggregate([]).num_rows < rows.num_rows:
        names = ", ".join(key.parent_columns)
        return f"rows of {key.parent!r} share values of ({names}); name columns by which its rows can be told apart"
    return None
