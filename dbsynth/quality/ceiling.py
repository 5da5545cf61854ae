"""The ceiling of every item: what a second draw of the same size from the real database would score.

A draw takes the rows of one root table with replacement, and their descendants along: a parent drawn twice brings its
children twice, as the children of two parents. All else stays as it is. The draw is from the very rows it is compared
with: where their number is what matters, new rows of the same origin are about √2 times as far from 100.

Every figure is about the rows of one table, with what hangs on them: a pair along a path about the descendants with
their ancestors' values, a degree about the parents, an intraclass correlation about groups. So a draw need not be
built: how often each row was drawn says all. That also settles a row with two keys into what is drawn (the home and
the away team of a game): whatever it is counted for, each of its parents brings it as often as itself was drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from ..schema import ForeignKey, Schema
from .comparison import Comparison, Rows
from .lineage import dimension_tables, root_tables
from .lots import Families, Lot, sample

__all__ = ["draw", "drawn_lots"]

MOST_DRAWS = 4  # of one table: a table below many roots is not drawn for all of them

Draw = Mapping[str, np.ndarray]  # by table, how often each row was drawn; tables that are not there stay as they are


def draw(schema: Schema, rows: Rows, root: str, *, fixed: Collection[str] = (), rng: np.random.Generator) -> Draw:
    """How often each row of the root and of every table that descends from it is in one draw.

    A row comes along with the first of its keys that finds a parent in a drawn table. Rows with no such parent are
    drawn among themselves. Keys that close a cycle bring nobody along.

    Returns:
        By table, int64 ``(n_rows,)``. In the root the mean is exactly 1.
    """
    opened = set(schema.opened())
    times = {root: _drawn_alone(rows.count(root), rng)}
    for name in schema.parents_first():
        keys = [key for key in schema.foreign_keys_of(name) if key not in opened and key.parent in times]
        if not keys or name in fixed:
            continue
        waiting, drawn = np.ones(rows.count(name), bool), np.zeros(rows.count(name), np.int64)
        for key in keys:
            found = waiting & (rows.parents[key] >= 0)
            drawn[found] = times[key.parent][rows.parents[key][found]]
            waiting &= ~found
        drawn[waiting] = _drawn_alone(np.count_nonzero(waiting), rng)
        times[name] = drawn
    return times


def _drawn_alone(n: int, rng: np.random.Generator) -> np.ndarray:
    return np.bincount(rng.integers(n, size=n), minlength=n) if n else np.zeros(0, np.int64)


def drawn_lots(
    comparison: Comparison, real: Lot, *, n_draws: int, sample_rows: int | None, rng: np.random.Generator
) -> list[Lot]:
    """Draws of every root table, and last of every dimension, each with the tables and keys that it redraws.

    Roots are the tables that refer to no other, kept ones and small dimensions (`lineage.dimension_tables`) aside. Each
    is drawn `n_draws` times, but no table more than `MOST_DRAWS` times. A foreign key is judged by draws of its
    parent's rows: only these keep families whole. Where nothing draws the parents (they are kept, or a dimension), the
    children that are drawn fall to them. Dimensions are drawn for what no other draw touches: their own columns.

    Args:
        real: the comparison's real lot.
        sample_rows: as for that lot.
    """
    schema, rows, kept = comparison.schema, comparison.real, set(comparison.kept)
    dimensions = [name for name in dimension_tables(schema, rows) if name not in kept]
    fixed = kept | set(dimensions)
    n_drawn: Counter[str] = Counter()
    draws: list[Draw] = []
    for root in root_tables(schema, fixed) * n_draws:
        times = draw(schema, rows, root, fixed=fixed, rng=rng)
        draws.append({table: drawn for table, drawn in times.items() if n_drawn[table] < MOST_DRAWS})
        n_drawn.update(draws[-1].keys())
    draws += [{name: _drawn_alone(rows.count(name), rng)} for name in dimensions * n_draws]
    moving = set(n_drawn)
    return [_drawn_lot(real, times, moving, sample_rows, rng) for times in draws]


def _drawn_lot(
    real: Lot, times: Draw, moving: Collection[str], sample_rows: int | None, rng: np.random.Generator
) -> Lot:
    rows = {table: np.repeat(np.arange(len(drawn)), drawn) for table, drawn in times.items()}
    return replace(
        real,
        rows=rows,
        sample={table: sample(drawn, len(drawn), sample_rows, rng) for table, drawn in rows.items()},
        families={
            key: families
            for key in real.families
            if (families := _drawn_families(real, key, times, rows, moving)) is not None
        },
    )


def _drawn_families(
    real: Lot, key: ForeignKey, times: Draw, rows: Mapping[str, np.ndarray], moving: Collection[str]
) -> Families | None:
    """The families of a foreign key in a draw; None if the draw says nothing of it.

    Args:
        moving: the tables that the draw of some root redraws.
    """
    whole, up = real.families[key], real.up[key]
    if key.parent in times and (key.parent in moving or key.child not in moving):
        parents = rows[key.parent]
        return Families(whole.degrees[parents], parents, *_copied_groups(up, times[key.parent]))
    if key.parent in moving or key.parent in times:
        return None
    if key.child not in times:
        return replace(whole, are_drawn=False)
    groups = up[rows[key.child]]
    fallen = np.bincount(groups[groups >= 0], minlength=len(whole.degrees)).astype(np.float64)
    return Families(fallen, None, rows[key.child], groups)


def _copied_groups(up: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The children of drawn parents, once for each copy of the parent, and the copy each of them belongs to."""
    inside = np.flatnonzero(up >= 0)
    copies = times[up[inside]]
    children = np.repeat(inside, copies)
    nth = np.arange(children.size) - np.repeat(np.cumsum(copies) - copies, copies)  # 0, 1, … within each child
    first = np.cumsum(times) - times  # the first copy of each parent
    return children, first[up[children]] + nth
