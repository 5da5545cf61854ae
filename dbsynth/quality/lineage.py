"""Root tables and what descends from their rows: by these a database is divided, or drawn anew."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ..schema import Schema
from .comparison import Rows

__all__ = ["dimension_tables", "held_out_rows", "root_tables"]

SMALL = 500  # rows: the countries of the world, districts, circuits, currencies, not customers
OFTEN = 10  # children per row


def dimension_tables(schema: Schema, rows: Rows) -> list[str]:
    """The tables that look like lists others choose from: of at most 500 rows, referring to nothing but themselves, and
    with ten children or more per row under one foreign key.

    A database is many rows under one list of districts, not some districts with all that is in them; so what refers to
    such a list is taken for a root of its own (`root_tables`, where these are `fixed`).
    """
    opened = set(schema.opened())
    return [
        name
        for name in schema.table_names
        if all(key in opened for key in schema.foreign_keys_of(name))
        and 0 < rows.count(name) <= SMALL
        and max(_n_children(schema, rows, name), default=0) >= OFTEN * rows.count(name)
    ]


def _n_children(schema: Schema, rows: Rows, name: str) -> list[int]:
    """The children of all its rows together under each foreign key."""
    keys = [key for key in schema.foreign_keys_to(name) if not key.is_self_reference]
    return [int(np.count_nonzero(rows.parents[key] >= 0)) for key in keys]


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
                    found = np.flatnonzero(rows.parents[key] >= 0)
                    held[name][found] |= held[key.parent][rows.parents[key][found]]
    return held
