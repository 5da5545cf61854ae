"""Phase II: one denoiser for each table, and for classifier guidance one classifier for each edge (Algorithm 2)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..config import Settings
from ..diffusion import make_noise
from ..diffusion.networks import Classifier, MLPDenoiser, ResidualDenoiser
from ..diffusion.rows import TrainingRows
from ..diffusion.start import NOTHING, Start, hash_of
from ..diffusion.training import Schedule, train
from ..encoded import Edge
from ..latents.latent import Latent
from ..progress import Progress
from .condition import Condition
from .guidance import classifier_loss

__all__ = ["train_classifier", "train_denoiser"]


def train_denoiser(
    table: str,
    rows: TrainingRows,
    condition: Condition,
    settings: Settings,
    progress: Progress,
    start: Start = NOTHING,
) -> nn.Module:
    """p(T | condition): the denoiser of one table."""
    noise, seed = make_noise(settings), _seed(settings.seed, table)
    network = _denoiser(rows.low.shape[1], condition.width, settings, seed).to(settings.device)
    # Versions of a child hear one parent only; a denoiser that draws them has to have met that in training.
    alone = settings.meeting == "values" and len(condition.edges) > 1

    def loss(network: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        y = rows.draw(batch, generator).to(settings.device)
        heard = _draw_heard(len(batch), len(condition.edges), generator).to(settings.device) if alone else None
        return noise.loss(network, y, condition.at(batch.to(settings.device), heard), generator)

    schedule = Schedule(
        settings.iterations, settings.batch_size, settings.learning_rate, settings.muon, ema=settings.ema,
        held_back=settings.held_back,
    )  # fmt: skip
    with progress.stage(f"training {table}", total=schedule.iterations, unit="steps") as advance:
        arrays = (rows.low, rows.high, *condition.matrices, *condition.parents) if start.folder else ()
        train(
            network, loss, len(rows.low), schedule, name=table, seed=seed, progress=advance, start=start,
            data=_data(settings, start, table, arrays),
        )  # fmt: skip
    return network


def train_classifier(
    edge: Edge, rows: TrainingRows, latent: Latent, settings: Settings, progress: Progress, start: Start = NOTHING
) -> nn.Module:
    """p(c | x_t) of an edge's child rows; rows with a null key have no label."""
    noise, seed = make_noise(settings), _seed(settings.seed, edge.name)
    held = torch.from_numpy(np.flatnonzero(edge.rows >= 0))
    labels = torch.from_numpy(latent.labels[edge.rows])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Classifier(rows.low.shape[1], latent.n_labels, settings.classifier_layers).to(settings.device)

    def loss(network: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        y = rows.draw(held[batch], generator).to(settings.device)
        return classifier_loss(network, noise, y, labels[held[batch]].to(settings.device), generator)

    schedule = Schedule(
        settings.classifier_iterations, settings.batch_size, settings.classifier_learning_rate, settings.muon,
        ema=settings.ema, held_back=settings.held_back,
    )  # fmt: skip
    with progress.stage(f"classifier {edge.name}", total=schedule.iterations, unit="steps") as advance:
        arrays = (rows.low, rows.high, labels) if start.folder else ()
        train(
            network, loss, len(held), schedule, name=edge.name, seed=seed, progress=advance, start=start,
            data=_data(settings, start, edge.name, arrays),
        )  # fmt: skip
    return network


def _data(settings: Settings, start: Start, name: str, arrays: Sequence[Tensor]) -> str:
    """What a network depends on, as a hash; empty where nobody asks."""
    if not arrays:
        return ""
    earlier = start.networks[name].state_dict().values() if name in start.networks else ()
    return hash_of(settings.model_dump_json(), (*arrays, *earlier))


def _draw_heard(n: int, n_edges: int, generator: torch.Generator) -> Tensor:
    """Half the rows hear all their parents, the others one of them, bool ``(n, n_edges)``."""
    one = torch.randint(n_edges, (n, 1), generator=generator) == torch.arange(n_edges)
    return one | (torch.rand(n, 1, generator=generator) < 0.5)


def _denoiser(n_variables: int, n_conditions: int, settings: Settings, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if settings.noise == "discrete":
            return MLPDenoiser(n_variables, n_conditions, settings.layers)
        return ResidualDenoiser(n_variables, n_conditions, settings.layers)


def _seed(seed: int, name: str) -> int:
    """A seed of its own for each network, so that one table's training does not depend on another's."""
    return int(np.random.SeedSequence([seed, zlib.crc32(name.encode())]).generate_state(1)[0])
