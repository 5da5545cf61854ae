"""The structure: how many rows there are, and which child row hangs on which parent row, before any value exists.

GRDM draws every foreign key's numbers of children on their own and joins the parents of a row at random. NOTE[DIFF]:
here a row is drawn as a *shape* (see there), and rows and parents then meet by the labels and by their common
ancestors, so that degrees keep to each other, to who meets whom, and (through the denoiser, which hears them) to the
values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from ..encoded import Edge, EncodedDatabase
from ..groups import count_sizes, fit_total, repeated_rows
from ..latents.kinship import Kinship, bonds, draw_kin, exchangeable, in_turn
from ..latents.latent import Latent
from ..latents.matching import deal_places, part_duplicates
from .shapes import Shapes, asks_by_row

__all__ = ["Drawn", "Placed", "draw_structure", "real_structure", "unique_sets_of_edges"]

_FITTING_ROUNDS = 30


@dataclass(frozen=True)
class Placed:
    """What is known of the first rows of a table before the structure is drawn.

    Attributes:
        n: how many.
        parents: by edge of theirs, int64 ``(n,)``, -1 for null.
        labels, sizes: by edge into the table, int64 ``(n,)``.
    """

    n: int
    parents: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]
    sizes: Mapping[str, np.ndarray]


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


@dataclass(frozen=True)
class _Drawing:
    """What a structure is drawn from, and what is drawn of it; see `draw_structure`."""

    database: EncodedDatabase
    latents: Mapping[str, Latent]
    distinct: Sequence[frozenset[str]]
    kinships: Sequence[Kinship]
    joint: bool
    placed: Mapping[str, Placed]
    rng: np.random.Generator
    drawn: Drawn

    def there(self, table: str) -> Placed:
        """The table's first rows."""
        return self.placed.get(table, Placed(0, {}, {}, {}))


def draw_structure(
    database: EncodedDatabase,
    shapes: Mapping[str, Shapes],
    latents: Mapping[str, Latent],
    distinct: Sequence[frozenset[str]],
    n_rows: Mapping[str, int],
    rng: np.random.Generator,
    *,
    joint: bool = True,
    kinships: Sequence[Kinship] = (),
    placed: Mapping[str, Placed] = MappingProxyType({}),
) -> Drawn:
    """Draw a structure, parents before their children.

    Args:
        database: the shape of the real one; kept tables with their edges' rows.
        latents: by edge p(s | c), and for one into a kept table the labels and sizes of its rows.
        distinct: sets of edges of one child of which no two rows should share all parents.
        n_rows: rows to draw by table; a few less where rows cannot be told apart. Of tables that are not named, as many
            as the groups of their parents hold.
        joint: as the shapes were learned.
        kinships: which parents of a row have ancestors in common.
        placed: by table, its first rows.
    """
    drawn = Drawn(dict(n_rows), {}, {}, {})
    drawing = _Drawing(database, latents, distinct, kinships, joint, placed, rng, drawn)
    for table in database.tables:
        if table in shapes:
            _draw_table(drawing, table, shapes[table])
        else:
            _keep_table(drawing, table)
    sizes = {e.name: count_sizes(drawn.parents[e.name], drawn.n_rows[e.parent]) for e in database.edges}
    return replace(drawn, sizes=sizes)


def _keep_table(drawing: _Drawing, table: str) -> None:
    """Add a kept table to the structure."""
    drawn, database = drawing.drawn, drawing.database
    drawn.parents.update({edge.name: edge.rows for edge in database.edges_of(table)})
    for edge in database.edges_to(table):
        latent = drawing.latents[edge.name]
        drawn.labels[edge.name], drawn.sizes[edge.name] = latent.labels, latent.sizes


def _draw_table(drawing: _Drawing, table: str, shapes: Shapes) -> None:
    """Add a drawn table to the structure."""
    drawn, database, rng, there = drawing.drawn, drawing.database, drawing.rng, drawing.there(table)
    edges, to = database.edges_of(table), database.edges_to(table)
    left = {edge.name: _sizes_left(drawn, edge, there) for edge in edges}
    by_row = asks_by_row(edges, database, drawing.joint)
    # Around rows that stand, labels need not be as common as they are among real rows.
    weights = _weights(shapes, drawn, edges, left, by_row) if drawing.placed else None
    if table not in drawn.n_rows:
        drawn.n_rows[table] = there.n + _natural(shapes, edges, left, database.kept)
    size_probs = [drawing.latents[edge.name].size_probs for edge in to]
    asked, labels, sizes = shapes.draw(drawn.n_rows[table] - there.n, size_probs, rng, weights)
    rows = np.arange(len(asked))
    for j, edge in enumerate(edges):
        if edge.one_to_one:  # no more rows than parents
            held = np.flatnonzero(asked[rows, j] >= 0)
            taken = np.count_nonzero(there.parents.get(edge.name, asked[:0, j]) >= 0)
            rows = np.delete(rows, held[drawn.n_rows[edge.parent] - taken :])
    met: dict[str, np.ndarray] = {}
    for j in sorted(range(len(edges)), key=lambda j: (not by_row[j], *in_turn(drawing.kinships, edges[j]))):
        name = edges[j].name
        met[name] = _meet(drawing, edges[j], asked[rows, j], by_row[j], left[name], met)
        drawn.parents[name] = np.concatenate([there.parents.get(name, met[name][:0]), met[name]])
    stay = _part(drawing, edges, there.n)
    for names in database.distinct:  # those that must differ; parting one set may have joined another's rows
        if len(names & {edge.name for edge in edges}) == len(names):
            stay[repeated_rows([np.where(stay, drawn.parents[name], -1) for name in names])] = False
    stay[: there.n] = True
    for edge in edges:
        drawn.parents[edge.name] = drawn.parents[edge.name][stay]
    rows = rows[stay[there.n :]] if edges else rows
    drawn.n_rows[table] = there.n + len(rows)
    for j, edge in enumerate(to):
        drawn.labels[edge.name] = np.concatenate([there.labels.get(edge.name, labels[j][:0]), labels[j][rows]])
        drawn.sizes[edge.name] = np.concatenate([there.sizes.get(edge.name, sizes[j][:0]), sizes[j][rows]])


