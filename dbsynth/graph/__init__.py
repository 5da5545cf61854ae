"""GRDM: joint generation of all tables over the graph of their rows (Ketata et al., NeurIPS 2025)."""

from .pipeline import GraphModel, fit, generate

__all__ = ["GraphModel", "fit", "generate"]
