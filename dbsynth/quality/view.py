"""Every item of every measure, read off three kinds of lots: real, synthetic, and real rows drawn anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from ..keys import DANGLING
from ..schema import ForeignKey
from .compared import ComparedColumn, Scale, Side
from .comparison import key_label
from .items import Item, mean_of
from .lots import Families, Lot
from .scores import Joined, group_scores, ks_complement, pair_scores, redrawn_scores

__all__ = ["View"]

FEW = 30  # real rows: a likeness that rests on fewer is mostly chance
_BY_CHANCE = "no evidence: the real database has {n} rows for it, and so few are alike or not by chance"
_UNDEFINED = "undefined in the real rows: too few of them, or they do not vary"


@dataclass(frozen=True)
class View:
    """What is compared with the real lot: the synthetic one for the scores, the draws for their references.

    Attributes:
        columns: of every table.
        keys: the foreign keys.
        paths: the foreign keys of each path, from the ancestor down.
    """

    columns: Mapping[str, Sequence[ComparedColumn]]
    keys: Sequence[ForeignKey]
    paths: Sequence[tuple[ForeignKey, ...]]
    real: Lot
    synthetic: Lot
    draws: Sequence[Lot] | None  # None: not asked for

    def items(self) -> Iterator[Item]:
        """Every item of every measure."""
        yield from self.columns_alone()
        yield from self.cardinalities()
        yield from self.pairs_within_tables()
        yield from self.pairs_along_paths()
        yield from self.degree_pairs()
        yield from self.columns_with_degrees()
        yield from self.groups()
        yield from self.dangling_keys()

    def columns_alone(self) -> Iterator[Item]:
        for table, columns in self.columns.items():
            draws = [lot.rows[table] for lot in self._lots(table)[2:]]
            for column in columns:
                scores = [column.likeness, *redrawn_scores(column.real, draws)]
                yield self._item("1-way", (table,), (column.name,), (), scores, len(column.real.codes))

    def cardinalities(self) -> Iterator[Item]:
        for key in self.keys:
            real, *others = self._families(key)
            scores = [ks_complement(real.degrees, other.degrees) for other in others]
            yield self._item("cardinality", (key.parent, key.child), (), (key,), scores, len(real.degrees))

    def pairs_within_tables(self) -> Iterator[Item]:
        for table, columns in self.columns.items():
            if len(columns) > 1:
                sampled = [lot.sampled(table) for lot in self._lots(table)]
                joined = [Joined(sides, sides) for sides in sampled]
                pairs = list(combinations(range(len(columns)), 2))
                for (i, j), scores in zip(pairs, pair_scores(joined, pairs), strict=True):
                    names = columns[i].name, columns[j].name
                    yield self._item("0-hop", (table,), names, (), scores, joined[0].n_rows)

    def pairs_along_paths(self) -> Iterator[Item]:
        for table in self.columns:
            if paths := [path for path in self.paths if path[-1].child == table]:
                lots = self._lots(table)
                below = [lot.sampled(table) for lot in lots]
                for path in paths:
                    joined = [lot.joined(path, sides) for lot, sides in zip(lots, below, strict=True)]
                    yield from self._pairs(path, joined)

    def _pairs(self, path: tuple[ForeignKey, ...], joined: Sequence[Joined]) -> Iterator[Item]:
        """Every column of the path's ancestor with every column of its descendant."""
        above, below = self.columns[path[0].parent], self.columns[path[-1].child]
        tables = (path[0].parent, *(key.child for key in path))
        pairs = list(product(range(len(above)), range(len(below))))
        for (i, j), scores in zip(pairs, pair_scores(joined, pairs), strict=True):
            names = above[i].name, below[j].name
            yield self._item(f"{len(path)}-hop", tables, names, path, scores, joined[0].n_rows)

    def degree_pairs(self) -> Iterator[Item]:
        for first, second in combinations(self.keys, 2):
            if first.parent == second.parent:
                both = [(lot.families.get(first), lot.families.get(second)) for lot in self._all]
                both = [(a, b) for a, b in both if a and b and (a.are_drawn or b.are_drawn)]
                joined = [Joined([self._degrees(first, a)], [self._degrees(second, b)]) for a, b in both]
                (scores,) = pair_scores(joined, [(0, 0)])
                yield self._item("degree-correlation", (first.parent,), (), (first, second), scores, joined[0].n_rows)

    def columns_with_degrees(self) -> Iterator[Item]:
        for key in self.keys:
            columns = self.columns[key.parent]
            lots = [lot for lot in self._all if _has(lot, key)]
            joined = [
                Joined(
                    [self._degrees(key, lot.families[key])],
                    [side.take(lot.families[key].parents) for side in lot.columns[key.parent]],
                )
                for lot in lots
            ]
            pairs = [(0, j) for j in range(len(columns))]
            for column, scores in zip(columns, pair_scores(joined, pairs), strict=True):
                names, n_rows = (column.name,), joined[0].n_rows
                yield self._item("column-degree", (key.parent, key.child), names, (key,), scores, n_rows)

    def groups(self) -> Iterator[Item]:
        for key in self.keys:
            families = list(self._families(key))
            lots = [lot for lot in self._all if _has(lot, key)]
            for at, column in enumerate(self.columns[key.child]):
                sides = [
                    (lot.columns[key.child][at].take(family.children), family.groups)
                    for lot, family in zip(lots, families, strict=True)
                ]
                scores, n_rows = group_scores(sides, column.common), int(np.count_nonzero(families[0].groups >= 0))
                yield self._item("intra-group", (key.parent, key.child), (column.name,), (key,), scores, n_rows)

    def dangling_keys(self) -> Iterator[Item]:
        for key in self.keys:
            n_rows = int(np.count_nonzero(self.synthetic.up[key] == DANGLING))
            yield Item("dangling", (key.parent, key.child), (), (key_label(key),), n_rows, reference=0.0)

    @property
    def _all(self) -> tuple[Lot, ...]:
        return (self.real, self.synthetic, *(self.draws or ()))

    def _lots(self, table: str) -> list[Lot]:
        """The real lot, the synthetic one, and the draws of this table."""
        return [lot for lot in self._all if table in lot.sample]

    def _families(self, key: ForeignKey) -> Iterator[Families]:
        return (lot.families[key] for lot in self._all if _has(lot, key))

    def _degrees(self, key: ForeignKey, families: Families) -> Side:
        return Scale.of(self.real.families[key].degrees).side(families.degrees)

    def _item(
        self,
        measure: str,
        tables: tuple[str, ...],
        columns: tuple[str, ...],
        keys: Sequence[ForeignKey],
        scores: Iterable[float],
        n_rows: int,
    ) -> Item:
        """The synthetic lot's score and the mean of the draws' in percent; what no draw touches would score 100."""
        score, *drawn = (100 * float(score) for score in scores)
        reference = mean_of(drawn) if drawn else 100.0 if self.draws is not None and not np.isnan(score) else np.nan
        names = tuple(key_label(key) for key in keys)
        note = _UNDEFINED if np.isnan(score) else _BY_CHANCE.format(n=n_rows) if n_rows < FEW else ""
        return Item(measure, tables, columns, names, score, reference, rows=n_rows, note=note)


def _has(lot: Lot, key: ForeignKey) -> bool:
    return key in lot.families and lot.families[key].are_drawn
