"""Root tables and what descends from their rows: by these a database is divided, or drawn anew."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ..schema import Schema
from .comparison import Rows

__all__ = ["held_out_rows", "root_tables"]


def root_tables(schema: Schema, fixed: Collection[str] = ()) -> list[str]:
    """The tables that refer to no other, tables that are fixed and references that close a cycle aside.

    Args:
        fixed: tables that stay as they are, such as kept ones; they are no roots, and nobody's descendants.
    """
    opened = set(schema.opened())
    return [
        name
        for name in schema.parents_first()
        if name not in fixed
        and not any(key.parent not in fixed and key not in opened for key in schema.foreign_keys_of(name))
    ]


def held_out_rows(
    schema: Schema, rows: Rows, share: float, *, fixed: Collection[str] = (), rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Which rows to keep from training: a share of every root table's, and all rows that descend from them.

    So no row that is left refers to one that is held out, except by references that close a cycle.

    Returns:
        For each table bool ``(n_rows,)``, true for a row that is held out.
    """
    opened, roots = set(schema.opened()), set(root_tables(schema, fixed))
    held: dict[str, np.ndarray] = {}
    for name in schema.parents_first():
        n = rows.count(name)
        held[name] = np.zeros(n, bool)
        if name in roots:
            held[name][rng.permutation(n)[: round(share * n)]] = True
        elif name not in fixed:
            for key in schema.foreign_keys_of(name):
                if key not in opened:
                    parent = rows.parents[key]
                    held[name] |= (parent >= 0) & held[key.parent][parent] if len(held[key.parent]) else False
    return held
