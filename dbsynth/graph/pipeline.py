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
from .parts import part_rows, together
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
    n_rows = {
        t: n if t in model.database.kept else max(round(scale * n), min(n, 1)) for t, n in model.n_rows.items()
    }
    if given is None:
        parts = part_rows(model.database, model.distinct, n_rows)
        made = []
        for k, rows in enumerate(parts, start=1):
            words = f", part {k} of {len(parts)}" if len(parts) > 1 else ""
            drawing = _Drawing(model, rng, generator, device, progress, words)
            structure = drawing.structure(rows)
            values = drawing.values(structure, {}, "drawing")
            made.append(Generated({t: spread_ranks(z, rng) for t, z in values.items()}, structure.parents))
        return together(model.database, made)
    drawing = _Drawing(model, rng, generator, device, progress)
    structure = drawing.structure(n_rows | dict(given.n_rows))
    scale_of = drawing.values(structure, {}, "drawing")
    with progress.stage("settling given rows"):
        settled = settle(model.database, model.latents, structure, scale_of, model.distinct, given, rng)
    tables = model.database.tables
    cells = {t: cells_of(known, tables[t], settled.n_rows[t], rng, device) for t, known in given.known.items()}
    around = drawing.values(settled, cells, "drawing around given rows")
    ranks = {t: ranks_against(around[t], scale_of[t], given.known.get(t), tables[t]) for t in around}
    return Generated(ranks, settled.parents)


@dataclass(frozen=True)
class _Drawing:
    """What structures and values are drawn with."""

    model: GraphModel
    rng: np.random.Generator
    generator: torch.Generator
    device: str
    progress: Progress
    words: str = ""  # which part of the database this is

    def structure(self, n_rows: Mapping[str, int]) -> Drawn:
        model = self.model
        with self.progress.stage(f"structure{self.words}"):
            return draw_structure(
                model.database, model.shapes, model.latents, model.distinct, n_rows, self.rng,
                joint=model.settings.structure == "shapes",
            )  # fmt: skip

    def values(self, structure: Drawn, cells: Mapping[str, Cells], stage: str) -> dict[str, np.ndarray]:
        """By table that is not kept its values, float32 ``(n_rows, n_variables)``, about standard normal."""
        model, kept = self.model, self.model.database.kept
        graph = row_graph(model.database, model.latents, structure, self.device)
        clean = {t: torch.from_numpy(normal(model.database.tables[t].draw(self.rng))).to(self.device) for t in kept}
        noise, network = make_noise(model.settings), model.network.to(self.device)
        total = model.settings.n_steps * sum(structure.n_rows[table] for table in network.drawn)
        with self.progress.stage(f"{stage}{self.words}", total=total, unit="rows") as advance:
            drawn = sample_rows(network, graph, noise, clean, self.generator, known=cells, progress=advance)
        nothing = {t: np.zeros((n, 0), np.float32) for t, n in structure.n_rows.items() if t not in kept}
        return nothing | {table: z.cpu().numpy() for table, z in drawn.items()}
