"""Phase I: latent learning and table augmentation (ClavaDDPM, Algorithm 1).

Edges are walked bottom-up. The children's features hold the labels of their own children already, so what happens three
tables below still reaches the top. Each edge leaves a label column on its parent table, coded like any nominal column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from ..columns.categories import order_by_meaning
from ..columns.codec import normal
from ..config import Settings
from ..encoded import Edge, EncodedDatabase
from ..groups import count_sizes, draw_group_sizes, group_means, size_bounds, size_probabilities
from .clusters import Mixture, cluster_groups

__all__ = ["Augmentation", "Latent", "forget_rows", "learn_augmentation", "learn_latents"]


@dataclass(frozen=True)
class Latent:
    """What is learned about one foreign key.

    Attributes:
        cuts: float64 ``(n_labels,)``, upper rank bounds of the labels among the parents that have children; labels
            stand in the order of their meaning.
        size_probs: p(s | c) by label.
        agree_rate: of the clustering.
        labels: int64 ``(n_parents,)``, of the real parent rows; ``n_labels`` for a parent without children.
        sizes: int64 ``(n_parents,)``, children of the real parent rows.
        size_scale: of log(1 + size), which brings the sizes to about 1.
        mixture: that of the clustering, its components in the order of the labels.
    """

    cuts: np.ndarray
    size_probs: list[tuple[np.ndarray, np.ndarray]]
    agree_rate: float
    labels: np.ndarray
    sizes: np.ndarray
    size_scale: float
    mixture: Mixture = ()

    @property
    def n_labels(self) -> int:
        return len(self.cuts)


def learn_latents(
    database: EncodedDatabase,
    settings: Settings,
    progress: Callable[[int], None] = lambda edges: None,
    earlier: Mapping[str, Latent] = MappingProxyType({}),
) -> dict[str, Latent]:
    """The latent of every edge, by the edge's name.

    Args:
        earlier: those of an earlier fit; where the features are the same, labels keep their meaning and their order.
    """
    latents: dict[str, Latent] = {}
    for child in reversed(list(database.tables)):
        x = _augmented(database, latents, child)
        for edge in database.edges_of(child):
            before = earlier[edge.name].mixture if edge.name in earlier else ()
            latents[edge.name] = _learn_latent(x, database.tables[edge.parent].features, edge, settings, before)
            progress(1)
    return latents


def forget_rows(database: EncodedDatabase, latents: Mapping[str, Latent]) -> dict[str, Latent]:
    """The latents without labels and sizes of real parent rows, but for those of kept tables."""
    result = dict(latents)
    for edge in database.edges:
        if edge.parent not in database.kept:
            latent = latents[edge.name]
            result[edge.name] = replace(latent, labels=latent.labels[:0], sizes=latent.sizes[:0])
    return result


def _augmented(database: EncodedDatabase, latents: Mapping[str, Latent], table: str) -> np.ndarray:
    """T = (R; C) for clustering: the table's codes, its children's labels and whether there are any, about normal."""
    columns = [database.tables[table].features]
    for edge in database.edges_to(table):
        latent = latents[edge.name]
        low, high = _label_bounds(latent)
        columns += [normal((low + high) / 2)[:, None], np.sign(latent.sizes)[:, None].astype(np.float32)]
    return np.concatenate(columns, axis=1)


def _label_bounds(latent: Latent) -> tuple[np.ndarray, np.ndarray]:
    """The rank interval of each real parent's label; a childless parent may have any rank."""
    lower, upper = np.r_[0.0, latent.cuts[:-1], 0.0], np.r_[latent.cuts, 1.0]
    return lower[latent.labels], upper[latent.labels]


def _learn_latent(x: np.ndarray, y: np.ndarray, edge: Edge, settings: Settings, earlier: Mixture) -> Latent:
    clusters = cluster_groups(
        x, y, edge.rows, n_clusters=settings.n_clusters, parent_scale=settings.parent_scale,
        method=settings.clustering, seed=settings.seed, earlier=earlier,
    )  # fmt: skip
    sizes = count_sizes(edge.rows, len(y))
    held, k = sizes > 0, clusters.n_clusters
    context = np.concatenate([y, group_means(x, edge.rows, len(sizes)), np.log1p(sizes)[:, None]], axis=1)
    position = np.arange(k) if clusters.goes_on else order_by_meaning(clusters.labels[held], k, context[held])
    mixture = tuple(part[np.argsort(position)] for part in clusters.mixture)
    position = np.r_[position, k]
    labels = position[clusters.labels]
    shares = np.bincount(labels[held], minlength=k) / max(held.sum(), 1)
    size_scale = max(float(np.log1p(sizes[held]).mean()), 1e-3) if held.any() else 1.0
    probabilities = size_probabilities(labels, sizes, k)
    return Latent(np.cumsum(shares), probabilities, clusters.agree_rate, labels, sizes, size_scale, mixture)


