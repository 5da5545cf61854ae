"""A database as the engines see it: numbers only. No key, type, dialect or value of the source reaches them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .columns.codec import Codes, Known

__all__ = ["Edge", "EncodedDatabase", "Generated", "Given"]


@dataclass(frozen=True)
class Edge:
    """One foreign key as row numbers.

    Attributes:
        name: unique in the database.
        rows: int64 ``(n_children,)``, the parent's row number of each child row, -1 for null.
        one_to_one: no two child rows may share a parent.
    """

    name: str
    child: str
    parent: str
    rows: np.ndarray
    one_to_one: bool = False


@dataclass(frozen=True)
class EncodedDatabase:
    """Tables of codes and the edges between their rows; the edges form no cycle.

    Attributes:
        tables: codes by table name, parents before their children.
        edges: one for each foreign key.
        kept: tables whose rows are given in generation too.
        distinct: sets of edges (of one child) of which no two child rows share all parents.
    """

    tables: Mapping[str, Codes]
    edges: Sequence[Edge]
    kept: frozenset[str] = frozenset()
    distinct: Sequence[frozenset[str]] = ()

    @property
    def shape(self) -> EncodedDatabase:
        """The database without its rows, but for those of kept tables."""
        tables = {
            t: c if t in self.kept else replace(c, low=c.low[:0], high=c.high[:0]) for t, c in self.tables.items()
        }
        edges = [e if e.child in self.kept else replace(e, rows=e.rows[:0]) for e in self.edges]
        return replace(self, tables=tables, edges=edges)

    def edges_of(self, child: str) -> list[Edge]:
        return [edge for edge in self.edges if edge.child == child]

    def edges_to(self, parent: str) -> list[Edge]:
        return [edge for edge in self.edges if edge.parent == parent]


@dataclass(frozen=True)
class Generated:
    """What an engine draws.

    Attributes:
        ranks: per table that is not kept, float32 ``(n_rows, n_variables)`` in [0, 1], for the codec to decode.
        parents: per edge name, int64 ``(n_children,)``, -1 for null.
    """

    ranks: Mapping[str, np.ndarray]
    parents: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Given:
    """Rows that are there before anything is drawn: each table's first ones, in the order they are given in.

    The parents of given rows are given too, or kept.

    Attributes:
        known: by table with given rows, what is known of them.
        parents: per edge whose child has given rows, int64 ``(n_given,)``, -1 for null.
        n_rows: by table that is not kept, how many rows there are to be, the given ones among them; of tables that are
            not named, as many as the groups of their parents hold.
    """

    known: Mapping[str, Known]
    parents: Mapping[str, np.ndarray]
    n_rows: Mapping[str, int]

    def count(self, table: str) -> int:
        """The table's given rows."""
        return len(self.known[table]) if table in self.known else 0
