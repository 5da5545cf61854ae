"""The arithmetic of the measures: how alike two columns, two pairs of columns, or two sets of groups are.

All scores are in 0 … 1, 1 best. What the real side leaves undefined (no rows, no variance) scores NaN: there is nothing
to reproduce. What only the other side lacks scores 0 if it has no rows at all; otherwise a correlation or a share of
variance that is undefined there counts as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .compared import Side

__all__ = ["Joined", "group_scores", "ks_complement", "overlap", "pair_scores", "redrawn_scores"]

BLOCK = 1 << 16  # rows per step of a matrix product


def ks_complement(real: np.ndarray, other: np.ndarray) -> float:
    """1 - the two-sample Kolmogorov–Smirnov statistic: the largest distance between the two distribution functions.

    Args:
        real, other: float64 ``(n,)`` and ``(m,)``, no NaN.
    """
    if not real.size or not other.size:
        return 0.0 if real.size else np.nan
    points, counts = np.unique(real, return_counts=True)
    other = np.sort(other)
    at = np.cumsum(counts) / real.size
    before = at - counts / real.size
    # The distance is largest at a real value or just before one: between them only the other function moves.
    above = at - np.searchsorted(other, points, side="right") / other.size
    below = np.searchsorted(other, points, side="left") / other.size - before
    return 1.0 - max(above.max(), below.max(), 0.0)


def overlap(real: np.ndarray, other: np.ndarray, n_cells: int) -> float:
    """1 - the total variation distance between two samples of whole numbers in ``[0, n_cells)``."""
    is_dense = _is_small(n_cells, real.size + other.size)
    return _overlap(_Counts.of(real, n_cells, is_dense), _Counts.of(other, n_cells, is_dense))


@dataclass(frozen=True)
class _Counts:
    """How often each cell occurs: of all cells, or (`cells` in rising order) of those that do."""

    cells: np.ndarray | None
    counts: np.ndarray
    n_rows: int

    @classmethod
    def of(cls, rows: np.ndarray, n_cells: int, is_dense: bool) -> _Counts:
        if is_dense:
            return cls(None, np.bincount(rows, minlength=n_cells), rows.size)
        return cls(*np.unique(rows, return_counts=True), rows.size)


def _overlap(real: _Counts, other: _Counts) -> float:
    if not real.n_rows or not other.n_rows:
        return 0.0 if real.n_rows else np.nan
    p, q = real.counts, other.counts
    if real.cells is not None:
        _, in_real, in_other = np.intersect1d(real.cells, other.cells, assume_unique=True, return_indices=True)
        p, q = p[in_real], q[in_other]
    return float(np.minimum(p * other.n_rows, q * real.n_rows).sum() / (real.n_rows * other.n_rows))


def _is_small(n_cells: int, n_rows: int) -> bool:
    """Whether counting every cell of a table is cheaper than sorting the rows."""
    return n_cells <= max(1 << 16, 4 * n_rows)


def redrawn_scores(real: Side, draws: Sequence[np.ndarray]) -> list[float]:
    """How alike a column and draws of its own rows are: the KS complement of numbers, the overlap of categories.

    Args:
        draws: int64, row numbers, repeats included.
    """
    if not draws:
        return []
    if real.values is None:
        return [overlap(real.codes, real.codes[rows], real.n_codes) for rows in draws]
    known = ~np.isnan(real.values)
    points, rank = np.unique(real.values[known], return_inverse=True)
    rank_of = np.full(known.size, points.size)  # null behind all others
    rank_of[known] = rank
    counts = [np.bincount(rank_of[rows], minlength=points.size + 1)[:-1] for rows in (slice(None), *draws)]
    return [_ks_complement_of_counts(counts[0], drawn) for drawn in counts[1:]]


def _ks_complement_of_counts(real: np.ndarray, other: np.ndarray) -> float:
    """The KS complement of samples of the same points, in their order, by how often each occurs."""
    n, m = real.sum(), other.sum()
    if not n or not m:
        return 0.0 if n else np.nan
    return 1.0 - float(np.abs(np.cumsum(real) / n - np.cumsum(other) / m).max())


@dataclass(frozen=True)
class Joined:
    """Columns of two tables, row beside row.

    Attributes:
        left: columns of the ancestors, whole.
        right: columns of the joined rows.
        up: int64 ``(n_rows,)``, the row of `left` for each row of `right`; None: the row of the same number.
    """

    left: Sequence[Side]
    right: Sequence[Side]
    up: np.ndarray | None = None

    @property
    def n_rows(self) -> int:
        return len(self.right[0].codes) if self.up is None else len(self.up)

    def left_codes(self, i: int) -> np.ndarray:
        """The codes of a left column beside the rows of the right ones, int64."""
        codes = self.left[i].codes
        return (codes if self.up is None else codes[self.up]).astype(np.int64)


def pair_scores(lots: Sequence[Joined], pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """How alike the first lot and each of the others are in each of the named pairs of columns.

    Two numeric columns: 1 - half the distance of the Pearson correlations, over the rows that have both values. Others:
    1 - total variation of the joint table of codes.

    Args:
        lots: the same columns in the same codes; the first has the real rows.
        pairs: positions of a left and a right column.

    Returns:
        float64 ``(n_pairs, n_lots - 1)``.
    """
    numbers = tuple({i: at for at, i in enumerate(_numeric(side))} for side in (lots[0].left, lots[0].right))
    scores = np.full((len(pairs), len(lots) - 1), np.nan)
    if any(i in numbers[0] and j in numbers[1] for i, j in pairs):
        likeness = _correlation_likeness(lots)
    by_left: dict[int, list[tuple[int, int]]] = {}
    for at, (i, j) in enumerate(pairs):
        if i in numbers[0] and j in numbers[1]:
            scores[at] = likeness[:, numbers[0][i], numbers[1][j]]
        else:
            by_left.setdefault(i, []).append((at, j))
    for i, rest in by_left.items():
        left_codes = [lot.left_codes(i) for lot in lots]
        for at, j in rest:
            scores[at] = _joint_likeness(left_codes, lots[0].left[i].n_codes, [lot.right[j] for lot in lots])
    return scores


def _numeric(columns: Sequence[Side]) -> list[int]:
    return [i for i, column in enumerate(columns) if column.values is not None]


def _joint_likeness(left: Sequence[np.ndarray], n_left: int, right: Sequence[Side]) -> list[float]:
    """The overlap of the first lot's joint table of codes with each of the others'."""
    n_right = right[0].n_codes
    is_dense = _is_small(n_left * n_right, 2 * left[0].size)
    real, *others = (
        _Counts.of(codes * n_right + side.codes, n_left * n_right, is_dense)
        for codes, side in zip(left, right, strict=True)
    )
    return [_overlap(real, other) for other in others]


def _correlation_likeness(lots: Sequence[Joined]) -> np.ndarray:
    """Scores ``(n_lots - 1, n_left, n_right)`` of the numeric columns among themselves."""
    (real, _), *others = (_correlations(lot) for lot in lots)
    r, n_rows = (np.stack(parts) for parts in zip(*others, strict=True))
    score = 1.0 - np.abs(real - np.nan_to_num(r)) / 2.0
    return np.where((n_rows == 0) & ~np.isnan(real), 0.0, score)


def _correlations(lot: Joined) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's r of every numeric left column with every right one, and the number of rows that have both values.

    Shapes ``(n_left, n_right)``; r is NaN where one of the two does not vary on those rows. Right rows that share a
    left row are added up first: many a join is of a million rows with a few hundred.
    """
    left, right = ([column.values for column in side if column.values is not None] for side in (lot.left, lot.right))
    up = lot.up
    if up is not None and len(left[0]) > len(up):
        left, up = [values[up] for values in left], None
    weights = None if up is None else np.bincount(up, minlength=len(left[0]))
    left = [_standardised(values, weights) for values in left]
    right = [_standardised(values, None) for values in right]
    n, sx, sy, sxx, syy, sxy = np.zeros((6, len(left), len(right)))
    sums = None if up is None else [_sums_by_left_row(y, up, len(left[0])) for y in right]
    for start in range(0, len(left[0]), BLOCK):
        part = slice(start, start + BLOCK)
        x = np.stack([values[part] for values in left])
        in_x = ~np.isnan(x)
        x, in_x = np.where(in_x, x, 0.0), in_x.astype(np.float64)
        if sums is None:
            known, y, yy = _powers(np.stack([values[part] for values in right]))
        else:
            known, y, yy = (np.stack([of_column[power][part] for of_column in sums]) for power in range(3))
        n += in_x @ known.T
        sx += x @ known.T
        sxx += x**2 @ known.T
        sy += in_x @ y.T
        syy += in_x @ yy.T
        sxy += x @ y.T
    with np.errstate(invalid="ignore", divide="ignore"):
        var_x, var_y = sxx / n - (sx / n) ** 2, syy / n - (sy / n) ** 2
        varies = (var_x > 1e-12 * sxx / n) & (var_y > 1e-12 * syy / n)  # below is rounding
        r = (sxy / n - sx * sy / n**2) / np.sqrt(np.where(varies, var_x * var_y, np.nan))
    return np.clip(r, -1.0, 1.0), n


