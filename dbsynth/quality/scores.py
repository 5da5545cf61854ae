"""The arithmetic of the measures: how alike two columns, two pairs of columns, or two sets of groups are.

All scores are in 0 … 1, 1 best. What the real side leaves undefined (no rows, no variance) scores NaN: there is nothing
to reproduce. What only the synthetic side lacks scores 0 if it has no rows at all; otherwise a correlation or a share
of variance that is undefined there counts as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .compared import ComparedColumn, Side

__all__ = ["group_likeness", "ks_complement", "overlap", "pair_scores"]

BLOCK = 1 << 16  # rows per step of a matrix product


def ks_complement(real: np.ndarray, synthetic: np.ndarray) -> float:
    """1 - the two-sample Kolmogorov–Smirnov statistic: the largest distance between the two distribution functions.

    Args:
        real, synthetic: float64 ``(n,)`` and ``(m,)``, no NaN.
    """
    if not real.size or not synthetic.size:
        return 0.0 if real.size else np.nan
    points, counts = np.unique(real, return_counts=True)
    synthetic = np.sort(synthetic)
    at = np.cumsum(counts) / real.size
    before = at - counts / real.size
    # The distance is largest at a real value or just before one: between them only the synthetic function moves.
    above = at - np.searchsorted(synthetic, points, side="right") / synthetic.size
    below = np.searchsorted(synthetic, points, side="left") / synthetic.size - before
    return 1.0 - max(above.max(), below.max(), 0.0)


def overlap(real: np.ndarray, synthetic: np.ndarray, n_cells: int) -> float:
    """1 - the total variation distance between two samples of whole numbers in ``[0, n_cells)``."""
    if not real.size or not synthetic.size:
        return 0.0 if real.size else np.nan
    if _is_small(n_cells, real.size + synthetic.size):
        p, q = np.bincount(real, minlength=n_cells), np.bincount(synthetic, minlength=n_cells)
    else:
        (cells, p), (others, q) = (np.unique(side, return_counts=True) for side in (real, synthetic))
        _, in_real, in_synthetic = np.intersect1d(cells, others, assume_unique=True, return_indices=True)
        p, q = p[in_real], q[in_synthetic]
    return float(np.minimum(p * synthetic.size, q * real.size).sum() / (real.size * synthetic.size))


def _is_small(n_cells: int, n_rows: int) -> bool:
    """Whether counting every cell of a table is cheaper than sorting the rows."""
    return n_cells <= max(1 << 16, 4 * n_rows)


def pair_scores(
    left: Sequence[ComparedColumn], right: Sequence[ComparedColumn], pairs: Sequence[tuple[int, int]]
) -> list[float]:
    """How alike the two databases are in each of the named pairs of columns.

    Two numeric columns: 1 - half the distance of the Pearson correlations, over the rows that have both values. Others:
    1 - total variation of the joint table of codes.

    Args:
        left, right: columns of the same rows.
        pairs: positions in `left` and `right`.
    """
    numbers = {side: [i for i, c in enumerate(cols) if c.is_numeric] for side, cols in enumerate((left, right))}
    place = {side: {i: at for at, i in enumerate(found)} for side, found in numbers.items()}
    likeness = np.zeros((0, 0))
    if any(i in place[0] and j in place[1] for i, j in pairs):
        likeness = _correlation_likeness([left[i] for i in numbers[0]], [right[j] for j in numbers[1]])
    scores = []
    for i, j in pairs:
        if i in place[0] and j in place[1]:
            scores.append(float(likeness[place[0][i], place[1][j]]))
        else:
            a, b = left[i], right[j]
            cells = (_cells(x.codes, y.codes, b.n_codes) for x, y in ((a.real, b.real), (a.synthetic, b.synthetic)))
            scores.append(overlap(*cells, a.n_codes * b.n_codes))
    return scores


def _cells(a: np.ndarray, b: np.ndarray, n_b: int) -> np.ndarray:
    """The cell of a table with `n_b` columns into which each row falls."""
    cells = a.astype(np.int64)
    cells *= n_b
    cells += b
    return cells


def _correlation_likeness(left: Sequence[ComparedColumn], right: Sequence[ComparedColumn]) -> np.ndarray:
    r_real, _ = _correlations([c.real.values for c in left], [c.real.values for c in right])
    r_synthetic, n_rows = _correlations([c.synthetic.values for c in left], [c.synthetic.values for c in right])
    score = 1.0 - np.abs(r_real - np.nan_to_num(r_synthetic)) / 2.0
    return np.where((n_rows == 0) & ~np.isnan(r_real), 0.0, score)


def _correlations(left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's r of every left column with every right one, and the number of rows that have both values.

    Shapes ``(n_left, n_right)``; r is NaN where one of the two does not vary on those rows.
    """
    scales = [[_centre_and_spread(values) for values in side] for side in (left, right)]
    n, sx, sy, sxx, syy, sxy = np.zeros((6, len(left), len(right)))
    for start in range(0, len(left[0]), BLOCK):
        (x, in_x), (y, in_y) = (_block(side, scale, start) for side, scale in zip((left, right), scales, strict=True))
        n += in_x @ in_y.T
        sx += x @ in_y.T
        sy += in_x @ y.T
        sxx += x**2 @ in_y.T
        syy += in_x @ (y**2).T
        sxy += x @ y.T
    with np.errstate(invalid="ignore", divide="ignore"):
        var_x, var_y = sxx / n - (sx / n) ** 2, syy / n - (sy / n) ** 2
        varies = (var_x > 1e-12 * sxx / n) & (var_y > 1e-12 * syy / n)  # below is rounding
        r = (sxy / n - sx * sy / n**2) / np.sqrt(np.where(varies, var_x * var_y, np.nan))
    return np.clip(r, -1.0, 1.0), n


