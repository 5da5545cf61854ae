"""Rules kept in synthetic rows: what is fixed is computed, what is bound is told so, and what is broken is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...columns.arithmetic import compute, evaluate
from ...columns.numbers import from_numbers, to_numbers
from ...columns.order import Bound
from ...keys import joint_codes
from ...schema import Column, ForeignKey, Kind, Table
from .across import total
from .columns import days_of
from .kinds import Arithmetic, Copy, Equal, Fixed, Nulls, Order, ParentOrder, Rule, Total
from .within import as_text

__all__ = ["Keeper", "bounds_of", "given_name", "parent_column", "reach", "totalled"]

Parents = Mapping[ForeignKey, tuple[np.ndarray, Mapping[str, pa.Array]]]


def given_name(key: ForeignKey, column: str) -> str:
    """A name for a parent's column beside the child's own."""
    return f"{key.child}({','.join(key.columns)})->{key.parent}\0{column}"


def parent_column(parents: Parents, key: ForeignKey, column: str) -> pa.Array:
    """What each row's parent holds, null without one."""
    rows, arrays = parents[key]
    return arrays[column].take(pa.array(rows, mask=rows < 0))


def bounds_of(rules: Sequence[Rule], drawn: Sequence[str]) -> dict[str, tuple[Bound, ...]]:
    """For each drawn column the columns that bind it, so that no two bind each other at whatever remove.

    The later of two is bound by the earlier one where both are drawn. A parent's columns are called as `given_name`
    says.
    """
    needs: dict[str, set[str]] = {
        rule.formula.column: set(rule.formula.operands) for rule in rules if isinstance(rule, Arithmetic)
    }
    bounds: dict[str, list[Bound]] = {}

    def is_needed(name: str, by: str) -> bool:
        return name == by or any(is_needed(name, other) for other in needs.get(by, ()))

    for rule in rules:
        if isinstance(rule, Order):
            for column, other, is_low in ((rule.high, rule.low, True), (rule.low, rule.high, False)):
                if column in drawn and not is_needed(column, other):
                    needs.setdefault(column, set()).add(other)
                    bounds.setdefault(column, []).append(Bound(other, is_low, rule.strict, rule.by_day))
                    break
        elif isinstance(rule, ParentOrder) and rule.column in drawn:
            name = given_name(rule.key, rule.parent_column)
            bounds.setdefault(rule.column, []).append(Bound(name, not rule.is_low, rule.strict, rule.by_day))
    return {column: tuple(of) for column, of in bounds.items()}


