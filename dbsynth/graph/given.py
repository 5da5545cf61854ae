"""Generation around given rows, without training for it: inpainting over the row graph.

Who has which children does not stand in a row, so a database is drawn first, around nothing. Each given row takes the
labels and the numbers of children of a drawn row that is like it, what is known of keys goes before, and the
rest of the structure is drawn around that. Then all values are drawn, with the known ones held to what they are. The
first draw serves once more: as the denoiser's own scale, against which the second is read. A column's ranks among the
rows of the second draw would be wrong, as these may rightly have another distribution.

NOTE[DIFF]: GRDM inpaints in a structure that is known whole, and knows nothing of labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch
from scipy.special import ndtr
from sklearn.linear_model import LogisticRegression

from ..columns.codec import Codes, Known, normal
from ..encoded import Edge, EncodedDatabase, Given
from ..groups import count_sizes, group_means
from ..latents.latent import Latent
from ..latents.matching import match_rows
from .sampling import Cells
from .structure import Drawn, Placed

__all__ = ["at_middles", "cells_of", "place_given", "ranks_against"]

_FEWEST = 30  # given rows from which it is told what is commoner among them
_EVIDENCE = 20.0  # rows that all rows together count for, in telling given ones from drawn ones
_OF_PARENTS = 0.5  # what a parent's values count for, against one value of the row
_INDICATORS = 8  # categories of a nominal variable by which rows are compared


def place_given(
    database: EncodedDatabase, latents: Mapping[str, Latent], structure: Drawn, values: Mapping[str, np.ndarray],
    given: Given, rng: np.random.Generator, guesses: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> dict[str, Placed]:  # fmt: skip
    """What is known of the structure around given rows, by table that has any.

    Args:
        structure, values: a database that was drawn around nothing; its values by table, float32
            ``(n_rows, n_variables)``; see `at_middles`.
        guesses: by table, values for what is not known of the given rows, float32 ``(n, n_variables)``, n at least as
            many as are given.
    """
    ours = {table: _values_told(known, guesses.get(table)) for table, known in given.known.items()}
    placed = {}
    for table, known in given.known.items():
        like = _most_like(database, latents, structure, values, given, ours, table, rng)
        labels, sizes = {}, {}
        for edge in database.edges_to(table):
            there = count_sizes(given.parents.get(edge.name, np.empty(0, np.int64)), len(known))
            drawn_sizes, drawn_labels = (np.append(of[edge.name], 0) for of in (structure.sizes, structure.labels))
            sizes[edge.name] = np.maximum(drawn_sizes[like], there)
            wanted = given.n_rows.get(edge.child)
            if wanted == given.count(edge.child):  # no child is to be added
                sizes[edge.name] = there
            elif wanted is not None and given.n_rows.get(table) == len(known):  # nor a parent, to whom some would go
                sizes[edge.name] = _more_groups(sizes[edge.name], round(wanted * _share_held(given, edge)), rng)
            labels[edge.name] = _fitting(
                drawn_labels[like], sizes[edge.name], latents[edge.name].n_labels, rng
            )
        parents = {edge.name: given.parents[edge.name] for edge in database.edges_of(table)}
        placed[table] = Placed(len(known), parents, labels, sizes)
    return placed


def _share_held(given: Given, edge: Edge) -> float:
    """The share of given rows that hold the key; 1 where there are none."""
    parents = given.parents.get(edge.name, np.empty(0, np.int64))
    return float((parents >= 0).mean()) if len(parents) else 1.0


def _more_groups(sizes: np.ndarray, total: int, rng: np.random.Generator) -> np.ndarray:
    """The group sizes, with groups for parents that have none where all together are too small for their total.

    The new groups are as large as the others are. One for each account stays one for each.
    """
    barren, held = np.flatnonzero(sizes == 0), sizes[sizes > 0]
    missing = total - int(sizes.sum())
    if missing <= 0 or not len(barren) or not len(held):
        return sizes
    more = rng.choice(held, len(barren))
    ends = np.minimum(np.cumsum(more), missing)
    result = sizes.copy()
    result[rng.permutation(barren)] = np.diff(ends, prepend=0)
    return result


def at_middles(codes: Codes, ranks: np.ndarray) -> np.ndarray:
    """Drawn rows told as given ones are, standard normal, float32 ``(n, n_variables)``: categories by their middles."""
    told = ranks.copy()
    for j, cuts in enumerate(codes.cuts):
        if cuts is not None and len(cuts):
            told[:, j] = ((np.r_[0.0, cuts[:-1]] + cuts) / 2)[codes.categories(ranks, j)]
    return normal(told)


def _values_told(known: Known, guess: np.ndarray | None) -> np.ndarray:
    """The given rows' values, standard normal, float32 ``(n_given, n_variables)``, NaN where nothing tells them."""
    told = normal((known.low + known.high) / 2)
    free = (known.low <= 0) & (known.high >= 1)
    told[free] = np.nan if guess is None else guess[: len(known)][free]
    return told


