"""A large database in parts, so that what it takes to draw one does not grow with it.

Each part is a database of its own around the same kept tables: its rows refer to rows of the same part and to kept
ones. A real database's rows have few relatives too, so nothing is lost but memory. What must be unique over all parts
keeps a database whole: pairs of kept parents, and kept parents that may have one child only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..encoded import EncodedDatabase, Generated

__all__ = ["part_rows", "together"]

_PART_ROWS = 400_000  # about, of all tables together
_FEWEST_PARENTS = 500  # rows of a table that has children, in each part


def part_rows(
    database: EncodedDatabase, distinct: Sequence[frozenset[str]], n_rows: Mapping[str, int]
) -> list[dict[str, int]]:
    """How many rows of each table to draw in each part.

    Args:
        distinct: sets of edges of one child of which no two rows should share all parents.
    """
    drawn = {table: n for table, n in n_rows.items() if table not in database.kept}
    parents = {edge.parent for edge in database.edges} - database.kept
    most = min((drawn[table] // _FEWEST_PARENTS for table in parents), default=1)
    kept_edges = {edge.name for edge in database.edges if edge.parent in database.kept}
    if any(names <= kept_edges for names in distinct) or any(
        edge.one_to_one and edge.name in kept_edges for edge in database.edges
    ):
        most = 1
    n_parts = max(1, min(round(sum(drawn.values()) / _PART_ROWS), most))
    ends = {table: np.linspace(0, n, n_parts + 1).round().astype(int) for table, n in drawn.items()}
    return [{**n_rows, **{table: int(e[k + 1] - e[k]) for table, e in ends.items()}} for k in range(n_parts)]


def together(database: EncodedDatabase, parts: Sequence[Generated]) -> Generated:
    """The parts as one database, each part's rows after those of the one before."""
    if len(parts) == 1:
        return parts[0]
    counts = [{table: len(ranks) for table, ranks in part.ranks.items()} for part in parts]
    parents = {}
    for edge in database.edges:
        if edge.child in database.kept:
            parents[edge.name] = parts[0].parents[edge.name]
            continue
        moved, before = [], 0
        for part, count in zip(parts, counts, strict=True):
            rows = part.parents[edge.name]
            moved.append(np.where(rows < 0, -1, rows + before))
            before += count.get(edge.parent, 0)
        parents[edge.name] = np.concatenate(moved)
    return Generated({t: np.concatenate([part.ranks[t] for part in parts]) for t in counts[0]}, parents)
