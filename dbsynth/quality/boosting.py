"""Gradient-boosted trees on a table's features, several models at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from .features import Feature

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

__all__ = ["LEAF", "each", "grow"]

LEAF = 20  # fewest rows of a leaf
_TREES = 50
_TREES_PER_CLASS = 20  # where there are more than two, each of which has trees of its own
_RATE = 0.2


def grow(
    rows: np.ndarray, target: np.ndarray, features: Sequence[Feature], seed: int, *, is_class: bool = True
) -> HistGradientBoostingClassifier | HistGradientBoostingRegressor:
    """A model fitted to the rows.

    Args:
        rows: float32 ``(n, n_features)``, NaN where null; categories, where `features` say so, are codes.
        target: ``(n,)``; a classifier needs two different values.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    model = HistGradientBoostingClassifier if is_class else HistGradientBoostingRegressor
    rows = np.where(np.isnan(rows).all(axis=0), np.float32(0), rows)  # scikit-learn fails on a column without values
    return model(
        categorical_features=[feature.categorical for feature in features],
        max_iter=_TREES_PER_CLASS if is_class and len(np.unique(target)) > 2 else _TREES,
        learning_rate=_RATE,
        l2_regularization=1.0,  # without it, the leaves of a class that the columns determine run off to infinity
        min_samples_leaf=LEAF,
        early_stopping=False,
        random_state=seed,
    ).fit(rows, target)


def each(work: Callable[[Any], Any], jobs: Iterable[Any]) -> list[Any]:
    """The results of the work on each job, in order, done side by side.

    One thread for each model: on so few rows, threads that share one model wait for one another most of the time, and
    on a busy machine ten times as long.
    """
    from threadpoolctl import threadpool_limits

    def alone(job: Any) -> Any:
        with threadpool_limits(1, user_api="openmp"):
            return work(job)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(alone, jobs))
