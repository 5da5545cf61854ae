"""ClavaDDPM from end to end: latent learning, training, synthesis (Algorithms 1-3).

`fit` learns a `ClavaModel` from an encoded database; `generate` draws a new one from it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from ..columns.codec import Codes
from ..config import Settings
from ..diffusion import ContinuousNoise, DiscreteNoise, Noise
from ..diffusion.networks import Classifier, MLPDenoiser, ResidualDenoiser
from ..diffusion.training import Schedule, train
from ..encoded import Edge, EncodedDatabase, Generated
from ..groups import fit_total
from ..progress import QUIET, Progress
from .condition import Condition, edge_features, gather, row_features
from .guidance import classifier_loss, label_gradient
from .latent import Augmentation, Latent, learn_augmentation, learn_latents
from .matching import draw_tuples, match_places, match_rows, part_duplicates

__all__ = ["ClavaModel", "fit", "generate"]

_SAMPLE_ROWS = 16_384  # rows denoised at a time


@dataclass(frozen=True)
class ClavaModel:
    """All that is learned.

    Attributes:
        database: the shape of what was learned: the real codes of kept tables only, other tables' cuts and row counts.
        latents: by edge; labels and sizes of real parents are there for kept parents only.
        augmentations: by table, the columns that the labels of its edges add to it, if it has children.
        meetings: by child table with parents, the combinations of parents' labels that rows have, int64
            ``(n_tuples, n_edges)``, -1 for null, and how many rows have each.
        denoisers: by table that has anything to draw.
        classifiers: by edge, for classifier guidance.
    """

    settings: Settings
    database: EncodedDatabase
    n_rows: Mapping[str, int]
    latents: Mapping[str, Latent]
    augmentations: Mapping[str, Augmentation | None]
    meetings: Mapping[str, tuple[np.ndarray, np.ndarray]]
    denoisers: Mapping[str, nn.Module]
    classifiers: Mapping[str, nn.Module]


def fit(database: EncodedDatabase, settings: Settings, *, progress: Progress = QUIET) -> ClavaModel:
    """Learn a database: Algorithm 1, then Algorithm 2.

    Raises:
        TrainingError: a loss is not finite.
    """
    with progress.stage("clustering", total=len(database.edges), unit="keys") as advance:
        latents = learn_latents(database, settings, advance)
    features = _all_features(database, settings.seed)
    augmentations, denoisers, classifiers = {}, {}, {}
    for table in database.tables:
        augmentations[table] = learn_augmentation(database, latents, table, settings)
        rows = _TrainingRows.of(database.tables[table], augmentations[table], latents)
        if table in database.kept or 0 in rows.low.shape:
            continue
        edges = database.edges_of(table)
        if settings.guidance == "classifier":
            denoisers[table] = _train_denoiser(table, rows, _no_condition(rows), settings, progress)
            for edge in edges:
                if (edge.rows >= 0).any():
                    classifiers[edge.name] = _train_classifier(edge, rows, latents[edge.name], settings, progress)
        else:
            blocks = [_edge_block(e, latents[e.name], features, settings) for e in edges]
            condition = Condition.of(edges, blocks, {e.name: e.rows for e in edges}, len(rows.low), settings.device)
            denoisers[table] = _train_denoiser(table, rows, condition, settings, progress)
    meetings = {t: _learn_meetings(database, latents, t) for t in database.tables if database.edges_of(t)}
    return ClavaModel(
        settings, _shape_of(database), {t: len(c) for t, c in database.tables.items()},
        {e.name: _forget(latents[e.name], e.parent in database.kept) for e in database.edges}, augmentations, meetings,
        denoisers, classifiers,
    )  # fmt: skip


def generate(
    model: ClavaModel, *, scale: float = 1.0, seed: int = 0, device: str = "cpu", progress: Progress = QUIET
) -> Generated:
    """Draw a database: Algorithm 3, each child after the parents it was matched to.

    Args:
        scale: synthetic rows per real row, in every table that is not kept.
    """
    synthesis = _Synthesis(model, scale, seed, device)
    for table in model.database.tables:
        real = model.n_rows[table]
        n = real if table in model.database.kept else max(round(scale * real), min(real, 1))
        with progress.stage(f"drawing {table}", total=n, unit="rows") as advance:
            synthesis.draw(table, n, advance)
    kept = model.database.kept
    return Generated({t: r for t, r in synthesis.ranks.items() if t not in kept}, synthesis.parents)


# --- training (Algorithm 2)


@dataclass(frozen=True)
class _TrainingRows:
    """T = (R; C) as rank intervals, float32 tensors ``(n_rows, n_variables)``."""

    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, codes: Codes, augmentation: Augmentation | None, latents: Mapping[str, Latent]) -> _TrainingRows:
        low, high = codes.low, codes.high
        if augmentation is not None:
            more_low, more_high = augmentation.bounds(latents)
            low, high = np.concatenate([low, more_low], axis=1), np.concatenate([high, more_high], axis=1)
        return cls(torch.from_numpy(low.astype(np.float32)), torch.from_numpy(high.astype(np.float32)))

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """The rows' codes, every tie spread anew over its interval."""
        low, high = self.low[rows], self.high[rows]
        u = low + (high - low) * torch.rand(low.shape, generator=generator)
        return torch.special.ndtri(u.clamp(1e-6, 1 - 1e-6))


