"""Lots of rows that the measures compare: the real ones, the synthetic ones, the real ones drawn anew.

A lot is a database's encoded columns and keys as row numbers, and which of its rows are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..schema import ForeignKey
from .compared import Side
from .comparison import Comparison
from .scores import Joined

__all__ = ["Families", "Lot", "compared_lots", "sample"]


@dataclass(frozen=True)
class Families:
    """Parents and their children under one foreign key.

    Attributes:
        degrees: float64 ``(n_parents,)``, children of each parent, zeros included.
        parents: the parents' rows; None: the whole table.
        children: the children's rows; None: the whole table.
        groups: int64 ``(n_children,)``, which children belong together; negative: a child without a parent.
        are_drawn: False where neither parents nor children were drawn anew.
    """

    degrees: np.ndarray
    parents: np.ndarray | None
    children: np.ndarray | None
    groups: np.ndarray
    are_drawn: bool = True


@dataclass(frozen=True)
class Lot:
    """Rows of a database, encoded.

    Attributes:
        columns: of every table, whole.
        up: for each foreign key int64 ``(n_children,)``, the parent's row; negative where there is none.
        rows: of the tables that the lot says something of, the rows, repeats included; None: all as they are.
        sample: of the same tables, the rows to read pairs of columns from.
        families: of the foreign keys that the lot says something of.
    """

    columns: Mapping[str, Sequence[Side]]
    up: Mapping[ForeignKey, np.ndarray]
    rows: Mapping[str, np.ndarray | None]
    sample: Mapping[str, np.ndarray | None]
    families: Mapping[ForeignKey, Families]

    def sampled(self, table: str) -> list[Side]:
        """The table's columns at the sampled rows."""
        return [side.take(self.sample[table]) for side in self.columns[table]]

    def joined(self, path: tuple[ForeignKey, ...], below: Sequence[Side]) -> Joined:
        """The columns at the path's top and, at its bottom, the `sampled` ones, on the rows that have an ancestor."""
        rows = self.sample[path[-1].child]
        for key in reversed(path):
            rows = self.up[key] if rows is None else _follow(rows, self.up[key])
        found = rows >= 0
        if not found.all():
            below, rows = [side.take(found) for side in below], rows[found]
        return Joined(self.columns[path[0].parent], below, rows)


def _follow(rows: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Parents of these rows; negative stays negative."""
    above = rows.copy()
    found = rows >= 0
    above[found] = up[rows[found]]
    return above


def compared_lots(comparison: Comparison, sample_rows: int | None, rng: np.random.Generator) -> tuple[Lot, Lot]:
    """The real and the synthetic rows, all of them; pairs of columns are read from at most `sample_rows` of a table."""
    tables, lots = comparison.schema.table_names, []
    for side, name in ((comparison.real, "real"), (comparison.synthetic, "synthetic")):
        columns = {table: [getattr(column, name) for column in comparison.columns(table)] for table in tables}
        rows = {table: sample(None, side.count(table), sample_rows, rng) for table in tables}
        families = {
            key: Families(side.group_sizes(key).astype(np.float64), None, None, side.parents[key])
            for key in comparison.schema.foreign_keys
        }
        lots.append(Lot(columns, side.parents, dict.fromkeys(tables), rows, families))
    return lots[0], lots[1]


def sample(rows: np.ndarray | None, n: int, size: int | None, rng: np.random.Generator) -> np.ndarray | None:
    """`size` of these n rows, in their order, or all of them if they are no more; None stands for rows 0 … n - 1."""
    if size is None or n <= size:
        return rows
    chosen = np.sort(rng.choice(n, size, replace=False, shuffle=False))
    return chosen if rows is None else rows[chosen]
