"""How close a synthetic database comes to the real one: every column, pair of columns, foreign key and path.

| measure | over | definition |
|---|---|---|
| 1-way | columns | numbers, dates: 1 - KS statistic of the values; categories: 1 - total variation, null a category |
| cardinality | foreign keys | 1 - KS statistic of the children per parent row, zeros included |
| 0-hop | pairs of columns of a table | see `pair_scores` |
| k-hop | (column of an ancestor, column of a descendant), k foreign keys apart | the same on the joined rows |
| avg 2-way | all pairs of all hops, pooled | |
| degree-correlation | pairs of foreign keys into one parent | pair score of the two numbers of children |
| column-degree | (foreign key, column of its parent) | pair score of the number of children and the column |
| intra-group | (foreign key, column of its child) | see `group_likeness` |
| dangling | foreign keys | synthetic rows whose key, without a null, finds no parent: a count, to be 0 |

Every downward path counts for itself, also where two of them join the same tables; a self reference is no step, and a
path visits no table twice. Rows with a null on the way stay out. Key columns are not measured: those of the foreign
keys, single-column primary keys, and single columns a foreign key refers to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, product
from typing import Any

import numpy as np

from ..keys import DANGLING
from ..schema import ForeignKey
from .compared import ComparedColumn, encode_numbers
from .comparison import Comparison, key_label
from .items import Item, mean_of, plain_number
from .scores import group_likeness, pair_scores

__all__ = ["Measures", "measure"]


@dataclass(frozen=True)
class Measures:
    """All scores of one synthetic database against the real one."""

    items: tuple[Item, ...]

    @cached_property
    def scores(self) -> dict[str, float]:
        """The mean of each measure, 0 … 100, over its items that are not NaN; of "dangling" the sum.

        NaN where there is no such item. There is a key "k-hop" for every k that some path has.
        """
        by_measure: dict[str, list[float]] = {}
        for item in self.items:
            by_measure.setdefault(item.measure, []).append(item.score)
        hops = sorted({m for m in by_measure if m.endswith("-hop")} | {"0-hop"}, key=_hops)
        scores = {name: mean_of(by_measure.get(name, [])) for name in ("1-way", "cardinality", *hops)}
        scores["avg 2-way"] = mean_of([score for hop in hops for score in by_measure.get(hop, [])])
        scores |= {n: mean_of(by_measure.get(n, [])) for n in ("degree-correlation", "column-degree", "intra-group")}
        return scores | {"dangling": sum(by_measure.get("dangling", []))}

    def worst(self, measure: str | None, n: int) -> list[Item]:
        """The n items with the lowest scores of a measure, the lowest first; of "dangling" those above zero.

        "avg 2-way" has the pairs of all hops; None takes all measures but "dangling".
        """
        if measure == "dangling":
            return sorted((i for i in self.items if i.measure == measure and i.score), key=lambda i: -i.score)[:n]

        def wanted(item: Item) -> bool:
            if measure is None:
                return item.measure != "dangling"
            return item.measure == measure or (measure == "avg 2-way" and item.measure.endswith("-hop"))

        return sorted((i for i in self.items if wanted(i) and not math.isnan(i.score)), key=lambda i: i.score)[:n]

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for `json.dumps`; NaN becomes None."""
        scores = {name: plain_number(score) for name, score in self.scores.items()}
        return {"scores": scores, "items": [item.to_json() for item in self.items]}


def measure(comparison: Comparison, *, max_hops: int | None = None) -> Measures:
    """Score a synthetic database against the real one.

    Keys, generated columns, binary, JSON, UUID and unknown values are never measured.

    Args:
        max_hops: longest path to look at; None: all there are.
    """
    data = _Data.of(comparison)
    return Measures(
        (
            *data.columns_alone(),
            *data.cardinalities(),
            *data.pairs_within_tables(),
            *data.pairs_along_paths(max_hops),
            *data.degree_pairs(),
            *data.columns_with_degrees(),
            *data.groups(),
            *data.dangling_keys(),
        )
    )


@dataclass(frozen=True)
class _Edge:
    """A foreign key as row numbers: the parent's for each child row, on both sides, and the children per parent."""

    key: ForeignKey
    real: np.ndarray  # int64 (n_children,)
    synthetic: np.ndarray
    degree: ComparedColumn  # rows of the parent

    @property
    def name(self) -> str:
        return key_label(self.key)