def _most_like(
    database: EncodedDatabase, latents: Mapping[str, Latent], structure: Drawn, values: Mapping[str, np.ndarray],
    given: Given, ours: Mapping[str, np.ndarray], table: str, rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """For each given row a drawn one that is like it, int64 ``(n_given,)``.

    Alike are rows whose own values are, their parents' values, their numbers of given children, and these children's
    mean values.
    """
    n, n_given = structure.n_rows[table], given.count(table)
    if not n:  # learned from no rows
        return np.full(n_given, -1)
    known, drawn = [np.zeros((n_given, 1))], [np.zeros((n, 1))]
    if table in values:
        for side, z in ((known, ours[table]), (drawn, values[table])):
            side += [z, *_indicators(database.tables[table], z)]
    weights = _how_often(np.concatenate(known, axis=1), np.concatenate(drawn, axis=1))
    for edge in database.edges_to(table):
        if given.count(edge.child):
            some = structure.sizes[edge.name] * (given.count(edge.child) / max(structure.n_rows[edge.child], 1))
            sizes = count_sizes(given.parents[edge.name], n_given)
            for side, held in ((known, sizes), (drawn, some)):
                side.append((np.log1p(held) / latents[edge.name].size_scale)[:, None])
            if edge.child in values:
                known.append(_known_means(ours[edge.child], given.parents[edge.name], n_given))
                drawn.append(_known_means(values[edge.child], structure.parents[edge.name], n))
    for edge in database.edges_of(table):
        standing = {t: database.tables[t].middles for t in database.kept}
        known.append(_of_parents((standing | dict(ours))[edge.parent], given.parents[edge.name]))
        drawn.append(_of_parents((standing | dict(values))[edge.parent], structure.parents[edge.name]))
    first, second = (np.concatenate(side, axis=1).astype(np.float32) for side in (known, drawn))
    first = np.where(np.isnan(first), second.mean(axis=0), first)
    # A systematic sample, as large as what is given: the matching is one to one, so that nobody's place is favoured.
    order = rng.permutation(n)
    quantiles = (np.arange(n_given) + rng.random()) / max(n_given, 1) * weights.sum()
    chosen = order[np.searchsorted(np.cumsum(weights[order]), quantiles).clip(max=n - 1)]
    return chosen[match_rows(first, second[chosen], seed=int(rng.integers(2**31)))]


def _how_often(known: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """How much commoner rows like each drawn one are among the given ones, float64 ``(n,)``.

    The odds of a logistic regression on what is known of every given row; all alike where the two are alike.
    """
    told = np.isfinite(known).all(axis=0) & (drawn.std(axis=0) > 0)
    if not told.any() or len(known) < _FEWEST:
        return np.ones(len(drawn))
    x = np.concatenate([known[:, told], drawn[:, told]])
    x = np.concatenate([x, x**2], axis=1)
    x = (x - x.mean(axis=0)) / x.std(axis=0).clip(min=1e-6)
    given = np.arange(len(x)) < len(known)
    odds = LogisticRegression(C=_EVIDENCE / len(x), max_iter=200).fit(x, given).decision_function(x[~given])
    return np.exp(odds - odds.max())


def _indicators(codes: Codes, z: np.ndarray) -> list[np.ndarray]:
    """Of each nominal variable which of its commonest categories a row has: equal or not, however far in order."""
    found = []
    for j, cuts in enumerate(codes.cuts):
        if cuts is not None:
            shares = np.diff(np.r_[0.0, cuts])
            commonest = np.argsort(-shares)[:_INDICATORS]
            category = np.searchsorted(cuts[:-1], ndtr(np.nan_to_num(z[:, j])), "right")
            found.append(np.where(np.isnan(z[:, j])[:, None], np.nan, category[:, None] == commonest))
    return found


def _of_parents(z: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """The parents' values, 0 for null keys; all of them together count for less than one of a row's own."""
    return np.append(z, np.zeros((1, z.shape[1])), axis=0)[parents] * (_OF_PARENTS / max(z.shape[1], 1) ** 0.5)


def _known_means(z: np.ndarray, parents: np.ndarray, n_parents: int) -> np.ndarray:
    """The means of what is known of the children's values, by parent; 0 where nothing is."""
    told = np.isfinite(z)
    share = group_means(told.astype(np.float64), parents, n_parents)
    return group_means(np.nan_to_num(z), parents, n_parents) / np.where(share > 0, share, 1.0)


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
        choices[j] = tuple(torch.from_numpy(a).to(device) for a in (rows, which[rows], sets, bounds))
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
            for allowed in range(len(sets)):
                rows = np.flatnonzero(which == allowed)
                ranks[rows, j] = _nearest_allowed(ranks[rows, j], sets[allowed], codes.cuts[j])
    return ranks


def _nearest_allowed(ranks: np.ndarray, allowed: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """The ranks, moved into the closest allowed category, float64 ``(n,)``."""
    bounds = np.r_[0.0, cuts]
    margin = np.diff(bounds)[allowed] * 0.01
    low, high = bounds[:-1][allowed] + margin, bounds[1:][allowed] - margin
    above = np.searchsorted(high, ranks).clip(max=len(high) - 1)  # the first that does not end below
    below = (above - 1).clip(min=0)
    nearer = np.abs(high[below] - ranks) < np.maximum(low[above] - ranks, 0)
    return np.where(nearer & (above > 0), high[below], np.clip(ranks, low[above], high[above]))

