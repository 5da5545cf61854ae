"""Synthetic rows held to the rules: what is fixed is computed, what is out of bounds exchanges its value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...columns.numbers import DAY, from_numbers, learn_step, to_numbers
from ...columns.order import MOMENTS, days_of
from ...schema import Column, ForeignKey, Kind, Table, arrow_type
from .formulas import compute
from .kinds import Copy, Formula, Order, Rule, Shared, Total

__all__ = ["Parents", "add_up", "leave_barren", "settle", "total"]

_ROUNDS = 40  # of exchanges between rows
_TRIED = 16  # rows with which each may exchange in a round

# By foreign key the parent row of each row, int64 (n,), -1 for none; the parent's columns; and what they are.
Parents = Mapping[ForeignKey, tuple[np.ndarray, Mapping[str, pa.Array], Table]]


def settle(
    rules: Sequence[Rule], columns: Mapping[str, pa.Array], table: Table, parents: Parents, features: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, pa.Array]:  # fmt: skip
    """The columns with everything computed that others fix, one value where siblings share it, nothing out of bounds.

    What is out of bounds is exchanged for the value of another row, so that the column keeps its distribution; where
    nobody is found to exchange with, it gives way to a value that another row has within these bounds, at last to the
    bound. What follows a moment in time moves along with it. Rules about columns that are not there yet wait.

    Args:
        features: float ``(n, d)``, what makes rows alike.
    """
    columns = dict(columns)
    kinds = {column.name: column for column in table.columns}

    def stands(rule: Rule) -> bool:
        if getattr(rule, "key", None):
            return rule.key in parents
        return all(name in columns for name in (rule.operands if isinstance(rule, Formula) else (rule.other,)))

    for (kind, name), together in groupby(rules, key=lambda rule: (type(rule), rule.column)):
        ready = [rule for rule in together if kind in (Copy, Formula, Order, Shared) and stands(rule)]
        if not ready or (kind in (Order, Shared) and name not in columns):
            continue
        if kind is Copy:
            columns[name] = _other(ready[0], columns, kinds, parents)[0]
        elif kind is Shared:
            columns[name] = columns[name].take(pa.array(_eldest(parents[ready[0].key][0])))
        elif kind is Formula:
            columns[name] = compute(ready[0], columns, kinds, arrow_type(kinds[name]))
        else:
            old, columns[name] = columns[name], _within(ready, columns, kinds, parents, features, rng)
            if columns[name] is not old and kinds[name].kind in MOMENTS:
                columns |= _moved_along(rules, kinds[name], old, columns, kinds)
    return columns


def leave_barren(
    rules: Sequence[Rule], columns: Mapping[str, pa.Array], table: Table, key: ForeignKey, rows: np.ndarray,
    theirs: Mapping[str, pa.Array], parent: Table,
) -> np.ndarray:  # fmt: skip
    """The parent row of each row, where groups have left parents whose bounds leave them no value, int64 ``(n,)``.

    An account that was opened after the last transaction has none, which the engine knows as a tendency only. A whole
    group goes to a parent without any, the one whose bound is the closest to having been out of reach, too.

    Args:
        columns: as drawn; the table's, of which the bounded ones say what values there are.
        rows: the parent row of each row under ``key``, -1 for none.
    """
    rows = rows.copy()
    for rule in rules:
        if not isinstance(rule, Order) or rule.key != key or rule.column not in columns or len(rows) == 0:
            continue
        column = table.column(rule.column)
        numbers = to_numbers(columns[rule.column], column.kind)
        limit = _in_unit_of(column, rule, theirs[rule.other], parent.column(rule.other))
        beyond = limit - np.nanmax(numbers, initial=-np.inf)
        beyond = beyond if rule.is_above else np.nanmin(numbers, initial=np.inf) - limit
        held = np.bincount(rows[rows >= 0], minlength=len(limit)) > 0
        barren, free = np.flatnonzero(held & (beyond > 0)), np.flatnonzero(~held & (beyond <= 0))
        free = free[np.argsort(-beyond[free], kind="stable")][: len(barren)]
        barren = barren[np.argsort(-beyond[barren], kind="stable")][: len(free)]
        to = np.arange(len(limit))
        to[barren] = free
        rows = np.where(rows >= 0, to[rows], rows)
    return rows


def total(rows: np.ndarray, n_parents: int, factors: Sequence[np.ndarray]) -> np.ndarray:
    """What children come to, float64 ``(n_parents,)``, NaN without children: their number, or the sum of a product.

    Args:
        rows: int64 ``(n_children,)``, the parent row, -1 for none.
        factors: float64 ``(n_children,)`` each; a null adds nothing.
    """
    held = rows >= 0
    sizes = np.bincount(rows[held], minlength=n_parents)
    product = np.nan_to_num(np.prod(np.stack(factors), axis=0))[held] if factors else None
    return np.where(sizes > 0, np.bincount(rows[held], product, n_parents), np.nan)


def add_up(
    rule: Total, column: Column, n_parents: int, rows: np.ndarray, child: Mapping[str, pa.Array], of_child: Table
) -> pa.Array:
    """The parent's column that a rule fixes, from its children's rows and columns."""
    made = total(rows, n_parents, [to_numbers(child[name], of_child.column(name).kind) for name in rule.factors])
    made = np.where(np.isnan(made), np.nan if rule.childless is None else rule.childless, made)
    return from_numbers({"value": made}, column, {"value": rule.step}, arrow_type(column))


def _other(
    rule: Copy | Order, columns: Mapping[str, pa.Array], kinds: Mapping[str, Column], parents: Parents
) -> tuple[pa.Array, Column]:
    """What the rule names beside its column, for each row; null without a parent."""
    if rule.key is None:
        return columns[rule.other], kinds[rule.other]
    rows, theirs, table = parents[rule.key]
    return theirs[rule.other].take(pa.array(rows, mask=rows < 0)), table.column(rule.other)


def _eldest(rows: np.ndarray) -> np.ndarray:
    """Of each row the first that has the same parent; a row without a parent is its own, int64 ``(n,)``.

    >>> _eldest(np.array([4, -1, 7, 4, -1]))
    array([0, 1, 2, 0, 4])
    """
    first = np.arange(len(rows))
    held = np.flatnonzero(rows >= 0)
    _, elder, sibling = np.unique(rows[held], return_index=True, return_inverse=True)
    first[held] = held[elder[sibling]]
    return first


def _within(
    rules: Sequence[Order], columns: Mapping[str, pa.Array], kinds: Mapping[str, Column], parents: Parents,
    features: np.ndarray, rng: np.random.Generator,
) -> pa.Array:  # fmt: skip
    """One column within its bounds; the very same array where all of it is."""
    array, column = columns[rules[0].column], kinds[rules[0].column]
    numbers = to_numbers(array, column.kind)
    low, high = np.full(len(numbers), -np.inf), np.full(len(numbers), np.inf)
    for rule in rules:
        limit = _in_unit_of(column, rule, *_other(rule, columns, kinds, parents))
        low, high = (np.fmax(low, limit), high) if rule.is_above else (low, np.fmin(high, limit))
    known = np.flatnonzero(np.isfinite(numbers))
    if not ((numbers[known] < low[known]) | (numbers[known] > high[known])).any():
        return array
    source = np.arange(len(numbers))
    source[known] = known[_exchanged(numbers[known], low[known], high[known], features[known], rng)]
    outside = np.flatnonzero((numbers[source] < low) | (numbers[source] > high))
    source[outside] = _borrowed(numbers, low[outside], high[outside], source[outside], rng)
    moved = array.take(pa.array(source))
    left = (numbers[source] < low) | (numbers[source] > high)
    limit = np.where(left, np.where(numbers[source] < low, low, high), np.nan)
    edge = from_numbers({"value": limit}, column, {"value": learn_step(limit)}, array.type)
    return pc.if_else(pa.array(left), edge, moved) if left.any() else moved


def _in_unit_of(column: Column, rule: Order, array: pa.Array, other: Column) -> np.ndarray:
    """A bound in the numbers of the column it bounds, float64, NaN for null; a day is as good as all of its hours."""
    if column.kind is Kind.DATE:
        return days_of(array, other.kind)
    if rule.by_day:
        return days_of(array, other.kind) * DAY + (0 if rule.is_above else DAY - 1)
    return to_numbers(array, other.kind)


def _exchanged(
    values: np.ndarray, low: np.ndarray, high: np.ndarray, features: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Whose value each row takes, int64 ``(n,)``, a permutation.

    Rows out of their bounds exchange with others near the bound, if both are within theirs then: of a few, with the row
    most like them, so that what goes with a value still does. Where none is found there, farther off.
    """
    source = np.arange(len(values))
    for attempt in range(_ROUNDS):
        now = values[source]
        outside = (now < low) | (now > high)
        bad = rng.permutation(np.flatnonzero(outside))
        if len(bad) == 0:
            break
        order = np.argsort(now, kind="stable")
        below = (now[bad] < low[bad])[:, None]
        edge = np.searchsorted(now[order], np.where(below[:, 0], low[bad], high[bad]), "left")[:, None]
        reach = rng.random((len(bad), _TRIED)) * (1 + attempt) / _ROUNDS * len(values)
        other = order[np.clip(edge + np.where(below, reach, -reach - 1), 0, len(values) - 1).astype(np.int64)]
        one = bad[:, None]
        fits = (
            ~outside[other] & (now[other] >= low[one]) & (now[other] <= high[one])
            & (now[one] >= low[other]) & (now[one] <= high[other])
        )  # fmt: skip
        apart = np.stack([((features[other[:, k]] - features[bad]) ** 2).sum(axis=1) for k in range(_TRIED)], axis=1)
        best = np.argmin(np.where(fits, apart, np.inf), axis=1)[:, None]
        found = np.take_along_axis(fits, best, 1)[:, 0]
        other, alone = np.unique(np.take_along_axis(other, best, 1)[found, 0], return_index=True)
        bad = bad[found][alone]  # nobody exchanges with two
        source[bad], source[other] = source[other], source[bad]
    return source


