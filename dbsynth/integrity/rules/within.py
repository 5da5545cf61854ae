"""Search for rules between the columns of one row: equal, in order, one fixed by another, null together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...schema import Kind
from .columns import MOMENTS, ColumnValues, comparable, days_of
from .evidence import MIN_ROWS, NEEDED, agreement, order_evidence
from .kinds import Arithmetic, Equal, Fixed, Nulls, Order

__all__ = ["as_text", "find_equal", "find_fixed", "find_followers", "find_nulls", "find_orders", "order_gap"]

_FIRST_ROWS = 2_000  # on which most candidates fail
_MANY_VALUES = 3  # values from which a column's order says something; two are a truth
_ROWS_PER_VALUE = 5  # a value that fewer rows hold is not carried over
_MOST_VALUES = 50  # of a category that may say where another column is null


def find_equal(table: str, values: Mapping[str, ColumnValues]) -> list[Equal]:
    """Columns that hold what an earlier one of the same type holds, in every row."""
    found, seen = [], []
    for column in values.values():
        if column.n_values < 2 or len(column.array) * agreement(column.codes) < NEEDED:
            continue
        same = next((o for o in seen if o.array.type == column.array.type and o.array.equals(column.array)), None)
        if same is None:
            seen.append(column)
        else:
            found.append(Equal(table, column.name, same.name))
    return found


def order_gap(low: ColumnValues, high: ColumnValues, by_day: bool) -> np.ndarray:
    """By how much ``high`` is above ``low``, float64 ``(n,)``, NaN where either is null: days or own units."""
    if by_day:
        return days_of(high.array, high.column.kind) - days_of(low.array, low.column.kind)
    return high.numbers - low.numbers


def find_orders(table: str, values: Mapping[str, ColumnValues], formulas: Sequence[Arithmetic]) -> list[Order]:
    """Which columns are never above which others; what follows from others is left out."""
    numeric = [v for v in values.values() if v.is_numeric and v.n_values >= _MANY_VALUES]
    made_of = {rule.formula.column: set(rule.formula.operands) for rule in formulas}
    found = []
    for low in numeric:
        for high in numeric:
            # A total is no less than its parts because these are positive, which they stay.
            related = high.name in made_of.get(low.name, ()) or low.name in made_of.get(high.name, ())
            if low is not high and not related and (rule := _order(table, low, high)) is not None:
                found.append(rule)
    return _reduced(found, values)


def _order(table: str, low: ColumnValues, high: ColumnValues) -> Order | None:
    if not comparable(low.column.kind, high.column.kind):
        return None
    kinds = {low.column.kind, high.column.kind}
    moments = kinds <= MOMENTS
    for by_day in ([True] if Kind.DATE in kinds else [False, True]) if moments else [False]:
        first = order_gap_of(low, high, by_day, slice(_FIRST_ROWS))
        if (first < 0).any():
            continue
        gap = order_gap(low, high, by_day)
        known = np.isfinite(gap)
        if known.sum() < MIN_ROWS or (gap[known] < 0).any() or not (gap[known] > 0).any():
            continue
        low_values, high_values = (
            days_of(v.array, v.column.kind)[known] if by_day else v.numbers[known] for v in (low, high)
        )
        if order_evidence(low_values, high_values) >= NEEDED:
            strict = bool((gap[known] > 0).all())
            return Order(table, low.name, high.name, strict, by_day, Kind.DATE not in kinds)
    return None


def order_gap_of(low: ColumnValues, high: ColumnValues, by_day: bool, rows: slice) -> np.ndarray:
    """`order_gap` of some rows."""
    if not by_day:
        return high.numbers[rows] - low.numbers[rows]
    return days_of(high.array[rows], high.column.kind) - days_of(low.array[rows], low.column.kind)


def _reduced(found: Sequence[Order], values: Mapping[str, ColumnValues]) -> list[Order]:
    """Without a <= c where a <= b <= c says so in every row that has a and c."""
    above: dict[str, dict[str, Order]] = {}
    for rule in found:
        above.setdefault(rule.low, {})[rule.high] = rule
    result = []
    for rule in found:
        between = [
            middle for middle, first in above[rule.low].items()
            if (second := above.get(middle, {}).get(rule.high)) is not None
            and (first.by_day or second.by_day) <= rule.by_day
            and (not rule.strict or first.strict or second.strict)
            and not (values[middle].null & ~values[rule.low].null & ~values[rule.high].null).any()
        ]  # fmt: skip
        if not between:
            result.append(rule)
    return result


def find_fixed(table: str, values: Mapping[str, ColumnValues], by: Sequence[str], fixed: Sequence[str],
               keys: Sequence[str], carried: Sequence[str]) -> list[Fixed]:  # fmt: skip
    """Which columns are fixed by which others; of several that fix one, the closest.

    Args:
        by: columns that may fix others.
        fixed: columns that may be fixed.
        keys: those of ``by`` that refer to a parent.
        carried: columns whose values are carried over; those of others are invented anew.
    """
    found = _determinants(values, by, fixed)
    fixed_by = _without_circles(found, set(by) - set(carried) - set(keys))
    in_order = sorted(fixed_by, key=lambda name: _depth(name, fixed_by))
    return [
        _fixed(table, values[name], values[fixed_by[name]], {name, fixed_by[name]} <= set(carried))
        for name in in_order
    ]


def find_followers(
    table: str, values: Mapping[str, ColumnValues], by: Sequence[str], given: Sequence[str]
) -> list[Fixed]:
    """Which drawn columns fix those that other rules give; all of them are to follow what is given."""
    return [
        replace(_fixed(table, values[name], other, True), is_given=True)
        for name, determinants in _determinants(values, by, given).items()
        for other in determinants
    ]


def _determinants(
    values: Mapping[str, ColumnValues], by: Sequence[str], fixed: Sequence[str]
) -> dict[str, list[ColumnValues]]:
    """All columns of ``by`` that fix a column, for each of ``fixed``."""
    n = len(next(iter(values.values())).codes) if values else 0
    usable = [values[name] for name in by if 1 < values[name].n_values < n]
    found: dict[str, list[ColumnValues]] = {}
    for name in fixed:
        target = values[name]
        shared = np.where(target.null, target.n_values, target.codes)  # null is a value of its own here
        evidence = agreement(shared)
        if evidence > 0:
            found[name] = [v for v in usable if v.name != name and _fixes(v, shared, evidence)]
    return found


def _fixes(by: ColumnValues, target: np.ndarray, evidence: float) -> bool:
    first = slice(_FIRST_ROWS)
    if not _is_function(by.codes[first], target[first]):
        return False
    known = by.codes >= 0
    rows = int(known.sum())
    repeats = rows - len(np.unique(by.codes[known]))
    return repeats >= MIN_ROWS and repeats * evidence >= NEEDED and _is_function(by.codes, target)


def _is_function(by: np.ndarray, target: np.ndarray) -> bool:
    known = by >= 0
    by, target = by[known], target[known]
    if len(by) == 0:
        return True
    one = np.empty(by.max() + 1, dtype=np.int64)
    one[by] = target  # any row's
    return bool((one[by] == target).all())


def _without_circles(found: Mapping[str, Sequence[ColumnValues]], invented: set[str]) -> dict[str, str]:
    """For each column what fixes it: the coarsest that does; of columns that fix each other, one stays free.

    What is invented comes last: two customers may be given one address by accident.
    """
    fixed_by: dict[str, str] = {}
    for name, determinants in found.items():
        for by in sorted(determinants, key=lambda v: (v.name in invented, v.n_values)):
            at = by.name
            while at in fixed_by and at != name:
                at = fixed_by[at]
            if at != name:
                fixed_by[name] = by.name
                break
    return fixed_by


def _depth(name: str, fixed_by: Mapping[str, str]) -> int:
    depth = 0
    while name in fixed_by:
        name, depth = fixed_by[name], depth + 1
    return depth


def _fixed(table: str, column: ColumnValues, by: ColumnValues, is_carried: bool) -> Fixed:
    if not is_carried:
        return Fixed(table, column.name, by.name)
    counts = np.bincount(by.codes[by.codes >= 0], minlength=by.n_values)
    often = np.flatnonzero(counts >= _ROWS_PER_VALUE)
    first = np.full(by.n_values, -1, dtype=np.int64)
    rows = np.flatnonzero(by.codes >= 0)[::-1]
    first[by.codes[rows]] = rows
    take = pa.array(first[often])
    return Fixed(table, column.name, by.name, dict(zip(
        as_text(by.array.take(take)), as_text(column.array.take(take)), strict=True,
    )))  # fmt: skip


def as_text(array: pa.Array) -> list[str | None]:
    """Values as texts that Arrow reads back."""
    return pc.cast(array, pa.string()).to_pylist()


def find_nulls(table: str, values: Mapping[str, ColumnValues], of: Sequence[str], by: Sequence[str]) -> list[Nulls]:
    """Which columns are null, or known, wherever another one has a certain value or is null itself.

    Args:
        of: columns that may be null.
        by: columns whose values may say so.
    """
    result: list[Nulls] = []
    for name in of:
        null = values[name].null
        if not MIN_ROWS <= null.sum() <= len(null) - MIN_ROWS:
            continue
        candidates = [_nulls(table, name, null, values[other], by_null=True) for other in of if other != name]
        for other in by:
            if other != name and values[other].n_values <= _MOST_VALUES:
                candidates.append(_nulls(table, name, null, values[other], by_null=False))
        found = [(complete, rows, -n, rule) for rule, complete, rows, n in filter(None, candidates)]
        for *_, rule in sorted(found, key=lambda entry: entry[:3], reverse=True):
            mirrored = any(r.by_null and rule.by_null and r.column == rule.by and r.by == name for r in result)
            if not mirrored:
                result.append(rule)
                break
    return result


def _nulls(
    table: str, name: str, null: np.ndarray, other: ColumnValues, *, by_null: bool
) -> tuple[Nulls, bool, int, int] | None:
    """The rule, whether it says all, how many rows it speaks of, and how many values it takes to say so."""
    codes = other.null.astype(np.int64) if by_null else np.where(other.null, other.n_values, other.codes)
    texts: list[str | None]
    if by_null:
        texts = ["known", "null"]
        if not 0 < codes.sum() < len(codes):
            return None
    else:
        first = np.zeros(codes.max(initial=0) + 1, dtype=np.int64)
        first[codes[::-1]] = np.arange(len(codes))[::-1]
        texts = as_text(other.array.take(pa.array(first)))
    rows = np.bincount(codes, minlength=len(texts))
    nulls = np.bincount(codes, null, minlength=len(texts))
    share = null.mean()
    evidence = np.where(nulls == rows, rows * -np.log(share), np.where(nulls == 0, rows * -np.log1p(-share), 0.0))
    pure = (nulls == rows) | (nulls == 0)
    # A rule for all values is believed as a whole; each might have been null or known.
    whole = bool((pure & (rows >= _ROWS_PER_VALUE)).all())
    complete = whole and nulls.sum() > 0 and evidence.sum() - len(texts) * np.log(2) >= NEEDED
    told = pure & (rows >= _ROWS_PER_VALUE) & (complete | (evidence >= NEEDED))
    null_at, known_at = told & (nulls > 0), told & (nulls == 0)
    if not null_at.any() and not (by_null and known_at.any()):
        return None
    told = told if complete or by_null else null_at
    rule = Nulls(
        table, name, other.name, tuple(t for t, at in zip(texts, null_at, strict=True) if at),
        tuple(t for t, at in zip(texts, known_at, strict=True) if at), bool(complete), by_null,
    )  # fmt: skip
    return rule, bool(complete), int(rows[told].sum()), len(texts)
