"""All rules of a database: each table's own, then those along its foreign keys.

A column is fixed by one rule at most. Columns of keys and of unique sets are neither fixed nor bounded, nor are those
that the user has decided about.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, permutations

import numpy as np
import pyarrow as pa

from ...keys import column_codes, parent_rows
from ...schema import Column, ForeignKey, Kind, Schema
from .evidence import MIN_ROWS, believed, believed_order
from .formulas import find_formulas
from .hold import total
from .kinds import Copy, Fixed, Order, Rule, Shared, Total
from .values import AMOUNTS, Values, comparable, in_common, resolutions, values_of

__all__ = ["Roles", "find_rules"]

_CODED = frozenset({Kind.TEXT, Kind.ENUM, Kind.BOOLEAN, Kind.INTEGER, Kind.DECIMAL})
_MOST_CODED = 500  # values of a column that fixes others: they are coded together
_COMMON = 0.95  # least share of rows whose values there are not rare
_MANY_VALUES = 3  # values from which an order says something; two are a truth
_FIRST_ROWS = 2_000  # on which most candidates fail
_FIRST_PARENTS = 200  # on which most totals do


@dataclass(frozen=True)
class Roles:
    """What a table's columns may be in rules.

    Attributes:
        standing: columns that have values of their own when rows are made.
        drawn: those of them that the engine draws.
        free: those that a rule may fix or bound; none where the table is kept.
        tied: those of the free ones that stand in CHECKs which not every value satisfies; only what is computed from
            their own row may fix them.
        ordered: pairs of columns of which a CHECK says that the first is never above the second.
        rare: by column, values of how many rows count as rare.
        is_kept: the table is copied.
    """

    standing: Sequence[Column]
    drawn: Collection[str] = ()
    free: Collection[str] = ()
    tied: Collection[str] = ()
    ordered: Collection[tuple[str, str]] = ()
    rare: Mapping[str, int] = field(default_factory=dict)
    is_kept: bool = False

    @property
    def computable(self) -> list[str]:
        return [column.name for column in self.standing if column.name in self.drawn and column.name in self.free]


def find_rules(
    schema: Schema, read: Callable[[str], pa.Table], roles: Mapping[str, Roles], keys: Sequence[ForeignKey]
) -> tuple[Rule, ...]:
    """The rules that every real row obeys, by table, parents first, each after those that make its columns.

    Args:
        read: gives a table's rows.
        keys: foreign keys whose parents stand when the children are made.
    """
    parents = {key: parent_rows(read(key.child), read(key.parent), key) for key in keys}

    def values_in(name: str, without: Collection[tuple[str, str]] = ()) -> dict[str, Values]:
        # Read anew for every use: what is known of a large table's values takes more memory than they do.
        return values_of([c for c in roles[name].standing if (name, c.name) not in without], read(name))

    totals: dict[tuple[str, str], Total] = {}
    for key in keys:
        candidates = [n for n in roles[key.parent].computable if n not in roles[key.parent].tied]
        candidates = [n for n in candidates if (key.parent, n) not in totals]
        parent = values_in(key.parent) if candidates else {}
        for rule in _totals(key, parents[key], values_in(key.child), [parent[n] for n in candidates]):
            totals[rule.table, rule.column] = rule
    rules: list[Rule] = []
    for name in schema.parents_first():
        if roles[name].free and read(name).num_rows >= MIN_ROWS:
            of_table = {key: rows for key, rows in parents.items() if key.child == name}
            values = {t: values_in(t, totals) for t in {name, *(key.parent for key in of_table)}}
            kept = {t for t in values if roles[t].is_kept}
            rules += _of_table(name, roles[name], values, of_table, [*rules, *_orders_of_kept(kept, values)])
    return (*rules, *totals.values())


def _of_table(
    table: str, roles: Roles, values: Mapping[str, Mapping[str, Values]], parents: Mapping[ForeignKey, np.ndarray],
    before: Sequence[Rule],
) -> list[Rule]:  # fmt: skip
    """The rules of one table.

    Args:
        values: by table, of all columns that stand when rows are made: no totals.
        before: the rules of tables before this one, and orders within kept ones.
    """
    own = values[table]
    free = [n for n in roles.computable if n in own]
    copies = _copies(table, [own[n] for n in own if n in roles.free and n not in roles.tied], own, parents, values)
    copied = [rule.column for rule in copies]
    numbers = {n: v for n, v in own.items() if (n in roles.drawn or n in copied) and v.is_number}
    formulas = find_formulas(table, numbers, [n for n in free if n not in copied])
    computed = [rule.column for rule in formulas]
    left = [n for n in free if n not in copied and n not in computed]
    coded = _fixed(table, {n: own[n] for n in left}, roles.rare)
    together = {name for rule in coded for name in (rule.column, rule.other)}
    operands = [n for n in left if any(n in rule.operands for rule in formulas)]
    rest = _in_sequence([n for n in left if n not in operands], own, roles.ordered)
    stay = [n for n in own if n in roles.drawn and n not in free]
    sequence = [*stay, *copied, *_in_sequence(operands, own, roles.ordered), *computed, *rest]
    sequence = [n for n in sequence if own[n].is_number and not own[n].is_identifier]
    bounded = [n for n in left if n not in together]
    orders = _orders(table, sequence, bounded, own, parents, values, before, roles)
    first = [rule for rule in orders if rule.column in operands]
    bound = {rule.column for rule in (*coded, *orders)} | set(roles.tied)
    shared = [rule for n in left if n not in bound and (rule := _shared(table, own[n], parents))]
    return [*copies, *shared, *first, *formulas, *coded, *(rule for rule in orders if rule not in first)]


# ------------------------------------------------------------------------------------------------- copies


def _copies(
    table: str, free: Sequence[Values], own: Mapping[str, Values], parents: Mapping[ForeignKey, np.ndarray],
    values: Mapping[str, Mapping[str, Values]],
) -> list[Copy]:  # fmt: skip
    """Columns that hold what a column of the parent holds, or an earlier one of their own row, nulls too."""
    found: list[Copy] = []
    for column in free:
        rule = next((r for key, rows in parents.items() if (r := _copied(column, key, rows, values[key.parent]))), None)
        copied = {r.column for r in found}
        for other in own.values():
            if rule or other is column:
                break  # those that come after it
            if other.name not in copied and _alike(column, other) and column.array.equals(other.array):
                rule = Copy(table, column.name, other.name) if believed(len(column.codes), column.codes) else None
        if rule:
            found.append(rule)
    return found


def _copied(column: Values, key: ForeignKey, rows: np.ndarray, parent: Mapping[str, Values]) -> Copy | None:
    held = rows >= 0
    if column.n_values < 2 or not column.null[~held].all():
        return None
    for other in parent.values():
        if not _alike(column, other):
            continue
        ours, theirs = column_codes([column.array, other.array])
        met = np.unique(rows[held])
        if (ours[held] == theirs[rows[held]]).all() and believed(len(met), theirs[met]):
            return Copy(key.child, column.name, other.name, key)
    return None


def _alike(column: Values, other: Values) -> bool:
    """Whether the column can hold all that the other may."""
    a, b = column.column, other.column
    same = a.kind is b.kind and a.enum_values == b.enum_values and (a.precision, a.scale) == (b.precision, b.scale)
    return same and (a.length is None or a.length == b.length) and (a.nullable or not other.null.any())


# ------------------------------------------------------------------------------------------------- what fixes what


def _fixed(table: str, values: Mapping[str, Values], rare: Mapping[str, int]) -> list[Fixed]:
    """Which columns are fixed by which others; of several that fix one, the one with the fewest values."""
    usable = [v for v in values.values() if v.column.kind in _CODED and v.n_values > 1
              and not (v.column.kind in AMOUNTS and v.null.any())]  # fmt: skip
    fixing = [v for v in usable if v.n_values <= _MOST_CODED and _is_common(v, rare.get(v.name, 1))]
    fixed_by: dict[str, str] = {}
    usable.reverse()  # of two that fix each other, the later one is fixed
    for column in sorted(usable, key=lambda v: v.n_values):
        for other in sorted(fixing, key=lambda v: v.n_values):
            at = other.name  # nothing is fixed by what it fixes itself
            while at in fixed_by and at != column.name:
                at = fixed_by[at]
            if at != column.name and _fixes(other, column):
                fixed_by[column.name] = other.name
                break
    return [Fixed(table, name, other) for name, other in fixed_by.items()]


def _is_common(column: Values, rare: int) -> bool:
    counts = np.bincount(column.codes + 1)
    return bool(counts[counts >= rare].sum() >= _COMMON * len(column.codes))


def _fixes(by: Values, column: Values) -> bool:
    """Whether equal values of the one go with equal values of the other, null as a value, and by no accident."""
    if column.n_values > by.n_values + 1:
        return False
    one = np.empty(by.n_values + 1, np.int64)
    for rows in (slice(_FIRST_ROWS), slice(None)):
        one[by.codes[rows]] = column.codes[rows]  # any row's
        if (one[by.codes[rows]] != column.codes[rows]).any():
            return False
    return believed(len(by.codes) - len(np.unique(by.codes)), column.codes)


# ------------------------------------------------------------------------------------------------- what siblings share


def _shared(table: str, column: Values, parents: Mapping[ForeignKey, np.ndarray]) -> Shared | None:
    """The key under which siblings have one value of the column, and by no accident; of several the one that says most.

    What is bound to other columns of its row cannot be exchanged for a sibling's.
    """
    found = {key: n for key, rows in parents.items() if (n := _agreeing_siblings(column, rows))}
    return Shared(table, column.name, max(found, key=lambda key: found[key])) if found else None


def _agreeing_siblings(column: Values, rows: np.ndarray) -> int:
    """How many rows have an elder sibling's value; 0 where one has not, or it may be an accident."""
    held = rows >= 0
    one = np.empty(int(rows.max(initial=-1)) + 1, np.int64)
    one[rows[held]] = column.codes[held]  # any sibling's
    if (one[rows[held]] != column.codes[held]).any():
        return 0
    n_younger = int(held.sum() - len(np.unique(rows[held])))
    return n_younger if believed(n_younger, column.codes[held]) else 0