def _centre_and_spread(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation; a spread of infinity where all values are the same, so that they scale to zero."""
    known = values[~np.isnan(values)]
    if not known.size or known.min() == known.max():
        return 0.0, np.inf
    return known.mean(dtype=np.float64), known.std(dtype=np.float64)


def _block(columns: Sequence[np.ndarray], scales: Sequence[tuple[float, float]], start: int) -> tuple[np.ndarray, ...]:
    """Standardised values with zero for null, and 1.0 where there is a value; both ``(n_columns, <= BLOCK)``."""
    x = np.stack([column[start : start + BLOCK] for column in columns]).astype(np.float64)
    known = ~np.isnan(x)
    centre, spread = np.array(scales).T[:, :, None]
    return np.where(known, (x - centre) / spread, 0.0), known.astype(np.float64)


def group_likeness(column: ComparedColumn, real_groups: np.ndarray, synthetic_groups: np.ndarray) -> float:
    """1 - the distance between the real and the synthetic share of a column's variance that lies between groups.

    The share is the intraclass correlation max(0, 1 - within / total): `within` is the pooled variance inside the
    groups, sum of squares / (rows - groups), `total` the column's variance, sum of squares / (rows - 1). Rows without a
    group or, in a numeric column, without a value stay out. A category has the shares of the indicators of the real
    column's 20 commonest values (null is a value), weighted by their variance on that side.

    Args:
        real_groups, synthetic_groups: int64 ``(n_rows,)``, the group of each row; negative: in no group.
    """
    if column.is_numeric:
        real, synthetic = (
            _share_of_numbers(side.values, groups)
            for side, groups in ((column.real, real_groups), (column.synthetic, synthetic_groups))
        )
    else:
        n_ranks = len(column.common)
        rank = np.full(column.n_codes, n_ranks)
        rank[column.common] = np.arange(n_ranks)
        real, synthetic = (
            _share_of_categories(rank[side.codes], n_ranks, groups)
            for side, groups in ((column.real, real_groups), (column.synthetic, synthetic_groups))
        )
    if np.isnan(real):
        return np.nan
    return 1.0 - abs(real - np.nan_to_num(synthetic)) if _has_groups(column.synthetic, synthetic_groups) else 0.0


def _has_groups(side: Side, groups: np.ndarray) -> bool:
    inside = groups >= 0
    return bool(inside.any() if side.values is None else (inside & ~np.isnan(side.values)).any())


def _share_of_numbers(values: np.ndarray, groups: np.ndarray) -> float:
    """The intraclass correlation of a numeric column; NaN if it does not vary or no group has two rows."""
    used = (groups >= 0) & ~np.isnan(values)
    x, groups = values[used].astype(np.float64), groups[used]
    if not x.size or x.min() == x.max():
        return np.nan
    x -= x.mean()
    sizes, sums = np.bincount(groups), np.bincount(groups, weights=x)
    filled = sizes > 0
    degrees = x.size - filled.sum()
    if not degrees:
        return np.nan
    squares = (x**2).sum()
    within = max(squares - (sums[filled] ** 2 / sizes[filled]).sum(), 0.0)
    return max(0.0, 1.0 - (within / degrees) / (squares / (x.size - 1)))


def _share_of_categories(ranks: np.ndarray, n_ranks: int, groups: np.ndarray) -> float:
    """The same for categories 0 … n_ranks - 1; rank n_ranks stands for all the rarer ones."""
    used = groups >= 0
    ranks, groups = ranks[used], groups[used]
    sizes = np.bincount(groups)
    degrees = ranks.size - np.count_nonzero(sizes)
    if not degrees:
        return np.nan
    cells = _cells(groups, ranks, n_ranks + 1)
    if _is_small(sizes.size * (n_ranks + 1), ranks.size):
        counts = np.bincount(cells)
        cells = np.flatnonzero(counts)
        counts = counts[cells]
    else:
        cells, counts = np.unique(cells, return_counts=True)
    group, rank = np.divmod(cells, n_ranks + 1)
    n = np.bincount(ranks, minlength=n_ranks + 1)[:n_ranks]
    total = n * (1.0 - n / ranks.size) / (ranks.size - 1)
    if not total.sum() > 0:
        return np.nan
    within = (n - np.bincount(rank, weights=counts**2 / sizes[group], minlength=n_ranks + 1)[:n_ranks]) / degrees
    return float(np.maximum(total - within, 0.0).sum() / total.sum())
