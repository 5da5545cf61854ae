"""The dequantised rank code: any ordered variable to a standard normal, and back with its very distribution.

A value v becomes a uniform draw from the interval of its ranks, u in [F(v-), F(v)], and z = Φ⁻¹(u). Ties are spread
over their interval by a fresh draw each time a row is read, so the code is continuous and exactly normal whatever the
column holds: spikes, gaps and few levels included. Decoding is the inverse of the empirical distribution, so marginals
come out right by construction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Quantiles", "learn_quantiles", "rank_intervals"]

_KNOTS = 500  # most linear pieces in which a continuous distribution is kept
_ROWS_PER_KNOT = 5  # so that no piece tells a row's value
_OUTERMOST = 3  # rows whose mean stands for the least and the greatest value
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

    def below(self, x: np.ndarray) -> np.ndarray:
        """The share of the non-null values that are less than each x, float64."""
        return self._share(x, np.searchsorted(self.v, x, "left"))

    def upto(self, x: np.ndarray) -> np.ndarray:
        """The share of the non-null values that are no more than each x, float64."""
        return self._share(x, np.searchsorted(self.v, x, "right"))

    def _share(self, x: np.ndarray, knots: np.ndarray) -> np.ndarray:
        """The distribution function between the knots around x, of which ``knots`` lie before it."""
        if len(self.v) == 0:
            return np.zeros(len(x))
        before = np.maximum(knots - 1, 0)
        if self.discrete:
            return np.where(knots > 0, self.u[before], 0.0)
        after = np.minimum(knots, len(self.v) - 1)
        width = self.v[after] - self.v[before]
        with np.errstate(invalid="ignore", divide="ignore"):
            part = np.where(width > 0, (x - self.v[before]) / width, 0.0)
        inside = self.u[before] + part * (self.u[after] - self.u[before])
        return np.where(knots == 0, 0.0, np.where(knots == len(self.v), 1.0, inside))


def rank_intervals(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds ``[F(v-), F(v)]`` of each row's rank interval, float64 ``(n,)`` each; NaN (null) is below all values."""
    n = len(numbers)
    ordered = np.sort(np.where(np.isnan(numbers), -np.inf, numbers))
    keys = np.where(np.isnan(numbers), -np.inf, numbers)
    return np.searchsorted(ordered, keys, "left") / max(n, 1), np.searchsorted(ordered, keys, "right") / max(n, 1)


def learn_quantiles(numbers: np.ndarray) -> Quantiles:
    """The inverse distribution function of a column, null as NaN.

    Few distinct values are kept with their shares; many are kept as linear pieces of at least `_ROWS_PER_KNOT` rows, in
    which a value that holds more than one piece's share stays a step of its own.
    """
    null = float(np.isnan(numbers).mean()) if len(numbers) else 0.0
    values, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
    total = counts.sum()
    upper = np.cumsum(counts) / max(total, 1)
    if len(values) <= 2 or (len(values) <= _MAX_DISCRETE and total >= _ROWS_PER_VALUE * len(values)):
        return Quantiles(null, upper, values.astype(np.float64), discrete=True)
    n_pieces = int(np.clip(total // _ROWS_PER_KNOT, 1, _KNOTS))
    spike = counts > max(total / n_pieces, _ROWS_PER_KNOT)
    lower = upper - counts / total
    middle = (lower + upper) / 2
    # Between two spikes, the values of a piece are one knot, at their mean.
    piece = np.unique(np.floor(middle * n_pieces) + np.cumsum(spike), return_inverse=True)[1][~spike]
    weight = np.bincount(piece, counts[~spike])
    filled = weight > 0
    mean_u, mean_v = (np.bincount(piece, counts[~spike] * x[~spike])[filled] / weight[filled] for x in (middle, values))
    least, greatest = _outermost(values, counts)
    u = np.r_[0.0, lower[spike], upper[spike], mean_u, 1.0]
    v = np.r_[least, values[spike], values[spike], mean_v, greatest]
    order = np.lexsort((u, v))
    u = np.maximum.accumulate(u[order])
    return Quantiles(null, u, v[order].astype(np.float64), discrete=False)


def _outermost(values: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Means of the `_OUTERMOST` least and greatest rows: neither is anybody's."""
    low = np.repeat(values[:_OUTERMOST], np.minimum(counts[:_OUTERMOST], _OUTERMOST))[:_OUTERMOST]
    high = np.repeat(values[-_OUTERMOST:], np.minimum(counts[-_OUTERMOST:], _OUTERMOST))[-_OUTERMOST:]
    return float(low.mean()), float(high.mean())