# ------------------------------------------------------------------------------------------------- order


def _orders(
    table: str, sequence: Sequence[str], bounded: Collection[str], own: Mapping[str, Values],
    parents: Mapping[ForeignKey, np.ndarray], values: Mapping[str, Mapping[str, Values]], before: Sequence[Rule],
    roles: Roles,
) -> list[Order]:  # fmt: skip
    """What bounds each column: columns that stand before it, in its row or its parents' rows.

    Every bound from below is itself known to lie below every bound from above, so that there is room between them.

    Args:
        sequence: numbers, in the order in which they come to stand.
        bounded: those of them that may be bounded.
        before: the rules of the parents' tables.
    """
    found: list[Order] = []
    for i, name in enumerate(sequence):
        if name not in bounded:
            continue
        column = own[name]
        bounds = [bound for other in sequence[:i] for is_above in (True, False)
                  if (bound := _bound(table, column, own[other], is_above, roles.ordered))]  # fmt: skip
        for key, rows in parents.items() if name not in roles.tied else ():
            bounds += [bound for other in values[key.parent].values() for is_above in (True, False)
                       if (bound := _parent_bound(key, column, other, rows, is_above))]  # fmt: skip
        lower = [bound for bound in bounds if bound.is_above]
        upper = [high for high in bounds if not high.is_above]
        upper = [high for high in upper if all(_has_room(low, high, found, before) for low in lower)]
        found += [*lower, *upper]
    return found