def _train_denoiser(
    table: str, rows: _TrainingRows, condition: Condition, settings: Settings, progress: Progress
) -> nn.Module:
    noise, seed = _noise(settings), _seed(settings.seed, table)
    network = _denoiser(rows.low.shape[1], condition.width, settings, seed).to(settings.device)
    # Versions of a child hear one parent only; a denoiser that draws them has to have met that in training.
    alone = settings.meeting == "values" and len(condition.edges) > 1

    def loss(network: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        y = rows.draw(batch, generator).to(settings.device)
        heard = _draw_heard(len(batch), len(condition.edges), generator).to(settings.device) if alone else None
        return noise.loss(network, y, condition.at(batch.to(settings.device), heard), generator)

    schedule = Schedule(
        settings.iterations, settings.batch_size, settings.learning_rate, settings.muon, ema=settings.ema,
        held_back=settings.held_back,
    )  # fmt: skip
    with progress.stage(f"training {table}", total=schedule.iterations, unit="steps") as advance:
        train(network, loss, len(rows.low), schedule, name=table, seed=seed, progress=advance)
    return network


def _train_classifier(
    edge: Edge, rows: _TrainingRows, latent: Latent, settings: Settings, progress: Progress
) -> nn.Module:
    """p(c | x_t) of an edge's child rows; rows with a null key have no label."""
    noise, seed = _noise(settings), _seed(settings.seed, edge.name)
    held = torch.from_numpy(np.flatnonzero(edge.rows >= 0))
    labels = torch.from_numpy(latent.labels[edge.rows])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Classifier(rows.low.shape[1], latent.n_labels, settings.classifier_layers).to(settings.device)

    def loss(network: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        y = rows.draw(held[batch], generator).to(settings.device)
        return classifier_loss(network, noise, y, labels[held[batch]].to(settings.device), generator)

    schedule = Schedule(
        settings.classifier_iterations, settings.batch_size, settings.classifier_learning_rate, settings.muon,
        ema=settings.ema, held_back=settings.held_back,
    )  # fmt: skip
    with progress.stage(f"classifier {edge.name}", total=schedule.iterations, unit="steps") as advance:
        train(network, loss, len(held), schedule, name=edge.name, seed=seed, progress=advance)
    return network


def _draw_heard(n: int, n_edges: int, generator: torch.Generator) -> Tensor:
    """Half the rows hear all their parents, the others one of them, bool ``(n, n_edges)``."""
    one = torch.randint(n_edges, (n, 1), generator=generator) == torch.arange(n_edges)
    return one | (torch.rand(n, 1, generator=generator) < 0.5)


def _learn_meetings(
    database: EncodedDatabase, latents: Mapping[str, Latent], child: str
) -> tuple[np.ndarray, np.ndarray]:
    edges = database.edges_of(child)
    columns = []
    for edge, by_row in zip(edges, _known_by_row(database, edges), strict=True):
        names = np.arange(len(latents[edge.name].labels)) if by_row else latents[edge.name].labels
        columns.append(np.where(edge.rows >= 0, names[edge.rows] if len(names) else -1, -1))
    return np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)


def _known_by_row(database: EncodedDatabase, edges: Sequence[Edge]) -> list[bool]:
    """Whether a parent is asked for by its row, as kept ones are, or by its label.

    Where all parents are kept, all but one go by their labels: otherwise the pairs would be the real table's own.
    """
    known = [edge.parent in database.kept for edge in edges]
    return known if not all(known) else [j == 0 for j in range(len(edges))]


# --- synthesis (Algorithm 3)


class _Synthesis:
    """The tables drawn so far, parents first."""

    def __init__(self, model: ClavaModel, scale: float, seed: int, device: str) -> None:
        self.model, self.scale, self.device = model, scale, device
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.noise = _noise(model.settings)
        self.ranks: dict[str, np.ndarray] = {}
        self.features: dict[str, np.ndarray] = {}  # by table, as its children hear it
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
            ranks = _normal_ranks(z, self.rng)
            ranks = self._take_labels(table, ranks)
        self.ranks[table] = ranks
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
        known = _known_by_row(database, edges)
        anchor = None
        for j, edge in enumerate(edges):
            places = self._places(edge, wanted[:, j] >= 0)
            if len(edges) > 1 and settings.matching and settings.meeting == "values":
                # Nulls are places, too: a row without this parent is matched like any other.
                places = self.rng.permutation(np.r_[places, np.full(n - len(places), -1)])
                self.parents[edge.name] = places
                version = self._rows(table, n, [i == j for i in range(len(edges))])
                anchor = version if anchor is None else anchor
                match = np.arange(n) if j == 0 else match_rows(anchor, version, seed=int(self.rng.integers(2**31)))
                self.parents[edge.name] = places[match]
                continue
            rows = np.flatnonzero(wanted[:, j] >= 0)
            parents = np.full(n, -1, dtype=np.int64)
            if settings.matching:
                offered = places if known[j] else self.labels[edge.name][places]
                parents[rows] = match_places(wanted[rows, j], places, offered, self.rng)
            else:
                parents[rows] = self.rng.permutation(places)
            self.parents[edge.name] = parents
        stay = self._part_duplicates(table)
        # A denoiser that hears all parents draws the rows anew; the classifier's versions stay, as in the paper.
        return anchor[stay] if anchor is not None and settings.guidance == "classifier" else None

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
            hopeless = part_duplicates(
                parents, [self.labels[e.name] for e in chosen], [len(self.labels[e.name]) for e in chosen], self.rng
            )
            for edge, rows in zip(chosen, parents, strict=True):
                self.parents[edge.name] = rows
            stay = stay[~hopeless]
            for edge in edges:
                self.parents[edge.name] = self.parents[edge.name][~hopeless]
        return stay

    def _rows(self, table: str, n: int, heard: Sequence[bool], advance: Callable[[int], None] = lambda rows: None):
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
        blocks = [
            _edge_block(e, replace(model.latents[e.name], labels=self.labels[e.name], sizes=self.sizes[e.name]),
                        self.features, model.settings)
            for e in edges
        ]  # fmt: skip
        return Condition.of(edges, blocks, self.parents, n, self.device)

    def _guidance(self, edges: Sequence[Edge], rows: Tensor):
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


def _normal_ranks(z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each column's ranks among the drawn rows, spread over (0, 1), float32.

    A denoiser is never quite calibrated; its copula is taken, the marginals are the codec's (NOTE[DIFF]).
    """
    n = len(z)
    ranks = np.empty_like(z, dtype=np.float32)
    for j in range(z.shape[1]):
        ranks[np.argsort(z[:, j], kind="stable"), j] = (np.arange(n) + rng.random(n)) / max(n, 1)
    return ranks


# --- what training and synthesis share


def _noise(settings: Settings) -> Noise:
    return ContinuousNoise(settings.n_steps) if settings.noise == "continuous" else DiscreteNoise(settings.n_steps)


def _denoiser(n_variables: int, n_conditions: int, settings: Settings, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if settings.noise == "discrete":
            return MLPDenoiser(n_variables, n_conditions, settings.layers)
        return ResidualDenoiser(n_variables, n_conditions, settings.layers)


def _seed(seed: int, name: str) -> int:
    """A seed of its own for each network, so that one table's training does not depend on another's."""
    return int(np.random.SeedSequence([seed, zlib.crc32(name.encode())]).generate_state(1)[0])


def _no_condition(rows: _TrainingRows) -> Condition:
    return Condition((), (), (), len(rows.low))


def _edge_block(edge: Edge, latent: Latent, features: Mapping[str, np.ndarray], settings: Settings) -> np.ndarray:
    return edge_features(
        latent.labels, latent.n_labels, latent.sizes, latent.size_scale,
        features[edge.parent] if settings.ancestors else None,
    )  # fmt: skip


def _all_features(database: EncodedDatabase, seed: int) -> dict[str, np.ndarray]:
    """Every table's rows as their children hear them, ties spread as in drawn rows."""
    features: dict[str, np.ndarray] = {}
    rng = np.random.default_rng(seed)
    for table, codes in database.tables.items():
        of_parents = [gather(features[e.parent], e.rows) for e in database.edges_of(table)]
        ranks = codes.draw(rng)
        features[table] = row_features(codes, ranks, of_parents)
    return features


def _shape_of(database: EncodedDatabase) -> EncodedDatabase:
    """The database without its rows, but for those of kept tables."""
    tables = {
        t: c if t in database.kept else replace(c, low=c.low[:0], high=c.high[:0]) for t, c in database.tables.items()
    }
    edges = [e if e.child in database.kept else replace(e, rows=e.rows[:0]) for e in database.edges]
    return replace(database, tables=tables, edges=edges)


def _forget(latent: Latent, kept: bool) -> Latent:
    return latent if kept else replace(latent, labels=latent.labels[:0], sizes=latent.sizes[:0])
