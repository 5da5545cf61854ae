"""ClavaDDPM from end to end: latent learning, training, synthesis (Algorithms 1-3).

`fit` learns a `ClavaModel` from an encoded database; `generate` draws a new one from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from ..columns.codec import Codes
from ..config import Settings
from ..diffusion.rows import TrainingRows
from ..diffusion.start import Start
from ..encoded import EncodedDatabase, Generated
from ..latents.kinship import Kinship, learn_kinships
from ..latents.latent import Augmentation, Latent, forget_rows, learn_augmentation, learn_latents
from ..latents.matching import asked_by_row
from ..progress import QUIET, Progress
from .condition import Condition, edge_features, gather, row_features
from .synthesis import Synthesis
from .training import train_classifier, train_denoiser

__all__ = ["ClavaModel", "fit", "generate"]


@dataclass(frozen=True)
class ClavaModel:
    """All that is learned.

    Attributes:
        database: the shape of what was learned: the real codes of kept tables only, other tables' cuts and row counts.
        latents: by edge; labels and sizes of real parents are there for kept parents only.
        augmentations: by table, the columns that the labels of its edges add to it, if it has children.
        meetings: by child table with parents, the combinations of parents' labels that rows have, int64
            ``(n_tuples, n_edges)``, -1 for null, and how many rows have each.
        kinships: which parents of a row have ancestors in common.
        denoisers: by table that has anything to draw.
        classifiers: by edge, for classifier guidance.
    """

    settings: Settings
    database: EncodedDatabase
    n_rows: Mapping[str, int]
    latents: Mapping[str, Latent]
    augmentations: Mapping[str, Augmentation | None]
    meetings: Mapping[str, tuple[np.ndarray, np.ndarray]]
    kinships: Sequence[Kinship]
    denoisers: Mapping[str, nn.Module]
    classifiers: Mapping[str, nn.Module]


def fit(
    database: EncodedDatabase,
    settings: Settings,
    *,
    progress: Progress = QUIET,
    earlier: ClavaModel | None = None,
    unfinished: Path | None = None,
) -> ClavaModel:
    """Learn a database: Algorithm 1, then Algorithm 2.

    Args:
        earlier: a model of the same database at another time, to go on from.
        unfinished: a folder with the networks of a fit that died, and for those of this one.

    Raises:
        TrainingError: a loss is not finite.
    """
    with progress.stage("clustering", total=len(database.edges), unit="keys") as advance:
        latents = learn_latents(database, settings, advance, earlier.latents if earlier else {})
    start = Start({**earlier.denoisers, **earlier.classifiers} if earlier else {}, unfinished)
    features = _all_features(database, settings.seed)
    augmentations, denoisers, classifiers = {}, {}, {}
    for table in database.tables:
        before = earlier.augmentations.get(table) if earlier else None
        augmentations[table] = learn_augmentation(database, latents, table, settings, before)
        rows = _training_rows(database.tables[table], augmentations[table], latents)
        if table in database.kept or 0 in rows.low.shape:
            continue
        edges = database.edges_of(table)
        if settings.guidance == "classifier":
            alone = Condition((), (), (), len(rows.low))
            denoisers[table] = train_denoiser(table, rows, alone, settings, progress, start)
            for edge in edges:
                if (edge.rows >= 0).any():
                    latent = latents[edge.name]
                    classifiers[edge.name] = train_classifier(edge, rows, latent, settings, progress, start)
        else:
            blocks = [
                edge_features(latents[e.name], features[e.parent] if settings.ancestors else None) for e in edges
            ]
            condition = Condition.of(edges, blocks, {e.name: e.rows for e in edges}, len(rows.low), settings.device)
            denoisers[table] = train_denoiser(table, rows, condition, settings, progress, start)
    meetings = {t: _learn_meetings(database, latents, t) for t in database.tables if database.edges_of(t)}
    return ClavaModel(
        settings, database.shape, {t: len(c) for t, c in database.tables.items()},
        forget_rows(database, latents), augmentations, meetings,
        learn_kinships(database) if settings.matching and settings.meeting == "labels" else (), denoisers, classifiers,
    )  # fmt: skip


def generate(
    model: ClavaModel, *, scale: float = 1.0, seed: int = 0, device: str = "cpu", progress: Progress = QUIET
) -> Generated:
    """Draw a database: Algorithm 3, each child after the parents it was matched to.

    Args:
        scale: synthetic rows per real row, in every table that is not kept.
    """
    synthesis = Synthesis(model, seed, device)
    for table in model.database.tables:
        real = model.n_rows[table]
        n = real if table in model.database.kept else max(round(scale * real), min(real, 1))
        with progress.stage(f"drawing {table}", total=n, unit="rows") as advance:
            synthesis.draw(table, n, advance)
    kept = model.database.kept
    return Generated({t: r for t, r in synthesis.ranks.items() if t not in kept}, synthesis.parents)


def _training_rows(codes: Codes, augmentation: Augmentation | None, latents: Mapping[str, Latent]) -> TrainingRows:
    """T = (R; C)."""
    low, high = codes.low, codes.high
    if augmentation is not None:
        more_low, more_high = augmentation.bounds(latents)
        low, high = np.concatenate([low, more_low], axis=1), np.concatenate([high, more_high], axis=1)
    return TrainingRows.of(low, high)


def _learn_meetings(
    database: EncodedDatabase, latents: Mapping[str, Latent], child: str
) -> tuple[np.ndarray, np.ndarray]:
    edges = database.edges_of(child)
    columns = []
    for edge, by_row in zip(edges, asked_by_row(edges, database.kept), strict=True):
        names = np.arange(len(latents[edge.name].labels)) if by_row else latents[edge.name].labels
        columns.append(np.where(edge.rows >= 0, names[edge.rows] if len(names) else -1, -1))
    return np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)


def _all_features(database: EncodedDatabase, seed: int) -> dict[str, np.ndarray]:
    """The rows of every table that has children as these hear them, ties spread as in drawn rows."""
    features: dict[str, np.ndarray] = {}
    rng = np.random.default_rng(seed)
    for table, codes in database.tables.items():
        ranks = codes.draw(rng)
        if database.edges_to(table):
            of_parents = [gather(features[e.parent], e.rows) for e in database.edges_of(table)]
            features[table] = row_features(codes, ranks, of_parents)
    return features