def _in_sequence(names: Sequence[str], own: Mapping[str, Values], ordered: Collection[tuple[str, str]]) -> list[str]:
    """Numbers, those that are never above others before these."""
    numbers = [n for n in names if own[n].is_number]
    below = {n: sum(o != n and _bound("", own[n], own[o], True, ordered) is not None for o in numbers) for n in numbers}
    return sorted(numbers, key=below.__getitem__)


def _has_room(low: Order, high: Order, found: Sequence[Order], before: Sequence[Rule]) -> bool:
    """Whether a rule says that one bound of a column lies below the other."""
    if ((low.key, low.other), (high.key, high.other)) in map(_ends, found):
        return True
    of_parent = [rule for rule in before if isinstance(rule, Order) and low.key and rule.table == low.key.parent]
    return low.key == high.key and ((None, low.other), (None, high.other)) in map(_ends, of_parent)


def _orders_of_kept(kept: Iterable[str], values: Mapping[str, Mapping[str, Values]]) -> list[Order]:
    """Which numbers of kept tables are below which others."""
    found = (_bound(t, a, b, True, ()) for t in kept for a, b in permutations(values[t].values(), 2)
             if a.is_number and b.is_number)  # fmt: skip
    return [rule for rule in found if rule]


def _ends(rule: Order) -> tuple[tuple[ForeignKey | None, str], tuple[ForeignKey | None, str]]:
    """The lower and the higher column of an order, each with the key to the parent that has it, if one has."""
    other, own = (rule.key, rule.other), (None, rule.column)
    return (other, own) if rule.is_above else (own, other)


