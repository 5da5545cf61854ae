"""Sampling: all rows of all tables step together from noise to values, a few thousand at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..diffusion import Noise
from .denoiser import GraphDenoiser
from .subgraphs import RowGraph

__all__ = ["Cells", "sample_rows"]

_SAMPLE_ROWS = 4096  # rows denoised at a time, each with its neighbourhood


@dataclass(frozen=True)
class Cells:
    """The cells of a table that are not to be drawn freely.

    Attributes:
        fixed: bool ``(n_rows, n_variables)``, cells whose clean value is given.
        values: float32 ``(n_rows, n_variables)``, their clean values; anything elsewhere.
        choices: per variable of which some rows may have one of several categories: these rows, int64 ``(m,)``; which
            set of categories each may have, int64 ``(m,)``; the sets, bool ``(n_sets, n_categories)``; the bounds of
            the categories, standard normal, float32 ``(n_categories + 1,)``, from minus to plus infinity.
    """

    fixed: Tensor
    values: Tensor
    choices: Mapping[int, tuple[Tensor, Tensor, Tensor, Tensor]] = field(default_factory=dict)

    def hold(self, clean: Tensor, spread: float) -> None:
        """Put what is known into the expected clean values ``(n_rows, n_variables)``, which may be off by ``spread``.

        The expectation of a normal variable that lies in one of some intervals: with much noise it is their middle,
        with little the bound that is closest.
        """
        clean[self.fixed] = self.values[self.fixed]
        for j, (rows, which, sets, bounds) in self.choices.items():
            for some, chosen in zip(rows.split(_SAMPLE_ROWS), which.split(_SAMPLE_ROWS), strict=True):
                clean[some, j] = _expected_within(clean[some, j], spread, sets[chosen], bounds)


def _expected_within(mean: Tensor, std: float, allowed: Tensor, bounds: Tensor) -> Tensor:
    """E[z | z in an allowed interval] of normal variables, float32 ``(m,)``."""
    lower, upper = bounds[:-1], bounds[1:]
    at = (bounds - mean[:, None]) / std
    mass = torch.special.ndtr(at).diff(dim=1) * allowed
    density = torch.exp(-(at**2) / 2) / (2 * torch.pi) ** 0.5
    total = mass.sum(1)
    expected = mean - std * (density.diff(dim=1) * allowed).sum(1) / total
    nearest = torch.clamp(mean[:, None].expand_as(allowed), lower, upper)
    away = torch.where(allowed, (nearest - mean[:, None]).abs(), torch.inf)
    closest = nearest.gather(1, away.argmin(1, keepdim=True))[:, 0]
    return torch.where(total > 1e-6, expected, closest)


@torch.no_grad()
def sample_rows(
    network: GraphDenoiser,
    graph: RowGraph,
    noise: Noise,
    kept: Mapping[str, Tensor],
    generator: torch.Generator,
    *,
    known: Mapping[str, Cells] | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> dict[str, Tensor]:
    """Clean values of every table that is drawn, float32 ``(n_rows, n_variables)``.

    Args:
        kept: by table that is given whole, its clean values.
        known: by table that is drawn, what is known of its cells. The expected clean value of a known cell is what it
            is, so the noise it starts with fades to it, and neighbours hear it through the noise of their own level.
            Rows without a free cell are not denoised at all.
    """
    known = known or {}
    sizes = {table: (graph.n_rows[table], network.specs[table].n_variables) for table in network.drawn}
    device = next(network.parameters()).device
    free = {
        table: torch.nonzero(~known[table].fixed.all(1))[:, 0] if table in known else torch.arange(n, device=device)
        for table, (n, _) in sizes.items()
    }

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

        for table in sizes:
            for rows in free[table].split(_SAMPLE_ROWS):
                levels = torch.full((len(rows),), level, device=device)  # a timestep stays a whole number
                said = network(graph, table, rows, x[table][rows], levels, noise, values, generator)
                result[table][rows] = noise.clean(said, x[table][rows], levels)
                progress(len(rows))
            if table in known:
                one = torch.full((1,), level, device=device)
                known[table].hold(result[table], float(noise.posterior(torch.zeros(1, 1, device=device), one)[1]))
        return clean

    start = torch.randn(sum(n * d for n, d in sizes.values()), generator=generator).to(device)
    return split(noise.solve(denoised, start, generator))