def _borrowed(
    numbers: np.ndarray, low: np.ndarray, high: np.ndarray, source: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A row whose number lies within each of these bounds, at random, int64; the ``source`` where there is none."""
    order = np.argsort(numbers, kind="stable")  # NaN last
    first, last = np.searchsorted(numbers[order], low, "left"), np.searchsorted(numbers[order], high, "right")
    last = np.minimum(last, np.isfinite(numbers).sum())
    chosen = order[(first + np.floor(rng.random(len(low)) * (last - first))).astype(np.int64).clip(0, len(order) - 1)]
    return np.where(last > first, chosen, source)


def _moved_along(
    rules: Sequence[Rule], moved: Column, old: pa.Array, columns: Mapping[str, pa.Array], kinds: Mapping[str, Column]
) -> dict[str, pa.Array]:
    """The columns that never come before a moved one, moved by as much."""
    result = {}
    for rule in rules:
        if isinstance(rule, Order) and rule.is_above and rule.key is None and rule.other == moved.name:
            column = kinds[rule.column]
            by = [_in_unit_of(column, rule, array, moved) for array in (columns[moved.name], old)]
            numbers = to_numbers(columns[column.name], column.kind)
            numbers = np.where(np.isnan(by[0] - by[1]), numbers, numbers + by[0] - by[1])
            result[column.name] = from_numbers({"value": numbers}, column, {"value": 1.0}, columns[column.name].type)
    return result
