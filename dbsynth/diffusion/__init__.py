"""Diffusion over rows of standard normal variables: noise, networks, the training loop."""

from __future__ import annotations

from ..config import Settings
from .ddpm import DiscreteNoise
from .edm import ContinuousNoise
from .networks import Guidance

__all__ = ["ContinuousNoise", "DiscreteNoise", "Guidance", "Noise", "make_noise"]

Noise = ContinuousNoise | DiscreteNoise


def make_noise(settings: Settings) -> Noise:
    """The noise that the settings name."""
    return ContinuousNoise(settings.n_steps) if settings.noise == "continuous" else DiscreteNoise(settings.n_steps)
