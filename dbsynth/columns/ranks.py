"""The dequantised rank code: any ordered variable to a standard normal, and back with its very distribution.

A value v becomes a uniform draw from the interval of its ranks, u in [F(v-), F(v)], and z = Φ⁻¹(u). Ties are spread
over their interval by a fresh draw each time a row is read, so the code is continuous and exactly normal whatever the
column holds: spikes, gaps and few levels included. Decoding is the inverse of the empirical distribution, so marginals
come out right by construction.

A value that fewer than `rare` rows hold is nobody else's business: among few values it gives way to the nearest common
one or to the mean of such neighbours, among many to the mean of a piece, and the least and the greatest are means too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Quantiles", "learn_quantiles", "pool_rare", "rank_intervals", "spread_ranks"]

_KNOTS = 500  # most linear pieces in which a continuous distribution is kept
_ROWS_PER_KNOT = 5  # so that no piece tells a row's value
_OUTERMOST = 3  # rows at least whose mean stands for the least and the greatest value
_ROWS_PER_VALUE = 5  # a value held by this many rows on average: the column is discrete
_MAX_DISCRETE = 20_000


@dataclass(frozen=True)
class Quantiles:
    """The inverse distribution function of a variable, as a null share and knots.

    Attributes:
        null: share of nulls, which lie below all values.
        u: float64 ``(n_knots,)``, non-decreasing in [0, 1]: cumulative share among the non-null values.
        v: float64 ``(n_knots,)``, non-decreasing: the value there. Discrete: value i covers ``(u[i - 1], u[i]]``.
        discrete: values are drawn as they are; otherwise linearly between knots.
    """

    null: float
    u: np.ndarray
    v: np.ndarray
    discrete: bool

    def decode(self, u: np.ndarray) -> np.ndarray:
        """Values at cumulative shares ``u`` in [0, 1] (nulls included), float64, NaN for null."""
        if len(self.v) == 0:
            return np.full(len(u), np.nan)
        inner = np.clip((u - self.null) / max(1 - self.null, 1e-12), 0.0, 1.0)
        if self.discrete:
            values = self.v[np.minimum(np.searchsorted(self.u, inner, side="left"), len(self.v) - 1)]
        else:
            values = np.interp(inner, self.u, self.v)
        return np.where(u < self.null, np.nan, values)


def rank_intervals(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds ``[F(v-), F(v)]`` of each row's rank interval, float64 ``(n,)`` each; NaN (null) is below all values."""
    n = len(numbers)
    ordered = np.sort(np.where(np.isnan(numbers), -np.inf, numbers))
    keys = np.where(np.isnan(numbers), -np.inf, numbers)
    return np.searchsorted(ordered, keys, "left") / max(n, 1), np.searchsorted(ordered, keys, "right") / max(n, 1)


def learn_quantiles(numbers: np.ndarray, rare: int = 1, grain: float | None = None) -> Quantiles:
    """The inverse distribution function of a column, null as NaN.

    Few distinct values are kept with their shares; many are kept as linear pieces of at least `_ROWS_PER_KNOT` rows, in
    which a value that holds more than one piece's share stays a step of its own.

    Args:
        rare: a value that fewer rows hold does not come through.
        grain: of a column that has fewer rows than that, the range is told in multiples of it, as for days by the year;
            None tells half of the first digit.
    """
    null = float(np.isnan(numbers).mean()) if len(numbers) else 0.0
    values, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
    total = counts.sum()
    if 0 < total < rare and not _open(values).all():
        return Quantiles(null, np.array([0.0, 1.0]), _coarse(values, grain), discrete=False)
    if len(values) <= 2 or (len(values) <= _MAX_DISCRETE and total >= _ROWS_PER_VALUE * len(values)):
        values, place = np.unique(_pooled(values, counts, rare), return_inverse=True)
        upper = np.cumsum(np.bincount(place, counts, len(values))) / max(total, 1)
        return Quantiles(null, upper, values.astype(np.float64), discrete=True)
    return Quantiles(null, *_pieces(values, counts, rare), discrete=False)


def pool_rare(numbers: np.ndarray, rare: int) -> np.ndarray:
    """The numbers as a discrete column is left with them, float64 ``(n,)``: none held by fewer rows than `rare`."""
    values, place, counts = np.unique(numbers[~np.isnan(numbers)], return_inverse=True, return_counts=True)
    pooled = numbers.astype(np.float64)
    pooled[~np.isnan(numbers)] = _pooled(values, counts, rare)[place]
    return pooled


def _open(values: np.ndarray) -> np.ndarray:
    """The values that tell nothing of whoever holds them, where there are no others: 0 and 1."""
    return np.isin(values, (0.0, 1.0))


