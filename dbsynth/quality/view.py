"""What the measures look at, and every item of every measure read off it.

A view has two sides in the same codes: the real rows, and beside them the synthetic rows or real rows drawn anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from ..keys import DANGLING
from ..schema import ForeignKey
from .compared import ComparedColumn, encode_numbers
from .comparison import Comparison, key_label
from .items import Item
from .scores import group_likeness, pair_scores

__all__ = ["Edge", "View", "sample", "view_of"]

_RowPair = tuple[np.ndarray | None, np.ndarray | None]  # row numbers of the two sides; None: all rows as they are


@dataclass(frozen=True)
class Edge:
    """A foreign key as row numbers, on both sides.

    Attributes:
        up: int64 ``(n_children,)`` each, the parent's row; negative where there is none.
        degree: children per parent row; its second side stands beside the parents `parents`.
        parents: rows of the second side's parent table beside which its degrees stand; None: all.
        children: rows of the second side's child table that are in groups; None: all.
        groups: int64, the group of each of them; negative: none.
        drawn: whether the second side's key differs from the first's; False where it is there for comparison only.
    """

    key: ForeignKey
    up: tuple[np.ndarray, np.ndarray]
    degree: ComparedColumn
    parents: np.ndarray | None
    children: np.ndarray | None
    groups: np.ndarray
    drawn: bool = True

    @property
    def name(self) -> str:
        return key_label(self.key)

    @property
    def tables(self) -> tuple[str, str]:
        return self.key.parent, self.key.child


@dataclass(frozen=True)
class View:
    """Two sides, encoded.

    Attributes:
        columns: of every table, whole.
        edges: the foreign keys to look at, by key.
        rows: of the tables to look at, the rows that pairs of columns are read from.
        paths: the foreign keys of each path, from the ancestor down.
    """

    columns: Mapping[str, Sequence[ComparedColumn]]
    edges: Mapping[ForeignKey, Edge]
    rows: Mapping[str, _RowPair]
    paths: Sequence[tuple[ForeignKey, ...]]

    def items(self) -> Iterator[Item]:
        """Every item of every measure, always in the same order."""
        yield from self.columns_alone()
        yield from self.cardinalities()
        yield from self.pairs_within_tables()
        yield from self.pairs_along_paths()
        yield from self.degree_pairs()
        yield from self.columns_with_degrees()
        yield from self.groups()
        yield from self.dangling_keys()

    def columns_alone(self) -> Iterator[Item]:
        for table in self.rows:
            for column in self.columns[table]:
                yield Item("1-way", (table,), (column.name,), (), 100 * column.likeness)

    def cardinalities(self) -> Iterator[Item]:
        for edge in self._drawn():
            yield Item("cardinality", edge.tables, (), (edge.name,), 100 * edge.degree.likeness)

    def pairs_within_tables(self) -> Iterator[Item]:
        for table, rows in self.rows.items():
            columns = [column.take(*rows) for column in self.columns[table]]
            pairs = list(combinations(range(len(columns)), 2))
            for (i, j), score in zip(pairs, pair_scores(columns, columns, pairs), strict=True):
                yield Item("0-hop", (table,), (columns[i].name, columns[j].name), (), 100 * score)

    def pairs_along_paths(self) -> Iterator[Item]:
        for table, rows in self.rows.items():
            if paths := [path for path in self.paths if path[-1].child == table]:
                below = [column.take(*rows) for column in self.columns[table]]
                for path in paths:
                    yield from self._pairs(path, below)

    def _pairs(self, path: tuple[ForeignKey, ...], below: Sequence[ComparedColumn]) -> Iterator[Item]:
        """Every column of the path's ancestor with every column of its descendant, whose looked-at rows are `below`."""
        joined = [_joined(self._ancestors(path, side)) for side in (0, 1)]
        above = [column.take(*(up for _, up in joined)) for column in self.columns[path[0].parent]]
        below = [column.take(*(down for down, _ in joined)) for column in below]
        tables = (path[0].parent, *(key.child for key in path))
        names = tuple(key_label(key) for key in path)
        pairs = list(product(range(len(above)), range(len(below))))
        for (i, j), score in zip(pairs, pair_scores(above, below, pairs), strict=True):
            yield Item(f"{len(path)}-hop", tables, (above[i].name, below[j].name), names, 100 * score)

    def _ancestors(self, path: tuple[ForeignKey, ...], side: int) -> np.ndarray:
        """The row at the path's top for each looked-at row at its bottom, int64; negative: there is none."""
        at = self.rows[path[-1].child][side]
        for key in reversed(path):
            up = self.edges[key].up[side]
            at = up if at is None else _follow(at, up)
        return at

    def degree_pairs(self) -> Iterator[Item]:
        for first, second in combinations(self.edges.values(), 2):
            if first.key.parent == second.key.parent and (first.drawn or second.drawn):
                (score,) = pair_scores([first.degree], [second.degree], [(0, 0)])
                yield Item("degree-correlation", (first.key.parent,), (), (first.name, second.name), 100 * score)

    def columns_with_degrees(self) -> Iterator[Item]:
        for edge in self._drawn():
            columns = [column.take(None, edge.parents) for column in self.columns[edge.key.parent]]
            scores = pair_scores([edge.degree], columns, [(0, j) for j in range(len(columns))])
            for column, score in zip(columns, scores, strict=True):
                yield Item("column-degree", edge.tables, (column.name,), (edge.name,), 100 * score)

    def groups(self) -> Iterator[Item]:
        for edge in self._drawn():
            for column in self.columns[edge.key.child]:
                score = group_likeness(column.take(None, edge.children), edge.up[0], edge.groups)
                yield Item("intra-group", edge.tables, (column.name,), (edge.name,), 100 * score)

    def dangling_keys(self) -> Iterator[Item]:
        for edge in self._drawn():
            yield Item("dangling", edge.tables, (), (edge.name,), int(np.count_nonzero(edge.up[1] == DANGLING)))

    def _drawn(self) -> Iterator[Edge]:
        return (edge for edge in self.edges.values() if edge.drawn)


