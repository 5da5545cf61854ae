"""The graph engine from end to end: structure first, then all values of all rows together.

`fit` learns a `GraphModel` from an encoded database; `generate` draws a new one from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from ..columns.codec import normal
from ..columns.ranks import spread_ranks
from ..config import Settings
from ..diffusion import make_noise
from ..diffusion.start import Start
from ..encoded import EncodedDatabase, Generated, Given
from ..latents.kinship import Kinship, learn_kinships
from ..latents.latent import Latent, forget_rows, learn_latents
from ..progress import QUIET, Progress
from .denoiser import GraphDenoiser
from .given import at_middles, cells_of, place_given, ranks_against
from .parts import part_rows, together
from .sampling import Cells, sample_rows
from .shapes import Shapes, learn_shapes
from .structure import Drawn, Placed, draw_structure, real_structure, unique_sets_of_edges
from .subgraphs import row_graph
from .training import NETWORK, train_graph

__all__ = ["GraphModel", "fit", "generate"]

_ROUNDS = 2  # of placing rows that lack cells, and drawing around them


@dataclass(frozen=True)
class GraphModel:
    """All that is learned.

    Attributes:
        database: the shape of what was learned: the real codes of kept tables only, other tables' cuts.
        latents: by edge; labels and sizes of real parents are there for kept parents only.
        shapes: by table.
        distinct: sets of edges of which no two rows of a child share all parents.
        kinships: which parents of a row have ancestors in common.
    """

    settings: Settings
    database: EncodedDatabase
    n_rows: Mapping[str, int]
    latents: Mapping[str, Latent]
    shapes: Mapping[str, Shapes]
    distinct: Sequence[frozenset[str]]
    kinships: Sequence[Kinship]
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
        learn_shapes(database, latents, joint=joint), unique_sets_of_edges(database),
        learn_kinships(database) if joint else (), network,
    )  # fmt: skip


def generate(
    model: GraphModel, *, scale: float = 1.0, seed: int = 0, device: str = "cpu", given: Given | None = None,
    progress: Progress = QUIET,
) -> Generated:  # fmt: skip
    """Draw a database.

    Args:
        scale: synthetic rows per real row, in every table that is not kept; of no effect where rows are given.
        given: rows that stand already; all else is drawn around them.
    """
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    times = scale if given is None else 1.0
    n_rows = {
        t: n if t in model.database.kept else max(round(times * n), min(n, 1)) for t, n in model.n_rows.items()
    }
    parts = part_rows(model.database, model.distinct, n_rows)
    if given is not None:
        return _generate_around(given, _Drawing(model, rng, generator, device, progress), parts[0])
    made = []
    for k, rows in enumerate(parts, start=1):
        words = f", part {k} of {len(parts)}" if len(parts) > 1 else ""
        drawing = _Drawing(model, rng, generator, device, progress, words)
        structure = drawing.structure(rows)
        values = drawing.values(structure, {}, "drawing")
        made.append(Generated({t: spread_ranks(z, rng) for t, z in values.items()}, structure.parents))
    return together(model.database, made)


def _generate_around(given: Given, drawing: _Drawing, n_rows: Mapping[str, int]) -> Generated:
    """Draw a database of so many rows around nothing, and by it the one around the given rows."""
    model, rng, tables = drawing.model, drawing.rng, drawing.model.database.tables
    pool = drawing.structure(n_rows)
    scale = drawing.values(pool, {}, "drawing")
    whole = all((known.high - known.low < 1).all() for known in given.known.values())
    like_real = {t: at_middles(tables[t], spread_ranks(z, rng)) for t, z in scale.items()}
    guesses: dict[str, np.ndarray] = {}
    for left in reversed(range(1 if whole else _ROUNDS)):
        with drawing.progress.stage("placing given rows"):
            placed = place_given(model.database, model.latents, pool, like_real, given, rng, guesses)
        structure = drawing.structure(given.n_rows, placed)
        cells = {
            t: cells_of(known, tables[t], structure.n_rows[t], rng, drawing.device) for t, known in given.known.items()
        }
        # What was drawn for missing cells says more of a place than nothing does; until then labels would mislead.
        around = drawing.values(structure, cells, "drawing around given rows", labelled=not left)
        ranks = {t: ranks_against(around[t], scale[t], given.known.get(t), tables[t]) for t in around}
        guesses = {t: at_middles(tables[t], ranks[t]) for t in given.known}
    return Generated(ranks, structure.parents)


@dataclass(frozen=True)
class _Drawing:
    """What structures and values are drawn with."""

    model: GraphModel
    rng: np.random.Generator
    generator: torch.Generator
    device: str
    progress: Progress
    words: str = ""  # which part of the database this is

    def structure(
        self, n_rows: Mapping[str, int], placed: Mapping[str, Placed] = MappingProxyType({})
    ) -> Drawn:
        """A structure of so many rows, around rows that have their place."""
        model = self.model
        n_rows = {t: model.n_rows[t] for t in model.database.kept} | dict(n_rows)
        with self.progress.stage(f"structure{self.words}"):
            return draw_structure(
                model.database, model.shapes, model.latents, model.distinct, n_rows, self.rng,
                joint=model.settings.structure == "shapes", kinships=model.kinships, placed=placed,
            )  # fmt: skip

    def values(
        self, structure: Drawn, cells: Mapping[str, Cells], stage: str, *, labelled: bool = True
    ) -> dict[str, np.ndarray]:
        """By table that is not kept its values, float32 ``(n_rows, n_variables)``, about standard normal."""
        model, kept = self.model, self.model.database.kept
        graph = row_graph(model.database, model.latents, structure, self.device)
        graph = graph if labelled else graph.unlabelled
        clean = {t: torch.from_numpy(normal(model.database.tables[t].draw(self.rng))).to(self.device) for t in kept}
        noise, network = make_noise(model.settings), model.network.to(self.device)
        total = model.settings.n_steps * sum(structure.n_rows[table] for table in network.drawn)
        with self.progress.stage(f"{stage}{self.words}", total=total, unit="rows") as advance:
            drawn = sample_rows(network, graph, noise, clean, self.generator, known=cells, progress=advance)
        nothing = {t: np.zeros((n, 0), np.float32) for t, n in structure.n_rows.items() if t not in kept}
        return nothing | {table: z.cpu().numpy() for table, z in drawn.items()}
