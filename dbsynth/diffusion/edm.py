"""Continuous noise levels: the preconditioned denoiser of EDM and a few-step sampler.

x = y + σ n with y the clean row (standard normal in every variable, so σ_data = 1) and n standard normal. From Karras
et al., "Elucidating the Design Space of Diffusion-Based Generative Models" (2022), and Lu et al., "DPM-Solver++"
(2022).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from .networks import Guidance

__all__ = ["ContinuousNoise", "karras_sigmas"]

def karras_sigmas(n_steps: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """Noise levels from σ_max down to σ_min, then 0, float32 ``(n_steps + 1,)`` (Karras et al. 2022, Equation 5)."""
    ramp = torch.linspace(0, 1, n_steps, dtype=torch.float64)
    inner = sigma_max ** (1 / rho) + ramp * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))
    return torch.cat([inner**rho, torch.zeros(1, dtype=torch.float64)]).float()


@dataclass(frozen=True)
class ContinuousNoise:
    """Noise of any level σ, drawn log-normally in training.

    Attributes:
        n_steps: network evaluations a sampled row costs.
        log_sigma_mean, log_sigma_std: of ln σ in training (Karras et al. 2022, Table 1: P_mean and P_std).
    """

    n_steps: int = 25
    sigma_min: float = 0.005
    sigma_max: float = 40.0
    log_sigma_mean: float = -1.0
    log_sigma_std: float = 1.4

    def draw_levels(self, n: int, generator: torch.Generator) -> Tensor:
        """Training's noise levels, one for each row, float32 ``(n,)``; stratified, so that a batch covers them all."""
        u = (torch.arange(n) + torch.rand(n, generator=generator)) / n
        u = u[torch.randperm(n, generator=generator)].clamp(1e-5, 1 - 1e-5)
        return torch.exp(self.log_sigma_mean + self.log_sigma_std * torch.special.ndtri(u))

    def add(self, y: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
        """Noisy rows ``(n, d)``."""
        return y + sigma[:, None] * noise

    def embed(self, sigma: Tensor) -> Tensor:
        """The level as the networks take it, ``(n,)``, about within [-2, 2] (Karras et al. 2022: c_noise)."""
        return torch.log(sigma.clamp_min(1e-8)) / 2

    def scaled(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Noisy rows of unit variance, as the networks take them (Karras et al. 2022: c_in)."""
        return x / (sigma[:, None] ** 2 + 1).sqrt()

    def posterior(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """What a noisy value alone says of the clean one: mean ``(n, d)`` and standard deviation ``(n,)``."""
        variance = sigma**2 + 1
        return x / variance[:, None], sigma / variance.sqrt()

    def target(self, y: Tensor, x: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
        """What the network is to say of noisy rows: equally hard at all levels (Karras et al. 2022, Equation 8)."""
        variance = sigma[:, None] ** 2 + 1
        return (y - x / variance) * variance.sqrt() / sigma[:, None]

    def clean(self, said: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """The expected clean rows D(x; σ) ``(n, d)``, from what the network said (Karras et al. 2022, Equation 7)."""
        variance = sigma[:, None] ** 2 + 1
        return x / variance + sigma[:, None] / variance.sqrt() * said

    def denoise(self, network: nn.Module, x: Tensor, sigma: Tensor, condition: Tensor) -> Tensor:
        """D(x; σ) of a network that hears a condition."""
        return self.clean(network(self.scaled(x, sigma), self.embed(sigma), condition), x, sigma)

    def loss(self, network: nn.Module, y: Tensor, condition: Tensor, generator: torch.Generator) -> Tensor:
        """Mean squared error of the network's own output, which weights all levels alike (Equation 8)."""
        sigma = self.draw_levels(len(y), generator).to(y.device)
        noise = torch.randn(y.shape, generator=generator).to(y.device)
        x = self.add(y, sigma, noise)
        error = self.denoise(network, x, sigma, condition) - y
        weight = (sigma**2 + 1) / sigma**2
        return (weight[:, None] * error**2).mean()

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

        DPM-Solver++(2M) (Lu et al. 2022, Algorithm 2) over Karras' levels. With guidance the denoised rows move by
        σ² ∇ₓ log p(c | x), which is the score's sum in Equation 3 of ClavaDDPM.
        """
        def denoised(x: Tensor, sigma: float) -> Tensor:
            level = torch.full((len(x),), sigma, device=x.device)
            clean = self.denoise(network, x, level, condition)
            return clean if guidance is None else clean + sigma**2 * guidance(x, level)

        return self.solve(denoised, torch.randn(len(condition), n_variables, generator=generator).to(condition.device))

    @torch.no_grad()
    def solve(
        self, denoised: Callable[[Tensor, float], Tensor], noise: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """From standard normal noise of any shape to clean values, DPM-Solver++(2M); it draws nothing more.

        Args:
            denoised: from noisy values and their level to the expected clean values.
        """
        sigmas = karras_sigmas(self.n_steps, self.sigma_min, self.sigma_max).tolist()
        x = noise * sigmas[0]
        previous = None
        for i, (sigma, next_sigma) in enumerate(pairwise(sigmas)):
            estimate = clean = denoised(x, sigma)
            if next_sigma == 0:
                return clean
            h = math.log(sigma / next_sigma)
            if previous is not None:
                r = math.log(sigmas[i - 1] / sigma) / h
                estimate = (1 + 1 / (2 * r)) * clean - 1 / (2 * r) * previous
            x = (next_sigma / sigma) * x - math.expm1(-h) * estimate
            previous = clean
        return x
