"""What a child row hears of its parents: the cluster label, and beside it the parent row and its ancestors.

The label is the paper's condition p(x | c): it brings what the rows of one group share. NOTE[DIFF]: with
`ancestors`, the parent's own columns and those of its ancestors come beside it, which p(x | c) blurs into k classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..columns.codec import Codes, normal
from ..encoded import Edge
from ..latents.latent import Latent

__all__ = ["Condition", "edge_features", "gather", "row_features"]

_MAX_ONE_HOT = 128  # categories that a parent's nominal column may have to be heard one by one


def row_features(codes: Codes, ranks: np.ndarray, of_parents: Sequence[np.ndarray]) -> np.ndarray:
    """Rows as their children hear them, float32 ``(n, n_features)``: codes, categories, their own parents' features.

    Args:
        codes: of the table.
        ranks: of the rows, float ``(n, n_variables)``.
    """
    features = [normal(ranks), *codes.members_at(ranks)]
    for j, upper in enumerate(codes.cuts):
        if upper is not None and 2 < len(upper) <= _MAX_ONE_HOT:
            features.append(np.eye(len(upper), dtype=np.float32)[codes.categories(ranks, j)])
    return np.concatenate([*features, *of_parents], axis=1).astype(np.float32)


def gather(features: np.ndarray, parent_rows: np.ndarray) -> np.ndarray:
    """The parents' features for each child row, zeros where the key is null."""
    padded = np.concatenate([features, np.zeros((1, features.shape[1]), features.dtype)])
    return padded[parent_rows]


def edge_features(latent: Latent, features: np.ndarray | None) -> np.ndarray:
    """What each parent row tells the children of one edge, float32 ``(n_parents + 2, n_conditions)``.

    The label's indicator, the group's size on a log scale, and the parent's features unless they are None. The row
    before the last is a null key's, the last one that of a parent not to be heard.

    Args:
        latent: with the labels and sizes of these parents.
        features: of the parent rows (`row_features`).
    """
    n, n_labels = len(latent.labels), latent.n_labels
    matrix = np.zeros((n + 2, n_labels + 2 + (0 if features is None else features.shape[1])), dtype=np.float32)
    matrix[np.arange(n), latent.labels] = 1
    matrix[n, n_labels] = 1
    matrix[:n, n_labels + 1] = np.log1p(latent.sizes) / latent.size_scale
    if features is not None:
        matrix[:n, n_labels + 2 :] = features
    return matrix


@dataclass(frozen=True)
class Condition:
    """The conditions of a table's rows, gathered batch by batch.

    Attributes:
        edges: the table's edges, in the order of their blocks.
        matrices: per edge what its parents tell, float32 ``(n_parents + 2, n_conditions)``.
        parents: per edge the parent of each row, int64 ``(n_rows,)``, ``n_parents`` for null.
    """

    edges: tuple[Edge, ...]
    matrices: tuple[Tensor, ...]
    parents: tuple[Tensor, ...]
    n_rows: int

    @classmethod
    def of(cls, edges: Sequence[Edge], matrices: Sequence[np.ndarray], parents: Mapping[str, np.ndarray], n_rows: int,
           device: str) -> Condition:  # fmt: skip
        rows = [
            torch.from_numpy(np.where(parents[e.name] < 0, len(m) - 2, parents[e.name])).to(device)
            for e, m in zip(edges, matrices, strict=True)
        ]
        return cls(tuple(edges), tuple(torch.from_numpy(m).to(device) for m in matrices), tuple(rows), n_rows)

    @property
    def width(self) -> int:
        return sum(matrix.shape[1] for matrix in self.matrices)

    def at(self, rows: Tensor, heard: Tensor | None = None) -> Tensor:
        """The condition of these rows, float32 ``(len(rows), width)``.

        Args:
            heard: bool ``(len(rows), n_edges)``, which parents each row hears; None: all of them.
        """
        blocks = []
        for j, (matrix, parents) in enumerate(zip(self.matrices, self.parents, strict=True)):
            parent = parents[rows]
            if heard is not None:
                parent = torch.where(heard[:, j], parent, len(matrix) - 1)
            blocks.append(matrix[parent])
        device = rows.device
        return torch.cat(blocks, dim=1) if blocks else torch.zeros(len(rows), 0, device=device)
