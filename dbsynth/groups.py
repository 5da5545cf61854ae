"""Groups: how many children each parent row has, given its label (ClavaDDPM, Section 4.1, steps 5 and 7); repeats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

__all__ = [
    "count_sizes",
    "draw_group_sizes",
    "fit_total",
    "group_means",
    "repeated_rows",
    "size_bounds",
    "size_probabilities",
]


def count_sizes(parent_rows: np.ndarray, n_parents: int) -> np.ndarray:
    """Children of each parent row, int64 ``(n_parents,)``; null references (-1) count for nobody."""
    return np.bincount(parent_rows[parent_rows >= 0], minlength=n_parents)


def group_means(features: np.ndarray, parent_rows: np.ndarray, n_parents: int) -> np.ndarray:
    """Mean of the children's features by parent, float64 ``(n_parents, n_features)``, 0 for the childless."""
    held = parent_rows >= 0
    sizes = count_sizes(parent_rows, n_parents)
    sums = [np.bincount(parent_rows[held], weights=column[held], minlength=n_parents) for column in features.T]
    return (np.stack(sums, axis=1) if sums else np.empty((n_parents, 0))) / np.maximum(sizes, 1)[:, None]


def size_probabilities(labels: np.ndarray, sizes: np.ndarray, n_labels: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """p(s | c): for each label the sizes that occur, int64, and their shares; a label without parents has size 0."""
    result = []
    for label in range(n_labels):
        values, counts = np.unique(sizes[labels == label], return_counts=True)
        result.append((values, counts / counts.sum()) if len(values) else (np.zeros(1, np.int64), np.ones(1)))
    return result


def size_bounds(labels: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each parent's group stands among those of its label, smallest first: rank bounds, ``(n_parents,)``."""
    low, high = np.zeros(len(labels)), np.ones(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        ordered = np.sort(sizes[members])
        low[members] = np.searchsorted(ordered, sizes[members], "left") / len(members)
        high[members] = np.searchsorted(ordered, sizes[members], "right") / len(members)
    return low, high


def draw_group_sizes(
    labels: np.ndarray,
    probabilities: list[tuple[np.ndarray, np.ndarray]],
    rng: np.random.Generator,
    *,
    order: np.ndarray | None = None,
) -> np.ndarray:
    """Draw how many children each parent row has, given its cluster label, int64 ``(n_parents,)``.

    Among the parents of a label, those that stand high in ``order`` (float ``(n_parents,)``) have the larger groups;
    without it, anybody may.

    NOTE[DIFF]: each label's draws are one systematic sample (evenly spaced quantiles in random order), not independent
    ones: the same distribution with less noise in the number of rows.
    """
    sizes = np.zeros(len(labels), dtype=np.int64)
    for label, (values, shares) in enumerate(probabilities):
        members = np.flatnonzero(labels == label)
        rank = np.argsort(np.argsort(order[members])) if order is not None else rng.permutation(len(members))
        quantiles = (rank + rng.random(len(members))) / max(len(members), 1)
        sizes[members] = values[np.minimum(np.searchsorted(np.cumsum(shares), quantiles), len(values) - 1)]
    return sizes


def fit_total(sizes: np.ndarray, total: int, rng: np.random.Generator, *, largest: int | None = None) -> np.ndarray:
    """The same group sizes, moved as little as possible so that their sum is ``total``.

    A far-off sum is scaled first, with random rounding; what is left is made up one by one among the parents that have
    children, in proportion to how many. `largest` bounds every size (1 for a one-to-one key).

    Raises:
        ValueError: `largest` leaves no room for `total`.
    """
    limit = np.iinfo(np.int64).max if largest is None else largest
    sizes = np.minimum(sizes, limit).astype(np.int64)
    if largest is not None and total > largest * len(sizes):
        raise ValueError(f"{total} children cannot be spread over {len(sizes)} parents with at most {largest} each")
    if len(sizes) == 0 or total == 0:
        return np.zeros_like(sizes)
    if sizes.sum() == 0:
        sizes = np.ones_like(sizes)
    exact = np.minimum(sizes * (total / sizes.sum()), limit)
    if abs(sizes.sum() - total) > 0.1 * total:
        sizes = np.floor(exact + rng.random(len(sizes))).astype(np.int64).clip(max=limit)
    while (missing := total - int(sizes.sum())) != 0:
        step = 1 if missing > 0 else -1
        room = np.flatnonzero((sizes > 0) & (sizes < limit) if step > 0 else sizes > 1)
        if len(room) == 0:
            room = np.flatnonzero(sizes < limit if step > 0 else sizes > 0)
        chosen = rng.choice(room, min(abs(missing), max(1, len(room) // 4)), replace=False, p=_shares(sizes[room]))
        sizes[chosen] += step
    return sizes


def repeated_rows(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Rows that have an earlier one's numbers in all columns, int64; rows with a negative number repeat nobody.

    >>> repeated_rows([np.array([1, 1, 1, -1, -1]), np.array([5, 6, 5, 7, 7])])
    array([2])
    """
    rows = np.flatnonzero(np.all([column >= 0 for column in columns], axis=0))
    again = pd.DataFrame({i: column[rows] for i, column in enumerate(columns)}).duplicated()
    return rows[again.to_numpy()]


def _shares(weights: np.ndarray) -> np.ndarray:
    weights = np.maximum(weights, 1e-9)
    return weights / weights.sum()
