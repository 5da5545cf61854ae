"""Tables that the user's own migrations made in a target: whether they take the rows, said before anything is learned.

They are matched by name. What the source does not have (more tables, more columns with a default) is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dbsynth.errors import TargetError
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table

from .ddl import Dialect

__all__ = ["refuse_misfits", "shape_problems"]

_SHOWN = 8  # problems in a message
_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64}
_TEXTS = frozenset({Kind.TEXT, Kind.ENUM, Kind.UUID, Kind.JSON})
_MOMENTS = frozenset({Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
# Kind of the source -> kinds of a target that hold its values, whatever their size.
_HOLDS = {
    Kind.INTEGER: {Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT, Kind.TEXT},
    Kind.DECIMAL: {Kind.DECIMAL, Kind.FLOAT, Kind.TEXT},
    Kind.FLOAT: {Kind.FLOAT, Kind.TEXT},
    Kind.BOOLEAN: {Kind.BOOLEAN},
    Kind.DATE: {Kind.DATE, *_MOMENTS, Kind.TEXT},
    Kind.TIME: {Kind.TIME, Kind.TEXT},
    Kind.TIMESTAMP: {*_MOMENTS, Kind.TEXT},
    Kind.TIMESTAMPTZ: {*_MOMENTS, Kind.TEXT},
    Kind.TEXT: {Kind.TEXT},
    Kind.ENUM: {Kind.ENUM, Kind.TEXT},
    Kind.UUID: {Kind.UUID, Kind.TEXT},
    Kind.JSON: {Kind.JSON, Kind.TEXT},
    Kind.BINARY: {Kind.BINARY},
    Kind.OTHER: {Kind.OTHER, Kind.TEXT},
}


def refuse_misfits(source: Schema, wanted: Schema, found: Schema, dialect: Dialect) -> None:
    """Raise TargetError, with all that is wrong, if tables that stand in the target cannot take the source's rows.

    Args:
        source: the schema in its own words, the user's virtual keys included.
        wanted: the same in the target's words.
        found: what stands.
    """
    problems = list(_spelled_otherwise(wanted, found))
    for table in wanted.tables:
        if table.name in found.table_names:
            here = found.table(table.name)
            problems += shape_problems(table, here)
            if dialect.enforces_types:
                problems += _narrower(source, table, here, dialect)
            problems += _more_unique_keys(source.table(table.name), here)
    problems += _more_foreign_keys(source, found)
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise TargetError("; ".join(problems[:_SHOWN]) + more)


def shape_problems(wanted: Table, found: Table) -> Iterator[str]:
    """A sentence for each column of one that the other cannot do without."""
    here = {column.name: column for column in found.columns}
    for column in wanted.columns:
        if column.generated:
            continue
        if column.name not in here:
            other = next((name for name in here if name.lower() == column.name.lower()), None)
            yield (
                f"the target's table {found.name!r} has no column {column.name!r}"
                f"{f' but {other!r}' if other else ''}; add it, or drop the table to have it created"
            )
        elif here[column.name].generated:
            yield f"the target computes column {column.name!r} of table {found.name!r}, the source stores it"
    for name in here.keys() - set(wanted.column_names):
        column = here[name]
        if not (column.nullable or column.identity or column.generated or column.default is not None):
            yield (
                f"the target's column {name!r} of table {found.name!r} takes no null and has no default, and the "
                "source has no such column; give it a default"
            )


def _spelled_otherwise(wanted: Schema, found: Schema) -> Iterator[str]:
    """Tables whose names differ from one in the target in nothing but capitals."""
    here = {name.lower(): name for name in found.table_names if name not in wanted.table_names}
    for name in wanted.table_names:
        if name not in found.table_names and name.lower() in here:
            yield f"the target has a table {here[name.lower()]!r}, which the source calls {name!r}; rename one of them"


def _narrower(source: Schema, wanted: Table, found: Table, dialect: Dialect) -> Iterator[str]:
    """A sentence for each column whose type in the target does not hold what the source's does."""
    original = source.table(wanted.name)
    for theirs in found.columns:
        if theirs.name not in wanted.column_names or theirs.generated:
            continue
        ours, in_their_words = original.column(theirs.name), wanted.column(theirs.name).native_type
        if ours.generated or _plain(in_their_words) == _plain(theirs.native_type):
            continue
        if reason := _too_narrow(ours, source.dialect, theirs, dialect.name):
            yield (
                f"the target's column {theirs.name!r} of table {found.name!r} is {theirs.native_type}, the source's "
                f"{ours.native_type}: {reason}; change its type, or drop the table to have it created"
            )


def _plain(native_type: str) -> str:
    return native_type.lower().replace(" ", "")


