"""The ceiling of every item: what a second draw of the same size from the real database would score.

A draw takes the rows of one root table with replacement, and their descendants along: a parent drawn twice brings its
children twice, as the children of two parents. All else stays as it is.

Every figure is about the rows of one table, with what hangs on them: a pair along a path about the descendants with
their ancestors' values, a degree about the parents, an intraclass correlation about groups. So a draw need not be
built: how often each row was drawn says all. That also settles a row with two keys into what is drawn (the home and
the away team of a game): whatever it is counted for, each of its parents brings it as often as itself was drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..schema import Schema
from .compared import ComparedColumn, Side, encode_numbers
from .comparison import Comparison, Rows
from .items import Item, mean_of
from .lineage import dimension_tables, root_tables
from .scores import ks_complement, overlap
from .view import Edge, View, sample

__all__ = ["ceilings", "draw"]

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


def ceilings(
    comparison: Comparison,
    view: View,
    items: Sequence[Item],
    *,
    n_draws: int = 2,
    sample_rows: int | None = None,
    rng: np.random.Generator,
) -> list[Item]:
    """The same items with the mean score of several draws as their `reference`.

    Roots are the tables that refer to no other, kept ones and small dimensions (`lineage.dimension_tables`) aside. Each
    is drawn `n_draws` times, but no table more than `MOST_DRAWS` times. Items on a foreign key come from the draws of
    its parent's rows: only they keep groups whole. Where nothing draws these (a kept or dimension table), they come
    from draws of the children. Dimensions are drawn too, for what no other draw touches: their own columns.

    What no draw touches (kept tables) would be the same again: 100; of "dangling" the reference is 0.

    Args:
        view: the comparison's, of which `items` are.
        sample_rows: as for the view.
    """
    scores: dict[tuple, list[float]] = {}
    for drawn_view in _drawn_views(comparison, view, n_draws, sample_rows, rng):
        for item in drawn_view.items():
            scores.setdefault(_about(item), []).append(item.score)
    return [replace(item, reference=_reference(item, scores.get(_about(item)))) for item in items]


def _about(item: Item) -> tuple:
    return item.measure, item.tables, item.columns, item.foreign_keys


def _reference(item: Item, scores: Sequence[float] | None) -> float:
    if item.measure == "dangling":
        return 0.0
    if scores is None:
        return np.nan if np.isnan(item.score) else 100.0
    return mean_of(scores)


def _drawn_views(
    comparison: Comparison, view: View, n_draws: int, sample_rows: int | None, rng: np.random.Generator
) -> Iterator[View]:
    """A view for each draw of each root, and last of each dimension."""
    schema, real, kept = comparison.schema, comparison.real, set(comparison.kept)
    dimensions = [name for name in dimension_tables(schema, real) if name not in kept]
    fixed = kept | set(dimensions)
    n_drawn: Counter[str] = Counter()
    draws = []
    for root in root_tables(schema, fixed) * n_draws:
        times = draw(schema, real, root, fixed=fixed, rng=rng)
        draws.append({table: drawn for table, drawn in times.items() if n_drawn[table] < MOST_DRAWS})
        n_drawn.update(draws[-1].keys())
    for times in draws:
        yield _drawn_view(view, real, times, set(n_drawn), sample_rows, rng)
    for name in dimensions * n_draws:
        yield _drawn_view(view, real, {name: _drawn_alone(real.count(name), rng)}, {name, *n_drawn}, sample_rows, rng)


def _drawn_view(
    view: View, real: Rows, times: Draw, ever_drawn: Collection[str], sample_rows: int | None, rng: np.random.Generator
) -> View:
    """The real rows beside this draw of them."""
    drawn_rows = {table: np.repeat(np.arange(len(drawn)), drawn) for table, drawn in times.items()}
    columns = {
        table: [_drawn_column(column, drawn_rows.get(table)) for column in columns]
        for table, columns in view.columns.items()
    }
    edges = {key: _drawn_edge(edge, real, times, drawn_rows, ever_drawn) for key, edge in view.edges.items()}
    rows = {
        table: (view.rows[table][0], sample(drawn, len(drawn), sample_rows, rng)) for table, drawn in drawn_rows.items()
    }
    return View(columns, edges, rows, view.paths)


def _drawn_column(column: ComparedColumn, rows: np.ndarray | None) -> ComparedColumn:
    """The real column on both sides; its likeness is to these rows of itself."""
    likeness = 1.0 if rows is None else _likeness(column.real, column.real.take(rows), column.n_codes)
    return replace(column, synthetic=column.real, likeness=likeness)


def _likeness(real: Side, drawn: Side, n_codes: int) -> float:
    if real.values is None:
        return overlap(real.codes, drawn.codes, n_codes)
    return ks_complement(*(side.values[~np.isnan(side.values)] for side in (real, drawn)))


def _drawn_edge(
    edge: Edge, real: Rows, times: Draw, drawn_rows: Mapping[str, np.ndarray], ever_drawn: Collection[str]
) -> Edge:
    """The foreign key beside itself in this draw.

    Where the parents are drawn, each copy keeps its children: its degree is the original's, and its group a copy of the
    group. Where nothing ever draws the parents, they stand still and the children drawn fall to them.
    """
    key, up = edge.key, edge.up[0]
    degrees = real.group_sizes(key)
    if key.parent in times:
        parents = drawn_rows[key.parent]
        children, groups = _copied_groups(up, times[key.parent])
        degree = encode_numbers("degree", degrees.astype(float), degrees[parents].astype(float))
        return replace(edge, up=(up, up), degree=degree, parents=parents, children=children, groups=groups)
    if key.child in times and key.parent not in ever_drawn:
        children = drawn_rows[key.child]
        groups = up[children]
        fallen = np.bincount(groups[groups >= 0], minlength=len(degrees))
        degree = encode_numbers("degree", degrees.astype(float), fallen.astype(float))
        return replace(edge, up=(up, up), degree=degree, children=children, groups=groups)
    degree = replace(edge.degree, synthetic=edge.degree.real, likeness=1.0)
    return replace(edge, up=(up, up), degree=degree, drawn=False)


def _copied_groups(up: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The children of drawn parents, once for each copy of the parent, and the copy each of them belongs to."""
    inside = np.flatnonzero(up >= 0)
    copies = times[up[inside]]
    children = np.repeat(inside, copies)
    nth = np.arange(children.size) - np.repeat(np.cumsum(copies) - copies, copies)  # 0, 1, … within each child
    first = np.cumsum(times) - times  # the first copy of each parent
    return children, first[up[children]] + nth