def _bound(
    table: str, column: Values, other: Values, is_above: bool, ordered: Collection[tuple[str, str]]
) -> Order | None:
    """The order of two columns of one row, where one may bound the other."""
    low, high = (other, column) if is_above else (column, other)
    by_day = _is_order(low, high, ordered) if comparable(column.column, other.column) else None
    return None if by_day is None else _order(table, column, other, is_above, None, by_day)


def _order(
    table: str, column: Values, other: Values, is_above: bool, key: ForeignKey | None, by_day: bool
) -> Order:
    of_times = Kind.DATE not in (column.column.kind, other.column.kind)
    return Order(table, column.name, other.name, is_above, key, by_day, of_times)


def _is_order(low: Values, high: Values, ordered: Collection[tuple[str, str]]) -> bool | None:
    """Whether the one is never above the other by the day only; None where it is, or where it is so by accident."""
    if (low.name, high.name) not in ordered and min(low.n_values, high.n_values) < _MANY_VALUES:
        return None
    kinds = low.column.kind, high.column.kind
    for by_day in resolutions(low.column, high.column):
        a, b = in_common(low.array, high.array, kinds, by_day=by_day)
        known = np.isfinite(a) & np.isfinite(b)
        if (low.name, high.name) in ordered or believed_order(a[known], b[known]):
            return by_day
    return None


def _parent_bound(
    key: ForeignKey, column: Values, other: Values, rows: np.ndarray, is_above: bool
) -> Order | None:
    """Whether a child is never below (above) its parent; a parent counts once, with its lowest (highest) child."""
    if not (column.is_number and other.is_number and comparable(column.column, other.column)) or other.is_identifier:
        return None
    if min(column.n_values, other.n_values) < _MANY_VALUES:
        return None
    sign = 1 if is_above else -1
    for by_day in resolutions(column.column, other.column):
        ends = in_common(column.array, other.array, (column.column.kind, other.column.kind), by_day=by_day)
        ours, theirs = (sign * x for x in ends)
        known = np.flatnonzero((rows >= 0) & np.isfinite(ours) & np.isfinite(theirs[rows]))
        nearest = np.full(len(theirs), np.inf)
        np.minimum.at(nearest, rows[known], ours[known])
        met = np.isfinite(nearest)
        if believed_order(theirs[met], nearest[met]):
            return _order(key.child, column, other, is_above, key, by_day)
    return None


# ------------------------------------------------------------------------------------------------- totals


def _totals(
    key: ForeignKey, rows: np.ndarray, child: Mapping[str, Values], parent: Sequence[Values]
) -> list[Total]:
    """Numbers of the parent that are what its children come to."""
    amounts = [v for v in child.values() if v.column.kind in AMOUNTS and v.is_number]
    candidates = [(), *((v,) for v in amounts), *combinations(amounts, 2)]
    found = []
    for column in parent:
        sizes = np.bincount(rows[rows >= 0], minlength=len(column.array))
        if _may_total(column, sizes):
            factors = next((factors for factors in candidates if _come_to(column, rows, factors)), None)
            if factors is not None:
                rest = column.null[sizes == 0]
                childless = None if len(rest) and rest.all() else 0.0
                names = tuple(v.name for v in factors)
                found.append(Total(key.parent, column.name, key, names, childless, column.step))
    return found


def _may_total(column: Values, sizes: np.ndarray) -> bool:
    """Whether it is a number that is 0 or null in all rows without children, and might say something of the others."""
    if not (column.column.kind in AMOUNTS and column.is_number and column.has_room and column.n_values >= _MANY_VALUES):
        return False
    rest = column.numbers[sizes == 0]
    exact = column.step > 0 or column.column.kind is Kind.FLOAT
    told = believed(int((sizes > 1).sum()), column.codes[sizes > 1])
    return bool(exact and told and (np.isnan(rest).all() or (rest == 0).all()))


def _come_to(column: Values, rows: np.ndarray, factors: Sequence[Values]) -> bool:
    """Whether each parent's number is what its children come to, where it has any."""
    slack = column.slack * 4 + (column.step / 2 if len(factors) > 1 else 0.0)
    for n_parents in (_FIRST_PARENTS, len(column.array)):
        some = np.flatnonzero(rows < n_parents)
        made = total(rows[some], n_parents, [v.numbers[some] for v in factors])[: len(column.array)]
        if (~(np.abs(made - column.numbers[:n_parents]) <= slack) & ~np.isnan(made)).any():
            return False
    return True
