"""The graph of rows: who is whose neighbour, and what is known of a row before any of its values.

Neighbours are looked up for a few rows at a time, never for the whole database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..encoded import EncodedDatabase
from ..latents.latent import Latent
from .structure import Drawn

__all__ = ["Neighbours", "RowGraph", "label_offsets", "row_graph"]


@dataclass(frozen=True)
class Neighbours:
    """One foreign key in both directions.

    Attributes:
        parents: int64 ``(n_children,)``, -1 for null.
        children: int64, the child rows with a parent, sorted by it.
        starts, sizes: int64 ``(n_parents,)``, where each parent's children begin and how many there are.
    """

    parents: Tensor
    children: Tensor
    starts: Tensor
    sizes: Tensor

    @classmethod
    def of(cls, parents: np.ndarray, n_parents: int, device: str) -> Neighbours:
        held = np.flatnonzero(parents >= 0)
        children = held[np.argsort(parents[held], kind="stable")]
        sizes = np.bincount(parents[held], minlength=n_parents)
        starts = np.cumsum(sizes) - sizes
        return cls(*(torch.from_numpy(np.asarray(a, np.int64)).to(device) for a in (parents, children, starts, sizes)))

    def some_children(
        self, rows: Tensor, most: int, generator: torch.Generator, but: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Up to ``most`` children of each row, one from each of as many equal parts of them.

        Args:
            rows: int64 ``(n,)``, parent rows.
            but: int64 ``(n,)``, a child of each that is not to be among them.

        Returns:
            Child rows int64 ``(m,)``, and for each the position in ``rows`` of its parent.
        """
        sizes, slot = self.sizes[rows, None], torch.arange(most, device=rows.device)
        u = torch.rand(len(rows), most, generator=generator).to(rows.device)
        place = torch.where(sizes <= most, slot, ((slot + u) * sizes / most).long().clamp_max(sizes - 1))
        owner, k = torch.nonzero(slot < sizes, as_tuple=True)
        children = self.children[self.starts[rows[owner]] + place[owner, k]]
        if but is not None:
            other = children != but[owner]
            children, owner = children[other], owner[other]
        return children, owner


@dataclass(frozen=True)
class RowGraph:
    """Rows before their values.

    Attributes:
        n_rows: by table.
        neighbours: by edge.
        labels: by table int32 ``(n_rows, n_edges)``: the label of each edge's group, of the row's own children first,
            then of the groups it belongs to; each edge's labels numbered after those of the one before.
        sizes: by table float32 ``(n_rows, n_edges)``: the sizes of these groups, log(1 + s) on a scale of about 1.
        unknown: by table int32 ``(n_edges,)``, what stands for a label that nobody knows.
    """

    n_rows: Mapping[str, int]
    neighbours: Mapping[str, Neighbours]
    labels: Mapping[str, Tensor]
    sizes: Mapping[str, Tensor]
    unknown: Mapping[str, Tensor]

    @property
    def unlabelled(self) -> RowGraph:
        """The graph with no label known."""
        return replace(self, labels={t: self.unknown[t].expand(n, -1) for t, n in self.n_rows.items()})


def label_offsets(database: EncodedDatabase, latents: Mapping[str, Latent], table: str) -> list[int]:
    """Where each edge's labels begin in the table's common numbering, and last their number.

    A group has one of its edge's labels, the one after for no children, the next for a null key, or the last: unknown.
    """
    edges = [*database.edges_to(table), *database.edges_of(table)]
    return [0, *np.cumsum([latents[edge.name].n_labels + 3 for edge in edges]).tolist()]


def row_graph(
    database: EncodedDatabase, latents: Mapping[str, Latent], structure: Drawn, device: str
) -> RowGraph:
    """A structure as the denoiser hears it.

    Args:
        latents: whose cuts and size scales count; labels and sizes are the structure's.
    """
    neighbours = {
        edge.name: Neighbours.of(structure.parents[edge.name], structure.n_rows[edge.parent], device)
        for edge in database.edges
    }
    labels, sizes, unknown = {}, {}, {}
    for table in database.tables:
        of_row, log_sizes = [], []
        offsets = label_offsets(database, latents, table)
        for edge in [*database.edges_to(table), *database.edges_of(table)]:
            latent = latents[edge.name]
            label = np.append(structure.labels[edge.name], latent.n_labels + 1)
            size = np.append(np.log1p(structure.sizes[edge.name]) / latent.size_scale, 0.0)
            group = np.arange(structure.n_rows[table]) if edge.parent == table else structure.parents[edge.name]
            of_row.append(label[group] + offsets[len(of_row)])
            log_sizes.append(size[group])
        n = structure.n_rows[table]
        unknown[table] = torch.tensor(offsets[1:], dtype=torch.int32, device=device) - 1
        labels[table] = torch.from_numpy(
            (np.stack(of_row, 1) if of_row else np.empty((n, 0))).astype(np.int32)
        ).to(device)
        sizes[table] = torch.from_numpy(
            (np.stack(log_sizes, 1) if log_sizes else np.empty((n, 0))).astype(np.float32)
        ).to(device)
    return RowGraph(structure.n_rows, neighbours, labels, sizes, unknown)
