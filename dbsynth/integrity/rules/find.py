"""All rules of a database: each table's own, then those along its foreign keys.

A column is fixed by one rule at most; what is fixed is computed in synthetic rows and needs no drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ...keys import parent_rows
from ...schema import Column, ForeignKey, Kind, Schema, Table
from .across import find_copies, find_parent_orders, find_totals
from .columns import ColumnValues, values_of
from .evidence import MIN_ROWS
from .kinds import Arithmetic, Copy, Equal, Fixed, Order, ParentOrder, Rule, Total
from .sums import find_arithmetic
from .within import find_equal, find_fixed, find_followers, find_nulls, find_orders

__all__ = ["TableColumns", "find_rules"]

_CATEGORIES = frozenset({Kind.TEXT, Kind.ENUM, Kind.BOOLEAN, Kind.INTEGER})


@dataclass(frozen=True)
class TableColumns:
    """What becomes of a table's columns, as far as rules care.

    Attributes:
        drawn: columns that the engine draws.
        invented: columns that are fabricated.
        kept: whether all rows are copied as they are.
    """

    drawn: Sequence[Column]
    invented: Sequence[Column]
    kept: bool = False


def find_rules(
    schema: Schema, read: Callable[[str], pa.Table], columns: Mapping[str, TableColumns], keys: Sequence[ForeignKey]
) -> tuple[Rule, ...]:
    """The rules that every real row obeys, by table, parents first.

    Args:
        read: gives a table's rows.
        columns: of each table.
        keys: foreign keys whose parents are there when their children are written.
    """
    rules: list[Rule] = []
    orders: dict[str, list[Order]] = {}
    for name in schema.parents_first():
        table, own = schema.table(name), columns[name]
        if own.kept or (rows := read(name)).num_rows < MIN_ROWS:
            continue
        values = values_of([*own.drawn, *own.invented], rows)
        of_table = [key for key in keys if key.child == name]
        parents = {key: (parent_rows(rows, read(key.parent), key), _parent(key, read, columns)) for key in of_table}
        found, orders[name] = _of_table(table, own, values, rows, parents, orders)
        rules += found
    for key in keys:  # what parents add up needs the rules of both
        if not columns[key.parent].kept and read(key.child).num_rows >= MIN_ROWS:
            rules += _totals(schema, key, read, columns, rules)
    return tuple(_without_totals_in_order(rules))


def _of_table(
    table: Table, own: TableColumns, values: Mapping[str, ColumnValues], rows: pa.Table,
    parents: Mapping[ForeignKey, tuple[np.ndarray, Mapping[str, ColumnValues]]], orders: Mapping[str, list[Order]],
) -> tuple[list[Rule], list[Order]]:  # fmt: skip
    """The rules of one table, and those of order within its rows."""
    unique = {name for names in [table.primary_key, *(key.columns for key in table.unique_keys)] for name in names}
    free = {name: v for name, v in values.items() if name not in unique}
    drawn = {column.name for column in own.drawn}
    rules: list[Rule] = []

    def left(*, also_made: bool = False) -> dict[str, ColumnValues]:
        gone = {rule.column for rule in rules if isinstance(rule, Equal if also_made else (Copy, Equal))}
        return {name: v for name, v in free.items() if name not in gone}

    for key, (parent, theirs) in parents.items():
        rules += find_copies(key, parent, left(), theirs)
    copied = [rule.column for rule in rules]
    rules += find_equal(table.name, left())
    numbers = {n: v for n, v in left(also_made=True).items() if n in drawn}
    formulas = [r for r in find_arithmetic(table.name, numbers) if r.formula.column not in copied]
    rules += formulas
    computed = {rule.formula.column for rule in formulas} | {r.column for r in rules if isinstance(r, (Copy, Equal))}
    named = values | values_of([table.column(key.columns[0]) for key in parents if len(key.columns) == 1], rows)
    key_columns = [key.columns[0] for key in parents if len(key.columns) == 1]
    rest = [name for name in free if name not in computed]
    by = [name for name in values if name in copied or name not in computed]
    # A city that fixes the country, which the customer's says: then it must be one of that country.
    follow = [name for name in by if name in drawn and name not in computed]
    rules += find_followers(table.name, values, follow, [name for name in copied if name in drawn])
    fixed = find_fixed(table.name, named, [*by, *key_columns], rest, key_columns, [*drawn])
    rules += fixed
    by = [n for n, v in values.items() if v.column.kind in _CATEGORIES and n in drawn and n not in computed]
    told = {rule.column for rule in fixed}
    rules += find_nulls(table.name, values, [n for n in rest if n not in told], by)
    ordered = {n: v for n, v in values.items() if n in drawn and n not in told and n not in copied}
    ordered = {n: v for n, v in ordered.items() if not any(isinstance(r, Equal) and r.column == n for r in rules)}
    within = find_orders(table.name, ordered, formulas)
    rules += within
    uncomputed = {n: v for n, v in ordered.items() if n not in computed}
    for key, (parent, theirs) in parents.items():
        rules += find_parent_orders(key, parent, uncomputed, theirs, within, orders.get(key.parent, []))
    return rules, within


def _parent(
    key: ForeignKey, read: Callable[[str], pa.Table], columns: Mapping[str, TableColumns]
) -> dict[str, ColumnValues]:
    """The parent's columns that stand when the child's rows are written."""
    of = columns[key.parent]
    return values_of([*of.drawn, *of.invented], read(key.parent))


def _totals(
    schema: Schema, key: ForeignKey, read: Callable[[str], pa.Table], columns: Mapping[str, TableColumns],
    rules: Sequence[Rule],
) -> list[Total]:  # fmt: skip
    table, rows = schema.table(key.parent), read(key.parent)
    unique = {name for names in [table.primary_key, *(k.columns for k in table.unique_keys)] for name in names}
    taken = {rule.column for rule in rules if rule.table == key.parent and isinstance(rule, (Copy, Equal, Total))}
    taken |= {rule.formula.column for rule in rules if rule.table == key.parent and isinstance(rule, Arithmetic)}
    free = [column for column in columns[key.parent].drawn if column.name not in unique | taken]
    child = read(key.child)
    return find_totals(key, parent_rows(child, rows, key), values_of(columns[key.child].drawn, child),
                       values_of(free, rows))  # fmt: skip


def _without_totals_in_order(rules: Sequence[Rule]) -> list[Rule]:
    """What children add up to is known last; no order with it is promised, and nothing else fixes a total."""
    totals = {(rule.table, rule.column) for rule in rules if isinstance(rule, Total)}
    sums = {(r.table, r.column) for r in rules if isinstance(r, Total) and r.measure in ("count", "sum")}

    def stays(rule: Rule) -> bool:
        if isinstance(rule, Order):
            return not {(rule.table, rule.low), (rule.table, rule.high)} & sums
        if isinstance(rule, Fixed):
            return not {(rule.table, rule.column), (rule.table, rule.by)} & totals
        if isinstance(rule, ParentOrder) and (rule.key.parent, rule.parent_column) in sums:
            return False
        return isinstance(rule, (Total, Arithmetic)) or (rule.table, rule.columns[0]) not in totals

    return [rule for rule in rules if stays(rule)]
