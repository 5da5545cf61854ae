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
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..schema import ForeignKey, Schema
from .ceiling import drawn_lots
from .comparison import Comparison
from .items import Item, mean_of, plain_number
from .lots import compared_lots
from .view import View

__all__ = ["Measures", "measure"]

MAX_PAIRS = 20_000  # of columns along paths: in a tangle of tables the number of paths grows without end
_TOO_MANY = (
    "there are too many paths of {hops} and more foreign keys: of the pairs of columns along paths the first "
    "{pairs:,} are measured, short paths first"
)


@dataclass(frozen=True)
class Measures:
    """All scores of one synthetic database against the real one.

    Attributes:
        items: each with its ceiling, what a second draw of the real rows would score, as its reference.
        notes: what was not looked at, and why.
    """

    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def scores(self) -> dict[str, float]:
        """The mean of each measure, 0 … 100, over its items that are not NaN; of "dangling" the sum.

        NaN where there is no such item. There is a key "k-hop" for every k that some path has.
        """
        return self._means("score")

    @cached_property
    def ceilings(self) -> dict[str, float]:
        """The same of the items' references: what a second draw of the real rows would score."""
        return self._means("reference")

    def _means(self, field: str) -> dict[str, float]:
        by_measure: dict[str, list[float]] = {}
        for item in self.items:
            by_measure.setdefault(item.measure, []).append(getattr(item, field))
        hops = sorted({m for m in by_measure if m.endswith("-hop")} | {"0-hop"}, key=_hops)
        means = {name: mean_of(by_measure.get(name, [])) for name in ("1-way", "cardinality", *hops)}
        means["avg 2-way"] = mean_of([number for hop in hops for number in by_measure.get(hop, [])])
        means |= {n: mean_of(by_measure.get(n, [])) for n in ("degree-correlation", "column-degree", "intra-group")}
        return means | {"dangling": sum(by_measure.get("dangling", []))}

    def summary(self) -> list[Item]:
        """One item of no table for each measure: its score and, as the reference, its ceiling."""
        return [
            Item(name, (), score=score, reference=self.ceilings[name], note=self._why_not(name, score))
            for name, score in self.scores.items()
        ]

    def _why_not(self, name: str, score: float) -> str:
        """Why a measure has no figure; empty where it has one."""
        if not math.isnan(score):
            return ""
        if any(_counts_for(item, name) for item in self.items):
            return "the real rows leave it undefined: too few of them, or columns that do not vary"
        return "nothing in this database to measure it on"

    def worst(self, measure: str | None, n: int) -> list[Item]:
        """The n items with the lowest scores of a measure, the lowest first; of "dangling" those above zero.

        "avg 2-way" has the pairs of all hops; None takes all measures but "dangling".
        """
        if measure == "dangling":
            return sorted((i for i in self.items if i.measure == measure and i.score), key=lambda i: -i.score)[:n]

        wanted = [i for i in self.items if (_counts_for(i, measure) if measure else i.measure != "dangling")]
        return sorted((i for i in wanted if not math.isnan(i.score)), key=lambda i: i.score)[:n]

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for `json.dumps`; NaN becomes None."""
        scores = {name: plain_number(score) for name, score in self.scores.items()}
        return {"scores": scores, "items": [item.to_json() for item in self.items]}


def measure(
    comparison: Comparison,
    *,
    max_hops: int | None = None,
    max_pairs: int = MAX_PAIRS,
    sample_rows: int | None = None,
    n_draws: int = 2,
    rng: np.random.Generator | None = None,
) -> Measures:
    """Score a synthetic database against the real one, and the real one against second draws of itself.

    Keys, generated columns, binary, JSON, UUID and unknown values are never measured.

    Args:
        max_hops: longest path to look at; None: all there are.
        max_pairs: most pairs of columns along paths, those along short paths first.
        sample_rows: pairs of columns are read from no more rows of each table than these; single columns, degrees and
            groups always from all. None: all rows.
        n_draws: second draws of each root table (`ceiling.drawn_lots`); 0: no ceilings.
        rng: draws the samples and the second draws; None: one seeded with 0.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    n_columns = {table: len(columns) for table, columns in comparison.measured.items()}
    paths, is_all = downward_paths(comparison.schema, n_columns, max_hops, max_pairs)
    real, synthetic = compared_lots(comparison, sample_rows, rng)
    draws = drawn_lots(comparison, real, n_draws=n_draws, sample_rows=sample_rows, rng=rng) if n_draws else None
    columns = {table: comparison.columns(table) for table in comparison.schema.table_names}
    items = View(columns, comparison.schema.foreign_keys, paths, real, synthetic, draws).items()
    notes = () if is_all else (_TOO_MANY.format(hops=len(paths[-1]) if paths else 1, pairs=max_pairs),)
    return Measures(tuple(items), notes)


def downward_paths(
    schema: Schema, n_columns: Mapping[str, int], max_hops: int | None = None, max_pairs: int = MAX_PAIRS
) -> tuple[list[tuple[ForeignKey, ...]], bool]:
    """Every path of foreign keys that joins two tables with measured columns, each from the ancestor down, short first.

    A self reference is no step, and a path visits no table twice.

    Args:
        n_columns: measured columns by table.
        max_pairs: stop at the path that would bring more pairs of columns than these.

    Returns:
        The paths, and whether they are all there are of up to `max_hops`.
    """
    level: list[tuple[ForeignKey, ...]] = [(key,) for key in schema.foreign_keys if not key.is_self_reference]
    paths: list[tuple[ForeignKey, ...]] = []
    n_pairs = 0
    while level and (max_hops is None or len(level[0]) <= max_hops):
        for path in level:
            n_pairs += max(1, n_columns[path[0].parent] * n_columns[path[-1].child])
            if n_pairs > max_pairs:
                return paths, False
            paths.append(path)
        level = [
            (key, *path)
            for path in level
            for key in schema.foreign_keys_of(path[0].parent)
            if key.parent not in {path[0].parent, *(step.child for step in path)}
        ]
    return [path for path in paths if n_columns[path[0].parent] and n_columns[path[-1].child]], True


def _counts_for(item: Item, measure: str) -> bool:
    """Whether a measure's mean takes in the item."""
    return item.measure == measure or (measure == "avg 2-way" and item.measure.endswith("-hop"))


def _hops(measure: str) -> int:
    return int(measure.removesuffix("-hop"))
