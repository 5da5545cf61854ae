"""The denoiser over the graph of rows: each table's own network, which hears what the neighbours' noisy rows say.

GRDM's GraphSAGE comes before its multilayer perceptrons, so here: a small encoder for each table, a matrix for each
foreign key and direction, means over children; then a residual network for each table. Neighbourhoods are unrolled from
the rows to be denoised: parents always, of children a few, and never back to where a message came from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from scipy.linalg import block_diag
from scipy.special import ndtri
from torch import Tensor, nn

from ..columns.codec import Codes
from ..diffusion import Noise
from ..diffusion.networks import LevelEmbedding, MLPDenoiser, ResidualDenoiser
from .subgraphs import RowGraph

__all__ = ["GraphDenoiser", "TableSpec", "Values", "categories_heard"]

_MAX_ONE_HOT = 128  # categories of a nominal variable that are heard one by one
_KNOWN = 1e-3  # standard deviation that stands for none

Values = Callable[[str, Tensor, Tensor], Tensor]  # (table, rows, their noise levels) -> their noisy values


@dataclass(frozen=True)
class TableSpec:
    """What a network has to know of a table to be made: sizes only."""

    name: str
    n_variables: int
    n_labels: int
    n_sizes: int
    n_categories: int
    n_members: int
    parents: tuple[tuple[str, str], ...]  # (edge, parent table)
    children: tuple[tuple[str, str], ...]  # (edge, child table)
    kept: bool


class _Reader(nn.Module):
    """What noisy rows say: the values themselves, and the chance of each category given them."""

    def __init__(self, spec: TableSpec) -> None:
        super().__init__()
        self.register_buffer("upper", torch.zeros(spec.n_categories))
        self.register_buffer("lower", torch.zeros(spec.n_categories))
        self.register_buffer("variable", torch.zeros(spec.n_categories, dtype=torch.int64))
        self.register_buffer("members", torch.zeros(spec.n_categories, spec.n_members))

    def learn(self, codes: Codes) -> None:
        """Take the bounds of the categories, and what they are made of, from the table's codes."""
        upper, lower, variable, members = categories_heard(codes)
        self.upper, self.lower = torch.from_numpy(upper), torch.from_numpy(lower)
        self.variable, self.members = torch.from_numpy(variable), torch.from_numpy(members)

    def categories(self, mean: Tensor, std: Tensor) -> Tensor:
        """The chance of each category and the members expected, float32 ``(n, n_categories + n_members)``.

        Of a variable whose clean value is normal with this ``mean`` ``(n, n_variables)`` and ``std`` ``(n,)``: an
        indicator, as the noise fades.
        """
        at, s = mean[:, self.variable], std[:, None].clamp_min(_KNOWN)
        chances = torch.special.ndtr((self.upper - at) / s) - torch.special.ndtr((self.lower - at) / s)
        return torch.cat([chances, chances @ self.members], dim=1)

    def forward(self, scaled: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        return torch.cat([scaled, self.categories(mean, std)], dim=1)


def categories_heard(codes: Codes) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All categories of a table's nominal variables, but for those of two or too many.

    Returns:
        Upper and lower bound, standard normal, float32 ``(n_categories,)``; the variable, int64; what each is made of,
        float32 ``(n_categories, n_members)``, zero in other variables' columns.
    """
    upper, lower, variable, members = [], [], [], []
    made_of = codes.members or (None,) * len(codes.cuts)
    for j, (cuts, member) in enumerate(zip(codes.cuts, made_of, strict=True)):
        if cuts is not None and 2 < len(cuts) <= _MAX_ONE_HOT:
            inner = ndtri(np.clip(cuts[:-1], 0, 1))
            upper.append(np.r_[inner, np.inf])
            lower.append(np.r_[-np.inf, inner])
            variable.append(np.full(len(cuts), j))
            members.append(np.empty((len(cuts), 0)) if member is None else member)
    bounds = (np.concatenate([np.empty(0), *side]).astype(np.float32) for side in (upper, lower))
    blocks = block_diag(np.empty((0, 0)), *members).astype(np.float32)
    return *bounds, np.concatenate([np.empty(0, np.int64), *variable]), blocks


class _Node(nn.Module):
    """A neighbour's row as one vector, with what its own neighbours say."""

    def __init__(self, spec: TableSpec, width: int, n_messages: int) -> None:
        super().__init__()
        self.row = nn.Linear(spec.n_variables + spec.n_categories + spec.n_members + spec.n_sizes, width)
        self.labels = nn.Embedding(max(spec.n_labels, 1), width)
        nn.init.normal_(self.labels.weight, std=0.3)
        self.messages = nn.Linear(width * n_messages, width, bias=False) if n_messages else None
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, width)

    def forward(self, features: Tensor, labels: Tensor, level: Tensor | None, messages: Sequence[Tensor]) -> Tensor:
        h = self.row(features) + self.labels(labels).sum(1)
        if level is not None:
            h = h + level
        if self.messages is not None:
            h = h + self.messages(torch.cat(list(messages), dim=1))
        return nn.functional.silu(self.out(nn.functional.silu(self.norm(h))))