@dataclass(frozen=True)
class _Data:
    """Both databases, encoded."""

    columns: dict[str, list[ComparedColumn]] = field(default_factory=dict)
    edges: list[_Edge] = field(default_factory=list)

    @classmethod
    def of(cls, comparison: Comparison) -> _Data:
        data = cls({table: comparison.columns(table) for table in comparison.schema.table_names})
        for key in comparison.schema.foreign_keys:
            sides = comparison.real, comparison.synthetic
            degrees = (side.group_sizes(key).astype(np.float64) for side in sides)
            data.edges.append(_Edge(key, *(side.parents[key] for side in sides), encode_numbers("degree", *degrees)))
        return data

    def columns_alone(self) -> Iterator[Item]:
        for table, columns in self.columns.items():
            yield from (Item("1-way", (table,), (column.name,), (), 100 * column.likeness) for column in columns)

    def cardinalities(self) -> Iterator[Item]:
        for edge in self.edges:
            tables = edge.key.parent, edge.key.child
            yield Item("cardinality", tables, (), (edge.name,), 100 * edge.degree.likeness)

    def pairs_within_tables(self) -> Iterator[Item]:
        for table, columns in self.columns.items():
            pairs = list(combinations(range(len(columns)), 2))
            for (i, j), score in zip(pairs, pair_scores(columns, columns, pairs), strict=True):
                yield Item("0-hop", (table,), (columns[i].name, columns[j].name), (), 100 * score)

    def pairs_along_paths(self, max_hops: int | None) -> Iterator[Item]:
        for table, columns in self.columns.items():
            if columns:
                start = _Path((), (table,), None, None)
                yield from (item for path in self._upward(start, max_hops) for item in self._pairs(path))

    def _upward(self, path: _Path, max_hops: int | None) -> Iterator[_Path]:
        """Every longer path that goes on from here towards the ancestors."""
        if max_hops is not None and len(path.keys) >= max_hops:
            return
        for edge in self.edges:
            if edge.key.child == path.tables[0] and edge.key.parent not in path.tables:
                longer = path.to_parent(edge)
                yield longer
                yield from self._upward(longer, max_hops)

    def _pairs(self, path: _Path) -> Iterator[Item]:
        """Every column of the path's ancestor with every column of its descendant."""
        if not self.columns[path.tables[0]]:
            return
        joined = [_joined(rows) for rows in (path.real, path.synthetic)]
        above = [c.take(*(up for _, up in joined)) for c in self.columns[path.tables[0]]]
        below = [c.take(*(down for down, _ in joined)) for c in self.columns[path.tables[-1]]]
        pairs = list(product(range(len(above)), range(len(below))))
        for (i, j), score in zip(pairs, pair_scores(above, below, pairs), strict=True):
            yield Item(f"{len(path.keys)}-hop", path.tables, (above[i].name, below[j].name), path.keys, 100 * score)

    def degree_pairs(self) -> Iterator[Item]:
        for first, second in combinations(self.edges, 2):
            if first.key.parent == second.key.parent:
                (score,) = pair_scores([first.degree], [second.degree], [(0, 0)])
                yield Item("degree-correlation", (first.key.parent,), (), (first.name, second.name), 100 * score)

    def columns_with_degrees(self) -> Iterator[Item]:
        for edge in self.edges:
            columns = self.columns[edge.key.parent]
            scores = pair_scores([edge.degree], columns, [(0, j) for j in range(len(columns))])
            for column, score in zip(columns, scores, strict=True):
                tables = edge.key.parent, edge.key.child
                yield Item("column-degree", tables, (column.name,), (edge.name,), 100 * score)

    def groups(self) -> Iterator[Item]:
        for edge in self.edges:
            for column in self.columns[edge.key.child]:
                score = 100 * group_likeness(column, edge.real, edge.synthetic)
                yield Item("intra-group", (edge.key.parent, edge.key.child), (column.name,), (edge.name,), score)

    def dangling_keys(self) -> Iterator[Item]:
        for edge in self.edges:
            n_rows = int(np.count_nonzero(edge.synthetic == DANGLING))
            yield Item("dangling", (edge.key.parent, edge.key.child), (), (edge.name,), n_rows)


@dataclass(frozen=True)
class _Path:
    """A way from an ancestor down to a descendant, with the ancestor's row for each row of the descendant."""

    keys: tuple[str, ...]
    tables: tuple[str, ...]  # from the ancestor down
    real: np.ndarray | None  # int64 (n_descendants,), negative: there is none; None: the table itself
    synthetic: np.ndarray | None

    def to_parent(self, edge: _Edge) -> _Path:
        rows = (_follow(below, above) for below, above in ((self.real, edge.real), (self.synthetic, edge.synthetic)))
        return _Path((edge.name, *self.keys), (edge.key.parent, *self.tables), *rows)


def _follow(below: np.ndarray | None, above: np.ndarray) -> np.ndarray:
    """Parents of parents; negative stays negative."""
    if below is None:
        return above
    rows = below.copy()
    found = below >= 0
    rows[found] = above[below[found]]
    return rows


def _joined(rows: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """The descendants that have an ancestor (None: all of them), and its row for each."""
    found = rows >= 0
    return (None, rows) if found.all() else (np.flatnonzero(found), rows[found])


def _hops(measure: str) -> int:
    return int(measure.removesuffix("-hop"))
