"""Shapes: how many children of each kind the rows of a table have, and in which groups they are themselves.

A shape is, for the foreign keys of a row's own, the labels of the groups it belongs to, and for every foreign key into
its table the label of its children's group and their number. Shapes are recombined, lest they be somebody's: each label
(with a class of size) is drawn given the one other part of the shape on which it depends most (Chow & Liu 1968);
numbers of children given their labels and classes, together, through the correlation of their ranks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from ..encoded import Edge, EncodedDatabase
from ..groups import draw_group_sizes, size_bounds
from ..latents.latent import Latent
from ..latents.matching import asked_by_row

__all__ = ["Part", "Shapes", "asks_by_row", "learn_shapes", "mutual_information"]

_SIZE_CLASSES = 3  # by group size, of the groups of a label
_TRIALS = 8  # structures drawn to find how group sizes go together
_TRIAL_ROWS = 100_000


@dataclass(frozen=True)
class Part:
    """One part of a shape, given the part that it depends on most.

    Attributes:
        given: that part's position; -1 for none.
        before: int64 ``(n_pairs,)``, its values, sorted; zeros for none.
        values: int64 ``(n_pairs,)``, the values of this part that go with them.
        counts: int64 ``(n_pairs,)``, real rows that have both.
    """

    given: int
    before: np.ndarray
    values: np.ndarray
    counts: np.ndarray

    def draw(self, before: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Values for rows whose other part is ``before`` ``(n,)``, int64: a systematic sample for each value of it."""
        order = rng.permutation(len(before))
        order = order[np.argsort(before[order], kind="stable")]
        group, start, size = np.unique(before[order], return_index=True, return_counts=True)
        within = np.arange(len(before)) - np.repeat(start, size) + np.repeat(rng.random(len(group)), size)
        ends = np.cumsum(self.counts)
        first, last = (np.searchsorted(self.before, group, side) for side in ("left", "right"))
        low, high = np.r_[0, ends][first], np.r_[0, ends][last]
        quantile = np.repeat(low, size) + within / np.repeat(size, size) * np.repeat(high - low, size)
        drawn = np.empty(len(before), dtype=np.int64)
        drawn[order] = self.values[np.searchsorted(ends, quantile, "right").clip(max=len(ends) - 1)]
        return drawn


@dataclass(frozen=True)
class Shapes:
    """The shapes that rows of one table have.

    Attributes:
        asked: int64 ``(n_tuples, n_edges_of)``, the labels of groups that rows belong to, together: one for each key of
            their own (the parent's row number where parents are asked for by row), -1 for null.
        parts: first which tuple of these, then for each edge into the table the label of a row's group of children,
            times `_SIZE_CLASSES`, plus its class of size.
        order: in which to draw the parts, those that others are given first.
        correlation: float64 ``(n_edges_to, n_edges_to)``, of group sizes, as normal ranks in their label and class.
    """

    asked: np.ndarray
    parts: tuple[Part, ...]
    order: tuple[int, ...]
    correlation: np.ndarray

    def draw(
        self, n: int, size_probs: Sequence[list[tuple[np.ndarray, np.ndarray]]], rng: np.random.Generator,
        weights: np.ndarray | None = None,
    ) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
        """``n`` rows' tuples ``(n, n_edges_of)``, and by edge into the table their labels and group sizes ``(n,)``.

        Args:
            size_probs: by edge, p(s | c).
            weights: float ``(n_tuples,)``, how common each tuple is to be; None: as real ones are.
        """
        drawn: dict[int, np.ndarray] = {-1: np.zeros(n, dtype=np.int64)}
        for j in self.order:
            part = self.parts[j] if j or weights is None else replace(self.parts[0], counts=weights)
            drawn[j] = part.draw(drawn[part.given], rng)
        labels, sizes, m = [], [], len(self.correlation)
        ranks = ndtr(rng.multivariate_normal(np.zeros(m), self.correlation, n)) if m else np.empty((n, 0))
        for j, (probabilities, rank) in enumerate(zip(size_probs, ranks.T, strict=True), start=1):
            label, size_class = np.divmod(drawn[j], _SIZE_CLASSES)
            labels.append(label)
            sizes.append(draw_group_sizes(label, probabilities, rng, order=size_class + rank))
        return self.asked[drawn[0]], labels, sizes


def learn_shapes(database: EncodedDatabase, latents: Mapping[str, Latent], *, joint: bool = True) -> dict[str, Shapes]:
    """The shapes of rows, by table that is not kept.

    Args:
        joint: whether the parts of a shape depend on one another; otherwise each is drawn on its own, as in GRDM.
    """
    drawn = [table for table in database.tables if table not in database.kept]
    return {table: _learn_shapes(database, latents, table, joint) for table in drawn}