class GraphDenoiser(nn.Module):
    """One network for all tables.

    Args:
        specs: of the tables.
        width: of what neighbours say.
        fan_out: by hop, how many children of a row are heard; its length is the number of hops.
        layers: of each table's own network; with discrete noise the paper's plain layers.
    """

    def __init__(
        self, specs: Sequence[TableSpec | dict], width: int, fan_out: Sequence[int], layers: Sequence[int],
        plain: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.specs = {s.name: s for s in (TableSpec(**s) if isinstance(s, dict) else s for s in specs)}
        self.arguments = {
            "specs": [asdict(s) for s in self.specs.values()], "width": width, "fan_out": list(fan_out),
            "layers": list(layers), "plain": plain,
        }  # fmt: skip
        self.width, self.fan_out = width, tuple(fan_out)
        embedding = LevelEmbedding(32, *((1e-4, 1.0) if plain else (0.5, 8.0)))
        self.level = nn.Sequential(embedding, nn.Linear(32, width), nn.SiLU(), nn.Linear(width, width))
        self.key = key = {name: str(i) for i, name in enumerate(self.specs)}  # names may hold dots
        self.readers = nn.ModuleDict({key[s.name]: _Reader(s) for s in self.specs.values()})
        self.nodes = nn.ModuleList(
            nn.ModuleDict({key[s.name]: _Node(s, width, self._n_messages(s, hop)) for s in self.specs.values()})
            for hop in range(1, len(self.fan_out) + 1)
        )
        self.labels = nn.ModuleDict()
        self.rows = nn.ModuleDict()
        make = MLPDenoiser if plain else ResidualDenoiser
        for spec in self.specs.values():
            if spec.kept or not spec.n_variables:
                continue
            n_conditions = spec.n_categories + spec.n_members + spec.n_sizes + width * self._n_messages(spec, 0)
            self.labels[key[spec.name]] = nn.Embedding(max(spec.n_labels, 1), layers[0])
            nn.init.normal_(self.labels[key[spec.name]].weight, std=0.3)
            self.rows[key[spec.name]] = make(spec.n_variables, n_conditions + layers[0], layers)

    def _n_messages(self, spec: TableSpec, hop: int) -> int:
        if hop >= len(self.fan_out):
            return 0
        return len(spec.parents) + (len(spec.children) if self.fan_out[hop] else 0)

    @property
    def drawn(self) -> list[str]:
        """The tables that there is anything to draw of."""
        return [name for name in self.specs if self.key[name] in self.rows]

    def reader_of(self, table: str) -> _Reader:
        """What reads the table's noisy rows."""
        return self.readers[self.key[table]]

    @property
    def hidden(self) -> list[nn.Parameter]:
        return [weights for network in self.rows.values() for weights in network.hidden]

    def forward(
        self, graph: RowGraph, table: str, rows: Tensor, x: Tensor, level: Tensor, noise: Noise, values: Values,
        generator: torch.Generator,
    ) -> Tensor:  # fmt: skip
        """What the network says of noisy rows, float32 ``(n, n_variables)``; see `Noise.clean`.

        Args:
            rows: int64 ``(n,)``, which rows of the table.
            x: float32 ``(n, n_variables)``, their noisy values.
            level: ``(n,)``, the noise of each and of its neighbourhood.
            values: gives the neighbours' noisy values.
            generator: draws the children that are heard.
        """
        key = self.key[table]
        hear = _Hearing(self, graph, noise, values, generator)
        categories = self.readers[key].categories(*noise.posterior(x, level))
        condition = [categories, graph.sizes[table][rows], self.labels[key](graph.labels[table][rows]).sum(1)]
        condition += hear.messages(table, rows, level, 0, None, None)
        return self.rows[key](noise.scaled(x, level), noise.embed(level), torch.cat(condition, dim=1))


@dataclass(frozen=True)
class _Hearing:
    """One unrolling of neighbourhoods."""

    network: GraphDenoiser
    graph: RowGraph
    noise: Noise
    values: Values
    generator: torch.Generator

    def messages(
        self, table: str, rows: Tensor, level: Tensor, hop: int, came: tuple[str, str] | None, via: Tensor | None
    ) -> list[Tensor]:
        """What each edge's neighbours say to these rows, float32 ``(n, width)`` each.

        Args:
            hop: how far these rows are from those that are denoised.
            came: edge and direction on which these rows were reached, ``via`` from which rows.
        """
        spec, network, graph = self.network.specs[table], self.network, self.graph
        if hop >= len(network.fan_out):
            return []
        silence = torch.zeros(len(rows), network.width, device=rows.device)
        said = []
        for edge, parent in spec.parents:
            if came == (edge, "down") or not graph.n_rows[parent]:
                said.append(silence)
                continue
            parents = graph.neighbours[edge].parents[rows]
            of_parents = self.node(parent, parents.clamp_min(0), level, hop + 1, (edge, "up"), rows)
            said.append(of_parents * (parents >= 0)[:, None])
        if not network.fan_out[hop]:
            return said
        for edge, child in spec.children:
            but = via if came == (edge, "up") else None
            children, owner = graph.neighbours[edge].some_children(rows, network.fan_out[hop], self.generator, but)
            of_children = self.node(child, children, level[owner], hop + 1, (edge, "down"), rows[owner])
            heard = torch.bincount(owner, minlength=len(rows))
            said.append(silence.index_add(0, owner, of_children) / heard.clamp_min(1)[:, None])
        return said

    def node(
        self, table: str, rows: Tensor, level: Tensor, hop: int, came: tuple[str, str], via: Tensor
    ) -> Tensor:
        """Neighbours' rows as vectors, float32 ``(n, width)``."""
        network, graph, key = self.network, self.graph, self.network.key[table]
        x = self.values(table, rows, level)
        if network.specs[table].kept:
            features = network.readers[key](x, x, torch.zeros(len(x), device=x.device))
            embedded = None
        else:
            features = network.readers[key](self.noise.scaled(x, level), *self.noise.posterior(x, level))
            embedded = network.level(self.noise.embed(level))
        features = torch.cat([features, graph.sizes[table][rows]], dim=1)
        said = self.messages(table, rows, level, hop, came, via)
        return network.nodes[hop - 1][key](features, graph.labels[table][rows], embedded, said)
