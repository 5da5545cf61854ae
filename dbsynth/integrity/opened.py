"""Foreign keys that are filled when all rows stand: self references, and the keys at which cycles were opened.

A self reference keeps the shape of its hierarchy: how many rows stand at each depth, and how many children the rows of
a depth have. Depth and number of children are drawn with the row, so that bosses look like bosses. A hierarchy that is
none (rows that are their own ancestors) and a key that closes a cycle of tables keep the null share and the sizes of
groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..groups import count_sizes, draw_group_sizes, fit_total, size_probabilities

__all__ = ["Opened", "depths", "fill_opened", "learn_opened"]


def depths(parents: np.ndarray) -> np.ndarray:
    """How many ancestors each row has, float64 ``(n,)``; a row that is its own parent has none, NaN: in a cycle."""
    rows = np.arange(len(parents))
    above = np.where(parents < 0, rows, parents)
    depth = (above != rows).astype(np.int64)
    # Every row looks twice as far up in each round, so that a chain of a million rows takes twenty.
    for _ in range(len(parents).bit_length()):
        depth += depth[above]
        above = above[above]
    top = (parents < 0) | (parents == rows)
    return np.where(top[above], depth, np.nan)


@dataclass(frozen=True)
class Opened:
    """The shape of one opened key.

    Attributes:
        is_tree: whether rows stand in a hierarchy without cycles.
        own_parent: whether the topmost rows refer to themselves instead of to nobody.
        null: share of rows without a parent (no tree).
        largest: most children a parent may have; None: any number.
        size_probs: sizes of groups with their shares, by the parents' depth; one entry where there is no tree.
    """

    is_tree: bool
    own_parent: bool
    null: float
    largest: int | None
    size_probs: list[tuple[np.ndarray, np.ndarray]]


def learn_opened(parents: np.ndarray, n_parents: int, *, is_self_reference: bool, is_unique: bool) -> Opened:
    """The shape of a key.

    Args:
        parents: int64 ``(n_children,)``, -1 for null.
        is_unique: no two rows may share a parent.
    """
    rows = np.arange(len(parents))
    own = is_self_reference and bool((parents == rows).any())
    depth = depths(parents) if is_self_reference else np.full(1, np.nan)
    is_tree = is_self_reference and len(parents) > 0 and not np.isnan(depth).any()
    held = np.where(parents == rows, -1, parents) if is_tree else parents
    sizes = count_sizes(held, n_parents)
    labels = depth.astype(np.int64) if is_tree else np.zeros(n_parents, dtype=np.int64)
    n_labels = int(labels.max(initial=0)) + 1
    null = float((parents < 0).mean()) if len(parents) else 0.0
    return Opened(is_tree, own and is_tree, null, 1 if is_unique else None, size_probabilities(labels, sizes, n_labels))


def fill_opened(
    opened: Opened,
    n_children: int,
    n_parents: int,
    depth: np.ndarray | None,
    rng: np.random.Generator,
    *,
    order: np.ndarray | None = None,
) -> np.ndarray:
    """The parent of each row, int64 ``(n_children,)``, -1 for null.

    Args:
        depth: of a tree, the depth drawn for each row, float ``(n_children,)``.
        order: float ``(n_parents,)``; parents that stand high in it have the larger groups. None: anybody may.
    """
    if opened.is_tree:
        return _grow_tree(opened, depth, rng, order)
    rows = rng.permutation(n_children)[round(opened.null * n_children) :]
    most = n_parents * opened.largest if opened.largest else len(rows)
    rows = rows[:most] if n_parents else rows[:0]
    labels = np.zeros(n_parents, dtype=np.int64)
    sizes = draw_group_sizes(labels, opened.size_probs, rng, order=order)
    sizes = fit_total(sizes, len(rows), rng, largest=opened.largest)
    parents = np.full(n_children, -1, dtype=np.int64)
    parents[rows] = rng.permutation(np.repeat(np.arange(n_parents), sizes))
    return parents


def _grow_tree(
    opened: Opened, depth: np.ndarray, rng: np.random.Generator, order: np.ndarray | None
) -> np.ndarray:
    """Hang every row under one of the depth above; depths that nobody has are closed up."""
    level = np.unique(np.round(depth), return_inverse=True)[1]
    parents = np.arange(len(depth)) if opened.own_parent else np.full(len(depth), -1, dtype=np.int64)
    d = 0
    while (d := d + 1) <= level.max(initial=0):
        above, rows = np.flatnonzero(level == d - 1), np.flatnonzero(level == d)
        if opened.largest is not None:  # who finds no place here goes one deeper
            rows = rng.permutation(rows)
            level[rows[opened.largest * len(above) :]] = d + 1
            rows = rows[: opened.largest * len(above)]
        probabilities = [opened.size_probs[min(d - 1, len(opened.size_probs) - 1)]]
        of_above = None if order is None else order[above]
        sizes = draw_group_sizes(np.zeros(len(above), dtype=np.int64), probabilities, rng, order=of_above)
        sizes = fit_total(sizes, len(rows), rng, largest=opened.largest)
        parents[rows] = rng.permutation(np.repeat(above, sizes))
    return parents
