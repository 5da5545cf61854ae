"""Discrete timesteps: the denoising diffusion of the paper's backbone.

Ho et al., "Denoising Diffusion Probabilistic Models" (2020), with the cosine schedule of Nichol & Dhariwal, "Improved
Denoising Diffusion Probabilistic Models" (2021); guidance after Dhariwal & Nichol, "Diffusion Models Beat GANs" (2021).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from .networks import Guidance

__all__ = ["DiscreteNoise", "cosine_betas"]

def cosine_betas(n_steps: int) -> Tensor:
    """β_t for t = 0 … n_steps - 1, float64 (Nichol & Dhariwal 2021, Equation 17), at most 0.999."""
    time = torch.linspace(0, 1, n_steps + 1, dtype=torch.float64)
    alpha_bar = torch.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2
    return (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=0.999)


@dataclass(frozen=True)
class DiscreteNoise:
    """A chain of ``n_steps`` Gaussian transitions; networks predict the noise."""

    n_steps: int = 2000

    @cached_property
    def betas(self) -> Tensor:
        return cosine_betas(self.n_steps)

    @cached_property
    def alpha_bars(self) -> Tensor:
        return torch.cumprod(1 - self.betas, dim=0)

    def draw_levels(self, n: int, generator: torch.Generator) -> Tensor:
        """Training's timesteps, one for each row, int64 ``(n,)``."""
        return torch.randint(self.n_steps, (n,), generator=generator)

    def add(self, y: Tensor, timestep: Tensor, noise: Tensor) -> Tensor:
        """Noisy rows ``(n, d)`` (Ho et al. 2020, Equation 4)."""
        alpha_bar = self.alpha_bars.to(y.device)[timestep][:, None].float()
        return alpha_bar.sqrt() * y + (1 - alpha_bar).sqrt() * noise

    def embed(self, timestep: Tensor) -> Tensor:
        """The timestep as the networks take it, float32 ``(n,)``."""
        return timestep.float()

    def scaled(self, x: Tensor, timestep: Tensor) -> Tensor:
        """Noisy rows of unit variance, as the networks take them: as they are."""
        return x

    def posterior(self, x: Tensor, timestep: Tensor) -> tuple[Tensor, Tensor]:
        """What a noisy value alone says of the clean one: mean ``(n, d)`` and standard deviation ``(n,)``."""
        alpha_bar = self.alpha_bars.to(x.device)[timestep].float()
        return alpha_bar.sqrt()[:, None] * x, (1 - alpha_bar).sqrt()

    def target(self, y: Tensor, x: Tensor, timestep: Tensor, noise: Tensor) -> Tensor:
        """What the network is to say of noisy rows: the noise (Ho et al. 2020, Equation 14)."""
        return noise

    def clean(self, said: Tensor, x: Tensor, timestep: Tensor) -> Tensor:
        """The expected clean rows ``(n, d)``, from what the network said."""
        alpha_bar = self.alpha_bars.to(x.device)[timestep][:, None].float()
        return (x - (1 - alpha_bar).sqrt() * said) / alpha_bar.sqrt()

    def loss(self, network: nn.Module, y: Tensor, condition: Tensor, generator: torch.Generator) -> Tensor:
        """Mean squared error of the predicted noise (Ho et al. 2020, Equation 14)."""
        timestep = self.draw_levels(len(y), generator).to(y.device)
        noise = torch.randn(y.shape, generator=generator).to(y.device)
        return ((network(self.add(y, timestep, noise), self.embed(timestep), condition) - noise) ** 2).mean()

    @torch.no_grad()
    def sample(
        self,
        network: nn.Module,
        n_variables: int,
        condition: Tensor,
        generator: torch.Generator,
        guidance: Guidance | None = None,
    ) -> Tensor:
        """Clean rows, one for each row of the condition, float32 ``(n, n_variables)``.

        With guidance each mean moves by Σ g (ClavaDDPM, Equation 4). NOTE[DIFF]: the gradient is taken at x_t, not at
        the mean, as in the published codes.
        """

        def denoised(x: Tensor, t: int) -> Tensor:
            timestep = torch.full((len(x),), t, device=x.device)
            clean = self.clean(network(x, self.embed(timestep), condition), x, timestep)
            if guidance is None:
                return clean
            alpha_bar, beta = float(self.alpha_bars[t]), float(self.betas[t])
            return clean + (1 - alpha_bar) * math.sqrt((1 - beta) / alpha_bar) * guidance(x, timestep)

        x = torch.randn(len(condition), n_variables, generator=generator).to(condition.device)
        return self.solve(denoised, x, generator)

    @torch.no_grad()
    def solve(self, denoised: Callable[[Tensor, int], Tensor], noise: Tensor, generator: torch.Generator) -> Tensor:
        """From standard normal noise of any shape to clean values: ancestral sampling with variance β_t.

        Ho et al. 2020, Algorithm 2, whose mean is written with the expected clean values.

        Args:
            denoised: from noisy values and their timestep to the expected clean values.
        """
        x = noise
        betas, alpha_bars = self.betas.tolist(), self.alpha_bars.tolist()
        for t in reversed(range(self.n_steps)):
            said = (x - math.sqrt(alpha_bars[t]) * denoised(x, t)) / math.sqrt(1 - alpha_bars[t])
            mean = (x - betas[t] / math.sqrt(1 - alpha_bars[t]) * said) / math.sqrt(1 - betas[t])
            if t == 0:
                return mean
            x = mean + math.sqrt(betas[t]) * torch.randn(x.shape, generator=generator).to(x.device)
        return x
