"""What becomes of each table and column: kept, modelled, fabricated or invented as a key, each with its reason.

The defaults are safe: a column is modelled only if its values are numbers, times, truths or few enough to be
categories; text that names people or has too many values is fabricated; nothing is kept but small lookup tables without
personal data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .columns.numbers import NUMERIC_KINDS
from .columns.personal import is_about_people, recognise
from .config import Settings
from .errors import ConfigError, SchemaError
from .keys import use_keys
from .schema import Column, Kind, Schema, Table

__all__ = ["ColumnPlan", "Fate", "Plan", "make_plan"]

_LOOKUP_ROWS = 500  # most rows of a lookup table
_LOOKUP_CHILDREN = 5  # fewest child rows per row of it
_MAX_CATEGORIES = 500
_ROWS_PER_CATEGORY = 5  # of a text column with many values; a few values may be rarer
_FEW_CATEGORIES = 50
# Personal, but modelled where values are few.
_MODELLED_ANYWAY = frozenset({"city", "postcode", "company", "latitude", "longitude", "date_of_birth"})


class Fate(StrEnum):
    """What becomes of a column."""

    KEY = "key"  # invented, or follows the parent
    MODELLED = "modelled"  # drawn by the engine
    FABRICATED = "fabricated"  # invented value by value
    KEPT = "kept"  # copied as it is
    GENERATED = "generated"  # computed by the server
    NULL = "null"  # null in every row


@dataclass(frozen=True)
class ColumnPlan:
    """One column's fate and the reason for it."""

    table: str
    column: str
    kind: str
    fate: Fate
    why: str


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        rows: real rows by table.
        kept: tables copied as they are, with the reason.
        obstacles: what stands in the way, each with the way out; a run refuses while there are any.
        notes: what a user may want to know.
    """

    schema: Schema
    rows: Mapping[str, int]
    columns: tuple[ColumnPlan, ...]
    kept: Mapping[str, str]
    obstacles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, table: str, fate: Fate) -> list[Column]:
        """The table's columns of this fate."""
        names = {c.column for c in self.columns if c.table == table and c.fate is fate}
        return [column for column in self.schema.table(table).columns if column.name in names]

    @property
    def invented(self) -> frozenset[tuple[str, str]]:
        """(table, column) of what is not meant to be like the real values."""
        fates = (Fate.FABRICATED, Fate.NULL, Fate.GENERATED)
        return frozenset((c.table, c.column) for c in self.columns if c.fate in fates)

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "tables": [{"name": t, "rows": n, "kept": self.kept.get(t)} for t, n in self.rows.items()],
            "foreign_keys": [asdict(key) for key in self.schema.foreign_keys],
            "columns": [asdict(column) for column in self.columns],
            "obstacles": list(self.obstacles),
            "notes": list(self.notes),
        }


def make_plan(schema: Schema, read: Callable[[str], pa.Table], rows: Mapping[str, int], settings: Settings) -> Plan:
    """Decide what becomes of everything.

    Args:
        read: gives a table's rows.
        rows: by table.

    Raises:
        ConfigError: a table to keep is not there, or refers to one that is not kept.
    """
    kept = _kept_tables(schema, read, rows, settings)
    try:
        use = use_keys(schema, kept)
    except SchemaError:
        use = None  # an obstacle
    columns: list[ColumnPlan] = []
    for table in schema.tables:
        values = read(table.name)
        follows = use.follows(table.name) if use else {}
        for column in table.columns:
            fate, why = (
                (Fate.KEPT, "its table is kept")
                if table.name in kept and column.generated is None
                else _fate(table, column, values, follows)
            )
            columns.append(ColumnPlan(table.name, column.name, str(column.kind), fate, why))
    return Plan(schema, rows, tuple(columns), kept, _obstacles(schema, kept), _notes(schema, rows))


def _obstacles(schema: Schema, kept: Mapping[str, str]) -> tuple[str, ...]:
    if not schema.tables:
        return ("the database has no tables; check the address, and the schema or database it names",)
    obstacles = []
    try:
        use_keys(schema, kept)
    except SchemaError as error:
        obstacles.append(str(error))
    for table in schema.tables:
        for index in table.indexes if table.name not in kept else ():
            # Invented ranges are empty, and what is empty overlaps with nothing.
            ranges = [name for name in index.columns if table.column(name).native_type.endswith("range")]
            if index.excludes and not ranges:
                obstacles.append(
                    f"exclusion constraint {index.name!r} of table {table.name!r} may not hold for synthetic rows; "
                    f"keep the table (--keep {table.name}), or drop the constraint in the source"
                )
    return tuple(obstacles)