@dataclass(frozen=True)
class Augmentation:
    """The columns that latents add to a parent table: T = (R; C).

    First which children a row has at all, then the label of each edge, then, where sizes are drawn jointly, the rank
    of the group's size among the groups of its label. NOTE[DIFF]: the paper has the labels only. Who has which children
    at all is one nominal variable over all edges, so that combinations stay as they are; the size's rank keeps p(s | c)
    and lets what is left of the size go with the row and with its other sizes.

    Attributes:
        edges: names.
        patterns: bool ``(n_patterns, n_edges)``, which edges have children.
        cuts: float64 ``(n_patterns,)``, upper rank bounds of the patterns.
        joint_sizes: whether the sizes' ranks are columns, too.
    """

    edges: tuple[str, ...]
    patterns: np.ndarray
    cuts: np.ndarray
    joint_sizes: bool

    @property
    def n_variables(self) -> int:
        return (len(self.patterns) > 1) + len(self.edges) * (2 if self.joint_sizes else 1)

    def bounds(self, latents: Mapping[str, Latent]) -> tuple[np.ndarray, np.ndarray]:
        """Rank intervals of the real rows, float64 ``(n_parents, n_variables)`` each."""
        chosen = [latents[name] for name in self.edges]
        columns = []
        if len(self.patterns) > 1:
            present = np.stack([latent.sizes > 0 for latent in chosen], axis=1)
            both = np.concatenate([self.patterns, present])
            which = np.unique(both, axis=0, return_inverse=True)[1].reshape(-1)
            place = np.empty(which.max() + 1, dtype=np.int64)
            place[which[: len(self.patterns)]] = np.arange(len(self.patterns))
            pattern = place[which[len(self.patterns) :]]
            columns.append((np.r_[0.0, self.cuts[:-1]][pattern], self.cuts[pattern]))
        columns += [_label_bounds(latent) for latent in chosen]
        if self.joint_sizes:
            columns += [size_bounds(latent.labels, latent.sizes) for latent in chosen]
        low, high = (np.stack([bound[side] for bound in columns], axis=1) for side in (0, 1))
        return low, high

    def read(
        self, ranks: np.ndarray, latents: Mapping[str, Latent], rng: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Labels and group sizes by edge, of rows with these ranks, float ``(n, n_variables)``."""
        has_pattern = len(self.patterns) > 1
        pattern = np.searchsorted(self.cuts, ranks[:, 0], "left") if has_pattern else np.zeros(len(ranks), np.int64)
        present = self.patterns[np.minimum(pattern, len(self.patterns) - 1)]
        labels, sizes = {}, {}
        for j, name in enumerate(self.edges):
            latent, column = latents[name], has_pattern + j
            rows = np.flatnonzero(present[:, j])
            # The ranks of rows with children close up, so that labels come in their shares among them.
            closed = (np.argsort(np.argsort(ranks[rows, column])) + 0.5) / max(len(rows), 1)
            labels[name] = np.full(len(ranks), latent.n_labels)
            labels[name][rows] = np.minimum(np.searchsorted(latent.cuts, closed, "left"), latent.n_labels - 1)
            order = ranks[:, column + len(self.edges)] if self.joint_sizes else None
            sizes[name] = draw_group_sizes(labels[name], latent.size_probs, rng, order=order)
        return labels, sizes


def learn_augmentation(
    database: EncodedDatabase,
    latents: Mapping[str, Latent],
    table: str,
    settings: Settings,
    earlier: Augmentation | None = None,
) -> Augmentation | None:
    """The columns that the edges to a table add to it; None if there are no edges, or no rows.

    Args:
        earlier: that of an earlier fit; its patterns keep their order.
    """
    edges = tuple(edge.name for edge in database.edges_to(table))
    if not edges or len(database.tables[table]) == 0:
        return None
    present = np.stack([latents[name].sizes > 0 for name in edges], axis=1)
    patterns, pattern = np.unique(present, axis=0, return_inverse=True)
    position = order_by_meaning(pattern.reshape(-1), len(patterns), database.tables[table].middles)
    if earlier is not None and earlier.edges == edges:
        place = {tuple(before): i for i, before in enumerate(earlier.patterns.tolist())}
        rank = [place.get(tuple(p), len(place) + int(at)) for p, at in zip(patterns.tolist(), position, strict=True)]
        position = np.argsort(np.argsort(rank))
    shares = np.bincount(position[pattern.reshape(-1)], minlength=len(patterns)) / len(pattern)
    return Augmentation(edges, patterns[np.argsort(position)], np.cumsum(shares), settings.group_sizes == "joint")
