"""The networks: the small residual denoiser, and the paper's denoiser and classifier."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["ResidualDenoiser"]


class _LevelEmbedding(nn.Module):
    """Sines and cosines of the noise level. Input ``(n,)``, output ``(n, dim)``."""

    def __init__(self, dim: int, lowest: float, highest: float) -> None:
        super().__init__()
        frequencies = torch.exp(torch.linspace(math.log(lowest), math.log(highest), dim // 2))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, level: Tensor) -> Tensor:
        angles = level[:, None] * self.frequencies
        return torch.cat([angles.cos(), angles.sin()], dim=1)


class ResidualDenoiser(nn.Module):
    """A few residual blocks at a small width, with the level and the condition added at the door.

    Shape:
        x ``(n, n_variables)``, level ``(n,)``, condition ``(n, n_conditions)`` -> ``(n, n_variables)``.
    """

    def __init__(self, n_variables: int, n_conditions: int, width: int = 128, n_blocks: int = 3) -> None:
        super().__init__()
        self.rows = nn.Linear(n_variables, width)
        self.condition = nn.Linear(n_conditions, width, bias=False) if n_conditions else None
        self.level = nn.Sequential(_LevelEmbedding(32, 0.5, 8.0), nn.Linear(32, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
            for _ in range(n_blocks)
        )
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, n_variables))
        nn.init.zeros_(self.out[1].weight)
        nn.init.zeros_(self.out[1].bias)

    def forward(self, x: Tensor, level: Tensor, condition: Tensor) -> Tensor:
        h = self.rows(x) + self.level(level)
        if self.condition is not None:
            h = h + self.condition(condition)
        for block in self.blocks:
            h = h + block(h)
        return self.out(h)
