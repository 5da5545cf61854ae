"""The rows that networks are trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["TrainingRows"]


@dataclass(frozen=True)
class TrainingRows:
    """Rows as rank intervals, float32 tensors ``(n_rows, n_variables)``."""

    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, low: np.ndarray, high: np.ndarray, device: str = "cpu") -> TrainingRows:
        return cls(*(torch.from_numpy(bound.astype(np.float32, copy=False)).to(device) for bound in (low, high)))

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """The rows' codes, about standard normal, every tie spread anew over its interval."""
        low, high = self.low[rows], self.high[rows]
        u = low + (high - low) * torch.rand(low.shape, generator=generator).to(low.device)
        return torch.special.ndtri(u.clamp(1e-6, 1 - 1e-6))
