"""Training the graph denoiser: rows of every table in every step, each with its neighbourhood at one noise level."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..config import Settings
from ..diffusion import make_noise
from ..diffusion.rows import TrainingRows
from ..diffusion.start import NOTHING, Start, hash_of
from ..diffusion.training import Schedule, train
from ..encoded import EncodedDatabase
from ..latents.latent import Latent
from ..progress import Progress
from .denoiser import GraphDenoiser, TableSpec, categories_heard
from .subgraphs import RowGraph, label_offsets

__all__ = ["NETWORK", "new_network", "table_specs", "train_graph"]

# Share of steps that hear no labels, so that rows can be drawn nobody labelled. NOTE[DIFF]: GRDM has no labels;
# they are left out as conditions are for guidance (Ho & Salimans, 2022), though nothing is guided here.
_UNLABELLED = 0.1
NETWORK = "all"  # the name of the one network, of all tables


def table_specs(database: EncodedDatabase, latents: Mapping[str, Latent]) -> list[TableSpec]:
    """The sizes of every table's part of the network."""
    specs = []
    for name, codes in database.tables.items():
        upper, _, _, members = categories_heard(codes)
        edges = [*database.edges_to(name), *database.edges_of(name)]
        specs.append(TableSpec(
            name, len(codes.cuts), label_offsets(database, latents, name)[-1], len(edges), len(upper),
            members.shape[1], tuple((e.name, e.parent) for e in database.edges_of(name)),
            tuple((e.name, e.child) for e in database.edges_to(name)), name in database.kept,
        ))  # fmt: skip
    return specs


def new_network(database: EncodedDatabase, latents: Mapping[str, Latent], settings: Settings) -> GraphDenoiser:
    """An untrained denoiser of these tables."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = GraphDenoiser(
            table_specs(database, latents), settings.width, settings.fan_out, settings.layers,
            plain=settings.noise == "discrete",
        )  # fmt: skip
    for name, codes in database.tables.items():
        network.reader_of(name).learn(codes)
    return network.to(settings.device)


def _rows_a_step(n: int, settings: Settings) -> int:
    """How many of a table's ``n`` rows a step sees: fewer of a small table, or it would be learned by heart.

    NOTE[DIFF]: GRDM draws rows in proportion to their tables. Over three times as many passes over a table of some
    hundred rows bring its drawn rows closer to learned than to unseen ones, and scores no further.
    """
    return min(settings.batch_size, n, math.ceil(n * settings.epochs / settings.iterations))


def train_graph(
    database: EncodedDatabase,
    latents: Mapping[str, Latent],
    graph: RowGraph,
    settings: Settings,
    progress: Progress,
    start: Start = NOTHING,
) -> GraphDenoiser:
    """The denoiser of all tables together."""
    network = new_network(database, latents, settings)
    if not any(graph.n_rows[table] for table in network.drawn):
        return network  # which nobody will ask
    device, noise, unlabelled = settings.device, make_noise(settings), graph.unlabelled
    rows = {name: TrainingRows.of(codes.low, codes.high, device) for name, codes in database.tables.items()}

    def normal_like(y: Tensor, generator: torch.Generator) -> Tensor:
        return torch.randn(y.shape, generator=generator).to(device)  # the same numbers on every device

    def loss(network: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        heard = unlabelled if torch.rand((), generator=generator) < _UNLABELLED else graph

        def values(table: str, chosen: Tensor, level: Tensor) -> Tensor:
            y = rows[table].draw(chosen, generator)
            return y if table in database.kept else noise.add(y, level, normal_like(y, generator))

        total = torch.zeros((), device=device)
        for table in (table for table in network.drawn if graph.n_rows[table]):
            n = graph.n_rows[table]
            chosen = torch.randint(n, (_rows_a_step(n, settings),), generator=generator).to(device)
            y = rows[table].draw(chosen, generator)
            level = noise.draw_levels(len(y), generator).to(device)
            eps = normal_like(y, generator)
            x = noise.add(y, level, eps)
            said = network(heard, table, chosen, x, level, noise, values, generator)
            total = total + ((said - noise.target(y, x, level, eps)) ** 2).mean()
        return total

    # Each step draws rows of every table for itself.
    schedule = Schedule(
        settings.iterations, settings.batch_size, settings.learning_rate, settings.muon, ema=settings.ema
    )
    with progress.stage("training", total=schedule.iterations, unit="steps") as advance:
        train(
            network, loss, settings.batch_size, schedule, name=NETWORK, seed=settings.seed, progress=advance,
            start=start, data=_data(database, latents, settings, start),
        )  # fmt: skip
    return network


def _data(
    database: EncodedDatabase, latents: Mapping[str, Latent], settings: Settings, start: Start
) -> str:
    """What the network depends on, as a hash; empty where nobody asks."""
    if start.folder is None:
        return ""
    codes = [bound for codes in database.tables.values() for bound in (codes.low, codes.high)]
    keys = [array for edge in database.edges for array in (edge.rows, latents[edge.name].labels)]
    earlier = [weights for network in start.networks.values() for weights in network.state_dict().values()]
    return hash_of(settings.model_dump_json(), (*codes, *keys, *earlier))
