"""Generation around given rows, without training for it: inpainting over the row graph.

Who has which children does not stand in a row, so a whole database is drawn first, around nothing. Given rows take the
places of the drawn rows most like them, one each, and with a place its label and its number of children of every kind;
what is known of keys goes before. Then all values are drawn again, with the known ones held to what they are. The first
draw serves once more: as the denoiser's own scale, against which the second is read. A column's ranks among the rows of
the second draw would be wrong, as these may rightly have another distribution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy.special import ndtr

from ..columns.codec import Codes, Known, normal
from ..encoded import Edge, EncodedDatabase, Given
from ..groups import count_sizes, fit_total
from ..latents.latent import Latent
from ..latents.matching import match_places, match_rows, part_duplicates
from .sampling import Cells
from .structure import Drawn

__all__ = ["cells_of", "ranks_against", "settle"]


def settle(
    database: EncodedDatabase, latents: Mapping[str, Latent], structure: Drawn, values: Mapping[str, np.ndarray],
    distinct: Sequence[frozenset[str]], given: Given, rng: np.random.Generator,
) -> Drawn:  # fmt: skip
    """A drawn structure with the given rows first in their tables, under the parents that they have.

    Args:
        values: by table, what was drawn in the structure, standard normal, float32 ``(n_rows, n_variables)``.
        distinct: sets of edges of one child of which no two rows should share all parents.
    """
    order = {
        table: _places(database, latents, structure, values.get(table), given, table, rng)
        for table in database.tables
        if table not in database.kept
    }
    place = {table: np.argsort(taken) for table, taken in order.items()}  # where a drawn row has gone
    settled = Drawn(dict(structure.n_rows), {}, {}, {})
    for edge in database.edges:
        taken = order.get(edge.parent, slice(None))
        settled.labels[edge.name] = structure.labels[edge.name][taken].copy()
        settled.sizes[edge.name] = structure.sizes[edge.name][taken].copy()
    for table in database.tables:
        edges = database.edges_of(table)
        for edge in edges:
            parents = structure.parents[edge.name]
            if table in order:
                parents = parents[order[table]]
            if edge.parent in place and len(place[edge.parent]):
                parents = np.where(parents < 0, -1, place[edge.parent][parents])
            settled.parents[edge.name] = parents
        if given.count(table):
            _hang(settled, edges, distinct, given, table, rng)
    for edge in database.edges:
        sizes = count_sizes(settled.parents[edge.name], structure.n_rows[edge.parent])
        settled.labels[edge.name] = _fitting(settled.labels[edge.name], sizes, latents[edge.name].n_labels, rng)
        settled.sizes[edge.name] = sizes
    return settled


def _places(
    database: EncodedDatabase, latents: Mapping[str, Latent], structure: Drawn, values: np.ndarray | None,
    given: Given, table: str, rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """The drawn rows in the order of the given ones that are like them, then the others, int64 ``(n,)``."""
    n, n_given = structure.n_rows[table], given.count(table)
    if not n_given:
        return np.arange(n)
    known, drawn = _features(database.tables[table], given.known[table], values)
    for edge in database.edges_to(table):
        if given.count(edge.child):
            scale, held = latents[edge.name].size_scale, given.parents[edge.name]
            some = structure.sizes[edge.name] * (given.count(edge.child) / max(structure.n_rows[edge.child], 1))
            known.append(np.log1p(count_sizes(held, n_given)) / scale)
            drawn.append(np.log1p(some) / scale)
    ours = np.stack(known, axis=1).astype(np.float32) if known else np.zeros((n_given, 1), np.float32)
    theirs = np.stack(drawn, axis=1).astype(np.float32) if drawn else np.zeros((n, 1), np.float32)
    # As many as are given, at random: the matching is one to one.
    chosen = rng.permutation(n)
    match = match_rows(ours, theirs[chosen[:n_given]], seed=int(rng.integers(2**31)))
    return np.concatenate([chosen[:n_given][match], chosen[n_given:]])


def _features(codes: Codes, known: Known, values: np.ndarray | None) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What is known of given rows, 0 for what is not, and the same of drawn rows: columns about standard."""
    if values is None:
        return [], []
    middles = normal((known.low + known.high) / 2)
    columns = [middles[:, j] for j in range(middles.shape[1])]
    ranks = ndtr(values)
    drawn = [values[:, j] for j in range(values.shape[1])]
    for j, cuts in enumerate(codes.cuts):
        if cuts is None:
            continue
        # Categories are equal or not, however far apart they stand in order.
        category = np.minimum(np.searchsorted(cuts, ranks[:, j]), len(cuts) - 1)
        of_given = np.minimum(np.searchsorted(cuts, (known.low[:, j] + known.high[:, j]) / 2), len(cuts) - 1)
        told = known.high[:, j] - known.low[:, j] < 1
        for k in np.argsort(-np.diff(np.r_[0.0, cuts]))[:8]:
            share = float(np.diff(np.r_[0.0, cuts])[k])
            columns.append(np.where(told, of_given == k, share))
            drawn.append((category == k).astype(float))
    return columns, drawn


