"""Diffusion over rows of standard normal variables: noise, networks, the training loop."""

from __future__ import annotations

from .ddpm import DiscreteNoise
from .edm import ContinuousNoise
from .networks import Guidance

__all__ = ["ContinuousNoise", "DiscreteNoise", "Guidance", "Noise"]

Noise = ContinuousNoise | DiscreteNoise