def _notes(schema: Schema, rows: Mapping[str, int]) -> tuple[str, ...]:
    notes = [f"table {name} is empty and stays empty" for name, n in rows.items() if n == 0]
    for key in schema.opened():
        shape = "refers to its own table" if key.is_self_reference else "closes a cycle"
        notes.append(f"foreign key {key.child}({', '.join(key.columns)}) {shape}: it is filled after all rows stand")
    notes += [f"table {t.name} has no primary key" for t in schema.tables if not t.primary_key]
    return tuple(notes)


def _kept_tables(
    schema: Schema, read: Callable[[str], pa.Table], rows: Mapping[str, int], settings: Settings
) -> dict[str, str]:
    for name in settings.keep:
        if name not in schema.table_names:
            raise ConfigError(f"keep names table {name!r}; the tables are {', '.join(schema.table_names)}")
    kept = dict.fromkeys(settings.keep, "you said so")
    if not settings.no_keep:
        for table in schema.tables:
            if table.name not in kept and _is_lookup(schema, table, read, rows):
                kept[table.name] = "a small lookup table without personal data; --no-keep models it"
    for name in settings.keep:
        for key in schema.foreign_keys_of(name):
            if key.parent not in kept:
                raise ConfigError(
                    f"table {name!r} is to be kept, but its rows refer to {key.parent!r}, which is not; "
                    f"add --keep {key.parent}, or do not keep {name}"
                )
    return kept


def _is_lookup(schema: Schema, table: Table, read: Callable[[str], pa.Table], rows: Mapping[str, int]) -> bool:
    """A small table that others refer to, that refers to none, whose rows have names, and none of people."""
    children = [rows[key.child] for key in schema.foreign_keys_to(table.name)]
    n = rows[table.name]
    if not 0 < n <= _LOOKUP_ROWS or schema.foreign_keys_of(table.name):
        return False
    if max(children, default=0) < _LOOKUP_CHILDREN * n:
        return False
    values = read(table.name)
    if is_about_people(table.name):
        return False
    named = False
    for column in table.columns:
        if column.generated is not None:  # not read
            continue
        array = values.column(column.name).combine_chunks()
        provider = recognise(table.name, column, array)  # a phone may be a number, too
        if provider is not None and provider not in _MODELLED_ANYWAY:
            return False
        if column.kind in (Kind.TEXT, Kind.ENUM):
            named |= array.null_count == 0 and pc.count_distinct(array).as_py() == n
    return named


def _fate(table: Table, column: Column, values: pa.Table, follows: Mapping[str, str]) -> tuple[Fate, str]:
    if column.generated is not None:
        return Fate.GENERATED, "the server computes it"
    if column.name in follows:
        return Fate.KEY, f"refers to {follows[column.name]}"
    array = values.column(column.name).combine_chunks()
    if len(array) and array.null_count == len(array) and column.name not in table.primary_key:
        return Fate.NULL, "null in every row"
    if table.primary_key == (column.name,):
        return Fate.KEY, "primary key"
    provider = recognise(table.name, column, array)
    return _fate_of_values(table, column, array, provider)


def _fate_of_values(table: Table, column: Column, array: pa.Array, provider: str | None) -> tuple[Fate, str]:
    if any(key.columns == (column.name,) for key in table.unique_keys):
        return Fate.FABRICATED, f"unique{f', looks like {provider}' if provider else ''}"
    if provider is not None and provider not in _MODELLED_ANYWAY:
        return Fate.FABRICATED, f"personal: {provider}"
    if column.kind in NUMERIC_KINDS:
        return Fate.MODELLED, "a time" if column.kind in _TIMES else "a number"
    if column.kind in (Kind.BOOLEAN, Kind.ENUM):
        return Fate.MODELLED, str(column.kind)
    if column.kind is not Kind.TEXT:
        return Fate.FABRICATED, str(column.kind)
    known = len(array) - array.null_count
    distinct = pc.count_distinct(array).as_py()
    per_value = known / max(distinct, 1)
    if distinct <= _MAX_CATEGORIES and per_value >= (2 if distinct <= _FEW_CATEGORIES else _ROWS_PER_CATEGORY):
        return Fate.MODELLED, f"text with {distinct} values"
    return Fate.FABRICATED, f"personal: {provider}" if provider else f"text with {distinct} values in {known} rows"


_TIMES = frozenset({Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
