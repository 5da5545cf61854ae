"""How strongly two columns go together, on one scale for numbers and categories, for a picture of all pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .compared import Side

__all__ = ["associations"]


def associations(columns: Sequence[Side]) -> np.ndarray:
    """A table of every column with every other: 0 where they have nothing to do with each other, 1 where one tells all.

    Two numbers: Pearson's correlation, -1 … 1, over the rows that have both. A number and a category: the correlation
    ratio, corrected for the number of categories (Kelley's epsilon). Two categories: Cramér's V, corrected for the size
    of their table (Bergsma 2013).

    Args:
        columns: of the same rows.

    Returns:
        float64 ``(n_columns, n_columns)``, symmetric, 1 on the diagonal; NaN where one of the two does not vary.
    """
    table = np.full((len(columns), len(columns)), np.nan)
    numbers = [i for i, column in enumerate(columns) if column.values is not None]
    if numbers:
        values = pd.DataFrame({i: columns[i].values for i in numbers}, dtype=np.float64)
        table[np.ix_(numbers, numbers)] = values.corr().to_numpy()
    for i, first in enumerate(columns):
        for j, second in enumerate(columns[:i]):
            if first.values is None or second.values is None:
                table[i, j] = table[j, i] = _with_category(first, second)
    np.fill_diagonal(table, 1.0)
    return np.clip(table, -1.0, 1.0)


def _with_category(first: Side, second: Side) -> float:
    if first.values is not None:
        return _correlation_ratio(first.values, second.codes)
    if second.values is not None:
        return _correlation_ratio(second.values, first.codes)
    return _cramers_v(first.codes, second.codes)


def _correlation_ratio(values: np.ndarray, codes: np.ndarray) -> float:
    """Root of the share of the numbers' variance that lies between the categories."""
    known = ~np.isnan(values)
    x, groups = values[known].astype(np.float64), codes[known]
    sizes = np.bincount(groups)
    n, n_groups = x.size, np.count_nonzero(sizes)
    if n_groups < 2 or n <= n_groups or x.min() == x.max():
        return np.nan
    x -= x.mean()
    sums = np.bincount(groups, weights=x)[sizes > 0]
    between = (sums**2 / sizes[sizes > 0]).sum() / (x**2).sum()
    return float(np.sqrt(max(0.0, 1.0 - (1.0 - between) * (n - 1) / (n - n_groups))))


def _cramers_v(first: np.ndarray, second: np.ndarray) -> float:
    (_, a), (_, b) = (np.unique(codes, return_inverse=True) for codes in (first, second))
    n, n_a, n_b = a.size, a.max(initial=-1) + 1, b.max(initial=-1) + 1
    if n_a < 2 or n_b < 2:
        return np.nan
    cells, counts = np.unique(a.astype(np.int64) * n_b + b, return_counts=True)
    in_a, in_b = np.bincount(a)[cells // n_b], np.bincount(b)[cells % n_b]
    square = (counts**2 / (in_a.astype(np.float64) * in_b)).sum() - 1.0  # chi square over n
    square = max(0.0, square - (n_a - 1) * (n_b - 1) / (n - 1))
    room = min(n_a - (n_a - 1) ** 2 / (n - 1), n_b - (n_b - 1) ** 2 / (n - 1)) - 1.0
    return float(np.sqrt(min(square / room, 1.0))) if room > 0 else np.nan
