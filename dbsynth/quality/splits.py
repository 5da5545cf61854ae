"""Real rows in two parts, siblings together: one part stands in for rows that the other has not seen."""

from __future__ import annotations

import numpy as np

from ..schema import Schema
from .comparison import Rows

__all__ = ["split_rows"]

_FEWEST_PARENTS = 20  # fewer could not be divided evenly


def split_rows(
    schema: Schema, rows: Rows, table: str, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A table's row numbers in two parts, int64, in random order; the first has about `share` of the rows.

    Children of one parent stay together, or a row could be known by its siblings. Of several foreign keys the one that
    leads to the most parents counts; a row without a parent stands alone.
    """
    n, group = rows.count(table), np.arange(rows.count(table))
    most = _FEWEST_PARENTS - 1
    for key in schema.foreign_keys_of(table):
        parent = rows.parents[key]
        n_parents = len(np.unique(parent[parent >= 0]))
        if n_parents > most:
            most, n_above = n_parents, rows.count(key.parent)
            group = np.where(parent >= 0, parent, n_above + np.arange(n))
    draw = rng.random(group.max(initial=-1) + 1)[group]
    bound = np.sort(draw)[round(share * n) - 1] if round(share * n) else -1.0
    order = rng.permutation(n)
    return order[draw[order] <= bound], order[draw[order] > bound]
