"""What the user decided about tables and columns, held against the schema and the rows.

What cannot be is refused with a line that names the setting, what is in the way and the way out; all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .columns.faked import known_providers, own_word
from .columns.numbers import NUMERIC_KINDS
from .columns.patterns import positions_of, read_pattern
from .config import ColumnDecision, Settings, instead, nearest
from .schema import Column, Kind, Schema, Table, arrow_type
from .toml_lines import Place

__all__ = ["common_values", "constant", "objection", "unknown_names"]

_CATEGORIES = frozenset({Kind.BOOLEAN, Kind.ENUM, Kind.TEXT})
_TEXTS = frozenset({Kind.TEXT, Kind.OTHER, Kind.UUID, Kind.JSON, Kind.ENUM})
_AS_NUMBERS = frozenset({"card_number", "national_id", "phone", "postcode"})  # what a whole number may stand for


def unknown_names(schema: Schema, settings: Settings) -> Iterator[tuple[Place, str]]:
    """A sentence, with its place, for each table and column that the settings name and the database does not have."""
    tables = schema.table_names
    for number, name in enumerate(settings.keep):
        if name not in tables:
            yield ("keep", number), f"keep names table {name!r}{instead(name, tables, 'the tables are')}"
    for name, decided in settings.tables.items():
        if name not in tables:
            said = f"there is no table {name!r} to decide about"
            yield ("tables", name), said + instead(name, tables, "the tables are")
            continue
        columns = schema.table(name).column_names
        for column in decided.columns:
            if column not in columns:
                said = f"table {name!r} has no column {column!r} to decide about"
                yield ("tables", name, "columns", column), said + instead(column, columns, "the columns are")


def objection(
    schema: Schema, table: Table, column: Column, values: pa.Array | None, settings: Settings, *, in_kept: bool
) -> str | None:
    """Why the user's decision about a column cannot be carried out; None if it can, or there is none.

    Args:
        values: the real ones; None where the server computes them.
        in_kept: whether the table's rows are copied.
    """
    decision = settings.decision(table.name, column.name)
    if decision is None:
        return None
    why = _of_keys(schema, table, column, decision, in_kept) or _of_fate(
        table, column, values, decision, settings, in_kept
    )
    return why and f"column {column.name!r} of table {table.name!r} cannot be {decision.fate}: {why}"


def _of_keys(schema: Schema, table: Table, column: Column, decision: ColumnDecision, in_kept: bool) -> str | None:
    """What the column's part in keys forbids."""
    if column.generated is not None:
        return "the server computes it; leave it out of the settings"
    if in_kept and decision.fate == "kept":
        return None
    for key in schema.foreign_keys_of(table.name):
        if column.name in key.columns:
            theirs = key.parent_columns[key.columns.index(column.name)]
            return f"it refers to {key.parent}.{theirs} and follows what becomes of that; decide about that column"
    if column.name in table.primary_key:
        invented = decision.fate == "fabricated" and column.kind in _TEXTS and not in_kept
        if not (invented or (len(table.primary_key) > 1 and decision.fate == "modelled")):
            return "it is part of the primary key, which is invented anew; keep the whole table, or leave it out"
    for key in schema.foreign_keys_to(table.name):
        if column.name in key.parent_columns and (in_kept or decision.fate != "fabricated"):
            return f"{key.child} refers to it; leave it out of the settings"
    return None


def _of_fate(
    table: Table, column: Column, values: pa.Array, decision: ColumnDecision, settings: Settings, in_kept: bool
) -> str | None:
    """What the column's constraints, its type and its values forbid."""
    fate = decision.fate
    unique = _is_unique(table, column)
    if fate == "null" and not column.nullable:
        return "it is NOT NULL; choose fabricated, or a constant"
    if fate == "constant":
        return "it must be unique; choose fabricated" if unique else _not_a_value(column, decision.value)
    if fate == "modelled":
        return _not_modelled(column, values, unique, settings.rare_in(table.name, column.name), in_kept)
    if fate == "kept" and unique and settings.scale > 1:
        return f"it must be unique, and a scale of {settings.scale:g} asks for more values than there are"
    if fate == "fabricated":
        return _not_fabricated(column, decision)
    return None


def _is_unique(table: Table, column: Column) -> bool:
    alone = (column.name,)
    return table.primary_key == alone or any(key.columns == alone for key in table.unique_keys)


def _not_modelled(column: Column, values: pa.Array, unique: bool, rare: int, in_kept: bool) -> str | None:
    if in_kept:
        return "its table is kept; model the table, or fabricate the column"
    if unique:
        return "it must be unique, and modelled values repeat; choose fabricated"
    if column.kind not in NUMERIC_KINDS | _CATEGORIES:
        return f"values of type {column.native_type} are not modelled; choose fabricated or kept"
    if column.kind is Kind.TEXT and not common_values(values, rare):
        return f"no value is held by {rare} rows or more; set rare = 1 to let its values through, or choose fabricated"
    return None


def common_values(values: pa.Array, rare: int) -> dict[Any, int]:
    """The values that at least `rare` rows hold, null aside, and how many rows do."""
    counted = pc.value_counts(values.drop_null())
    return {v["values"]: v["counts"] for v in counted.to_pylist() if v["counts"] >= rare}


def _not_fabricated(column: Column, decision: ColumnDecision) -> str | None:
    whole = column.kind is Kind.INTEGER or (column.kind is Kind.DECIMAL and not column.scale)
    if decision.pattern is not None:
        positions = positions_of(read_pattern(decision.pattern))
        if whole and not all(set(alphabet) <= set("0123456789") for alphabet in positions):
            return f"it holds whole numbers, and the pattern {decision.pattern!r} has more than digits"
        if not whole and column.kind is not Kind.TEXT:
            return f"a pattern writes text or whole numbers, and its type is {column.native_type}"
        if column.length is not None and len(positions) > column.length:
            return f"the pattern {decision.pattern!r} is longer than the {column.length} characters of its type"
    if decision.provider is not None:
        if own_word(decision.provider) is None and decision.provider not in known_providers():
            close = nearest(decision.provider, known_providers())
            return f"there is no provider {decision.provider!r} among this program's words and those of Faker{close}"
        if column.kind is not Kind.TEXT and not (whole and own_word(decision.provider) in _AS_NUMBERS):
            return f"provider {decision.provider!r} writes text, and its type is {column.native_type}; leave it out"
    return None


def _not_a_value(column: Column, value: Any) -> str | None:
    try:
        constant(column, value)
    except (ValueError, pa.ArrowException) as error:
        return f"{value!r} is no value of its type {column.native_type} ({str(error).partition(chr(10))[0]})"
    return None


def constant(column: Column, value: bool | int | float | str) -> pa.Scalar:
    """The value as one of the column's Arrow type.

    Raises:
        ValueError: the column's length or its list of values has no room for it; or as Arrow says.
    """
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if column.kind is Kind.BINARY:
        return pa.scalar(text.encode(), arrow_type(column))
    if column.enum_values and column.kind is Kind.ENUM and text not in column.enum_values:
        raise ValueError(instead(text, column.enum_values, "expected one of").removeprefix("; "))
    if column.length is not None and column.kind is Kind.TEXT and len(text) > column.length:
        raise ValueError(f"expected at most {column.length} characters")
    if column.kind is Kind.TIME:  # Arrow casts no text to a time of day
        return pa.scalar(time.fromisoformat(text), arrow_type(column))
    return pa.scalar(text).cast(arrow_type(column))