def _standardised(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Values about their mean in standard deviations, float64, NaN where null; zero where all that weigh are the same.

    Args:
        weights: how often each row counts; None: once.
    """
    used = ~np.isnan(values) if weights is None else ~np.isnan(values) & (weights > 0)
    known = values[used].astype(np.float64)
    if not known.size or known.min() == known.max():
        return np.where(np.isnan(values), np.nan, 0.0)
    counted = None if weights is None else weights[used]
    centre = np.average(known, weights=counted)
    spread = np.sqrt(np.average((known - centre) ** 2, weights=counted))
    return (values - centre) / spread


def _powers(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """1, the value and its square; zeros where it is null."""
    known = ~np.isnan(values)
    values = np.where(known, values, 0.0)
    return known.astype(np.float64), values, values**2


def _sums_by_left_row(values: np.ndarray, up: np.ndarray, n_left: int) -> list[np.ndarray]:
    """The sums of `_powers` over the rows of each left row."""
    return [np.bincount(up, weights=power, minlength=n_left) for power in _powers(values)]


def group_scores(lots: Sequence[tuple[Side, np.ndarray]], common: np.ndarray) -> list[float]:
    """1 - the distance between the first lot's share of a column's variance between groups and that of each other lot.

    The share is the intraclass correlation max(0, 1 - within / total): `within` is the pooled variance inside the
    groups, sum of squares / (rows - groups), `total` the column's variance, sum of squares / (rows - 1). Rows without a
    group or, in a numeric column, without a value stay out. A category has the shares of the indicators of the real
    column's 20 commonest values (null is a value), weighted by their variance in that lot.

    Args:
        lots: a column, and int64 ``(n_rows,)`` the group of each row, negative: in no group; the first is the real one.
        common: codes of the commonest categories.
    """
    shares = [_share(side, groups, common) for side, groups in lots]
    return [
        np.nan if np.isnan(shares[0]) else 1.0 - abs(shares[0] - np.nan_to_num(share)) if _has_groups(*lot) else 0.0
        for share, lot in zip(shares[1:], lots[1:], strict=True)
    ]


def _has_groups(side: Side, groups: np.ndarray) -> bool:
    inside = groups >= 0
    return bool(inside.any() if side.values is None else (inside & ~np.isnan(side.values)).any())


def _share(side: Side, groups: np.ndarray, common: np.ndarray) -> float:
    if side.values is not None:
        return _share_of_numbers(side.values, groups)
    rank = np.full(side.n_codes, len(common))
    rank[common] = np.arange(len(common))
    return _share_of_categories(rank[side.codes], len(common), groups)


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
    n_cells = sizes.size * (n_ranks + 1)
    found = _Counts.of(groups * (n_ranks + 1) + ranks, n_cells, _is_small(n_cells, ranks.size))
    cells = np.flatnonzero(found.counts) if found.cells is None else found.cells
    counts = found.counts[found.counts > 0]
    group, rank = np.divmod(cells, n_ranks + 1)
    n = np.bincount(ranks, minlength=n_ranks + 1)[:n_ranks]
    total = n * (1.0 - n / ranks.size) / (ranks.size - 1)
    if not total.sum() > 0:
        return np.nan
    within = (n - np.bincount(rank, weights=counts**2 / sizes[group], minlength=n_ranks + 1)[:n_ranks]) / degrees
    return float(np.maximum(total - within, 0.0).sum() / total.sum())
