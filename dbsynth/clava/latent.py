"""Phase I: latent learning and table augmentation (ClavaDDPM, Algorithm 1).

Edges are walked bottom-up. The children's features hold the labels of their own children already, so what happens three
tables below still reaches the top. Each edge leaves a label column on its parent table, coded like any nominal column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..columns.categories import order_by_meaning
from ..columns.codec import normal
from ..config import Settings
from ..encoded import Edge, EncodedDatabase
from ..groups import count_sizes, size_probabilities
from .clusters import cluster_groups

__all__ = ["Latent", "augmented", "learn_latents"]


@dataclass(frozen=True)
class Latent:
    """What is learned about one foreign key.

    Attributes:
        cuts: float64 ``(n_labels,)``, upper rank bounds of the labels, which stand in the order of their meaning; the
            labels are those of the clusters and, where it occurs, that of childless parents.
        size_probs: p(s | c) by label.
        agree_rate: of the clustering.
        labels: int64 ``(n_parents,)``, of the real parent rows.
        sizes: int64 ``(n_parents,)``, children of the real parent rows.
        size_scale: of log(1 + size), which brings the sizes to about 1.
    """

    cuts: np.ndarray
    size_probs: list[tuple[np.ndarray, np.ndarray]]
    agree_rate: float
    labels: np.ndarray
    sizes: np.ndarray
    size_scale: float

    @property
    def n_labels(self) -> int:
        return len(self.cuts)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The rank interval of each real parent row's label."""
        lower = np.r_[0.0, self.cuts[:-1]]
        return lower[self.labels], self.cuts[self.labels]


def learn_latents(
    database: EncodedDatabase, settings: Settings, progress: Callable[[int], None] = lambda edges: None
) -> dict[str, Latent]:
    """The latent of every edge, by the edge's name."""
    latents: dict[str, Latent] = {}
    for child in reversed(list(database.tables)):
        x = augmented(database, latents, child)
        for edge in database.edges_of(child):
            latents[edge.name] = _learn_latent(x, database.tables[edge.parent].middles, edge, settings)
            progress(1)
    return latents


def augmented(database: EncodedDatabase, latents: Mapping[str, Latent], table: str) -> np.ndarray:
    """T = (R; C): the table's codes beside the labels of its children's edges, float32, each about standard normal."""
    labels = [latents[edge.name].bounds for edge in database.edges_to(table)]
    columns = [normal((low + high) / 2)[:, None] for low, high in labels]
    return np.concatenate([database.tables[table].middles, *columns], axis=1)


def _learn_latent(x: np.ndarray, y: np.ndarray, edge: Edge, settings: Settings) -> Latent:
    clusters = cluster_groups(
        x, y, edge.rows, n_clusters=settings.n_clusters, parent_scale=settings.parent_scale,
        method=settings.clustering, seed=settings.seed,
    )  # fmt: skip
    sizes = count_sizes(edge.rows, len(y))
    n_labels = int(clusters.labels.max(initial=0)) + 1
    context = np.concatenate([y, _group_means(x, edge.rows, sizes), np.log1p(sizes)[:, None]], axis=1)
    position = order_by_meaning(clusters.labels, n_labels, context)
    labels = position[clusters.labels]
    shares = np.bincount(labels, minlength=n_labels) / max(len(labels), 1)
    probabilities = size_probabilities(labels, sizes, n_labels)
    size_scale = max(float(np.log1p(sizes[sizes > 0]).mean()), 1e-3) if sizes.any() else 1.0
    return Latent(np.cumsum(shares), probabilities, clusters.agree_rate, labels, sizes, size_scale)


def _group_means(x: np.ndarray, parent_rows: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Mean of the children's features by parent, 0 for the childless."""
    held = parent_rows >= 0
    sums = [np.bincount(parent_rows[held], weights=column[held], minlength=len(sizes)) for column in x.T]
    return (np.stack(sums, axis=1) if sums else np.empty((len(sizes), 0))) / np.maximum(sizes, 1)[:, None]
