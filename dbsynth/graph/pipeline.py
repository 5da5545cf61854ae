"""The graph engine from end to end: structure first, then all values of all rows together.

`fit` learns a `GraphModel` from an encoded database; `generate` draws a new one from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..columns.codec import normal
from ..columns.ranks import spread_ranks
from ..config import Settings
from ..diffusion import make_noise
from ..encoded import EncodedDatabase, Generated, Given
from ..latents.latent import Latent, forget_rows, learn_latents
from ..progress import QUIET, Progress
from .denoiser import GraphDenoiser
from .given import cells_of, ranks_against, settle
from .sampling import Cells, sample_rows
from .structure import Drawn, Shapes, draw_structure, learn_shapes, real_structure, unique_sets_of_edges
from .subgraphs import row_graph
from .training import train_graph

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


def fit(database: EncodedDatabase, settings: Settings, *, progress: Progress = QUIET) -> GraphModel:
    """Learn a database.

    Raises:
        TrainingError: a loss is not finite.
    """
    with progress.stage("clustering", total=len(database.edges), unit="keys") as advance:
        joint = settings.structure == "shapes"
        # One label for all: whoever has children.
        latents = learn_latents(database, settings if joint else settings.model_copy(update={"n_clusters": 1}), advance)
    structure = real_structure(database, latents)
    graph = row_graph(database, latents, structure, settings.device)
    network = train_graph(database, latents, graph, settings, progress)
    return GraphModel(
        settings, database.shape, dict(structure.n_rows),
        forget_rows(database, latents),
        learn_shapes(database, latents, joint=joint), unique_sets_of_edges(database), network,
    )  # fmt: skip


def generate(
    model: GraphModel, *, scale: float = 1.0, seed: int = 0, device: str = "cpu", given: Given | None = None,
    progress: Progress = QUIET,
) -> Generated:  # fmt: skip
    """Draw a database.

    Args:
        scale: synthetic rows per real row, in every table that is not kept.
        given: rows that stand already; all else is drawn around them.
    """
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    database, kept = model.database, model.database.kept
    n_rows = {t: n if t in kept else max(round(scale * n), min(n, 1)) for t, n in model.n_rows.items()}
    if given is not None:
        n_rows |= given.n_rows
    with progress.stage("structure"):
        structure = draw_structure(
            database, model.shapes, model.latents, model.distinct, n_rows, rng,
            joint=model.settings.structure == "shapes",
        )  # fmt: skip
    clean = {t: torch.from_numpy(normal(database.tables[t].draw(rng))).to(device) for t in kept}

    def draw(structure: Drawn, cells: Mapping[str, Cells], stage: str) -> dict[str, np.ndarray]:
        graph = row_graph(database, model.latents, structure, device)
        noise, network = make_noise(model.settings), model.network.to(device)
        total = model.settings.n_steps * sum(structure.n_rows[table] for table in network.drawn)
        with progress.stage(stage, total=total, unit="rows") as advance:
            drawn = sample_rows(network, graph, noise, clean, generator, known=cells, progress=advance)
        nothing = {t: np.zeros((n, 0), np.float32) for t, n in structure.n_rows.items() if t not in kept}
        return nothing | {table: z.cpu().numpy() for table, z in drawn.items()}

    z = draw(structure, {}, "drawing")
    if given is None:
        return Generated({table: spread_ranks(values, rng) for table, values in z.items()}, structure.parents)
    with progress.stage("settling given rows"):
        settled = settle(database, model.latents, structure, z, model.distinct, given, rng)
    cells = {
        table: cells_of(known, database.tables[table], structure.n_rows[table], rng, device)
        for table, known in given.known.items()
    }
    around = draw(settled, cells, "drawing around given rows")
    ranks = {t: ranks_against(around[t], z[t], given.known.get(t), database.tables[t]) for t in z}
    return Generated(ranks, settled.parents)
