"""Sampling: all rows of all tables step together from noise to values, a few thousand at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ..diffusion import Noise
from .denoiser import GraphDenoiser
from .subgraphs import RowGraph

__all__ = ["sample_rows"]

_SAMPLE_ROWS = 4096  # rows denoised at a time, each with its neighbourhood


@torch.no_grad()
def sample_rows(
    network: GraphDenoiser,
    graph: RowGraph,
    noise: Noise,
    kept: Mapping[str, Tensor],
    generator: torch.Generator,
    *,
    known: Mapping[str, tuple[Tensor, Tensor]] | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> dict[str, Tensor]:
    """Clean values of every table that is drawn, float32 ``(n_rows, n_variables)``.

    Args:
        kept: by table that is given whole, its clean values.
        known: by table that is drawn, cells whose clean values are given: which, bool ``(n_rows, n_variables)``, and
            the values. Their expected clean value is what it is, so the noise they start with fades to it.
    """
    sizes = {table: (graph.n_rows[table], network.specs[table].n_variables) for table in network.drawn}
    device = next(network.parameters()).device

    def split(state: Tensor) -> dict[str, Tensor]:
        parts = state.split([n * d for n, d in sizes.values()])
        return {table: part.view(size) for (table, size), part in zip(sizes.items(), parts, strict=True)}

    def denoised(state: Tensor, level: float) -> Tensor:
        x, clean = split(state), torch.empty_like(state)
        result = split(clean)

        def values(table: str, rows: Tensor, levels: Tensor) -> Tensor:
            if table in kept:
                return kept[table][rows]
            return x[table][rows] if table in x else torch.zeros(len(rows), 0, device=device)

        for table, (n, _) in sizes.items():
            for start in range(0, n, _SAMPLE_ROWS):
                rows = torch.arange(start, min(start + _SAMPLE_ROWS, n), device=device)
                levels = torch.full((len(rows),), level, device=device)  # a timestep stays a whole number
                said = network(graph, table, rows, x[table][rows], levels, noise, values, generator)
                result[table][rows] = noise.clean(said, x[table][rows], levels)
                progress(len(rows))
            if known and table in known:
                which, given = known[table]
                result[table][which] = given[which]
        return clean

    start = torch.randn(sum(n * d for n, d in sizes.values()), generator=generator).to(device)
    return split(noise.solve(denoised, start, generator))
