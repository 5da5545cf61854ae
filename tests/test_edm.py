"""Continuous noise: levels, preconditioning, and a sampler that is right where the denoiser is known exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from dbsynth.diffusion.edm import ContinuousNoise, karras_sigmas


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors are faster on one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class GaussianDenoiser(nn.Module):
    """The network whose preconditioned output is E[y | x] for y ~ N(mean, std²)."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, scaled: Tensor, level: Tensor, condition: Tensor) -> Tensor:
        sigma = torch.exp(2 * level)[:, None]
        variance = sigma**2 + 1
        x = scaled * variance.sqrt()
        denoised = self.mean + self.std**2 / (self.std**2 + sigma**2) * (x - self.mean)
        return (denoised - x / variance) * variance.sqrt() / sigma


def drawn(n_steps: int, mean: float, std: float, n: int = 20_000) -> Tensor:
    noise = ContinuousNoise(n_steps)
    return noise.sample(GaussianDenoiser(mean, std), 2, torch.zeros(n, 0), torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (1.5, 0.5), (-1.0, 0.1), (0.3, 2.0)])
def test_the_sampler_draws_the_right_normal(mean: float, std: float) -> None:
    """Mean and standard deviation with the exact denoiser, variables independent."""
    x = drawn(25, mean, std)
    assert x.mean(0).tolist() == pytest.approx([mean, mean], abs=0.03 + 0.02 * std)
    assert x.std(0).tolist() == pytest.approx([std, std], rel=0.04)
    assert abs(torch.corrcoef(x.T)[0, 1]) < 0.03


def test_more_steps_draw_more_exactly() -> None:
    """The error of the standard deviation falls."""
    errors = [abs(float(drawn(n, 0.0, 0.5).std()) - 0.5) for n in (8, 16, 64)]
    assert errors[0] > errors[1] > errors[2]


def test_levels_fall_from_the_largest_to_the_smallest_to_zero() -> None:
    """As Karras et al. space them: evenly in σ^(1/ρ)."""
    sigmas = karras_sigmas(10, 0.01, 50.0)
    assert sigmas[0].item() == pytest.approx(50.0)
    assert sigmas[-2].item() == pytest.approx(0.01)
    assert sigmas[-1] == 0
    assert (sigmas[1:] < sigmas[:-1]).all()
    roots = sigmas[:-1] ** (1 / 7)
    torch.testing.assert_close(roots.diff(), roots.diff().mean().expand(9), rtol=1e-3, atol=1e-5)


def test_training_levels_are_log_normal() -> None:
    """ln σ has the mean and the deviation that were asked for."""
    logs = ContinuousNoise(log_sigma_mean=-0.7, log_sigma_std=1.1).draw_levels(4000, torch.Generator()).log()
    assert logs.mean().item() == pytest.approx(-0.7, abs=0.01)
    assert logs.std().item() == pytest.approx(1.1, abs=0.02)


def test_added_noise_has_the_level() -> None:
    """x = y + σ n."""
    y, sigma, noise = torch.ones(3, 2), torch.tensor([0.0, 1.0, 5.0]), torch.full((3, 2), 2.0)
    assert ContinuousNoise().add(y, sigma, noise)[:, 0].tolist() == [1.0, 3.0, 11.0]


def test_the_loss_of_a_silent_network_is_the_variance() -> None:
    """For standard normal rows the denoiser's target has unit variance at every level."""

    class Silent(nn.Module):
        def forward(self, x: Tensor, level: Tensor, condition: Tensor) -> Tensor:
            return torch.zeros_like(x)

    generator = torch.Generator().manual_seed(0)
    y = torch.randn(20_000, 2, generator=generator)
    assert ContinuousNoise().loss(Silent(), y, torch.zeros(20_000, 0), generator).item() == pytest.approx(1, abs=0.03)


def test_guidance_adds_the_scores() -> None:
    """N(0, 1) steered by the likelihood N(c; y, s²) of its rows is the posterior."""
    c, s = 2.0, 0.8

    def gradient(x: Tensor, sigma: Tensor) -> Tensor:
        """∇ₓ log p(c | x): given x, y ~ N(x / (1 + σ²), σ² / (1 + σ²))."""
        shrink = 1 / (1 + sigma[:, None] ** 2)
        return shrink * (c - shrink * x) / (sigma[:, None] ** 2 * shrink + s**2)

    noise = ContinuousNoise(40)
    network = GaussianDenoiser(0.0, 1.0)
    x = noise.sample(network, 1, torch.zeros(20_000, 0), torch.Generator().manual_seed(0), gradient)
    assert x.mean().item() == pytest.approx(c / (1 + s**2), abs=0.03)
    assert x.std().item() == pytest.approx(s / math.sqrt(1 + s**2), rel=0.05)


def test_no_rows_are_drawn_for_no_condition() -> None:
    """An empty condition gives an empty matrix of the right width."""
    network = GaussianDenoiser(0.0, 1.0)
    assert ContinuousNoise(3).sample(network, 4, torch.zeros(0, 0), torch.Generator()).shape == (0, 4)
