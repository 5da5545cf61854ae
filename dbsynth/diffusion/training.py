"""The one training loop: every network of every engine goes through it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..errors import TrainingError
from .start import NOTHING, Start

__all__ = ["Schedule", "train"]

_AGAIN = 0.2  # steps of training that goes on, for each of one from nothing
_GENTLY = 0.3  # its learning rates, likewise

Loss = Callable[[nn.Module, Tensor, torch.Generator], Tensor]  # (network, row numbers, randomness) -> scalar


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        iterations: most optimiser steps.
        batch_size: rows a step sees.
        learning_rate: at the start; it falls to zero over the iterations.
        muon: learning rate of the hidden matrices under Muon, which orthogonalises each of their steps (Jordan 2024)
            and needs about half of AdamW's steps here; 0: AdamW for all weights.
        warm_up: steps over which it rises first.
        ema: decay of the moving average of the weights, which is what training returns.
        held_back: share of the rows that validate and never train; 0: train on all, to the last step.
        check_every: steps between two looks at the held-back rows.
        patience: looks without a better loss after which training stops.
    """

    iterations: int
    batch_size: int = 1024
    learning_rate: float = 2e-3
    muon: float = 0.0
    weight_decay: float = 1e-5
    warm_up: int = 50
    ema: float = 0.995
    held_back: float = 0.0
    check_every: int = 200
    patience: int = 3

    @property
    def again(self) -> Schedule:
        """For weights that are nearly right already: fewer and shorter steps."""
        return replace(
            self, iterations=math.ceil(self.iterations * _AGAIN), learning_rate=self.learning_rate * _GENTLY,
            muon=self.muon * _GENTLY,
        )  # fmt: skip


def train(
    network: nn.Module,
    loss: Loss,
    n_rows: int,
    schedule: Schedule,
    *,
    name: str,
    seed: int,
    progress: Callable[[int], None] = lambda steps: None,
    start: Start = NOTHING,
    data: str = "",
) -> float:
    """Train ``network`` in place and leave the moving average of its weights in it.

    Args:
        start: weights to go on from, and weights that a run before this one has finished.
        data: a hash of all that the training depends on; what was finished is of use only if it is the same.

    Returns:
        The last loss on the held-back rows (on the batch, where none are held back); NaN for what was finished before.

    Raises:
        TrainingError: the loss is not finite; names table, step and learning rate.
    """
    if (found := start.finished(name, data)) is not None:
        network.load_state_dict(found)
        network.eval()
        return math.nan
    if start.begin(name, network):
        schedule = schedule.again
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(n_rows, generator=generator)
    n_held = min(int(n_rows * schedule.held_back), 4096)
    held, rows = rows[:n_held], rows[n_held:]
    optimisers = _optimisers(network, schedule)
    average = copy.deepcopy(network)
    best, best_state, since = math.inf, None, 0
    value = math.nan
    for step in range(schedule.iterations):
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * _rate(step, schedule)
        batch = rows[torch.randint(len(rows), (min(schedule.batch_size, len(rows)),), generator=generator)]
        current = loss(network, batch, generator)
        network.zero_grad()
        current.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        decay = min(schedule.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
        progress(1)
        if (step + 1) % schedule.check_every and step + 1 < schedule.iterations:
            continue
        with torch.no_grad():
            average.eval()
            value = float(loss(average, held, torch.Generator().manual_seed(seed)) if n_held else current)
        if not math.isfinite(value):
            raise TrainingError(
                f"table {name!r}: the loss is {value} at step {step + 1} with learning rate "
                f"{schedule.learning_rate:g}; try a lower learning_rate"
            )
        if n_held == 0 or value < best:
            best, since = value, 0
            best_state = copy.deepcopy(average.state_dict())
        else:
            since += 1
            if since >= schedule.patience:
                break
    network.load_state_dict(best_state)
    network.eval()
    start.keep(name, data, network)
    return best


def _optimisers(network: nn.Module, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """Muon for the hidden matrices if asked for, AdamW for everything else."""
    hidden = network.hidden if schedule.muon else []
    rest = [weights for weights in network.parameters() if not any(weights is h for h in hidden)]
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(rest, lr=schedule.learning_rate, weight_decay=schedule.weight_decay, fused=True)
    ]
    if hidden:
        optimisers.append(torch.optim.Muon(hidden, lr=schedule.muon, momentum=0.95, weight_decay=0.0))
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["initial_lr"] = group["lr"]
    return optimisers


def _rate(step: int, schedule: Schedule) -> float:
    """Linear warm-up, then a line down to zero."""
    return min(1.0, (step + 1) / max(schedule.warm_up, 1)) * (1 - step / schedule.iterations)
