"""Search for arithmetic: columns that are the sum, difference, product or quotient of others in every row.

Candidates are sieved on a few rows first, all at once, and what is left is tried on every row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from ...columns.arithmetic import Formula, Product, Sum, evaluate
from ...schema import Kind
from .columns import ColumnValues
from .evidence import MIN_ROWS, NEEDED, agreement
from .kinds import Arithmetic

__all__ = ["find_arithmetic"]

_SIEVE_ROWS = 48
_MOST_COLUMNS = 150  # numbers of a table among which pairs are looked for
_MOST_FOR_THREE = 40  # and threes
_FEW_ROWS = 8  # of the sieve in which both sides of a constant rate are known
_VARIETY = 5  # twice as many values than this has a column that a constant rate fixes


def find_arithmetic(table: str, values: Mapping[str, ColumnValues]) -> list[Arithmetic]:
    """The formulas of a table; each column is computed once, from columns that come before it or are drawn.

    The simplest come first: a constant distance, a constant rate, two terms, two factors, three terms.
    """
    numeric = [v for v in values.values() if v.is_numeric and np.isfinite(v.numbers).sum() >= MIN_ROWS and _varies(v)]
    plain = [v for v in numeric if v.column.kind in (Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT)][:_MOST_COLUMNS]
    found: list[Arithmetic] = []
    needs: dict[str, set[str]] = {}  # all that a computed column is made of, at whatever remove
    for formula in _candidates(numeric, plain, needs):
        column, operands = formula.column, set(formula.operands)
        made_of = operands | {name for operand in operands for name in needs.get(operand, ())}
        if column in needs or column in made_of or not _holds(formula, values):
            continue
        needs[column] = made_of
        for name, others in needs.items():
            if column in others:
                needs[name] = others | made_of
        null = np.logical_or.reduce([values[name].null for name in operands])
        found.append(Arithmetic(table, formula, whole=bool(values[column].null[null].all())))
    return _in_order(found)


def _varies(values: ColumnValues) -> bool:
    known = values.numbers[np.isfinite(values.numbers)]
    return bool(known.min() < known.max())


def _in_order(found: Sequence[Arithmetic]) -> list[Arithmetic]:
    """Formulas after those that compute their operands."""
    left, result = list(found), []
    while left:
        waiting = {rule.formula.column for rule in left}
        ready = [rule for rule in left if not waiting & set(rule.formula.operands)]
        result += ready
        left = [rule for rule in left if rule not in ready]
    return result


def _candidates(
    numeric: Sequence[ColumnValues], plain: Sequence[ColumnValues], taken: Mapping[str, object]
) -> Iterator[Formula]:
    """Formulas that hold in the sieve's rows; ``taken`` says which columns need no more, and grows meanwhile."""
    for a, b in combinations(numeric, 2):
        if a.column.kind is b.column.kind:
            distance = b.numbers - a.numbers
            first = distance[np.isfinite(distance)][:1]
            if len(first) and not (np.abs(distance[:_SIEVE_ROWS] - first) > a.slack + b.slack).any():
                step = min(a.step, b.step)
                constant = round(float(first[0]) / step) * step if step else float(f"{first[0]:.12g}")
                yield Sum(b.name, (a.name,), (1,), float(f"{constant:.15g}"), step)
    plain = [v for v in plain if v.name not in taken]
    if len(plain) < 2:
        return
    rows = _sieve_rows(plain)
    matrix = np.stack([v.numbers[rows] for v in plain])
    yield from _rates(plain, matrix, np.arange(len(plain))[:, None], taken)
    if len(plain) < 3:
        return
    pairs = np.array(list(combinations(range(len(plain)), 2)))
    i, j = pairs.T
    yield from _sums(plain, matrix, pairs, taken)
    with np.errstate(divide="ignore", invalid="ignore"):
        for powers, made in (
            ((1, 1), matrix[i] * matrix[j]), ((1, -1), matrix[i] / matrix[j]), ((-1, 1), matrix[j] / matrix[i]),
        ):
            for pair, c in _matches(made, matrix, [0.5 * v.step + v.slack for v in plain], pairs):
                if plain[c].name not in taken:
                    factors, signs = tuple(plain[k].name for k in pair), powers
                    if powers[0] < 0:
                        factors, signs = factors[::-1], powers[::-1]
                    yield Product(plain[c].name, factors, signs, 1.0, plain[c].step)
    if len(plain) <= _MOST_FOR_THREE:
        yield from _rates(plain, matrix, pairs, taken)
        threes = np.array(list(combinations(range(len(plain)), 3)))
        yield from _sums(plain, matrix, threes, taken)