@dataclass(frozen=True)
class Keeper:
    """One table's rules, with what its rows' parents hold.

    Attributes:
        parents: of each foreign key that rules name, each row's parent row, int64 ``(n,)``, -1 for none, and the
            parent's columns.
        kinds: of the parents' columns, by table and column.
    """

    table: Table
    rules: Sequence[Rule]
    parents: Parents
    kinds: Mapping[tuple[str, str], Kind]

    def settle(self, columns: Mapping[str, pa.Array], rng: np.random.Generator) -> dict[str, pa.Array]:
        """The columns with everything computed that others fix, and redrawn what a parent's values rule out."""
        columns = dict(columns)
        for rule in self.rules:
            if not all(name in columns for name in rule.columns):
                continue
            match rule:
                case Copy():
                    theirs = parent_column(self.parents, rule.key, rule.parent_column)
                    held = pa.array(self.parents[rule.key][0] >= 0)
                    columns[rule.column] = pc.if_else(held, theirs, columns[rule.column])
                case Equal():
                    columns[rule.column] = columns[rule.other]
                case Arithmetic():
                    columns[rule.formula.column] = self._computed(rule, columns)
                case Fixed(is_given=True):
                    of = rule.column
                    together = [r for r in self.rules if isinstance(r, Fixed) and r.is_given and r.column == of]
                    columns |= _following(together, columns, rng) if rule is together[0] else {}
                case Fixed():
                    columns[rule.column] = _fixed(rule, columns)
                case Nulls():
                    null = pc.and_(pa.array(_at(rule, columns, rule.null_at)), columns[rule.column].is_valid())
                    if pc.any(null).as_py():
                        value = pa.scalar(None, columns[rule.column].type)
                        columns[rule.column] = pc.if_else(null, value, columns[rule.column])
                case ParentOrder():
                    columns[rule.column] = self._redrawn(rule, columns, rng)
        return columns

    def broken(self, rule: Rule, columns: Mapping[str, pa.Array]) -> np.ndarray:
        """Rows that do not obey a rule, int64."""
        if not all(name in columns for name in rule.columns):
            return np.zeros(0, dtype=np.int64)
        match rule:
            case Order():
                low, high = (_comparable(self.table.column(n).kind, columns[n], rule.by_day) for n in rule.columns)
                return np.flatnonzero(low >= high if rule.strict else low > high)
            case ParentOrder():
                return np.flatnonzero(self._outside(rule, columns))
            case Nulls():
                null = columns[rule.column].is_null().to_numpy(zero_copy_only=False)
                return np.flatnonzero(
                    (_at(rule, columns, rule.null_at) & ~null) | (_at(rule, columns, rule.known_at) & null)
                )
            case Fixed():
                return np.flatnonzero(_differs(columns[rule.column], _fixed(rule, columns)))
            case Equal():
                return np.flatnonzero(_differs(columns[rule.column], columns[rule.other]))
            case Copy():
                held = self.parents[rule.key][0] >= 0
                theirs = parent_column(self.parents, rule.key, rule.parent_column)
                return np.flatnonzero(held & _differs(columns[rule.column], theirs))
            case Arithmetic():
                return np.flatnonzero(self._off(rule, columns))
            case Total():
                return np.zeros(0, dtype=np.int64)  # what children come to is known when they are

    def _computed(self, rule: Arithmetic, columns: Mapping[str, pa.Array]) -> pa.Array:
        """The formula's value where it has one and the column is not null by itself."""
        name, of = rule.formula.column, {column.name: column for column in self.table.columns}
        made = compute(rule.formula, columns, of, columns[name].type)
        usable = pc.and_(made.is_valid(), columns[name].is_valid())
        otherwise = pa.scalar(None, made.type) if rule.whole else columns[name]
        return pc.if_else(usable, made, otherwise)

    def _off(self, rule: Arithmetic, columns: Mapping[str, pa.Array]) -> np.ndarray:
        formula = rule.formula
        numbers = {name: to_numbers(columns[name], self.table.column(name).kind) for name in rule.columns}
        with np.errstate(invalid="ignore"):
            apart = np.abs(evaluate(formula, numbers) - numbers[formula.column])
        return apart > 0.5 * formula.step * (1 + 1e-6) + 1e-9 * np.abs(np.nan_to_num(numbers[formula.column]))

    def _outside(self, rule: ParentOrder, columns: Mapping[str, pa.Array]) -> np.ndarray:
        ours, theirs = self._ends(rule, columns)
        if rule.is_low:
            return ours >= theirs if rule.strict else ours > theirs
        return ours <= theirs if rule.strict else ours < theirs

    def _ends(self, rule: ParentOrder, columns: Mapping[str, pa.Array]) -> tuple[np.ndarray, np.ndarray]:
        theirs = parent_column(self.parents, rule.key, rule.parent_column)
        ours = _comparable(self.table.column(rule.column).kind, columns[rule.column], rule.by_day)
        return ours, _comparable(self.kinds[rule.key.parent, rule.parent_column], theirs, rule.by_day)

    def _redrawn(self, rule: ParentOrder, columns: Mapping[str, pa.Array], rng: np.random.Generator) -> pa.Array:
        """Rows out of the parent's bounds take a value that another row has within them; the nearest where none is."""
        outside = np.flatnonzero(self._outside(rule, columns))
        if len(outside) == 0:
            return columns[rule.column]
        ours, theirs = self._ends(rule, columns)
        order = np.argsort(ours, kind="stable")
        order = order[np.isfinite(ours[order])]
        side = "right" if rule.strict != rule.is_low else "left"
        edge = np.searchsorted(ours[order], theirs[outside], side)
        least, most = (np.zeros_like(edge), edge) if rule.is_low else (edge, np.full_like(edge, len(order)))
        pick = least + np.floor(rng.random(len(outside)) * (most - least)).astype(np.int64)
        source = np.arange(len(ours))
        source[outside] = order[np.clip(pick, 0, len(order) - 1)]
        return columns[rule.column].take(pa.array(source))


def totalled(rule: Total, column: Column, old: pa.Array, rows: np.ndarray, child: Mapping[str, pa.Array],
             kinds: Mapping[str, Column]) -> pa.Array:  # fmt: skip
    """A parent's column as what its children come to.

    Args:
        rows: int64 ``(n_children,)``, the parent's row of each child, -1 for none.
        child, kinds: the child's columns, and what they are.
    """
    factors = [to_numbers(child[name], kinds[name].kind) for name in rule.factors]
    n = len(old)
    made = total(rule.measure, rows, n, factors)
    childless = np.bincount(rows[rows >= 0], minlength=n) == 0
    made = np.where(childless, np.nan if rule.childless is None else rule.childless, made)
    return from_numbers({"value": made}, column, {"value": rule.step}, old.type)


def _comparable(kind: Kind, array: pa.Array, by_day: bool) -> np.ndarray:
    return days_of(array, kind) if by_day else to_numbers(array, kind)


