"""The graph engine from end to end: structure first, then all values of all rows together.

`fit` learns a `GraphModel` from an encoded database; `generate` draws a new one from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..columns.codec import normal
from ..columns.ranks import spread_ranks
from ..config import Settings
from ..diffusion import make_noise
from ..diffusion.start import Start
from ..encoded import EncodedDatabase, Generated
from ..latents.latent import Latent, forget_rows, learn_latents
from ..progress import QUIET, Progress
from .denoiser import GraphDenoiser
from .sampling import sample_rows
from .structure import Shapes, draw_structure, learn_shapes, real_structure, unique_sets_of_edges
from .subgraphs import row_graph
from .training import NETWORK, train_graph

__all__ = ["GraphModel", "fit", "generate"]


@dataclass(frozen=True)
class GraphModel:
    """All that is learned.

    Attributes:
        database: the shape of what was learned: the real codes of kept tables only, other tables' cuts.
        latents: by edge; labels and sizes of real parents are there for kept parents only.
        shapes: by table.
        distinct: sets of edges of which no two rows of a child share all parents.
    """

    settings: Settings
    database: EncodedDatabase
    n_rows: Mapping[str, int]
    latents: Mapping[str, Latent]
    shapes: Mapping[str, Shapes]
    distinct: Sequence[frozenset[str]]
    network: GraphDenoiser


def fit(
    database: EncodedDatabase,
    settings: Settings,
    *,
    progress: Progress = QUIET,
    earlier: GraphModel | None = None,
    unfinished: Path | None = None,
) -> GraphModel:
    """Learn a database.

    Args:
        earlier: a model of the same database at another time, to go on from.
        unfinished: a folder with the network of a fit that died, and for that of this one.

    Raises:
        TrainingError: a loss is not finite.
    """
    with progress.stage("clustering", total=len(database.edges), unit="keys") as advance:
        joint = settings.structure == "shapes"
        # One label for all: whoever has children.
        labelled = settings if joint else settings.model_copy(update={"n_clusters": 1})
        latents = learn_latents(database, labelled, advance, earlier.latents if earlier else {})
    structure = real_structure(database, latents)
    graph = row_graph(database, latents, structure, settings.device)
    start = Start({NETWORK: earlier.network} if earlier else {}, unfinished)
    network = train_graph(database, latents, graph, settings, progress, start)
    return GraphModel(
        settings, database.shape, dict(structure.n_rows),
        forget_rows(database, latents),
        learn_shapes(database, latents, joint=joint), unique_sets_of_edges(database), network,
    )  # fmt: skip


def generate(
    model: GraphModel, *, scale: float = 1.0, seed: int = 0, device: str = "cpu", progress: Progress = QUIET
) -> Generated:
    """Draw a database.

    Args:
        scale: synthetic rows per real row, in every table that is not kept.
    """
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    database, kept = model.database, model.database.kept
    n_rows = {t: n if t in kept else max(round(scale * n), min(n, 1)) for t, n in model.n_rows.items()}
    with progress.stage("structure"):
        structure = draw_structure(
            database, model.shapes, model.latents, model.distinct, n_rows, rng,
            joint=model.settings.structure == "shapes",
        )  # fmt: skip
        graph = row_graph(database, model.latents, structure, device)
    clean = {t: torch.from_numpy(normal(database.tables[t].draw(rng))).to(device) for t in kept}
    noise, network = make_noise(model.settings), model.network.to(device)
    total = model.settings.n_steps * sum(structure.n_rows[table] for table in network.drawn)
    with progress.stage("drawing", total=total, unit="rows") as advance:
        drawn = sample_rows(network, graph, noise, clean, generator, progress=advance)
    ranks = {}
    for table in database.tables:
        if table not in kept:
            z = drawn[table].cpu().numpy() if table in drawn else np.zeros((structure.n_rows[table], 0), np.float32)
            ranks[table] = spread_ranks(z, rng)
    return Generated(ranks, structure.parents)
