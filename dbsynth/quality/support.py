"""Whether synthetic rows lie where real ones do, and real rows where synthetic ones do: α-precision and β-recall.

Alaa et al., "How Faithful is your Synthetic Data?", ICML 2022, Section 4. With the paper's letters: a row X is a point
(each number at its rank among the real values, in [0, 1]; each category an axis of its own, two categories being 1
apart; null an axis too); c_r is the mean of the real points, r̂_α the α-quantile of their distances from it, S_α the
ball of that radius around c_r.

- α-precision: P_α is the share of synthetic rows in S_α; of a faithful database P_α = α for every α.
- β-recall: a real row is covered at β if the synthetic point closest to it is in the ball around c_g that holds the
  share β of the synthetic points, and is no farther than NND_k, the row's distance to its k-th real neighbour, k = 5;
  R_β is the share of real rows that are covered.

Both curves come down to 100 (1 - 2 ∫ |P_α - α| dα), 100 best and 0 if nothing fits.

NOTE[DIFF]: points are not embedded in a learned sphere, which would need a network for each table, and k is 5, not the
1 of the authors' code, under which fresh real rows cover only half of them. Rows equally far from the centre enter the
balls bit by bit, not all at once: in a table of categories not even the real rows would score 100.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .boosting import each
from .comparison import Comparison
from .features import Feature, Sample, own_features
from .items import Item, mean_of
from .splits import split_rows

__all__ = ["support"]

_K = 5
_FEWEST = 50  # rows of each side
_MOST_AXES = 20  # of a category; the rarer values share the last
_LEVELS = np.linspace(0.0, 1.0, 101)  # α and β
_ROUNDING = 1e-4  # of a distance; points that are the same may seem so far apart
_MEASURES = "alpha-precision", "beta-recall"


def support(comparison: Comparison, *, rng: np.random.Generator, sample_rows: int) -> list[Item]:
    """Per table α-precision and β-recall, 0 … 100, and their means over the tables that are not kept.

    The reference is that of one half of the real rows against the other, siblings together; the halves are smaller
    where the table is no larger than the sample, so that their rows lie farther apart.

    Args:
        sample_rows: most rows of each side.
    """
    tables = [table for table in comparison.schema.table_names if table not in comparison.kept]
    items = [item for table in tables for item in _table_items(comparison, table, rng, sample_rows)]
    return [_summary(name, [item for item in items if item.measure == name]) for name in _MEASURES] + items


def _summary(measure: str, items: Sequence[Item]) -> Item:
    score = mean_of(item.score for item in items)
    note = "no table could be judged" if math.isnan(score) else ""
    return Item(measure, (), score=score, reference=mean_of(item.reference for item in items), note=note)


def _table_items(comparison: Comparison, table: str, rng: np.random.Generator, sample_rows: int) -> list[Item]:
    sides = comparison.real, comparison.synthetic
    halves = split_rows(comparison.schema, sides[0], table, 0.5, rng)
    drawn = [Sample(side, rng.permutation(side.count(table))[:sample_rows]) for side in sides]
    again = [Sample(sides[0], half[:sample_rows]) for half in halves]
    n = min(len(sample.at) for sample in drawn)
    if n < _FEWEST or not comparison.measured[table]:
        note = f"fewer than {_FEWEST} rows to compare" if n < _FEWEST else "no column to place rows by"
        return [Item(measure, (table,), rows=n, note=note) for measure in _MEASURES]
    scores = _precision_and_recall(comparison, table, drawn)
    enough = min(len(half) for half in halves) >= _FEWEST
    references = _precision_and_recall(comparison, table, again) if enough else (math.nan, math.nan)
    return [
        Item(measure, (table,), (), (), score, reference, rows=n)
        for measure, score, reference in zip(_MEASURES, scores, references, strict=True)
    ]


def _precision_and_recall(comparison: Comparison, table: str, samples: Sequence[Sample]) -> tuple[float, float]:
    """α-precision and β-recall of the second sample against the first; of both as many rows as the smaller has."""
    n = min(len(sample.at) for sample in samples)
    samples = [Sample(sample.rows, sample.at[:n]) for sample in samples]
    features = own_features(comparison, table, samples, date_parts=False)
    real, synthetic = (np.concatenate(axes, axis=1) for axes in zip(*map(_axes, features), strict=True))
    c_r, c_g = real.mean(axis=0), synthetic.mean(axis=0)
    precision = _faithfulness(_shares_below(_radii(synthetic, c_r), _radii(real, c_r)), np.ones(n))
    closest, is_near = _closest(real, synthetic)
    radii = _radii(synthetic, c_g)
    recall = _faithfulness(_shares_below(radii[closest], radii), is_near)
    return precision, recall


def _axes(feature: Feature) -> list[np.ndarray]:
    """A column as coordinates, float32 ``(n, n_axes)`` for each sample."""
    if feature.categorical:
        codes = [np.where(np.isnan(c), _MOST_AXES, np.minimum(c, _MOST_AXES - 1)).astype(int) for c in feature.samples]
        return [np.eye(_MOST_AXES + 1, dtype=np.float32)[c] / np.sqrt(2, dtype=np.float32) for c in codes]
    null = [np.isnan(values) for values in feature.samples]
    ladder = np.sort(feature.samples[0][~null[0]])
    ranks = (np.mean(_shares_below(values, ladder), axis=0) for values in feature.samples)
    return [
        np.stack([np.where(is_null, 0.5, rank), is_null], axis=1).astype(np.float32)
        for is_null, rank in zip(null, ranks, strict=True)
    ]


def _shares_below(values: np.ndarray, ladder: np.ndarray) -> np.ndarray:
    """Which shares of the ladder are smaller, and not larger, than each value; float64 ``(2, n)``."""
    ladder = np.sort(ladder)
    return np.stack([np.searchsorted(ladder, values, side) for side in ("left", "right")]) / max(len(ladder), 1)


def _radii(points: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Distances from the centre, rounded so that equal ones are equal."""
    return np.linalg.norm(points - centre, axis=1).round(5)


def _closest(real: np.ndarray, synthetic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each real point the closest synthetic one, and whether that is no farther than its k-th real neighbour."""
    from sklearn.neighbors import NearestNeighbors

    def ask(job: tuple[np.ndarray, int]) -> tuple[np.ndarray, np.ndarray]:
        points, k = job
        return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points).kneighbors(real)

    # Each real point is its own first neighbour.
    (distance, closest), (among_real, _) = each(ask, [(synthetic, 1), (real, _K + 1)])
    return closest[:, 0], distance[:, 0] <= among_real[:, -1] + _ROUNDING


def _faithfulness(shares: np.ndarray, weight: np.ndarray) -> float:
    """100 (1 - 2 ∫ |P_α - α| dα), where P_α is the weighted share of rows within the ball of level α.

    Args:
        shares: ``(2, n)``, the levels at which each row's ball begins and ceases to end at it: many rows are equally
            far where columns have few values, and such a row is inside to the part that α has reached.
    """
    from scipy.integrate import trapezoid

    begins, ends = shares[:, :, None]
    inside = np.clip((_LEVELS - begins) / np.maximum(ends - begins, 1e-9), 0.0, 1.0)
    curve = weight @ inside / len(weight)
    return float(100 * (1 - 2 * trapezoid(np.abs(curve - _LEVELS), _LEVELS)))
