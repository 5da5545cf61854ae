"""Classifier guidance: the gradient of log p(c | x_t) that turns an unconditional denoiser to a cluster label."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ..diffusion import Noise

__all__ = ["classifier_loss", "label_gradient"]


def classifier_loss(
    classifier: nn.Module, noise: Noise, y: Tensor, labels: Tensor, generator: torch.Generator
) -> Tensor:
    """Cross entropy of the label of a noisy row, at training's noise levels.

    Args:
        y: clean rows, float32 ``(n, n_variables)``.
        labels: int64 ``(n,)``.
    """
    level = noise.draw_levels(len(y), generator).to(y.device)
    x = noise.add(y, level, torch.randn(y.shape, generator=generator).to(y.device))
    return nn.functional.cross_entropy(classifier(noise.scaled(x, level), noise.embed(level)), labels)


def label_gradient(
    classifiers: Sequence[nn.Module], noise: Noise, labels: Sequence[Tensor], guidance_scale: float
) -> Callable[[Tensor, Tensor], Tensor]:
    """η ∇ₓ Σ_e log p(c_e | x_t): one term for each parent whose label the row is drawn for.

    Args:
        labels: per classifier int64 ``(n,)``.
    """

    def gradient(x: Tensor, level: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            scaled, embedded = noise.scaled(x, level), noise.embed(level)
            total = sum(
                -nn.functional.cross_entropy(classifier(scaled, embedded), label, reduction="sum")
                for classifier, label in zip(classifiers, labels, strict=True)
            )
            (slope,) = torch.autograd.grad(total, x)
        return guidance_scale * slope

    return gradient
