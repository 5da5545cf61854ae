"""What becomes of each table and column: kept, modelled, fabricated or invented as a key, each with its reason.

The defaults are safe: a column is modelled only if its values are numbers, times, truths or few enough to be
categories; text that names people or has too many values is fabricated; nothing is kept but small lookup tables without
personal data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .columns.numbers import NUMERIC_KINDS
from .columns.personal import is_about_people, recognise
from .config import Settings
from .errors import ConfigError, SchemaError
from .integrity.rules.find import TableColumns, find_rules
from .integrity.rules.kinds import Copy, Rule, fixed_whole, rule_to_json
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
    COMPUTED = "computed"  # fixed by other columns, by a rule that every real row obeys


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
        rules: between columns, which every real row obeys and every synthetic row will.
    """

    schema: Schema
    rows: Mapping[str, int]
    columns: tuple[ColumnPlan, ...]
    kept: Mapping[str, str]
    obstacles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()

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
            "rules": [rule_to_json(rule) for rule in self.rules],
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
    columns: list[ColumnPlan] = []
    for table in schema.tables:
        values = read(table.name)
        for column in table.columns:
            fate, why = (
                (Fate.KEPT, "its table is kept")
                if table.name in kept and column.generated is None
                else _fate(schema, table, column, values)
            )
            columns.append(ColumnPlan(table.name, column.name, str(column.kind), fate, why))
    plan = Plan(schema, rows, tuple(columns), kept, _obstacles(schema, kept), _notes(schema, rows))
    return plan if plan.obstacles else _with_rules(plan, read)


def _with_rules(plan: Plan, read: Callable[[str], pa.Table]) -> Plan:
    """The plan with the rules between columns; what they fix is computed."""
    of_rules = {}
    for table in plan.schema.tables:
        if kept := table.name in plan.kept:
            following = {name for key in plan.schema.foreign_keys_of(table.name) for name in key.columns}
            drawn = [c for c in plan.of(table.name, Fate.KEPT) if c.name not in {*table.primary_key, *following}]
        else:
            drawn = plan.of(table.name, Fate.MODELLED)
        of_rules[table.name] = TableColumns(drawn, [] if kept else plan.of(table.name, Fate.FABRICATED), kept)
    edges = use_keys(plan.schema, plan.kept).edges
    rules = find_rules(plan.schema, read, of_rules, edges)
    fates = {(c.table, c.column): c for c in plan.columns}
    for rule in rules:  # parents first
        column, other = fixed_whole(rule)
        if column is None:
            continue
        at = (rule.table, column)
        if other is not None and fates[other].fate is Fate.FABRICATED:  # what follows an invention is one
            fates[at] = replace(fates[at], fate=Fate.FABRICATED, why=rule.text)
        elif not (isinstance(rule, Copy) and any(plan.schema.table(rule.table).column(n).nullable
                                                 for n in rule.key.columns)):  # fmt: skip
            fates[at] = replace(fates[at], fate=Fate.COMPUTED, why=rule.text)
    columns = [fates[c.table, c.column] for c in plan.columns]
    return replace(plan, rules=rules, columns=tuple(columns))


def _obstacles(schema: Schema, kept: Mapping[str, str]) -> tuple[str, ...]:
    if not schema.tables:
        return ("the database has no tables; check the address, and the schema or database it names",)
    try:
        use_keys(schema, kept)
    except SchemaError as error:
        return (str(error),)
    return ()


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


def _fate(schema: Schema, table: Table, column: Column, values: pa.Table) -> tuple[Fate, str]:
    if column.generated is not None:
        return Fate.GENERATED, "the server computes it"
    for key in schema.foreign_keys_of(table.name):
        if column.name in key.columns:
            return Fate.KEY, f"refers to {key.parent}"
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