def _too_narrow(ours: Column, source: str, theirs: Column, target: str) -> str | None:
    """What the target's type does not hold; None where it does, or where the source's type says nothing (SQLite's)."""
    kind = Kind.INTEGER if theirs.native_type == "tinyint(1)" else theirs.kind  # MySQL's truths are small integers
    whole = ours.kind is Kind.DECIMAL and ours.precision is not None and not ours.scale
    counts = whole or (ours.kind is Kind.BOOLEAN and target == "mysql")
    holds = _HOLDS[ours.kind] | ({Kind.INTEGER} if counts else set())
    if kind not in holds or (kind is Kind.OTHER and source == target):
        return f"it does not hold {ours.kind} values"
    if ours.kind is Kind.BOOLEAN:
        return None
    if kind is Kind.ENUM:
        lacking = [value for value in ours.enum_values if value not in theirs.enum_values]
        return f"it lacks {lacking[0]!r}" if lacking else None
    if theirs.length is not None and (kind is Kind.BINARY or ours.kind in _TEXTS):
        return _too_short(ours, source, theirs.length)
    if kind in (Kind.INTEGER, Kind.DECIMAL):
        return _too_few_digits(ours, source, theirs)
    return None


def _too_short(ours: Column, source: str, length: int) -> str | None:
    longest = ours.length
    if ours.kind is Kind.ENUM:
        longest = max(map(len, ours.enum_values), default=0)
    elif ours.kind is Kind.UUID:
        longest = 36
    elif longest is None and source == "sqlite":
        return None
    return None if longest is not None and longest <= length else f"it holds {length} characters"


def _too_few_digits(ours: Column, source: str, theirs: Column) -> str | None:
    ranges = _range(ours), _range(theirs)
    if (source == "sqlite" and ours.kind is Kind.INTEGER) or None in ranges:
        return None
    if ranges[0] is _OPEN and source == "sqlite":
        return None
    (low, high), (their_low, their_high) = ranges
    if low < their_low or high > their_high:
        return f"it holds {their_low:,} to {their_high:,}"
    if theirs.kind is Kind.DECIMAL and theirs.precision is not None and (ours.scale or 0) > (theirs.scale or 0):
        return f"it holds {theirs.scale or 0} digits after the point"
    return None


_OPEN = (float("-inf"), float("inf"))


def _range(column: Column) -> tuple[float, float] | None:
    """The whole numbers that a type holds; None where the type is unknown."""
    if column.kind is Kind.DECIMAL:
        if column.precision is None:
            return _OPEN
        most = 10 ** (column.precision - (column.scale or 0)) - 1
        return (0 if column.unsigned else -most), most
    word = re.match(r"[a-z]+", column.native_type.lower())
    bits = _BITS.get(word[0]) if word else None
    if bits is None:
        return None
    return (0, 2**bits - 1) if column.unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _more_unique_keys(ours: Table, theirs: Table) -> Iterator[str]:
    """A sentence for each key of the target's table that rows of the source's may break."""
    known = [set(ours.primary_key), *(set(key.columns) for key in ours.unique_keys)]
    keys = [("primary key", theirs.primary_key), *((f"unique key {k.name!r}", k.columns) for k in theirs.unique_keys)]
    for name, columns in keys:
        if columns and set(columns) <= set(ours.column_names) and not any(k and k <= set(columns) for k in known):
            yield (
                f"the target's {name} of table {theirs.name!r} ({', '.join(columns)}) is none of the source's, so that "
                "synthetic rows may break it; drop it, or declare it in the source"
            )


def _more_foreign_keys(source: Schema, found: Schema) -> Iterator[str]:
    """A sentence for each foreign key of the target that nothing makes synthetic rows obey."""
    known = {_relation(key) for key in source.foreign_keys}
    for key in found.foreign_keys:
        if key.child not in source.table_names or _relation(key) in known:
            continue
        if not set(key.columns) & set(source.table(key.child).column_names):
            continue  # columns that the source does not have: they take their default
        relation = f"{key.child}.{','.join(key.columns)}={key.parent}.{','.join(key.parent_columns)}"
        cure = f"--virtual-fk '{relation}' lets them obey it" if _could_be(source, key) else "drop it"
        yield (
            f"the target's foreign key {key.name!r} of table {key.child!r} ({', '.join(key.columns)} to {key.parent}) "
            f"is not in the source, so that synthetic rows may break it; {cure}"
        )


def _relation(key: ForeignKey) -> tuple[str, str, frozenset[tuple[str, str]]]:
    return key.child, key.parent, frozenset(zip(key.columns, key.parent_columns, strict=True))


def _could_be(source: Schema, key: ForeignKey) -> bool:
    """Whether the source has all that the key speaks of."""
    ends = ((key.child, key.columns), (key.parent, key.parent_columns))
    return all(t in source.table_names and set(names) <= set(source.table(t).column_names) for t, names in ends)
