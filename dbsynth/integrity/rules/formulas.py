"""Search for arithmetic: numbers that are the sum, product or quotient of others in every row.

Candidates are sieved on a few rows, all at once; what is left is tried on every row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, permutations

import numpy as np
import pyarrow as pa

from ...columns.numbers import from_numbers, to_numbers
from ...schema import Column, Kind
from .evidence import MIN_ROWS, believed
from .kinds import Formula
from .values import AMOUNTS, Values

__all__ = ["compute", "find_formulas"]

_SIEVE_ROWS = 48
_MOST_COLUMNS = 40  # numbers of a table among which is looked for
_DIGITS = 4  # most digits of a constant rate
_RATED_VALUES = 10  # values that a column at a constant rate has at least


def find_formulas(table: str, values: Mapping[str, Values], targets: Sequence[str]) -> list[Formula]:
    """The formulas of a table, the simplest for each column, each after those that compute its operands.

    Args:
        values: numbers.
        targets: columns that may be computed.
    """
    made_of: dict[str, set[str]] = {}  # by computed column, all that it is made of, at whatever remove
    found: list[Formula] = []
    related: set[frozenset[str]] = set()
    for formula in _candidates(table, list(values.values())[:_MOST_COLUMNS]):
        named = frozenset({formula.column, *formula.operands})
        operands = set(formula.operands).union(*(made_of.get(name, ()) for name in formula.operands))
        free = formula.column in targets and formula.column not in made_of and formula.column not in operands
        if free and named not in related and _holds(formula, values):
            related.add(named)
            for name in [name for name, others in made_of.items() if formula.column in others]:
                made_of[name] |= operands
            made_of[formula.column] = operands
            found.append(formula)
    return sorted(found, key=lambda formula: len(made_of[formula.column] & made_of.keys()))


def compute(
    formula: Formula, arrays: Mapping[str, pa.Array], columns: Mapping[str, Column], type_: pa.DataType
) -> pa.Array:
    """The formula's column in that type, from the arrays of its operands."""
    made = _evaluate(formula, {name: to_numbers(arrays[name], columns[name].kind) for name in formula.operands})
    return from_numbers({"value": made}, columns[formula.column], {"value": formula.step}, type_)


def _evaluate(formula: Formula, numbers: Mapping[str, np.ndarray]) -> np.ndarray:
    """The formula's value in every row, float64 ``(n,)``, rounded to its step; NaN where it has none."""
    result = np.full(len(numbers[formula.operands[0]]), formula.constant)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for name, sign in zip(formula.operands, formula.signs, strict=True):
            if formula.is_product:
                result = result * numbers[name] if sign > 0 else result / numbers[name]
            else:
                result = result + sign * numbers[name]
        if formula.step:
            # A float a hair below a half, 1.005 say, is meant to be one.
            steps = result / formula.step
            result = np.sign(steps) * np.floor(np.abs(steps) * (1 + 4e-16) + 0.5) * formula.step
    return np.where(np.isfinite(result), result, np.nan)


def _candidates(table: str, numeric: Sequence[Values]) -> Iterator[Formula]:
    """Formulas that hold in the sieve's rows, the simplest first."""
    for a, b in combinations([v for v in numeric if v.column.kind is not Kind.TIME], 2):  # a time ends with the day
        yield from _distance(table, a, b)
    amounts = [v for v in numeric if v.column.kind in AMOUNTS]
    if len(amounts) < 2:
        return
    rows = _sieve_rows(amounts)
    matrix = np.stack([v.numbers[rows] for v in amounts])
    for a, b in permutations(range(len(amounts)), 2):
        yield from _rate(table, amounts[a], amounts[b])
    for n in (2, 3):
        chosen = np.array(list(combinations(range(len(amounts)), n)), np.int64).reshape(-1, n)
        room = np.array([v.slack for v in amounts])
        yield from _sieved(table, amounts, matrix, chosen, matrix[chosen].sum(axis=1), room, (1,) * n, False)
        if n == 2:
            room += [v.step / 2 for v in amounts]
            yield from _sieved(table, amounts, matrix, chosen, matrix[chosen].prod(axis=1), room, (1, 1), True)
            for pairs in (chosen, chosen[:, ::-1]):
                with np.errstate(divide="ignore", invalid="ignore"):
                    made = matrix[pairs[:, 0]] / matrix[pairs[:, 1]]
                yield from _sieved(table, amounts, matrix, pairs, made, room, (1, -1), True)


