"""Whose the rows are: the rows of one customer are one piece of evidence, however many they are."""

from __future__ import annotations

import numpy as np

from .comparison import Comparison, Rows

__all__ = ["owners", "rows_by_owner"]

_FEW_OWNERS = 50


def owners(comparison: Comparison, rows: Rows, table: str) -> np.ndarray:
    """Whose each row is: rows of one owner resemble one another without being copies, and are no independent evidence.

    A row belongs to whom its parent row belongs to, along the foreign key with the most parents; a row without a parent
    belongs to itself. Kept tables, those of fewer than 50 rows and keys that close a cycle lead to nobody.

    Returns:
        int64 ``(n_rows,)``, not negative.
    """
    keys = [
        key
        for key in comparison.schema.foreign_keys_of(table)
        if key.parent not in comparison.kept
        and key not in comparison.schema.opened()
        and comparison.real.count(key.parent) >= _FEW_OWNERS
    ]
    n = rows.count(table)
    if not keys:
        return np.arange(n)
    key = max(keys, key=lambda key: comparison.real.count(key.parent))
    parents, above = rows.parents[key], owners(comparison, rows, key.parent)
    own = np.arange(n) + above.max(initial=-1) + 1
    return np.where(parents >= 0, above[np.maximum(parents, 0)], own) if len(above) else own


def rows_by_owner(owners: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All row numbers in random order, owner by owner: the first n are those of few whole owners (the last cut)."""
    return np.argsort(rng.permutation(owners.max(initial=-1) + 1)[owners], kind="stable")