def _learn_shapes(database: EncodedDatabase, latents: Mapping[str, Latent], table: str, joint: bool) -> Shapes:
    edges, to = database.edges_of(table), database.edges_to(table)
    n = len(database.tables[table])
    columns = [np.zeros(n, dtype=np.int64)]
    for edge, by_row in zip(edges, asks_by_row(edges, database, joint), strict=True):
        names = np.arange(len(latents[edge.name].labels)) if by_row else latents[edge.name].labels
        columns.append(np.where(edge.rows >= 0, names[edge.rows] if len(names) else -1, -1))
    asked, which = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    parts = [which.reshape(-1), *(_labels_and_classes(latents[edge.name]) for edge in to)]
    given = _dependence_tree(parts) if joint else [-1] * len(parts)
    order = sorted(range(len(parts)), key=lambda j: _depth(given, j))
    learned = [_learn_part(part, j, parts[j] if j >= 0 else None) for part, j in zip(parts, given, strict=True)]
    shapes = Shapes(asked[:, 1:], tuple(learned), tuple(order), np.eye(len(to)))
    return _correlated(shapes, [latents[edge.name] for edge in to]) if joint and len(to) > 1 and n > 2 else shapes


def _labels_and_classes(latent: Latent) -> np.ndarray:
    """Label and class of size: which third of its label's groups a group belongs to, by size."""
    low = size_bounds(latent.labels, latent.sizes)[0]
    return latent.labels * _SIZE_CLASSES + np.floor(low * _SIZE_CLASSES).astype(np.int64)


def _learn_part(values: np.ndarray, given: int, before: np.ndarray | None) -> Part:
    before = np.zeros_like(values) if before is None else before
    pairs, counts = np.unique(np.stack([before, values], axis=1), axis=0, return_counts=True)
    return Part(given, pairs[:, 0], pairs[:, 1], counts)


def _dependence_tree(parts: Sequence[np.ndarray]) -> list[int]:
    """For each part the one it is drawn given, by the tree with the most mutual information; -1 for the first."""
    given = [-1] * len(parts)
    outside = {j: (mutual_information(parts[0], parts[j]), 0) for j in range(1, len(parts))}
    while outside:
        j = max(outside, key=lambda k: (outside[k], -k))
        given[j] = outside.pop(j)[1]
        for k in outside:
            outside[k] = max(outside[k], (mutual_information(parts[j], parts[k]), j))
    return given


def _depth(given: Sequence[int], j: int) -> int:
    return 0 if given[j] < 0 else 1 + _depth(given, given[j])


def mutual_information(a: np.ndarray, b: np.ndarray) -> float:
    """Of two columns of integers from 0 on, in nats, less what chance gives many values (Miller 1955)."""
    if not len(a):
        return 0.0
    pair = np.unique(a * (b.max() + 1) + b, return_counts=True)[1]
    entropies = []
    for counts in (np.bincount(a), np.bincount(b), pair):
        p = counts[counts > 0] / len(a)
        entropies.append(-(p * np.log(p)).sum() + (len(p) - 1) / (2 * len(a)))
    return float(entropies[0] + entropies[1] - entropies[2])


def _correlated(shapes: Shapes, latents: Sequence[Latent]) -> Shapes:
    """The shapes with the ranks' correlation at which the drawn group sizes correlate as the real ones do."""
    wanted = _correlation([latent.sizes for latent in latents])
    n, size_probs = min(len(latents[0].sizes), _TRIAL_ROWS), [latent.size_probs for latent in latents]
    for _ in range(_TRIALS):
        sizes = shapes.draw(n, size_probs, np.random.default_rng(0))[2]
        missing = wanted - _correlation(sizes)
        shapes = replace(shapes, correlation=_nearest_correlation(shapes.correlation + missing))
    return shapes


def _correlation(sizes: Sequence[np.ndarray]) -> np.ndarray:
    """Pearson's, 0 where a column does not vary."""
    columns = np.stack(sizes, axis=1).astype(np.float64)
    columns -= columns.mean(axis=0)
    scale = np.sqrt((columns**2).sum(axis=0)).clip(min=1e-9)
    return (columns.T @ columns) / scale / scale[:, None]


def _nearest_correlation(matrix: np.ndarray) -> np.ndarray:
    """A correlation matrix close to this one: no eigenvalue below zero, ones on the diagonal."""
    matrix = matrix.clip(-0.99, 0.99)
    np.fill_diagonal(matrix, 1.0)
    values, vectors = np.linalg.eigh(matrix)
    matrix = (vectors * values.clip(min=1e-6)) @ vectors.T
    scale = np.sqrt(np.diag(matrix))
    return matrix / scale / scale[:, None]


def asks_by_row(edges: Sequence[Edge], database: EncodedDatabase, joint: bool) -> list[bool]:
    """Which of a table's edges shapes ask for by the parent's row number, not by its label."""
    return asked_by_row(edges, database.kept) if joint else [False] * len(edges)
