"""The structure: how many rows there are, and which child row hangs on which parent row, before any value exists.

GRDM draws every foreign key's numbers of children on their own and joins the parents of a row at random. NOTE[DIFF]:
here a row is drawn as a *shape*: for every foreign key into its table how many children it has and the cluster label of
their group, jointly; and for every foreign key of its own the label of the group it belongs to. Shapes come in the
shares in which real rows have them. Rows and parents then meet by these labels, so that degrees keep to each other, to
who meets whom, and (through the denoiser, which hears them) to the values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..encoded import Edge, EncodedDatabase
from ..groups import count_sizes, fit_total, repeated_rows
from ..latents.latent import Latent
from ..latents.matching import asked_by_row, deal_places, draw_tuples, match_places, part_duplicates

__all__ = ["Drawn", "Shapes", "draw_structure", "learn_shapes", "real_structure", "unique_sets_of_edges"]


@dataclass(frozen=True)
class Shapes:
    """The shapes that rows of one table have.

    Attributes:
        asked: int64 ``(n_shapes, n_edges_of)``, the label of the row's group under each key of its own (the parent's
            row number where parents are asked for by row), -1 for null.
        labels: int64 ``(n_shapes, n_edges_to)``, the label of its own children's group.
        sizes: int64 ``(n_shapes, n_edges_to)``, its number of children.
        counts: int64 ``(n_shapes,)``, real rows of this shape.
    """

    asked: np.ndarray
    labels: np.ndarray
    sizes: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class Drawn:
    """A structure.

    Attributes:
        n_rows: by table.
        parents: by edge, int64 ``(n_children,)``, the parent's row, -1 for null.
        labels: by edge, int64 ``(n_parents,)``, the label of each parent's group.
        sizes: by edge, int64 ``(n_parents,)``, the children of each parent.
    """

    n_rows: Mapping[str, int]
    parents: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]
    sizes: Mapping[str, np.ndarray]


def real_structure(database: EncodedDatabase, latents: Mapping[str, Latent]) -> Drawn:
    """The structure of the rows that are learned from."""
    return Drawn(
        {table: len(codes) for table, codes in database.tables.items()},
        {edge.name: edge.rows for edge in database.edges},
        {edge.name: latents[edge.name].labels for edge in database.edges},
        {edge.name: latents[edge.name].sizes for edge in database.edges},
    )


def learn_shapes(database: EncodedDatabase, latents: Mapping[str, Latent], *, joint: bool = True) -> dict[str, Shapes]:
    """The shapes of every table's rows and how often each occurs.

    Args:
        joint: as in `draw_structure`.
    """
    return {table: _shapes_of(database, latents, table, joint) for table in database.tables}


def _shapes_of(database: EncodedDatabase, latents: Mapping[str, Latent], table: str, joint: bool) -> Shapes:
    edges, to = database.edges_of(table), database.edges_to(table)
    n = len(database.tables[table])
    columns = []
    for edge, by_row in zip(edges, _asked_by_row(edges, database, joint), strict=True):
        names = np.arange(len(latents[edge.name].labels)) if by_row else latents[edge.name].labels
        columns.append(np.where(edge.rows >= 0, names[edge.rows] if len(names) else -1, -1))
    columns += [latents[edge.name].labels for edge in to] + [latents[edge.name].sizes for edge in to]
    if not columns:
        return Shapes(*(np.empty((1, 0), np.int64) for _ in range(3)), np.array([n]))
    found, counts = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
    own, more = len(edges), len(edges) + len(to)
    return Shapes(found[:, :own], found[:, own:more], found[:, more:], counts)


def _asked_by_row(edges: Sequence[Edge], database: EncodedDatabase, joint: bool) -> list[bool]:
    return asked_by_row(edges, database.kept) if joint else [False] * len(edges)


def unique_sets_of_edges(database: EncodedDatabase) -> list[frozenset[str]]:
    """Sets of edges of which no two child rows share all parents: the declared ones, and pairs that never repeat.

    A race has each driver once, whether the schema says so or not.
    """
    found = list(database.distinct)
    for table in database.tables:
        edges = [edge for edge in database.edges_of(table) if not edge.one_to_one]
        for i, first in enumerate(edges):
            for second in edges[i + 1 :]:
                pair = frozenset({first.name, second.name})
                if pair not in found and len(first.rows) and not len(repeated_rows([first.rows, second.rows])):
                    found.append(pair)
    return found


def draw_structure(
    database: EncodedDatabase,
    shapes: Mapping[str, Shapes],
    kept: Mapping[str, Latent],
    distinct: Sequence[frozenset[str]],
    n_rows: Mapping[str, int],
    rng: np.random.Generator,
    *,
    joint: bool = True,
) -> Drawn:
    """Draw a structure, parents before their children.

    Args:
        database: the shape of the real one; kept tables with their edges' rows.
        kept: by edge into a kept table, the labels and sizes of its rows.
        distinct: sets of edges of one child of which no two rows should share all parents.
        n_rows: rows to draw by table; a few less where rows cannot be told apart.
        joint: draw rows' shapes whole; otherwise, as GRDM does, the numbers of children of each key on their own.
    """
    drawn = Drawn(dict(n_rows), {}, {}, {})
    for table in database.tables:
        _draw_table(drawn, database, shapes[table], kept, distinct, table, rng, joint)
    sizes = {e.name: count_sizes(drawn.parents[e.name], drawn.n_rows[e.parent]) for e in database.edges}
    return replace(drawn, sizes=sizes)


def _draw_table(
    drawn: Drawn, database: EncodedDatabase, shapes: Shapes, kept: Mapping[str, Latent],
    distinct: Sequence[frozenset[str]], table: str, rng: np.random.Generator, joint: bool,
) -> None:  # fmt: skip
    """Add one table to the structure."""
    edges, to = database.edges_of(table), database.edges_to(table)
    if table in database.kept:
        drawn.parents.update({edge.name: edge.rows for edge in edges})
        drawn.labels.update({edge.name: kept[edge.name].labels for edge in to})
        drawn.sizes.update({edge.name: kept[edge.name].sizes for edge in to})
        return
    rows = draw_tuples(np.arange(len(shapes.counts)), shapes.counts, drawn.n_rows[table], rng)
    for j, edge in enumerate(edges):
        if edge.one_to_one:  # no more rows than parents
            held = np.flatnonzero(shapes.asked[rows, j] >= 0)
            rows = np.delete(rows, held[drawn.n_rows[edge.parent] :])
    by_row = _asked_by_row(edges, database, joint)
    for j in sorted(range(len(edges)), key=lambda j: not by_row[j]):
        met = [e.name for e in edges if e.name in drawn.parents and {e.name, edges[j].name} in distinct]
        partners = drawn.parents[met[0]] if met else None
        drawn.parents[edges[j].name] = _meet(drawn, edges[j], shapes.asked[rows, j], by_row[j], partners, rng)
    stay = _part(drawn, edges, distinct, rng)
    for names in database.distinct:  # those that must differ; parting one set may have joined another's rows
        if len(names & {edge.name for edge in edges}) == len(names):
            stay[repeated_rows([np.where(stay, drawn.parents[name], -1) for name in names])] = False
    for edge in edges:
        drawn.parents[edge.name] = drawn.parents[edge.name][stay]
    rows = rows[stay] if edges else rows
    drawn.n_rows[table] = len(rows)
    for j, edge in enumerate(to):
        chosen = rows if joint else draw_tuples(np.arange(len(shapes.counts)), shapes.counts, len(rows), rng)
        drawn.labels[edge.name], drawn.sizes[edge.name] = shapes.labels[chosen, j], shapes.sizes[chosen, j]


def _meet(
    drawn: Drawn, edge: Edge, asked: np.ndarray, by_row: bool, partners: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """The parent of each row, by the label (or row) it asks for; as many places at each parent as it has children."""
    rows = np.flatnonzero(asked >= 0)
    parents = np.full(len(asked), -1, dtype=np.int64)
    sizes = fit_total(drawn.sizes[edge.name], len(rows), rng, largest=1 if edge.one_to_one else None)
    places = np.repeat(np.arange(len(sizes)), sizes)
    offered = places if by_row else drawn.labels[edge.name][places]
    parents[rows] = match_places(asked[rows], places, offered, rng)
    return parents if partners is None else deal_places(asked, parents, partners, rng)


def _part(
    drawn: Drawn, edges: Sequence[Edge], distinct: Sequence[frozenset[str]], rng: np.random.Generator
) -> np.ndarray:
    """Part rows that must not share all their parents; which rows can stay, bool ``(n,)``."""
    stay = np.ones(len(drawn.parents[edges[0].name]) if edges else 0, dtype=bool)
    for names in distinct:
        chosen = [edge for edge in edges if edge.name in names]
        if len(chosen) < 2 or len(chosen) < len(names):
            continue
        parents = [drawn.parents[edge.name] for edge in chosen]
        labels = [drawn.labels[edge.name] for edge in chosen]
        stay &= ~part_duplicates(parents, labels, [drawn.n_rows[edge.parent] for edge in chosen], rng)
    return stay
