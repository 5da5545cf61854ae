"""The networks: the small residual denoiser, and the paper's denoiser and classifier.

Each remembers the `arguments` it was made with, so that it can be made again from a bundle, and names its `hidden`
matrices, which are neither entrance nor exit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["Classifier", "Guidance", "LevelEmbedding", "MLPDenoiser", "ResidualDenoiser"]

Guidance = Callable[[Tensor, Tensor], Tensor]  # (noisy rows, noise level of each row) -> gradient of log p(c | x)


class LevelEmbedding(nn.Module):
    """Sines and cosines of the noise level. Input ``(n,)``, output ``(n, dim)``."""

    def __init__(self, dim: int, lowest: float, highest: float) -> None:
        super().__init__()
        frequencies = torch.exp(torch.linspace(math.log(lowest), math.log(highest), dim // 2))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, level: Tensor) -> Tensor:
        angles = level[:, None] * self.frequencies
        return torch.cat([angles.cos(), angles.sin()], dim=1)


class ResidualDenoiser(nn.Module):
    """A few residual blocks of one width, one for each of ``layers``; level and condition are added at the door.

    Shape:
        x ``(n, n_variables)``, level ``(n,)``, condition ``(n, n_conditions)`` -> ``(n, n_variables)``.
    """

    def __init__(self, n_variables: int, n_conditions: int, layers: Sequence[int]) -> None:
        super().__init__()
        self.arguments = {"n_variables": n_variables, "n_conditions": n_conditions, "layers": list(layers)}
        width = layers[0]
        self.rows = nn.Linear(n_variables, width)
        self.condition = nn.Linear(n_conditions, width, bias=False) if n_conditions else None
        embedding = LevelEmbedding(32, 0.5, 8.0)
        self.level = nn.Sequential(embedding, nn.Linear(32, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
            for _ in layers
        )
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, n_variables))
        nn.init.zeros_(self.out[1].weight)
        nn.init.zeros_(self.out[1].bias)

    @property
    def hidden(self) -> list[nn.Parameter]:
        return [weights for weights in self.blocks.parameters() if weights.ndim == 2]

    def forward(self, x: Tensor, level: Tensor, condition: Tensor) -> Tensor:
        h = self.rows(x) + self.level(level)
        if self.condition is not None:
            h = h + self.condition(condition)
        for block in self.blocks:
            h = h + block(h)
        return self.out(h)


def _mlp(widths: Sequence[int], n_out: int) -> nn.Sequential:
    """Plain layers with ReLU between them."""
    layers: list[nn.Module] = []
    for n_in, width in pairwise(widths):
        layers += [nn.Linear(n_in, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], n_out))


class _Entrance(nn.Module):
    """Rows and level into one vector (TabDDPM): Linear(x) + MLP(embedding of the timestep)."""

    def __init__(self, n_in: int, dim: int = 128) -> None:
        super().__init__()
        self.rows = nn.Linear(n_in, dim)
        embedding = LevelEmbedding(dim, 1e-4, 1.0)
        self.level = nn.Sequential(embedding, nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return self.rows(x) + self.level(level)


class MLPDenoiser(nn.Module):
    """The paper's denoiser (ClavaDDPM, Appendix C.3.2): plain layers behind the timestep's embedding.

    Shape:
        x ``(n, n_variables)``, level ``(n,)``, condition ``(n, n_conditions)`` -> ``(n, n_variables)``.
    """

    def __init__(self, n_variables: int, n_conditions: int, layers: Sequence[int]) -> None:
        super().__init__()
        self.arguments = {"n_variables": n_variables, "n_conditions": n_conditions, "layers": list(layers)}
        self.entrance = _Entrance(n_variables + n_conditions)
        self.layers = _mlp([128, *layers], n_variables)

    @property
    def hidden(self) -> list[nn.Parameter]:
        return [weights for weights in self.layers[:-1].parameters() if weights.ndim == 2]

    def forward(self, x: Tensor, level: Tensor, condition: Tensor) -> Tensor:
        return self.layers(self.entrance(torch.cat([x, condition], dim=1), level))


class Classifier(nn.Module):
    """p(c | x_t), the cluster label of a noisy row (ClavaDDPM, Appendix C.3.1).

    Shape:
        x ``(n, n_variables)``, level ``(n,)`` -> logits ``(n, n_labels)``.
    """

    def __init__(self, n_variables: int, n_labels: int, layers: Sequence[int]) -> None:
        super().__init__()
        self.arguments = {"n_variables": n_variables, "n_labels": n_labels, "layers": list(layers)}
        self.entrance = _Entrance(n_variables)
        self.layers = _mlp([128, *layers], n_labels)

    @property
    def hidden(self) -> list[nn.Parameter]:
        return [weights for weights in self.layers[:-1].parameters() if weights.ndim == 2]

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return self.layers(self.entrance(x, level))