def _sums(
    plain: Sequence[ColumnValues], matrix: np.ndarray, chosen: np.ndarray, taken: Mapping[str, object]
) -> Iterator[Formula]:
    made = matrix[chosen].sum(axis=1)
    for terms, c in _matches(made, matrix, [v.slack for v in plain], chosen):
        target, operands = plain[c], [plain[k] for k in terms]
        if target.name not in taken:
            names = tuple(v.name for v in operands)
            yield Sum(target.name, names, (1,) * len(names), 0.0, min(v.step for v in (target, *operands)))
        else:  # computed already in another way: then this says what one of the terms is
            for k, term in enumerate(operands):
                if term.name not in taken:
                    rest = tuple(v.name for n, v in enumerate(operands) if n != k)
                    signs = (1, *[-1] * len(rest))
                    yield Sum(term.name, (target.name, *rest), signs, 0.0, min(v.step for v in (target, *operands)))
                    break


def _sieve_rows(values: Sequence[ColumnValues]) -> np.ndarray:
    """Rows spread over the table, those with the most known values."""
    known = np.sum([np.isfinite(v.numbers) for v in values], axis=0)
    best = np.flatnonzero(known >= np.quantile(known, 0.75))
    return best[np.linspace(0, len(best) - 1, min(_SIEVE_ROWS, len(best))).astype(np.int64)]


def _matches(
    made: np.ndarray, matrix: np.ndarray, slack: Sequence[float], chosen: np.ndarray
) -> list[tuple[tuple[int, ...], int]]:
    """Which rows of ``made`` agree with which rows of ``matrix``, null with anything, as (chosen columns, column)."""
    if matrix.shape[1] == 0:
        return []
    room = np.array(slack)
    pairs = np.argwhere(~(np.abs(made[:, None, 0] - matrix[None, :, 0]) > room))
    for row in range(1, matrix.shape[1]):
        apart = np.abs(made[pairs[:, 0], row] - matrix[pairs[:, 1], row]) > room[pairs[:, 1]]
        pairs = pairs[~apart]
    return [(tuple(chosen[m].tolist()), int(c)) for m, c in pairs if c not in chosen[m]]


def _rates(
    plain: Sequence[ColumnValues], matrix: np.ndarray, chosen: np.ndarray, taken: Mapping[str, object]
) -> Iterator[Formula]:
    """Products of columns with a short constant, in the sieve's rows rounded to the target's step."""
    made = matrix[chosen].prod(axis=1)
    for c, target in enumerate(plain):
        usable = np.isfinite(made) & np.isfinite(matrix[c])
        largest = np.argmax(np.where(usable, np.abs(made), -1.0), axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            rates = matrix[c][largest] / made[np.arange(len(made)), largest]
            fits = np.isfinite(rates) & (rates != 0) & ~(chosen == c).any(axis=1) & (usable.sum(axis=1) >= _FEW_ROWS)
            # The rate from the largest number is the closest; the true one is about it.
            apart = np.abs(rates[:, None] * made - matrix[c])
            relative = np.abs(made) / np.abs(made[np.arange(len(made)), largest])[:, None]
            fits &= ~(apart > (0.5 * target.step + target.slack) * (1 + relative)).any(axis=1)
        for m in np.flatnonzero(fits).tolist():
            rate = _short(rates[m], made[m], matrix[c], 0.5 * target.step + target.slack)
            if rate is not None and rate != 1 and target.name not in taken:
                factors = tuple(plain[k].name for k in chosen[m])
                yield Product(target.name, factors, (1,) * len(factors), rate, target.step)


def _short(rate: float, made: np.ndarray, target: np.ndarray, room: float) -> float | None:
    """The number of fewest digits that is the rate in all rows."""
    for digits in range(1, 7):
        short = float(f"{rate:.{digits}g}")
        if not (np.abs(short * made - target) > room).any():
            return short
    return None


def _holds(formula: Formula, values: Mapping[str, ColumnValues]) -> bool:
    """Whether a formula fits every row where all is known, and is no accident."""
    target = values[formula.column]
    numbers = {name: values[name].numbers for name in formula.operands}
    made = evaluate(formula, numbers)
    known = np.isfinite(made) & np.isfinite(target.numbers)
    if known.sum() < MIN_ROWS:
        return False
    room = 0.5 * formula.step * (1 + 1e-9) if isinstance(formula, Product) else 0.0
    room += target.slack + sum(values[name].slack for name in formula.operands) * isinstance(formula, Sum)
    if (np.abs(made - target.numbers)[known] > room).any():
        return False
    return all(_tells(values[name], known, formula) for name in (formula.column, *formula.operands))


def _tells(values: ColumnValues, known: np.ndarray, formula: Formula) -> bool:
    """Whether a column's part in a formula is no accident: it takes values that would rarely fit by chance."""
    numbers = values.numbers[known]
    nothing = (numbers == 0) | (np.abs(numbers) == 1) if isinstance(formula, Product) else numbers == 0
    single = len(formula.operands) == 1
    if (~nothing).sum() < MIN_ROWS and not single:
        return False
    if isinstance(formula, Product) and single and len(np.unique(numbers)) < 2 * _VARIETY:
        return False
    if len(np.unique(numbers)) < 2:
        return False
    width = formula.step if isinstance(formula, Product) and values.name == formula.column else 0.0
    codes = np.round(numbers / width) if width else numbers
    return known.sum() * agreement(codes) >= NEEDED