def _at(rule: Nulls, columns: Mapping[str, pa.Array], where: Sequence[str | None]) -> np.ndarray:
    """Rows in which the other column has one of these values."""
    other = columns[rule.by]
    if rule.by_null:
        null = other.is_null().to_numpy(zero_copy_only=False)
        return (null & ("null" in where)) | (~null & ("known" in where))
    codes, values = joint_codes(pa.chunked_array([other]), pa.chunked_array([], type=other.type))
    named = np.array([text in where for text in as_text(values)] + [None in where])
    return named[codes]  # -1, for null, is the last


def _fixed(rule: Fixed, columns: Mapping[str, pa.Array]) -> pa.Array:
    """What the other column's values fix: the real value where it was learned, else that of the first row."""
    by, column = columns[rule.by], columns[rule.column]
    codes, values = joint_codes(pa.chunked_array([by]), pa.chunked_array([], type=by.type))
    if len(values) == 0:
        return column
    first = np.zeros(len(values), dtype=np.int64)
    rows = np.flatnonzero(codes >= 0)[::-1]
    first[codes[rows]] = rows
    source = np.where(codes >= 0, first[codes], np.arange(len(codes)))
    result = column.take(pa.array(source))
    if rule.values:
        texts = as_text(values)
        learned = np.array([text in rule.values for text in texts] + [False])
        real = pa.array([rule.values.get(text) for text in texts] + [None], pa.string()).cast(column.type)
        result = pc.if_else(pa.array(learned[codes]), real.take(pa.array(codes % len(learned))), result)
    return result


def _following(
    rules: Sequence[Fixed], columns: Mapping[str, pa.Array], rng: np.random.Generator
) -> dict[str, pa.Array]:
    """What would fix a column, where it fixes another value: all that does, of a random row that has this one."""
    column = columns[rules[0].column]
    wrong = np.logical_or.reduce([_differs(column, _fixed(rule, columns)) for rule in rules])
    if not wrong.any():
        return {}
    codes = joint_codes(pa.chunked_array([column]), pa.chunked_array([], type=column.type))[0]
    right = np.flatnonzero(~wrong)
    right = right[np.argsort(codes[right], kind="stable")]
    rows = np.flatnonzero(wrong)
    least, most = (np.searchsorted(codes[right], codes[rows], side) for side in ("left", "right"))
    found = most > least
    source = np.arange(len(codes))
    source[rows[found]] = right[(least + np.floor(rng.random(len(rows)) * (most - least)).astype(np.int64))[found]]
    result = {rule.by: columns[rule.by].take(pa.array(source)) for rule in rules}
    if not found.all():  # no row is right: then what was learned says
        texts = as_text(column.take(pa.array(rows[~found])))
        for rule in rules:
            result[rule.by] = _learned(rule, result[rule.by], rows[~found], texts, rng)
    return result


def _learned(
    rule: Fixed, by: pa.Array, rows: np.ndarray, texts: Sequence[str | None], rng: np.random.Generator
) -> pa.Array:
    """A column with values in these rows that are known to fix the wanted ones, where any are."""
    fixing: dict[str | None, list[str]] = {}
    for text, fixed in rule.values.items():
        fixing.setdefault(fixed, []).append(text)
    chosen = [(row, fixing[text][rng.integers(len(fixing[text]))]) for row, text in zip(rows, texts, strict=True)
              if text in fixing]  # fmt: skip
    new = pa.array([text for _, text in chosen], pa.string()).cast(by.type)
    source = np.arange(len(by))
    source[[row for row, _ in chosen]] = len(by) + np.arange(len(chosen))
    return pa.concat_arrays([by, new]).take(pa.array(source))


def reach(rule: Total, rows: np.ndarray, child: pa.Array, kind: Kind, parent: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """The child's column with the greatest (least) of each group at what the parent holds, and the changed rows.

    So a parent keeps the last date that was drawn for it, instead of the latest of many draws.

    Args:
        rows: int64 ``(n_children,)``, the parent's row of each child, -1 for none.
        kind: of both columns.
    """
    numbers = to_numbers(child, kind)
    sign = 1 if rule.measure == "max" else -1
    known = np.flatnonzero((rows >= 0) & np.isfinite(numbers) & np.isfinite(to_numbers(parent, kind)[rows]))
    order = known[np.lexsort((sign * numbers[known], rows[known]))]
    last = order[np.r_[rows[order][1:] != rows[order][:-1], True]] if len(order) else order
    is_last = np.zeros(len(rows), dtype=bool)
    is_last[last] = True
    return pc.if_else(pa.array(is_last), parent.take(pa.array(np.maximum(rows, 0))), child), last


def _differs(first: pa.Array, second: pa.Array) -> np.ndarray:
    codes = joint_codes(pa.chunked_array([first]), pa.chunked_array([second]))[0]
    return codes[: len(first)] != codes[len(first) :]
