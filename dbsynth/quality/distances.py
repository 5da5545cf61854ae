"""How far apart two rows are, and the closest rows of a table.

A row's squared distance from another is the sum over the columns: for numbers, dates and times the square of the
difference of their ranks among the real values, 0 … 1; for categories 0 if they are equal and 1 if not (after Gower,
1971). Null is a category of its own; among numbers it lies half-way between the ends, and to the side, so that it is
0.87 to 1 from all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from .features import Feature

__all__ = ["embed", "nearest"]

_OWN_PLACES = 32  # of the commonest categories; the rarer ones share as many more
_FEW_DIMENSIONS = 12  # below, a tree beats comparing all with all
_BLOCK = 1 << 23  # distances at a time


def embed(features: Sequence[Feature], *, scale: Sequence[int] = (0,)) -> list[np.ndarray]:
    """Each sample's rows as points whose Euclidean distances are those of the rows.

    Two categories beyond the 32 commonest look equal with a probability of 1 in 32.

    Args:
        scale: the samples whose values, together, give the ranks. Their rows lie evenly, those of others do not: what
            is compared with one another is to be all among them, or none of it.

    Returns:
        float32 ``(n_rows, n_dimensions)`` for each sample.
    """
    parts = [_category(f.samples) if f.categorical else _number(f.samples, scale) for f in features]
    return [np.concatenate(sides, axis=1) for sides in zip(*parts, strict=True)]


def _number(samples: Sequence[np.ndarray], scale: Sequence[int]) -> list[np.ndarray]:
    known = np.concatenate([samples[place] for place in scale])
    values, counts = np.unique(known[~np.isnan(known)], return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / max(counts.sum(), 1) - 0.5
    has_null = any(np.isnan(sample).any() for sample in samples)
    points = []
    for sample in samples:
        null = np.isnan(sample)
        rank = np.interp(sample, values, ranks) if len(values) else np.zeros(len(sample))
        rank[null] = 0.0
        aside = [np.sqrt(0.75) * null] if has_null else []
        points.append(np.stack([rank, *aside], axis=1).astype(np.float32))
    return points


def _category(samples: Sequence[np.ndarray]) -> list[np.ndarray]:
    """A place for each category, all at a distance of 1 from each other; `features` numbers the commonest first."""
    places = []
    for values in samples:
        codes = np.where(np.isnan(values), 0, values + 1).astype(np.int64)  # null is 0
        places.append(np.where(codes < _OWN_PLACES, codes, _OWN_PLACES + codes % _OWN_PLACES))
    there = np.unique(np.concatenate(places))
    corners = np.eye(len(there), dtype=np.float32) * np.float32(np.sqrt(0.5))
    return [corners[np.searchsorted(there, place)] for place in places]


def nearest(points: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two closest of the others for each point.

    Args:
        points, others: float32 ``(n, n_dimensions)`` and ``(m, n_dimensions)``, m at least 1.

    Returns:
        Distances float64 ``(n, 2)``, the smaller first, infinity where there is no second; the row of the closest,
        int64 ``(n,)``.
    """
    _, first, counts = np.unique(_whole(others), return_index=True, return_counts=True)
    distinct = others[first]
    search = _by_tree if len(first) < 2 or points.shape[1] <= _FEW_DIMENSIONS else _by_products
    distances, rows = search(points, distinct)
    order = np.argsort(distances, axis=1, kind="stable")
    distances, rows = (np.take_along_axis(part, order, axis=1) for part in (distances, rows))
    twins = counts[rows[:, 0]] > 1
    distances[twins, 1] = distances[twins, 0]
    return distances, first[rows[:, 0]]


def _whole(points: np.ndarray) -> np.ndarray:
    """A row of bytes for each point: equal where the points are."""
    points = np.ascontiguousarray(points + 0.0)  # no negative zeros
    return points.view(f"V{points.itemsize * points.shape[1]}")[:, 0]


def _by_tree(points: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return cKDTree(others, balanced_tree=False, compact_nodes=False).query(points, k=2)


def _by_products(points: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    half = (others**2).sum(axis=1) / 2
    rows = np.empty((len(points), 2), np.int64)
    step = max(_BLOCK // len(others), 1)
    for start in range(0, len(points), step):
        closeness = points[start : start + step] @ others.T  # |a - b|² = |a|² - 2 (a·b - |b|²/2)
        closeness -= half
        here = np.arange(len(closeness))
        for place in (0, 1):
            best = closeness.argmax(axis=1)
            rows[start : start + step, place] = best
            closeness[here, best] = -np.inf
    # Products in float32 know the order of all but the closest; the distances themselves are to be exact.
    return np.stack([_distance(points, others[rows[:, place]]) for place in (0, 1)], axis=1), rows


def _distance(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.sqrt(((points - others).astype(np.float64) ** 2).sum(axis=1))