def view_of(
    comparison: Comparison,
    paths: Sequence[tuple[ForeignKey, ...]],
    *,
    sample_rows: int | None = None,
    rng: np.random.Generator,
) -> View:
    """The real database beside the synthetic one; of larger tables a sample of `sample_rows` for pairs of columns."""
    schema, sides = comparison.schema, (comparison.real, comparison.synthetic)
    edges = {}
    for key in schema.foreign_keys:
        degree = encode_numbers("degree", *(side.group_sizes(key).astype(np.float64) for side in sides))
        up = tuple(side.parents[key] for side in sides)
        edges[key] = Edge(key, up, degree, None, None, up[1])
    rows = {
        table: tuple(sample(None, side.count(table), sample_rows, rng) for side in sides)
        for table in schema.table_names
    }
    return View({table: comparison.columns(table) for table in schema.table_names}, edges, rows, paths)


def sample(rows: np.ndarray | None, n: int, size: int | None, rng: np.random.Generator) -> np.ndarray | None:
    """`size` of these n rows, in their order, or all of them if they are no more; None stands for rows 0 … n - 1."""
    if size is None or n <= size:
        return rows
    chosen = np.sort(rng.choice(n, size, replace=False, shuffle=False))
    return chosen if rows is None else rows[chosen]


def _follow(rows: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Parents of these rows; negative stays negative."""
    above = rows.copy()
    found = rows >= 0
    above[found] = up[rows[found]]
    return above


def _joined(rows: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """The descendants that have an ancestor (None: all of them), and its row for each."""
    found = rows >= 0
    return (None, rows) if found.all() else (np.flatnonzero(found), rows[found])