def _pooled(values: np.ndarray, counts: np.ndarray, rare: int) -> np.ndarray:
    """What each of the ascending values becomes, ascending too.

    Where `rare` different rare values or more follow one another (the tail of a count), each is the mean of at least
    that many rows; else a rare value becomes the nearest common one.
    """
    common = counts >= rare
    if common.all() or _open(values).all():
        return values
    pooled = values.astype(np.float64)
    between = np.cumsum(common)
    for run in np.unique(between[~common]):
        rows = np.flatnonzero((between == run) & ~common)
        if len(rows) < rare and common.any():
            centres = values[common]
            right = np.searchsorted(centres, values[rows]).clip(1, max(len(centres) - 1, 1))
            left, right = centres[right - 1], centres[np.minimum(right, len(centres) - 1)]
            pooled[rows] = np.where(values[rows] - left <= right - values[rows], left, right)
            continue
        pool = _pools(counts[rows], rare)
        means = np.bincount(pool, counts[rows] * values[rows]) / np.maximum(np.bincount(pool, counts[rows]), 1)
        pooled[rows] = means[pool]
    return _inside(pooled, values, counts, rare)


def _inside(means: np.ndarray, values: np.ndarray, counts: np.ndarray, rare: int) -> np.ndarray:
    """The means no further out than the second value, where the first is rare: rounded, a mean may be that first."""
    if len(values) < 3:
        return means
    first, last = (end if count >= rare else next_ for end, next_, count in
                   ((values[0], values[1], counts[0]), (values[-1], values[-2], counts[-1])))  # fmt: skip
    return np.clip(means, first, last)


def _pools(counts: np.ndarray, rare: int) -> np.ndarray:
    """Neighbours put together, int64 ``(n_values,)``: a pool ends where it has enough rows, a rest joins the last."""
    pool, number, rows = np.empty(len(counts), dtype=np.int64), 0, 0
    for i, count in enumerate(counts.tolist()):
        pool[i] = number
        rows += count
        if rows >= rare:
            number, rows = number + 1, 0
    return np.minimum(pool, max(number - 1, 0))


def _coarse(values: np.ndarray, grain: float | None) -> np.ndarray:
    """The bounds of the range that stands for a handful of values, float64 ``(2,)``."""
    if grain is not None:
        return np.array([np.floor(values[0] / grain), np.floor(values[-1] / grain) + 1]) * grain
    far = values[np.argmax(np.abs(values))]
    digit = 10.0 ** np.floor(np.log10(max(abs(far), 1e-12)))
    bound = np.trunc(far / digit) * digit  # towards 0, so that the column's type has room for it
    return np.sort(np.array([bound / 2, bound]))


def _pieces(values: np.ndarray, counts: np.ndarray, rare: int) -> tuple[np.ndarray, np.ndarray]:
    """Knots ``u`` and ``v`` of a column of many values."""
    total = counts.sum()
    upper = np.cumsum(counts) / total
    n_pieces = int(np.clip(total // max(_ROWS_PER_KNOT, rare), 1, _KNOTS))
    spike = counts > max(total / n_pieces, _ROWS_PER_KNOT, rare)
    lower = upper - counts / total
    middle = (lower + upper) / 2
    # Between two spikes, the values of a piece are one knot, at their mean.
    piece = np.unique(np.floor(middle * n_pieces) + np.cumsum(spike), return_inverse=True)[1][~spike]
    weight = np.bincount(piece, counts[~spike])
    filled = weight >= rare
    mean_u, mean_v = (
        np.bincount(piece, counts[~spike] * x[~spike])[filled] / weight[filled] for x in (middle, values)
    )
    ends = _outermost(values, counts, max(_OUTERMOST, rare))
    least, greatest = _inside(np.array(ends), values, counts, rare)
    u = np.r_[0.0, lower[spike], upper[spike], mean_u, 1.0]
    v = np.r_[least, values[spike], values[spike], mean_v, greatest]
    order = np.lexsort((u, v))
    return np.maximum.accumulate(u[order]), v[order].astype(np.float64)


def _outermost(values: np.ndarray, counts: np.ndarray, n: int) -> tuple[float, float]:
    """Means of the `n` least and greatest rows: neither is anybody's."""
    low = np.repeat(values[:n], np.minimum(counts[:n], n))[:n]
    high = np.repeat(values[-n:], np.minimum(counts[-n:], n))[-n:]
    return float(low.mean()), float(high.mean())


def spread_ranks(z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each column's ranks among the drawn rows ``z`` ``(n, d)``, spread over (0, 1), float32.

    A denoiser is never quite calibrated; its copula is taken, the marginals are the codec's (NOTE[DIFF]).
    """
    n = len(z)
    ranks = np.empty_like(z, dtype=np.float32)
    for j in range(z.shape[1]):
        ranks[np.argsort(z[:, j], kind="stable"), j] = (np.arange(n) + rng.random(n)) / max(n, 1)
    return ranks
