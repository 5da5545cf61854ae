"""Search for rules along foreign keys: copies of the parent's values, order, and what children come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
import pyarrow as pa

from ...keys import joint_codes, plain
from ...schema import ForeignKey, Kind
from .columns import MOMENTS, ColumnValues, comparable, days_of
from .evidence import MIN_ROWS, NEEDED, agreement, order_evidence
from .kinds import Copy, Order, ParentOrder, Total

__all__ = ["find_copies", "find_parent_orders", "find_totals", "total"]

_MANY_VALUES = 3


def find_copies(
    key: ForeignKey, rows: np.ndarray, child: Mapping[str, ColumnValues], parent: Mapping[str, ColumnValues]
) -> list[Copy]:
    """Columns that hold what a column of the parent holds, nulls too, wherever there is a parent.

    Args:
        rows: int64 ``(n_children,)``, the parent's row, -1 for none.
    """
    held = rows >= 0
    parents = np.unique(rows[held])
    if len(parents) < MIN_ROWS:
        return []
    found = []
    for column in child.values():
        for other in parent.values():
            if column.array.type != other.array.type:
                continue
            ours, theirs = _joint(column.array, other.array)
            if len(parents) * agreement(theirs[parents]) >= NEEDED and (ours == theirs[rows])[held].all():
                found.append(Copy(key.child, column.name, key, other.name))
                break
    return found


def _joint(first: pa.Array, second: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    codes = joint_codes(*(plain(pa.chunked_array([array])) for array in (first, second)))[0]
    return codes[: len(first)], codes[len(first) :]


def find_parent_orders(
    key: ForeignKey, rows: np.ndarray, child: Mapping[str, ColumnValues], parent: Mapping[str, ColumnValues],
    within_child: Sequence[Order], within_parent: Sequence[Order],
) -> list[ParentOrder]:  # fmt: skip
    """Columns that are never below, or never above, one of the parent; what follows from others is left out."""
    found = []
    held = rows >= 0
    for column in child.values():
        for other in parent.values():
            both = comparable(column.column.kind, other.column.kind)
            if both and min(column.n_values, other.n_values) >= _MANY_VALUES:
                rule = _parent_order(key, np.where(held, rows, 0), held, column, other)
                found += [rule] if rule is not None else []
    return [rule for rule in found if not _follows(rule, found, child, within_child, within_parent)]


def _parent_order(
    key: ForeignKey, rows: np.ndarray, held: np.ndarray, column: ColumnValues, other: ColumnValues
) -> ParentOrder | None:
    kinds = {column.column.kind, other.column.kind}
    for by_day in ([True] if Kind.DATE in kinds else [False, True]) if kinds <= MOMENTS else [False]:
        ours, theirs = (days_of(v.array, v.column.kind) if by_day else v.numbers for v in (column, other))
        gap = np.where(held, ours - theirs[rows], np.nan)
        known = np.isfinite(gap)
        if known.sum() < MIN_ROWS:
            return None
        for is_low, sign in ((False, 1), (True, -1)):
            if (sign * gap[known] < 0).any() or not (gap[known] != 0).any():
                continue
            # Each parent counts once, with the child that comes closest to breaking the rule.
            parents, nearest = _nearest_child(rows[known], sign * ours[known])
            if len(parents) >= MIN_ROWS and order_evidence(sign * theirs[parents], nearest) >= NEEDED:
                strict = bool((gap[known] != 0).all())
                return ParentOrder(
                    key.child, column.name, key, other.name, is_low, strict, by_day, Kind.DATE not in kinds
                )
    return None


def _nearest_child(rows: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    parents, group = np.unique(rows, return_inverse=True)
    nearest = np.full(len(parents), np.inf)
    np.minimum.at(nearest, group, values)
    return parents, nearest


def _follows(
    rule: ParentOrder, found: Sequence[ParentOrder], child: Mapping[str, ColumnValues], within_child: Sequence[Order],
    within_parent: Sequence[Order],
) -> bool:  # fmt: skip
    """Whether it follows from order within the row, or within the parent's, and another of the rules."""
    def ends(order: Order) -> tuple[str, str]:
        return (order.high, order.low) if rule.is_low else (order.low, order.high)

    alike = {(r.column, r.parent_column): r for r in found if r.is_low == rule.is_low and r != rule}

    def weaker(*others: Order | ParentOrder) -> bool:
        strict = not rule.strict or any(other.strict for other in others)
        return strict and (rule.by_day or not any(other.by_day for other in others))

    for order in within_child:  # parent <= near <= column
        near, far = ends(order)
        other = alike.get((near, rule.parent_column))
        known = far == rule.column and not (child[near].null & ~child[far].null).any()
        if known and other is not None and weaker(order, other):
            return True
    for order in within_parent:  # far of the parent <= near of the parent <= column
        far, near = ends(order)
        other = alike.get((rule.column, near))
        if far == rule.parent_column and other is not None and weaker(order, other):
            return True
    return False


