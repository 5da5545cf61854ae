"""The training loop: reproducible, stops early, and says so when a loss is not finite."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dbsynth.diffusion.training import Schedule, train
from dbsynth.errors import TrainingError

X = torch.linspace(-1, 1, 200)[:, None]


def line() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(1, 1)


def squared(network: nn.Module, rows: Tensor, generator: torch.Generator) -> Tensor:
    return ((network(X[rows]) - (3 * X[rows] - 1)) ** 2).mean()


def weights(network: nn.Module) -> list[float]:
    return [p.item() for p in network.parameters()]


def test_a_line_is_learned() -> None:
    """What comes back is the average of the weights, near the truth."""
    network = line()
    loss = train(network, squared, 200, Schedule(600, 64, 0.05, ema=0.9), name="t", seed=0)
    assert weights(network) == pytest.approx([3, -1], abs=0.05)
    assert loss < 0.01
    assert not network.training


def test_same_seed_same_weights() -> None:
    """To the bit; another seed sees other batches."""
    found = []
    for seed in (1, 1, 2):
        network = line()
        train(network, squared, 200, Schedule(20, 16, held_back=0.1), name="t", seed=seed)
        found.append(weights(network))
    assert found[0] == found[1] != found[2]


def test_training_stops_when_held_back_rows_get_no_better() -> None:
    """After `patience` looks, with the best weights and not the last."""
    steps = []

    def worse(network: nn.Module, rows: Tensor, generator: torch.Generator) -> Tensor:
        if len(rows) == 20:  # the held-back rows, to which every step is harm
            return (network(X[rows]) ** 2).mean() + len(steps)
        return squared(network, rows, generator)

    schedule = Schedule(1000, 50, 0.1, held_back=0.1, check_every=10, patience=3, warm_up=1)
    network, early = line(), line()
    train(network, worse, 200, schedule, name="t", seed=0, progress=steps.append)
    assert len(steps) == 40
    train(early, squared, 200, Schedule(1000, 50, 0.1, held_back=0.1, check_every=10, patience=1000, warm_up=1),
          name="t", seed=0)  # fmt: skip
    assert weights(network) != weights(early)


def test_no_rows_held_back_train_to_the_last_step() -> None:
    """Early stopping has nothing to look at."""
    steps = []
    train(line(), squared, 200, Schedule(90, 16, check_every=10, patience=1), name="t", seed=0, progress=steps.append)
    assert sum(steps) == 90


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_an_error(value: float) -> None:
    """It names the table, the step and the learning rate."""

    def broken(network: nn.Module, rows: Tensor, generator: torch.Generator) -> Tensor:
        return squared(network, rows, generator) * value

    with pytest.raises(TrainingError, match=r"'orders'.*step 7.*0\.003"):
        train(line(), broken, 200, Schedule(7, 16, 0.003), name="orders", seed=0)


@settings(max_examples=20)
@given(st.integers(1, 30), st.integers(1, 40), st.floats(0, 0.99), st.integers(1, 5))
def test_few_rows_are_enough(n_rows: int, batch_size: int, held_back: float, iterations: int) -> None:
    """One row is; whatever share is held back, one is left to train on."""
    schedule = Schedule(iterations, batch_size, held_back=held_back, check_every=2)
    assert train(line(), squared, n_rows, schedule, name="t", seed=0) >= 0
