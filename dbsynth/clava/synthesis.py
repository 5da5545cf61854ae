"""Phase III: tables from noise, each child after the parents it was matched to (Algorithm 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..columns.ranks import spread_ranks
from ..diffusion import make_noise
from ..encoded import Edge
from ..groups import fit_total
from ..latents.kinship import bonds, draw_kin, exchangeable, in_turn
from ..latents.matching import asked_by_row, draw_tuples, match_rows, part_duplicates
from .condition import Condition, edge_features, gather, row_features
from .guidance import label_gradient

if TYPE_CHECKING:
    from ..diffusion import Guidance
    from .pipeline import ClavaModel

__all__ = ["Synthesis"]

_SAMPLE_ROWS = 16_384  # rows denoised at a time


class Synthesis:
    """The tables drawn so far, parents first."""

    def __init__(self, model: ClavaModel, seed: int, device: str) -> None:
        self.model, self.device = model, device
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.noise = make_noise(model.settings)
        self.ranks: dict[str, np.ndarray] = {}
        self.features: dict[str, np.ndarray] = {}  # by table with children, as these hear it
        self.labels: dict[str, np.ndarray] = {}  # by edge, of each parent row
        self.sizes: dict[str, np.ndarray] = {}  # by edge, of each parent row
        self.parents: dict[str, np.ndarray] = {}  # by edge, of each child row

    def draw(self, table: str, n: int, advance: Callable[[int], None]) -> None:
        """One table: places at its parents, values, then labels and group sizes for its children."""
        database = self.model.database
        edges = database.edges_of(table)
        if table in database.kept:
            codes = database.tables[table]
            ranks = codes.draw(self.rng)
            for edge in edges:
                self.parents[edge.name] = edge.rows
            for edge in database.edges_to(table):
                latent = self.model.latents[edge.name]
                self.labels[edge.name], self.sizes[edge.name] = latent.labels, latent.sizes
            advance(n)
        else:
            anchor = self._meet(table, n) if edges else None
            n = len(self.parents[edges[0].name]) if edges else n
            heard = [True] * len(edges)
            z = self._rows(table, n, heard, advance) if anchor is None else anchor
            ranks = spread_ranks(z, self.rng)
            ranks = self._take_labels(table, ranks)
        self.ranks[table] = ranks
        if database.edges_to(table):
            of_parents = [gather(self.features[e.parent], self.parents[e.name]) for e in edges]
            self.features[table] = row_features(database.tables[table], ranks, of_parents)

    def _take_labels(self, table: str, ranks: np.ndarray) -> np.ndarray:
        """Read labels and group sizes from the columns they added; what remains are the table's own columns."""
        own, augmentation = len(self.model.database.tables[table].cuts), self.model.augmentations[table]
        for edge in self.model.database.edges_to(table):  # of a table that has no rows to learn them from
            self.labels[edge.name] = self.sizes[edge.name] = np.zeros(len(ranks), dtype=np.int64)
        if augmentation is not None:
            labels, sizes = augmentation.read(ranks[:, own:], self.model.latents, self.rng)
            self.labels |= labels
            self.sizes |= sizes
        return ranks[:, :own]

    def _meet(self, table: str, n: int) -> np.ndarray | None:
        """Give the child's ``n`` rows their parents; the anchor's rows, where versions were drawn and are to stay."""
        database, settings = self.model.database, self.model.settings
        edges = database.edges_of(table)
        wanted = draw_tuples(*self.model.meetings[table], n, self.rng)
        for j, edge in enumerate(edges):
            if edge.one_to_one:  # no more rows than parents
                surplus = np.flatnonzero(wanted[:, j] >= 0)[len(self.sizes[edge.name]) :]
                wanted = np.delete(wanted, surplus, axis=0)
        n = len(wanted)
        self.parents |= {edge.name: np.full(n, -1, dtype=np.int64) for edge in edges}  # until they are drawn
        known = asked_by_row(edges, database.kept)
        anchor, met = None, []
        # Who is asked for by name comes first.
        for j in sorted(range(len(edges)), key=lambda j: (not known[j], *in_turn(self.model.kinships, edges[j]))):
            edge = edges[j]
            places = self._places(edge, wanted[:, j] >= 0)
            if len(edges) > 1 and settings.matching and settings.meeting == "values":
                # Nulls are places, too: a row without this parent is matched like any other.
                places = self.rng.permutation(np.r_[places, np.full(n - len(places), -1)])
                self.parents[edge.name] = places
                version = self._rows(table, n, [i == j for i in range(len(edges))])
                if anchor is None:
                    anchor, match = version, np.arange(n)
                else:
                    match = match_rows(anchor, version, seed=int(self.rng.integers(2**31)))
                self.parents[edge.name] = places[match]
                continue
            rows = np.flatnonzero(wanted[:, j] >= 0)
            parents = np.full(n, -1, dtype=np.int64)
            if settings.matching:
                parents[rows] = self._match(edge, rows, wanted[rows, j], places, known[j], met)
            else:
                parents[rows] = self.rng.permutation(places)
            self.parents[edge.name] = parents
            met.append(edge.name)
        stay = self._part_duplicates(table)
        # A denoiser that hears all parents draws the rows anew; the classifier's versions stay, as in the paper.
        return anchor[stay] if anchor is not None and settings.guidance == "classifier" else None

    def _match(
        self, edge: Edge, rows: np.ndarray, wanted: np.ndarray, places: np.ndarray, by_row: bool, met: Sequence[str]
    ) -> np.ndarray:
        """The parents of these rows, by the label (or row) they ask for, and relatives of those they have."""
        labels = np.arange(len(self.sizes[edge.name])) if by_row else self.labels[edge.name]
        known = {} if by_row else {name: self.parents[name][rows] for name in met}
        found = bonds(self.model.kinships, edge.name, np.arange(len(labels)), known, self.parents)
        return draw_kin(found, wanted, places, labels, self.rng, one_to_one=edge.one_to_one)

    def _places(self, edge: Edge, held: np.ndarray) -> np.ndarray:
        """The parent row of each place in the groups of an edge, as many as rows hold the key, int64."""
        sizes = fit_total(
            self.sizes[edge.name], int(held.sum()), self.rng, largest=1 if edge.one_to_one else None
        )
        self.sizes[edge.name] = sizes
        return np.repeat(np.arange(len(sizes)), sizes)

    def _part_duplicates(self, table: str) -> np.ndarray:
        """Part rows that must not share all their parents; what cannot be parted is dropped. Row numbers that stay."""
        edges = self.model.database.edges_of(table)
        stay = np.arange(len(self.parents[edges[0].name]))
        for names in self.model.database.distinct:
            chosen = [e for e in edges if e.name in names]
            if len(chosen) < 2 or len(chosen) < len(names):
                continue
            parents = [self.parents[e.name].copy() for e in chosen]
            alike, bound = zip(*(
                exchangeable(self.model.kinships, e.name, self.labels[e.name], self.parents) for e in chosen
            ), strict=True)  # fmt: skip
            hopeless = part_duplicates(parents, alike, bound, self.rng)
            for edge, rows in zip(chosen, parents, strict=True):
                self.parents[edge.name] = rows
            stay = stay[~hopeless]
            for edge in edges:
                self.parents[edge.name] = self.parents[edge.name][~hopeless]
        return stay

    def _rows(
        self, table: str, n: int, heard: Sequence[bool], advance: Callable[[int], None] = lambda rows: None
    ) -> np.ndarray:
        """Sample rows of T = (R; C) given the parents that are heard, float32 ``(n, n_variables)``."""
        model = self.model
        edges = model.database.edges_of(table)
        augmentation = model.augmentations[table]
        n_variables = len(model.database.tables[table].cuts) + (augmentation.n_variables if augmentation else 0)
        if table not in model.denoisers:
            advance(n)
            return np.zeros((n, n_variables), dtype=np.float32)
        heard_edges = [e for e, h in zip(edges, heard, strict=True) if h and e.name in model.classifiers]
        condition = self._condition(edges, n)
        network = model.denoisers[table].to(self.device)
        batches = []
        for start in range(0, n, _SAMPLE_ROWS):
            rows = torch.arange(start, min(start + _SAMPLE_ROWS, n), device=self.device)
            mask = None if all(heard) else torch.tensor(heard, device=self.device).expand(len(rows), -1)
            batches.append(
                self.noise.sample(
                    network, n_variables, condition.at(rows, mask), self.generator, self._guidance(heard_edges, rows)
                ).cpu()
            )
            advance(len(rows))
        return torch.cat(batches).numpy() if batches else np.zeros((0, n_variables), dtype=np.float32)

    def _condition(self, edges: Sequence[Edge], n: int) -> Condition:
        model = self.model
        if model.settings.guidance == "classifier":
            return Condition((), (), (), n)
        drawn = [
            replace(model.latents[e.name], labels=self.labels[e.name], sizes=self.sizes[e.name]) for e in edges
        ]
        blocks = [
            edge_features(latent, self.features[e.parent] if model.settings.ancestors else None)
            for e, latent in zip(edges, drawn, strict=True)
        ]
        return Condition.of(edges, blocks, self.parents, n, self.device)

    def _guidance(self, edges: Sequence[Edge], rows: Tensor) -> Guidance | None:
        """The gradient towards the labels of these edges' parents; None where there is nothing to steer to."""
        if not edges:
            return None
        labels = []
        for edge in edges:
            parents = self.parents[edge.name][rows.cpu().numpy()]
            ignored = -100  # cross entropy leaves a null key's row alone
            of_rows = np.where(parents >= 0, self.labels[edge.name][parents], ignored)
            labels.append(torch.from_numpy(of_rows).to(self.device))
        classifiers = [self.model.classifiers[edge.name].to(self.device) for edge in edges]
        return label_gradient(classifiers, self.noise, labels, self.model.settings.guidance_scale)
