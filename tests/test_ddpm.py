"""Discrete timesteps: the cosine schedule, forward moments, ancestral sampling with the exact noise predictor."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from dbsynth.diffusion.ddpm import DiscreteNoise, cosine_betas


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors are faster on one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class GaussianNoisePredictor(nn.Module):
    """E[noise | x_t] for y ~ N(mean, std²)."""

    def __init__(self, noise: DiscreteNoise, mean: float, std: float) -> None:
        super().__init__()
        self.alpha_bars, self.mean, self.std = noise.alpha_bars.float(), mean, std

    def forward(self, x: Tensor, level: Tensor, condition: Tensor) -> Tensor:
        alpha_bar = self.alpha_bars[level.long()][:, None]
        variance = alpha_bar * self.std**2 + 1 - alpha_bar
        return (1 - alpha_bar).sqrt() / variance * (x - alpha_bar.sqrt() * self.mean)


@pytest.mark.parametrize("n_steps", [2, 50, 2000])
def test_the_schedule_is_the_cosine(n_steps: int) -> None:
    """ᾱ_t = f(t) / f(0) with f(t) = cos²((t/T + 0.008) / 1.008 · π/2), but for the cap of the last steps."""
    alpha_bars = DiscreteNoise(n_steps).alpha_bars

    def f(t: int) -> float:
        return math.cos((t / n_steps + 0.008) / 1.008 * math.pi / 2) ** 2

    for t in range(0, n_steps - 1, max(1, n_steps // 10)):
        assert alpha_bars[t].item() == pytest.approx(f(t + 1) / f(0), rel=1e-6)
    betas = cosine_betas(n_steps)
    assert len(betas) == n_steps
    assert ((betas > 0) & (betas <= 0.999)).all()
    assert alpha_bars[-1] < 1e-2


def test_noisy_rows_have_the_forward_moments() -> None:
    """q(x_t | x_0) = N(√ᾱ_t x_0, 1 - ᾱ_t)."""
    noise = DiscreteNoise(100)
    y = torch.full((20_000, 1), 1.7)
    for t in (0, 30, 99):
        x = noise.add(y, torch.full((20_000,), t), torch.randn(20_000, 1, generator=torch.Generator().manual_seed(t)))
        alpha_bar = noise.alpha_bars[t].item()
        assert x.mean().item() == pytest.approx(1.7 * math.sqrt(alpha_bar), abs=0.03)
        assert x.var().item() == pytest.approx(1 - alpha_bar, rel=0.05)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (1.5, 0.5), (-1.0, 0.2)])
def test_ancestral_sampling_draws_the_right_normal(mean: float, std: float) -> None:
    """Mean and standard deviation with the exact noise predictor."""
    noise = DiscreteNoise(300)
    x = noise.sample(GaussianNoisePredictor(noise, mean, std), 2, torch.zeros(10_000, 0), torch.Generator())
    assert x.mean(0).tolist() == pytest.approx([mean, mean], abs=0.04)
    assert x.std(0).tolist() == pytest.approx([std, std], rel=0.06)


def test_guidance_moves_the_mean_by_the_variance_times_the_gradient() -> None:
    """ClavaDDPM, Equation 4: N(0, 1) steered by the likelihood N(c; y, s²) becomes the posterior."""
    c, s, noise = 2.0, 0.8, DiscreteNoise(300)
    alpha_bars = noise.alpha_bars.float()

    def gradient(x: Tensor, timestep: Tensor) -> Tensor:
        """∇ log p(c | x_t): given x_t, y ~ N(√ᾱ x_t, 1 - ᾱ)."""
        alpha_bar = alpha_bars[timestep][:, None]
        return alpha_bar.sqrt() * (c - alpha_bar.sqrt() * x) / (1 - alpha_bar + s**2)

    x = noise.sample(GaussianNoisePredictor(noise, 0.0, 1.0), 1, torch.zeros(10_000, 0), torch.Generator(), gradient)
    assert x.mean().item() == pytest.approx(c / (1 + s**2), abs=0.04)
    assert x.std().item() == pytest.approx(s / math.sqrt(1 + s**2), rel=0.06)


def test_the_loss_of_the_exact_predictor_is_least() -> None:
    """A silent network's loss is one; the exact one's is what noise remains unknown, which is less."""
    noise = DiscreteNoise(100)
    y = 0.3 * torch.randn(5000, 2, generator=torch.Generator().manual_seed(0))
    losses = [
        noise.loss(network, y, torch.zeros(5000, 0), torch.Generator().manual_seed(1)).item()
        for network in (GaussianNoisePredictor(noise, 0, 0.3), GaussianNoisePredictor(noise, 0.5, 0.3))
    ]
    assert losses[0] < losses[1]
    silent = noise.loss(lambda x, level, condition: 0 * x, y, torch.zeros(5000, 0), torch.Generator().manual_seed(1))
    assert silent.item() == pytest.approx(1, abs=0.05)


def test_training_timesteps_are_those_of_the_chain() -> None:
    """All of them, none outside."""
    assert set(DiscreteNoise(7).draw_levels(500, torch.Generator()).tolist()) == set(range(7))