def _sizes_left(drawn: Drawn, edge: Edge, there: Placed) -> np.ndarray:
    """How many more children each parent is to have than there are, int64 ``(n_parents,)``."""
    sizes = drawn.sizes[edge.name]
    if edge.name not in there.parents:
        return sizes
    return np.maximum(sizes - count_sizes(there.parents[edge.name], len(sizes)), 0)


def _natural(
    shapes: Shapes, edges: Sequence[Edge], left: Mapping[str, np.ndarray], kept: Collection[str]
) -> int:
    """How many rows the groups of parents hold, by the mean over the edges whose parents are not kept."""
    counts = shapes.parts[0].counts
    found = []
    for j, edge in enumerate(edges):
        held = counts[shapes.asked[shapes.parts[0].values, j] >= 0].sum() / max(counts.sum(), 1)
        if edge.parent not in kept and held > 0:
            found.append(left[edge.name].sum() / held)
    return round(float(np.mean(found))) if found else 0


def _weights(
    shapes: Shapes, drawn: Drawn, edges: Sequence[Edge], left: Mapping[str, np.ndarray], by_row: Sequence[bool]
) -> np.ndarray | None:
    """How common each tuple of labels is to be, where its labels are as common as the places that parents offer.

    Iterative proportional fitting (Deming & Stephan, 1940) of the real tuples; nulls keep their share.
    """
    part = shapes.parts[0]
    if not edges or part.given >= 0:
        return None
    weights, tuples = part.counts / max(part.counts.sum(), 1), shapes.asked[part.values]
    wanted = []
    for j, edge in enumerate(edges):
        asked = tuples[:, j] + 1
        names = np.arange(len(left[edge.name])) if by_row[j] else drawn.labels[edge.name]
        offered = np.bincount(names + 1, left[edge.name], minlength=int(asked.max(initial=0)) + 1)
        null = weights[asked == 0].sum()
        offered = offered[: int(asked.max(initial=0)) + 1] / max(offered.sum(), 1) * (1 - null)
        offered[0] = null
        wanted.append((asked, offered))
    for _ in range(_FITTING_ROUNDS):
        for asked, offered in wanted:
            found = np.bincount(asked, weights, minlength=len(offered))
            weights = weights * (offered / np.where(found > 0, found, 1.0))[asked]
    return weights if weights.sum() > 0 else None


def _meet(
    drawing: _Drawing, edge: Edge, asked: np.ndarray, by_row: bool, left: np.ndarray, met: Mapping[str, np.ndarray]
) -> np.ndarray:
    """The parent of each new row, by the label (or row) it asks for; as many places at each parent as are left.

    Args:
        met: by edge of the same table, the parents that these rows have already.
    """
    drawn, rng = drawing.drawn, drawing.rng
    rows = np.flatnonzero(asked >= 0)
    parents = np.full(len(asked), -1, dtype=np.int64)
    # Who has its only child already has no room for another.
    free = np.flatnonzero(left >= drawn.sizes[edge.name].clip(max=1)) if edge.one_to_one else np.arange(len(left))
    sizes = fit_total(left[free], len(rows), rng, largest=1 if edge.one_to_one else None)
    labels = np.arange(len(left)) if by_row else drawn.labels[edge.name]
    others = {} if by_row else {name: of[rows] for name, of in met.items()}
    with_room = np.full(len(left), -1)
    with_room[free] = free
    found = bonds(drawing.kinships, edge.name, with_room, others, drawn.parents)
    parents[rows] = draw_kin(found, asked[rows], np.repeat(free, sizes), labels, rng, one_to_one=edge.one_to_one)
    apart = [name for name in met if {name, edge.name} in drawing.distinct]
    if not apart:
        return parents
    if found:  # only such parents are exchanged as have the same ancestors
        asked = np.append(exchangeable(drawing.kinships, edge.name, labels, drawn.parents)[0], -1)[parents]
    return deal_places(asked, parents, met[apart[0]], rng)


def _part(drawing: _Drawing, edges: Sequence[Edge], n_placed: int) -> np.ndarray:
    """Part rows that must not share all their parents, but for the first; which rows can stay, bool ``(n,)``."""
    drawn = drawing.drawn
    stay = np.ones(len(drawn.parents[edges[0].name]) if edges else 0, dtype=bool)
    for names in drawing.distinct:
        chosen = [edge for edge in edges if edge.name in names]
        if len(chosen) < 2 or len(chosen) < len(names):
            continue
        alike, bound = zip(*(
            exchangeable(drawing.kinships, edge.name, drawn.labels[edge.name], drawn.parents) for edge in chosen
        ), strict=True)  # fmt: skip
        parents = [drawn.parents[edge.name] for edge in chosen]
        may_move = np.arange(len(stay)) >= n_placed
        stay &= ~part_duplicates(parents, alike, bound, drawing.rng, may_move)
    return stay