def _hang(
    settled: Drawn, edges: Sequence[Edge], distinct: Sequence[frozenset[str]], given: Given, table: str,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Give the given rows of a table their parents, and the others the places that are left."""
    n_given = given.count(table)
    for edge in edges:
        parents, known = settled.parents[edge.name], given.parents[edge.name]
        held = np.flatnonzero(parents[n_given:] >= 0) + n_given
        taken = count_sizes(known, len(settled.sizes[edge.name]))
        free = np.flatnonzero(taken == 0) if edge.one_to_one else np.arange(len(taken))
        left = np.maximum(settled.sizes[edge.name] - taken, 0)[free]
        left = fit_total(left, min(len(held), len(free)) if edge.one_to_one else len(held), rng,
                         largest=1 if edge.one_to_one else None)  # fmt: skip
        places = np.repeat(free, left)
        parents[:n_given] = known
        labels = settled.labels[edge.name]
        parents[held] = match_places(labels[parents[held]], places, labels[places], rng)
    names = {edge.name: edge for edge in edges}
    may_move = np.arange(settled.n_rows[table]) >= n_given
    for together in distinct:
        if len(together & set(names)) < max(len(together), 2):
            continue
        chosen = [edge for edge in edges if edge.name in together]
        part_duplicates(
            [settled.parents[edge.name] for edge in chosen], [settled.labels[edge.name] for edge in chosen],
            [settled.n_rows[edge.parent] for edge in chosen], rng, may_move,
        )  # fmt: skip


def _fitting(labels: np.ndarray, sizes: np.ndarray, n_labels: int, rng: np.random.Generator) -> np.ndarray:
    """The labels, where they speak of children, or of none, as the group sizes do."""
    labels = labels.copy()
    labels[sizes == 0] = n_labels
    astray = np.flatnonzero((sizes > 0) & (labels >= n_labels))
    others = labels[(sizes > 0) & (labels < n_labels)]
    if n_labels:
        labels[astray] = rng.choice(others, len(astray)) if len(others) else rng.integers(n_labels, size=len(astray))
    return labels


def cells_of(known: Known, codes: Codes, n: int, rng: np.random.Generator, device: str) -> Cells:
    """The cells of a table of ``n`` rows, of which the first are known as ``known`` says."""
    low, high = known.low, known.high
    fixed, values = np.zeros((n, low.shape[1]), bool), np.zeros((n, low.shape[1]), np.float32)
    fixed[: len(low)] = (low > 0) | (high < 1)
    fixed[: len(low)] |= np.array([cuts is not None and len(cuts) == 1 for cuts in codes.cuts], bool)
    values[: len(low)] = normal(low + (high - low) * rng.random(low.shape))
    choices = {}
    for j, (which, sets) in known.choices.items():
        rows = np.flatnonzero(which >= 0)
        bounds = np.r_[-np.inf, normal(codes.cuts[j][:-1]), np.inf].astype(np.float32)
        choices[j] = tuple(torch.from_numpy(a).to(device) for a in (rows, sets[which[rows]], bounds))
    return Cells(torch.from_numpy(fixed).to(device), torch.from_numpy(values).to(device), choices)


def ranks_against(z: np.ndarray, scale: np.ndarray, known: Known | None, codes: Codes) -> np.ndarray:
    """Each column's ranks among the rows of another draw, float32 ``(n, n_variables)``.

    Args:
        z, scale: float32 ``(n, d)`` and ``(m, d)``, this draw and the other.
        known: of the first rows; their ranks are within what is known.
    """
    ranks = np.empty(z.shape, np.float32)
    for j in range(z.shape[1]):
        ordered = np.sort(scale[:, j].astype(np.float64))
        own = (np.arange(len(ordered)) + 0.5) / max(len(ordered), 1)
        # Beyond the other draw's ends, as far as the normal says.
        inner = np.interp(z[:, j], ordered, own) if len(ordered) else ndtr(z[:, j])
        ends = (z[:, j] < ordered[0]) | (z[:, j] > ordered[-1]) if len(ordered) else np.zeros(len(z), bool)
        ranks[:, j] = np.where(ends, np.clip(ndtr(z[:, j]), 1e-6, 1 - 1e-6), inner)
    if known is not None:
        n = len(known)
        ranks[:n] = np.clip(ranks[:n], known.low, known.high)
        for j, (which, sets) in known.choices.items():
            rows = np.flatnonzero(which >= 0)
            ranks[rows, j] = _nearest_allowed(ranks[rows, j], sets[which[rows]], codes.cuts[j])
    return ranks


def _nearest_allowed(ranks: np.ndarray, allowed: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """The ranks, moved into the closest allowed category, float64 ``(n,)``."""
    bounds = np.r_[0.0, cuts]
    margin = np.diff(bounds) * 0.01
    inside = np.clip(ranks[:, None], bounds[:-1] + margin, bounds[1:] - margin)
    away = np.where(allowed, np.abs(inside - ranks[:, None]), np.inf)
    return np.take_along_axis(inside, away.argmin(axis=1)[:, None], axis=1)[:, 0]