def _distance(table: str, a: Values, b: Values) -> Iterator[Formula]:
    """Due a fortnight after it was issued: the later column, or the greater, is told from the other."""
    apart = b.numbers - a.numbers
    known = apart[np.isfinite(apart)]
    if a.column.kind is not b.column.kind or not len(known) or known.min() < known.max() - a.slack - b.slack:
        return
    step = min(a.step, b.step)
    constant = round(float(known[0]) / step) * step if step else float(known[0])
    first, second, constant = (a, b, constant) if constant >= 0 else (b, a, -constant)
    if constant:  # else the one is a copy of the other
        yield Formula(table, second.name, (first.name,), (1,), False, float(f"{constant:.15g}"), step)


def _rate(table: str, target: Values, other: Values) -> Iterator[Formula]:
    """A tax of 19 %, in cents."""
    at = np.nanargmax(np.abs(np.where(np.isfinite(target.numbers), other.numbers, 0.0)))
    if not other.numbers[at] or min(target.n_values, other.n_values) < _RATED_VALUES:
        return
    for digits in range(1, _DIGITS + 1):
        rate = float(f"{target.numbers[at] / other.numbers[at]:.{digits}g}")
        apart = np.abs(rate * other.numbers[:_SIEVE_ROWS] - target.numbers[:_SIEVE_ROWS])
        if rate not in (0.0, 1.0) and not (apart > target.step / 2 + target.slack).any():
            yield Formula(table, target.name, (other.name,), (1,), True, rate, target.step)
            return


def _sieve_rows(values: Sequence[Values]) -> np.ndarray:
    """Rows spread over the table, those with the most known values."""
    known = np.sum([np.isfinite(v.numbers) for v in values], axis=0)
    best = np.flatnonzero(known >= np.quantile(known, 0.75))
    return best[np.linspace(0, len(best) - 1, min(_SIEVE_ROWS, len(best))).astype(np.int64)]


def _sieved(
    table: str, amounts: Sequence[Values], matrix: np.ndarray, chosen: np.ndarray, made: np.ndarray, room: np.ndarray,
    signs: tuple[int, ...], is_product: bool,
) -> Iterator[Formula]:  # fmt: skip
    """The formulas over ``chosen`` columns whose values ``made`` are those of another in the sieve, null as any."""
    pairs = np.argwhere(~(np.abs(made[:, None, 0] - matrix[None, :, 0]) > room))
    for row in range(1, matrix.shape[1]):
        apart = np.abs(made[pairs[:, 0], row] - matrix[pairs[:, 1], row])
        pairs = pairs[~(apart > room[pairs[:, 1]])]
    for m, c in pairs.tolist():
        operands = [amounts[k] for k in chosen[m]]
        if c not in chosen[m]:
            step = amounts[c].step if is_product else min(v.step for v in (amounts[c], *operands))
            names = tuple(v.name for v in operands)
            yield Formula(table, amounts[c].name, names, signs, is_product, float(is_product), step)


def _holds(formula: Formula, values: Mapping[str, Values]) -> bool:
    """Whether a formula fits every row, and each column's part in it is no accident."""
    target = values[formula.column]
    made = _evaluate(formula, {name: values[name].numbers for name in formula.operands})
    known = np.isfinite(made)
    if known.sum() < MIN_ROWS or (known != ~target.null).any():
        return False
    if not _has_room(formula, values) or (target.step == 0 and target.column.kind is not Kind.FLOAT):
        return False
    room = target.slack + (1e-9 * np.nanmax(np.abs(made)) if formula.step == 0 else formula.step * 1e-3)
    if (np.abs(made - target.numbers)[known] > room).any():
        return False
    return all(believed(int(known.sum()), values[name].codes[known]) for name in (formula.column, *formula.operands))


def _has_room(formula: Formula, values: Mapping[str, Values]) -> bool:
    """Whether the column's type holds whatever the operands may come to, and nothing is divided by 0."""
    most = [np.nanmax(np.abs(values[name].numbers)) for name in formula.operands]
    for i, (name, sign) in enumerate(zip(formula.operands, formula.signs, strict=True)):
        if formula.is_product and sign < 0:
            numbers = values[name].numbers
            if np.nanmin(numbers) <= 0 <= np.nanmax(numbers):
                return False
            most[i] = 1 / np.nanmin(np.abs(numbers))
    largest = abs(formula.constant) * np.prod(most) if formula.is_product else abs(formula.constant) + np.sum(most)
    return largest <= values[formula.column].capacity
