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
_BLOCK = 1 << 22  # distances at a time


def embed(features: Sequence[Feature]) -> list[np.ndarray]:
    """Each sample's rows as points whose Euclidean distances are those of the rows; the first sample gives the ranks.

    Two categories beyond the 32 commonest look equal with a probability of 1 in 32.

    Returns:
        float32 ``(n_rows, n_dimensions)`` for each sample.
    """
    parts = [_category(f.samples) if f.categorical else _number(f.samples) for f in features]
    return [np.concatenate(sides, axis=1) for sides in zip(*parts, strict=True)]


def _number(samples: Sequence[np.ndarray]) -> list[np.ndarray]:
    known = np.sort(samples[0][~np.isnan(samples[0])])
    has_null = any(np.isnan(values).any() for values in samples)
    points = []
    for values in samples:
        null = np.isnan(values)
        below, up_to = (np.searchsorted(known, values, side=side) for side in ("left", "right"))
        rank = (below + up_to) / (2 * max(len(known), 1)) - 0.5
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
        points, others: float32 ``(n, n_dimensions)`` and ``(m, n_dimensions)``, m at least 2.

    Returns:
        Distances float64 ``(n, 2)``, the smaller first, and rows of the others int64 ``(n, 2)``.
    """
    if points.shape[1] <= _FEW_DIMENSIONS:
        distances, rows = cKDTree(others, balanced_tree=False, compact_nodes=False).query(points, k=2)
        return distances, rows
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
    distances = np.stack([_distance(points, others[rows[:, place]]) for place in (0, 1)], axis=1)
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(rows, order, axis=1)


def _distance(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.sqrt(((points - others).astype(np.float64) ** 2).sum(axis=1))