def find_totals(
    key: ForeignKey, rows: np.ndarray, child: Mapping[str, ColumnValues], parent: Mapping[str, ColumnValues]
) -> list[Total]:
    """Numbers of the parent that are what its children come to: how many, their sum, least or greatest."""
    if not parent:
        return []
    n = len(next(iter(parent.values())).array)
    held = rows >= 0
    sizes = np.bincount(rows[held], minlength=n)
    if (sizes > 1).sum() < MIN_ROWS:
        return []
    found = []
    for column in parent.values():
        if not column.is_numeric or column.n_values < _MANY_VALUES:
            continue
        rule = next((r for r in _totals(key, rows, sizes, child, column)), None)
        found += [rule] if rule is not None else []
    return found


def _totals(
    key: ForeignKey, rows: np.ndarray, sizes: np.ndarray, child: Mapping[str, ColumnValues], column: ColumnValues
) -> Iterator[Total]:
    """The rules for one column of the parent, simplest first."""
    numeric = [v for v in child.values() if v.is_numeric and v.n_values > 1]
    amounts = [v for v in numeric if v.column.kind not in MOMENTS | {Kind.TIME}]
    candidates = [("count", ())]
    candidates += [(m, (v,)) for v in numeric if v.column.kind is column.column.kind for m in ("min", "max")]
    if column.column.kind not in MOMENTS | {Kind.TIME}:
        candidates += [("sum", (v,)) for v in amounts] + [("sum", pair) for pair in combinations(amounts, 2)]
    else:
        candidates = candidates[1:]
    has = sizes > 0
    for measure, factors in candidates:
        made = total(measure, rows, len(sizes), [v.numbers for v in factors])
        step = column.step if measure == "sum" else 0.0
        apart = np.abs(made - column.numbers)[has]
        slack = column.slack * 4 + (0.0 if len(factors) < 2 else 0.5 * step)
        # A null among them is left alone.
        if np.isnan(made[has]).any() or column.null[has].any() or (apart > slack).any():
            continue
        rest = column.numbers[~has]
        if len(rest) and not (np.isnan(rest).all() or (rest == 0).all()):
            continue
        several = sizes > 1
        if several.sum() * agreement(column.codes[several]) >= NEEDED:
            childless = None if len(rest) and np.isnan(rest).all() else 0.0
            yield Total(key.parent, column.name, key, measure, tuple(v.name for v in factors), childless, step)


def total(measure: str, rows: np.ndarray, n_parents: int, factors: Sequence[np.ndarray]) -> np.ndarray:
    """What children come to for each parent, float64 ``(n_parents,)``; NaN: nothing to take the least of, or a null.

    Args:
        rows: int64 ``(n_children,)``, the parent's row, -1 for none.
        factors: of each child, float64 ``(n_children,)`` each.
    """
    held = rows >= 0
    if measure == "count":
        return np.bincount(rows[held], minlength=n_parents).astype(np.float64)
    product = np.prod(np.stack(factors), axis=0)[held]
    if measure == "sum":
        return np.bincount(rows[held], product, minlength=n_parents)
    result = np.full(n_parents, np.inf if measure == "min" else -np.inf)
    with np.errstate(invalid="ignore"):
        (np.minimum if measure == "min" else np.maximum).at(result, rows[held], product)
    return np.where(np.isfinite(result), result, np.nan)
