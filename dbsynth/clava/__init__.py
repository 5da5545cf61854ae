"""ClavaDDPM: cluster latent variable guided diffusion over related tables (Pang et al., NeurIPS 2024)."""

from .pipeline import ClavaModel, fit, generate

__all__ = ["ClavaModel", "fit", "generate"]
